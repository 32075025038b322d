//! One partition's log: its segments, its ends and the lock under which it grows. Appending, reading,
//! searching, retention and recovery are in files of their own.

mod append;
mod atomic_append;
mod follow;
mod load;
mod placement;
mod producer_snapshots;
mod producers;
mod read;
mod read_filtered;
mod recover;
mod replace;
mod retention;
mod search;
mod waiters;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidelog_format::published::Published;

use crate::config::{Durability, TopicConfig};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::knock_out::{self, Rule};
use crate::published;
use crate::segment::Segment;
use crate::sync::atomic::{AtomicBool, AtomicU64};
use crate::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, lock, read};

pub use append::Appended;
pub(crate) use append::{AppendDone, Terms};
pub(crate) use atomic_append::AtomicAppend;
pub(crate) use load::{Left, Marks, goes_beyond};
pub(crate) use placement::now_ms;
#[cfg(test)]
pub(crate) use producers::WINDOW;
pub use read::ReadResult;
use waiters::{Waiters, Wake};

/// What the partitions of a topic share.
#[derive(Debug)]
pub(crate) struct TopicMeta {
    pub name: String,
    pub id: [u8; 16],
    pub config: RwLock<Arc<TopicConfig>>,
    pub store_durability: Durability,
}

impl TopicMeta {
    pub fn config(&self) -> Arc<TopicConfig> {
        Arc::clone(&read(&self.config))
    }

    /// Whether only the store itself writes to it.
    pub fn is_internal(&self) -> bool {
        is_internal(&self.name)
    }

    /// Refuses what a program may not do to a topic of the store's own.
    pub fn internal(&self) -> Error {
        Error::InvalidArgument {
            argument: "topic",
            reason: format!("{:?} is the store's own; it can only be read", self.name),
        }
    }

    /// Refuses a transaction's records, whose frame would not be what makes them whole.
    pub fn not_transactional(&self) -> Error {
        Error::InvalidArgument {
            argument: "topic",
            reason: format!(
                "{:?} is buffered; a transaction writes to topics with durability fsync only",
                self.name
            ),
        }
    }

    pub fn durability(&self) -> Durability {
        self.config().durability.unwrap_or(self.store_durability)
    }
}

/// Committed offsets, in Kafka's words.
pub(crate) const CONSUMER_OFFSETS: &str = "__consumer_offsets";
/// Names and transactional ids, with what became of their transactions.
pub(crate) const TRANSACTION_STATE: &str = "__transaction_state";

/// Whether a topic of this name belongs to the store itself.
pub(crate) fn is_internal(name: &str) -> bool {
    name == CONSUMER_OFFSETS || name == TRANSACTION_STATE
}

/// A partition as the engine holds it. The ends are in order:
/// log start offset <= high watermark <= log end offset.
pub(crate) struct Log {
    context: Arc<Context>,
    topic: Arc<TopicMeta>,
    number: u32,
    uid: u64,
    folder: PathBuf,
    /// The first offset that may be read. Durable before anything below it is unlinked.
    log_start: AtomicU64,
    /// The end of what may be read: for `fsync` topics the durable end, for `buffered` ones the log end.
    high_watermark: AtomicU64,
    /// The offset that the next record gets.
    log_end: AtomicU64,
    committed: Mutex<Committed>,
    /// What a durable checkpoint says: everything below this offset is in the segments, which the journal writes no more.
    recovery_point: AtomicU64,
    /// The log start of a durable checkpoint. No segment beyond it, or beyond the recovery point, is unlinked.
    durable_start: AtomicU64,
    /// In order of their base offsets; replaced whole when one is added or removed, so that readers hold no lock.
    segments: RwLock<Arc<Vec<Arc<Segment>>>>,
    writer: Mutex<placement::Writer>,
    unsynced: Mutex<Unsynced>,
    sync: Mutex<()>,
    /// Held while what the writer in another process has done is taken over: the life of the store that it is of.
    following: Mutex<u32>,
    /// Held while files come to the folder or leave it, or are written there, other than the writer's. Taken before the
    /// writer's lock. A deletion of the topic waits for it: the folder's path may be another topic's after that.
    files: Mutex<()>,
    compaction: replace::Compaction,
    waiters: Waiters,
    /// Whether its ends are already in the queue for readers in other processes.
    pub(crate) announced: AtomicBool,
    deleted: AtomicBool,
    /// Damage below the durable end: what lies before it is served, nothing is appended.
    damage: Option<Error>,
}

