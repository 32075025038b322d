//! The store as a program holds it. Several handles, in one thread or many, share one engine; it closes with
//! the last of them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tidelog_format::topic_name;

use crate::answer::{Answer, wait};
use crate::backup::{self, BackupReport};
use crate::config::{OpenOptions, TopicConfig};
use crate::coordinator::check_name;
use crate::coordinator::offsets::{Claim, CommittedOffset, OffsetCommit};
use crate::engine::{Engine, RecoveryReport, Retained};
use crate::error::{Error, Result};
use crate::metrics::StoreMetrics;
use crate::partition::{TRANSACTION_STATE, is_internal};
use crate::produce::ProducerLane;
use crate::producer_ids::{ProducerId, is_kept};
use crate::registry;
use crate::topic::{Partition, Topic};
use crate::transaction::{
    self, TransactionNumber, TransactionOptions, TransactionOutcome, TransactionalProducer,
};
use crate::workers::Lane;

/// An open store. Clones are the same handle; opening the folder again in this process gives another handle
/// on the same engine, which closes when its last handle is closed or dropped.
///
/// Dropping the last handle closes the engine on a thread of its own; [`Store::close`] waits for it.
#[derive(Clone)]
pub struct Store(Arc<Handle>);

struct Handle {
    id: u64,
    engine: Arc<Engine>,
    closed: AtomicBool,
}

static NEXT_HANDLE: AtomicU64 = AtomicU64::new(0);

impl Store {
    /// Opens the store in a folder, made if need be. Recovers it first if it was not closed in order; blocks
    /// meanwhile.
    ///
    /// # Errors
    /// [`Error::StoreLocked`], [`Error::NotAStore`], [`Error::UnsupportedVersion`],
    /// [`Error::UnsupportedFileSystem`], [`Error::CorruptFile`], [`Error::Io`].
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Store> {
        options.validate()?;
        let engine = registry::acquire(path.as_ref(), options)?;
        let id = NEXT_HANDLE.fetch_add(1, Ordering::Relaxed);
        Ok(Store(Arc::new(Handle {
            id,
            engine,
            closed: AtomicBool::new(false),
        })))
    }

    /// Makes a topic, durably. Blocks for the disk.
    ///
    /// # Errors
    /// [`Error::InvalidTopicName`], [`Error::InvalidConfig`], [`Error::TopicExists`].
    pub fn create_topic(&self, name: &str, config: TopicConfig) -> Result<Topic> {
        topic_name::validate_new(name).map_err(|error| Error::InvalidTopicName {
            name: name.to_owned(),
            reason: error.reason.to_owned(),
        })?;
        self.take_over_topic(name, config)
    }

    /// As [`Store::create_topic`], under any name that Kafka allows.
    pub(crate) fn take_over_topic(&self, name: &str, config: TopicConfig) -> Result<Topic> {
        self.check_writable()?;
        check_not_internal(name)?;
        let state = self.engine().create_topic(name, config)?;
        Ok(Topic::new(self.clone(), state))
    }

    /// Opens a topic that exists.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`].
    pub fn open_topic(&self, name: &str) -> Result<Topic> {
        self.check()?;
        let state = self.engine().open_topic(name)?;
        Ok(Topic::new(self.clone(), state))
    }

    /// The names of all topics, sorted.
    pub fn topics(&self) -> Result<Vec<String>> {
        self.check()?;
        self.engine().topic_names()
    }

    /// Deletes a topic with its records. Handles on it fail from now on; its disk space is free when this
    /// returns. Blocks for the disk.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`].
    pub fn delete_topic(&self, name: &str) -> Result<()> {
        self.check_writable()?;
        check_not_internal(name)?;
        self.engine().delete_topic(name)
    }

    /// The store's folder.
    pub fn path(&self) -> &Path {
        &self.engine().path
    }

    /// The store's id.
    pub fn id(&self) -> &str {
        &self.engine().id
    }

    /// Whether the store was opened read-only.
    pub fn is_read_only(&self) -> bool {
        self.engine().context.read_only
    }

