//! The store as a program holds it. Several handles, in one thread or many, share one engine; it closes with
//! the last of them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::config::{OpenOptions, TopicConfig};
use crate::engine::{Engine, RecoveryReport};
use crate::error::{Error, Result};
use crate::produce::ProducerLane;
use crate::registry;
use crate::topic::Topic;
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
        self.check_writable()?;
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

    /// Makes everything appended before durable, in all topics. Blocks for the disk.
    pub fn sync(&self) -> Result<()> {
        self.check_writable()?;
        self.engine().sync_all()
    }

    /// Runs a job on the core's worker threads.
    pub fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.engine().context.workers.spawn(job);
    }

    /// An ordered lane for one producer's records.
    pub fn producer_lane(&self) -> ProducerLane {
        ProducerLane::new(
            self.clone(),
            Lane::new(self.engine().context.workers.clone()),
        )
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
        let engine = Arc::clone(&self.engine);
        // The last handle may be dropped on a thread that must not wait, or on one of the engine's own.
        let closing = std::thread::Builder::new().name("tidelog-close".to_owned());
        let _ = closing.spawn(move || registry::release(&engine));
    }
}