/// An end of the log, and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SyncPoint {
    pub offset: u64,
    /// Base offset of the segment that the next record goes to.
    pub segment: u64,
    /// Its size in bytes at that offset.
    pub position: u64,
}

/// How far the log may be read, and where a recovery begins once that much is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Committed {
    pub end: SyncPoint,
    /// Whether what comes next goes through the journal.
    pub journaled: bool,
}

/// Held while files of a partition go or are replaced.
struct OwnFiles<'a> {
    _files: MutexGuard<'a, ()>,
    _stay: RwLockReadGuard<'a, ()>,
}

#[derive(Default)]
struct Unsynced {
    segments: Vec<Arc<Segment>>,
    /// A segment file was made and its folder entry is not durable yet.
    folder: bool,
}

impl Log {
    pub fn uid(&self) -> u64 {
        self.uid
    }

    pub fn number(&self) -> u32 {
        self.number
    }

    pub fn topic(&self) -> &Arc<TopicMeta> {
        &self.topic
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    pub fn log_start(&self) -> u64 {
        self.log_start.load(Ordering::Acquire)
    }

    pub fn high_watermark(&self) -> u64 {
        self.high_watermark.load(Ordering::Acquire)
    }

    pub fn log_end(&self) -> u64 {
        self.log_end.load(Ordering::Acquire)
    }

    /// A snapshot of the segments; it stays readable while held, also when some are deleted.
    pub fn segments(&self) -> Arc<Vec<Arc<Segment>>> {
        Arc::clone(&read(&self.segments))
    }

    pub fn bytes(&self) -> u64 {
        self.segments().iter().map(|segment| segment.size()).sum()
    }

    pub fn damage(&self) -> Option<&Error> {
        self.damage.as_ref()
    }

    /// Refuses work on a closed store or a deleted topic.
    pub fn check(&self) -> Result<()> {
        if self.context.health.is_closed() {
            return Err(Error::Closed);
        }
        match self.is_deleted() {
            true => Err(self.topic_deleted()),
            false => Ok(()),
        }
    }

    fn topic_deleted(&self) -> Error {
        Error::TopicDeleted {
            name: self.topic.name.clone(),
        }
    }

    /// The right to take files of the folder away and to put others in their place, while the topic exists. Waits while a
    /// backup gives the files of all partitions names of its own.
    fn own_files(&self) -> Result<OwnFiles<'_>> {
        let stay = read(&self.context.files_stay);
        Ok(OwnFiles {
            _files: self.own_folder()?,
            _stay: stay,
        })
    }

