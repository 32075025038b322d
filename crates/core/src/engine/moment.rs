//! The store held still: what a checkpoint has noted of all partitions, as of one moment, with every file that it needs.

use std::sync::Arc;

use tidelog_format::checkpoint::{Checkpoint, PartitionMark};

use super::{Engine, stored};
use crate::catalog::{Catalog, StoredTopic};
use crate::error::Result;
use crate::partition::{Log, now_ms};
use crate::sync::{MutexGuard, RwLockWriteGuard, lock, read, write};

/// While it lives no file of a partition goes or is replaced, and no topic is made, changed or deleted. Records are
/// appended and read meanwhile, so it must not live long.
pub(crate) struct Moment<'a> {
    /// The ends of all partitions. Everything below them is durable in their segments, and a recovery begins there.
    pub checkpoint: Checkpoint,
    pub topics: Vec<StoredTopic>,
    /// All partitions, each with its mark in the checkpoint.
    pub partitions: Vec<(Arc<Log>, PartitionMark)>,
    /// In ms since 1970.
    pub time_ms: i64,
    _files: RwLockWriteGuard<'a, ()>,
    _catalog: MutexGuard<'a, Catalog>,
}

impl Engine {
    /// Holds the store still. Blocks for the disk: less, if a checkpoint was made just before.
    pub fn hold_still(&self) -> Result<Moment<'_>> {
        let catalog = lock(&self.catalog);
        let files = write(&self.context.files_stay);
        let mut run = self.begin_checkpoint(false)?;
        let (checkpoint, logs) = (run.noted().clone(), run.logs().to_vec());
        let time_ms = now_ms();
        run.sync().and_then(|()| run.write()).inspect_err(|error| {
            self.context.journal.checkpoint_failed(error);
        })?;
        let topics = read(&self.topics)
            .values()
            .map(|state| stored(state))
            .collect();
        let marks = checkpoint.partitions.iter().cloned();
        Ok(Moment {
            partitions: logs.into_iter().zip(marks).collect(),
            checkpoint,
            topics,
            time_ms,
            _files: files,
            _catalog: catalog,
        })
    }
}
