//! What every partition of a store shares: the disk, its health, the budgets and the queues to the
//! store's threads.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tidelog_io::Storage;

use crate::group_commit::CommitQueue;
use crate::health::Health;
use crate::point_reads::RecordTables;
use crate::published::Changes;
use crate::segment::OpenSegments;
use crate::workers::Workers;

pub(crate) struct Context {
    pub storage: Arc<dyn Storage>,
    pub read_only: bool,
    /// Raised durably at each open for writing; every batch appended in this life carries it as its leader
    /// epoch, so that stale bytes behind a cut tail can't come back to life.
    pub incarnation: i32,
    pub health: Health,
    pub segments: OpenSegments,
    pub tables: RecordTables,
    pub commits: CommitQueue,
    pub changes: Changes,
    pub workers: Workers,
    /// Bytes appended since the last checkpoint.
    pub appended: AtomicU64,
    next_uid: AtomicU64,
}

impl Context {
    pub fn new(
        storage: Arc<dyn Storage>,
        read_only: bool,
        incarnation: i32,
        open_segments: usize,
        workers: Workers,
    ) -> Context {
        Context {
            storage,
            read_only,
            incarnation,
            health: Health::default(),
            segments: OpenSegments::new(open_segments),
            tables: RecordTables::default(),
            commits: CommitQueue::default(),
            changes: Changes::default(),
            workers,
            appended: AtomicU64::new(0),
            next_uid: AtomicU64::new(0),
        }
    }

    /// A number that no other partition of this life has, also after a topic of the same name is made again.
    pub fn next_uid(&self) -> u64 {
        self.next_uid.fetch_add(1, Ordering::Relaxed)
    }

    /// Syncs a folder; a failure is final, as with any sync.
    pub fn sync_dir(&self, path: &Path) -> crate::Result<()> {
        self.health.check_disk()?;
        self.storage.sync_dir(path).map_err(|error| {
            self.health
                .poison(format!("sync of folder {}: {error}", path.display()))
        })
    }
}