    /// The right to write files that no backup copies, while the topic exists.
    fn own_folder(&self) -> Result<MutexGuard<'_, ()>> {
        let files = lock(&self.files);
        match self.is_deleted() {
            true => Err(self.topic_deleted()),
            false => Ok(files),
        }
    }

    /// Makes everything appended before durable. Blocks for the disk.
    pub fn sync(&self) -> Result<()> {
        if self.committed().journaled {
            self.context.journal.flush()
        } else {
            self.sync_files()
        }
    }

    /// Syncs the segments, and the folder if there are new ones. What was appended before is then in them for good.
    pub fn sync_files(&self) -> Result<()> {
        let _one_at_a_time = lock(&self.sync);
        let mut left = std::mem::take(&mut *lock(&self.unsynced));
        let synced = self.sync_all_of(&mut left);
        if synced.is_err() {
            // The next one does what this one could not.
            let mut unsynced = lock(&self.unsynced);
            unsynced.segments.append(&mut left.segments);
            unsynced.folder |= left.folder;
        }
        synced
    }

    /// Leaves what could not be synced.
    fn sync_all_of(&self, left: &mut Unsynced) -> Result<()> {
        while let Some(segment) = left.segments.last() {
            match segment.sync(&self.context) {
                // Its file is gone already.
                Err(Error::Io { .. }) if self.is_deleted() => {}
                other => other?,
            }
            left.segments.pop();
        }
        if left.folder && !knock_out::is_out(Rule::SyncFolders) {
            self.sync_folder()?;
        }
        self.context.health.check_disk()
    }

    fn sync_folder(&self) -> Result<()> {
        self.context.health.check_disk()?;
        match self.context.sync_dir(&self.folder) {
            // The topic was deleted meanwhile, and its folder with it.
            Err(Error::Io { .. }) if self.is_deleted() => Ok(()),
            other => other,
        }
    }

    fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    /// Makes all durable and completes the active segment's index files, for an orderly close.
    pub fn settle(&self) -> Result<()> {
        self.sync_files()?;
        if self.damage.is_none() {
            match self.save_producers(1, || Ok(())) {
                // It is made again from the log, or not needed any more.
                Ok(()) | Err(Error::TopicDeleted { .. }) => {}
                Err(error) if error.is_shortage() => {}
                Err(error) => return Err(error),
            }
        }
        let writer = lock(&self.writer);
        match writer.active() {
            Some(active) if self.damage.is_none() && active.is_touched() => {
                self.seal(active, self.topic.config().index_interval_bytes)
            }
            _ => Ok(()),
        }
    }

    /// Ends a segment; its indexes are made durable with it.
    fn seal(&self, segment: &Arc<Segment>, index_interval: u32) -> Result<()> {
        segment.seal(&self.context, index_interval)?;
        let mut unsynced = lock(&self.unsynced);
        if segment.mark_dirty() {
            unsynced.segments.push(Arc::clone(segment));
        }
        unsynced.folder = true;
        Ok(())
    }

    /// How far the log may be read, with the place.
    pub fn committed(&self) -> Committed {
        *lock(&self.committed)
    }

    /// A durable checkpoint says so of this partition.
    pub fn note_checkpoint(&self, log_start: u64, recovery_point: u64) {
        self.durable_start.fetch_max(log_start, Ordering::AcqRel);
        self.recovery_point
            .fetch_max(recovery_point, Ordering::AcqRel);
    }

    /// Tells readers in other processes how far they may read.
    pub fn publish_ends(&self) -> Result<()> {
        let _files = self.own_folder()?;
        // Cleared first: a move while it is being written is announced again.
        self.announced.store(false, Ordering::Release);
        let ends = Published {
            log_start: self.log_start(),
            high_watermark: self.high_watermark(),
            incarnation: self.context.incarnation as u32,
        };
        published::store(&*self.context.storage, &self.folder, &ends)
            .inspect_err(|_| self.announce())
    }

    /// Moves the end of what may be read. `wake` tells those who wait.
    pub fn commit(&self, committed: Committed) {
        let mut current = lock(&self.committed);
        *current = committed;
        self.high_watermark
            .fetch_max(committed.end.offset, Ordering::AcqRel);
    }

    /// Wakes who waited for the high watermark to move.
    pub fn wake(&self) {
        self.waiters.wake_up_to(self.high_watermark());
        self.announce();
    }

    /// Has the ends written out for readers in other processes.
    pub fn announce(&self) {
        if !self.context.read_only && !self.announced.swap(true, Ordering::AcqRel) {
            self.context.changes.add(self.uid);
        }
    }

    /// Calls `wake` once the high watermark is above `offset`, at once if it is.
    pub fn wait_for(&self, handle: u64, offset: u64, wake: Wake) -> Result<u64> {
        self.check()?;
        let id = self.waiters.enter(handle, offset, wake);
        if let Err(error) = self.check() {
            self.waiters.fail(&error);
        }
        self.waiters.wake_up_to(self.high_watermark());
        Ok(id)
    }

    pub fn cancel_wait(&self, id: u64) -> bool {
        self.waiters.cancel(id)
    }

    pub fn has_waiters(&self) -> bool {
        !self.waiters.is_empty()
    }

    /// Ends what waits on this partition through a store handle that closes.
    pub fn close_waiters(&self, handle: u64) {
        self.waiters.close(handle);
    }

    /// Ends all that waits on this partition.
    pub fn fail_waiters(&self, error: &Error) {
        self.waiters.fail(error);
    }

    /// Lets files and maps go, in a store that is closed.
    pub fn close_files(&self) {
        for segment in self.segments().iter() {
            segment.abandon();
        }
    }

    /// The topic is gone: nothing is appended or read any more, and files are let go.
    pub fn delete(&self) {
        self.deleted.store(true, Ordering::Release);
        self.waiters.fail(&self.topic_deleted());
        let _files = lock(&self.files);
        let _no_append_in_flight = lock(&self.writer);
        *lock(&self.unsynced) = Unsynced::default();
        self.close_files();
    }
}