    /// What opening the store found and did.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.engine().recovery
    }

    /// What the store has done since it was opened in this process, and how it stands. Waits for whoever is writing to the
    /// journal, for as long as he does. A store opened read-only tells of the topics that were opened.
    pub fn metrics(&self) -> Result<StoreMetrics> {
        self.check()?;
        Ok(self.engine().metrics())
    }

    /// Makes everything appended before durable, in all topics. Blocks for the disk.
    pub fn sync(&self) -> Result<()> {
        self.check_writable()?;
        self.engine().sync_all()
    }

    /// Copies the store as it is at one moment into a folder that is empty or not there, and is a store when this returns.
    /// Others go on writing. Files that are never written again are shared with the copy where the folder is on the same
    /// file system; the rest is copied. What was acknowledged before the call is in it, of `buffered` topics too, and
    /// all of it is durable. `progress` gets the bytes done and all bytes, and stops the backup by giving false.
    /// Blocks for the disk.
    ///
    /// ```
    /// # use tidelog::{OpenOptions, Store, TopicConfig};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// let store = Store::open(folder.path().join("data"), OpenOptions::default())?;
    /// store.create_topic("orders", TopicConfig::default())?;
    /// let copy = folder.path().join("copy");
    /// store.backup(&copy, |done, total| done <= total)?;
    /// store.close()?;
    /// assert_eq!(Store::open(&copy, OpenOptions::default())?.topics()?, ["orders"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a folder that holds anything or lies in the store; [`Error::StoreLocked`] while
    /// another backup is made there; [`Error::ReadOnly`], [`Error::Stopped`], [`Error::StorageFull`], [`Error::Io`]. The
    /// folder is then as it was, or holds what the next backup into it clears.
    pub fn backup(
        &self,
        folder: impl AsRef<Path>,
        mut progress: impl FnMut(u64, u64) -> bool,
    ) -> Result<BackupReport> {
        backup::run(self, folder.as_ref(), &mut progress)
    }

    /// Runs a job on the core's worker threads.
    pub fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.engine().context.workers.spawn(job);
    }

    /// An ordered lane for one producer's records, under an id that nobody else has.
    pub fn producer_lane(&self) -> ProducerLane {
        ProducerLane::new(
            self.clone(),
            Lane::new(self.engine().context.workers.clone()),
            None,
        )
    }

    /// As [`Store::producer_lane`], for a producer with a name: its id and its sequence numbers stay the same from one
    /// opening of the store to the next, and what is known of it is never forgotten. Whoever had the name open is
    /// fenced. Blocks for the disk.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a name that is empty, over 1024 bytes, or holds control characters.
    pub fn named_producer_lane(&self, name: &str) -> Result<ProducerLane> {
        check_name("name", name)?;
        self.check_writable()?;
        let engine = self.engine();
        let (hold, ()) = wait(|done| {
            engine
                .coordinator
                .with_names(engine, |names| names.take_over_name(engine, name, done))
        })?;
        let lane = Lane::new(engine.context.workers.clone());
        Ok(ProducerLane::new(self.clone(), lane, Some(hold)))
    }

    /// Gives out a producer id for batches that are encoded elsewhere: a new one or, for a transactional id, its own in a
    /// new epoch, whose older ones are fenced then. What Kafka's `InitProducerId` does (KIP-98). Blocks for the disk if an
    /// id is given.
    pub fn init_producer_id(&self, transactional_id: Option<&str>) -> Result<ProducerId> {
        self.check_writable()?;
        let engine = self.engine();
        let Some(id) = transactional_id else {
            let producer_id = engine.context.producer_ids.new_session()?;
            return Ok(ProducerId {
                producer_id,
                epoch: 0,
            });
        };
        check_name("transactional id", id)?;
        let timeout_ms = TransactionOptions::default().timeout.as_millis() as i32;
        let (hold, ()) = wait(|done| {
            engine.coordinator.with_names(engine, |names| {
                names.initialize(engine, id, timeout_ms, done)
            })
        })?;
        Ok(hold.id())
    }

    /// Takes a transactional id over: whoever had it is fenced. Blocks for the disk.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] names what is out of bounds.
    pub fn transactional_producer(
        &self,
        id: &str,
        options: TransactionOptions,
    ) -> Result<TransactionalProducer> {
        TransactionalProducer::initialize(self.clone(), id, options)
    }

    /// What became of a transaction, also after a crash. Of each id the last 5 epochs are on record, and of each of them
    /// the last 64 transactions before the last committed one. Blocks for the disk.
    ///
    /// # Errors
    /// [`Error::UnknownOutcome`] for an older one, and one that there never was.
    pub fn transaction_outcome(
        &self,
        id: &str,
        number: TransactionNumber,
    ) -> Result<TransactionOutcome> {
        self.check_writable()?;
        transaction::outcome(self.engine(), id, number)
    }

    /// Commits offsets of a group that has no members, and calls `done` once when they are durable; the records that they
    /// cover are durable before. Blocks for the disk.
    ///
    /// # Errors
    /// To `done`: [`Error::OffsetOutOfRange`] for an offset beyond the high watermark, [`Error::GroupNotEmpty`],
    /// [`Error::InvalidArgument`].
    pub fn commit_offsets(
        &self,
        group: &str,
        offsets: &[OffsetCommit],
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) {
        let (answer, engine) = (Answer::new(done), self.engine());
        let committed = self.check_writable().and_then(|()| {
            let offsets = offsets
                .iter()
                .map(OffsetCommit::of_log)
                .collect::<Result<_>>()?;
            engine
                .coordinator
                .commit_offsets(engine, group, offsets, Claim::Others, &answer)
        });
        if let Err(error) = committed {
            answer.give(Err(error));
        }
    }

    /// The offsets that a group has committed, of topics that are there. Blocks for the disk the first time.
    pub fn committed_offsets(&self, group: &str) -> Result<Vec<CommittedOffset>> {
        self.check()?;
        let engine = self.engine();
        engine.coordinator.committed_offsets(engine, group)
    }

    /// The groups that have members or committed offsets, sorted. Blocks for the disk the first time.
    pub fn groups(&self) -> Result<Vec<String>> {
        self.check()?;
        self.engine().coordinator.groups(self.engine())
    }

    /// Takes all committed offsets of a group back, durably. Blocks for the disk.
    ///
    /// # Errors
    /// [`Error::GroupNotEmpty`] while it has members.
    pub fn delete_group(&self, group: &str) -> Result<()> {
        self.check_writable()?;
        let engine = self.engine();
        wait(|done| {
            let answer = Answer::new(done);
            engine.coordinator.delete_group(engine, group, &answer)
        })
        .map(|_| ())
    }

    /// The high watermarks of partitions of this store as of one moment: either all records of a transaction are below
    /// them or none. Does not wait for the disk.
    pub fn high_watermarks(&self, partitions: &[Partition]) -> Vec<u64> {
        self.engine()
            .high_watermarks(partitions.iter().map(Partition::log))
    }

    /// Has the names read if a producer id may belong to one.
    pub(crate) fn know_producer(&self, producer_id: i64) -> Result<()> {
        let engine = self.engine();
        let named = producer_id >= 0 && is_kept(producer_id);
        match named && engine.topic_id(TRANSACTION_STATE).is_some() {
            true => engine.coordinator.with_names(engine, |_| Ok(())),
            false => Ok(()),
        }
    }

    /// Has `told` called on a thread of the core each time that retention has deleted records of a partition, until this
    /// handle is closed. It must not wait.
    pub fn on_retention(&self, told: impl Fn(&Retained) + Send + Sync + 'static) -> Result<()> {
        self.check()?;
        self.engine().listeners.add(self.0.id, Box::new(told));
        Ok(())
    }

    /// Closes this handle; everything that hangs on it fails with [`Error::Closed`] from now on, and who waits
    /// is woken. With the last handle the engine closes: what was appended is made durable, and opening again
    /// needs no recovery. Blocks for the disk. Closing again does nothing.
    ///
    /// # Errors
    /// [`Error::Poisoned`] or [`Error::Io`] when the end could not be made durable; the store is closed anyway.
    pub fn close(&self) -> Result<()> {
        if self.0.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.engine().close_waiters(self.0.id);
        let engine = self.engine();
        engine.coordinator.groups.close_handle(engine, self.0.id);
        engine.listeners.remove(self.0.id);
        registry::release(&self.0.engine)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn handle_id(&self) -> u64 {
        self.0.id
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.0.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        Ok(())
    }

    pub(crate) fn check_writable(&self) -> Result<()> {
        self.check()?;
        if self.is_read_only() {
            return Err(Error::ReadOnly);
        }
        self.engine().context.health.check()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.engine.listeners.remove(self.id);
        let engine = Arc::clone(&self.engine);
        // The last handle may be dropped on a thread that must not wait, or on one of the engine's own.
        let closing = std::thread::Builder::new().name("tidelog-close".to_owned());
        let _ = closing.spawn(move || registry::release(&engine));
    }
}

/// Refuses what only the store does.
fn check_not_internal(name: &str) -> Result<()> {
    match is_internal(name) {
        true => Err(Error::InvalidTopicName {
            name: name.to_owned(),
            reason: "it belongs to the store itself; choose another".to_owned(),
        }),
        false => Ok(()),
    }
}
