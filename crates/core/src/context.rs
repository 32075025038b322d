//! What every partition of a store shares: the disk, its health, the budgets and the queues to the
//! store's threads.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidelog_io::Storage;

use crate::bell::Bell;
use crate::disk::Disk;
use crate::error::{IoContext, Result};
use crate::health::Health;
use crate::journal::Journal;
use crate::metrics::Counters;
use crate::point_reads::RecordTables;
use crate::producer_ids::ProducerIds;
use crate::published::Changes;
use crate::segment::OpenSegments;
use crate::sync::RwLock;
use crate::sync::atomic::AtomicU64;
use crate::workers::Workers;

/// A checkpoint is due early once this much was appended.
const CHECKPOINT_BYTES: u64 = 1 << 30;

pub(crate) struct Context {
    pub disk: Arc<Disk>,
    /// The disk, for what needs no more than files and folders.
    pub storage: Arc<dyn Storage>,
    pub read_only: bool,
    /// Raised durably at each open for writing; every batch appended in this life carries it as its leader
    /// epoch, so that stale bytes behind a cut tail can't come back to life.
    pub incarnation: i32,
    pub health: Arc<Health>,
    pub producer_ids: ProducerIds,
    pub segments: OpenSegments,
    pub tables: RecordTables,
    pub journal: Journal,
    /// Rung when a checkpoint is due before its time.
    pub checkpoints: Bell,
    /// Stopped when the store closes: compaction ends then, wherever it is.
    pub cleaning: Bell,
    pub changes: Changes,
    pub workers: Workers,
    pub metrics: Counters,
    /// Bytes appended in this life.
    pub appended: AtomicU64,
    /// Threads that remove or replace files of partitions share it; a backup that gives these files further names holds it
    /// alone. Taken before a partition's `files`.
    pub files_stay: RwLock<()>,
    next_uid: AtomicU64,
}

impl Context {
    pub fn new(
        disk: Arc<Disk>,
        read_only: bool,
        incarnation: i32,
        open_segments: usize,
        journal: Journal,
    ) -> Context {
        Context {
            storage: Arc::clone(&disk) as Arc<dyn Storage>,
            health: Arc::clone(disk.health()),
            disk,
            read_only,
            incarnation,
            producer_ids: ProducerIds::new(incarnation),
            segments: OpenSegments::new(open_segments),
            tables: RecordTables::default(),
            journal,
            checkpoints: Bell::default(),
            cleaning: Bell::default(),
            changes: Changes::default(),
            workers: Workers::new(),
            metrics: Counters::default(),
            appended: AtomicU64::new(0),
            files_stay: RwLock::new(()),
            next_uid: AtomicU64::new(0),
        }
    }

    /// A number that no other partition of this life has, also after a topic of the same name is made again.
    pub fn next_uid(&self) -> u64 {
        self.next_uid.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts what was appended, and asks for a checkpoint early when it is much, so that recovery stays short.
    pub fn count_appended(&self, bytes: u64) {
        let before = self.appended.fetch_add(bytes, Ordering::Relaxed);
        if before / CHECKPOINT_BYTES != (before + bytes) / CHECKPOINT_BYTES {
            self.checkpoints.ring();
        }
    }

    /// Syncs a folder.
    pub fn sync_dir(&self, path: &Path) -> Result<()> {
        self.storage.sync_dir(path).during("sync", path)
    }
}
