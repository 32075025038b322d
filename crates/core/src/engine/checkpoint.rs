//! Checkpoints bound recovery, and free the journal's files. In one moment the last durable frame is noted and, as
//! of it, the end of every partition; then everything that is not synced is synced; then the older slot is written
//! and synced. What the slot says is true from its first byte on, and what it covers is needed no more.

use std::sync::Arc;

use tidelog_format::checkpoint::{Checkpoint, PartitionMark};

use super::Engine;
use crate::checkpoint::CheckpointFile;
use crate::config::Durability;
use crate::error::{Error, Result};
use crate::fan_out;
use crate::knock_out::{self, Rule};
use crate::partition::Log;
use crate::sync::{MutexGuard, lock};

/// A checkpoint that is being made; no other begins meanwhile.
pub(crate) struct CheckpointRun<'a> {
    engine: &'a Engine,
    file: MutexGuard<'a, Option<CheckpointFile>>,
    logs: Vec<Arc<Log>>,
    noted: Checkpoint,
}

impl Engine {
    /// Makes everything appended before durable in its segments, and notes that durably. `clean` says that nothing
    /// will be written any more. Blocks for the disk.
    pub fn checkpoint(&self, clean: bool) -> Result<()> {
        let mut run = self.begin_checkpoint(clean)?;
        run.sync().and_then(|()| run.write()).inspect_err(|error| {
            self.context.journal.checkpoint_failed(error);
        })
    }

    /// Writing stops for good where the lock keeps others out no more: another process may write to the same files.
    fn keep_lock(&self) -> Result<()> {
        let held = lock(&self.writer_lock);
        // What can't be asked now is asked with the next checkpoint.
        match held.as_ref().map(|held| held.keep()) {
            Some(Ok(false)) => Err(self.context.health.poison(format!(
                "the lock of {} is another process's now: its .lock or the folder itself was replaced",
                self.path.display()
            ))),
            _ => Ok(()),
        }
    }

    /// Notes the ends as of the last durable frame.
    pub fn begin_checkpoint(&self, clean: bool) -> Result<CheckpointRun<'_>> {
        if let Some(damage) = self.context.health.damage() {
            return Err(damage.clone());
        }
        let file = lock(&self.checkpoint);
        if file.is_none() {
            return Err(Error::Closed);
        }
        self.keep_lock()?;
        let logs = self.all_logs();
        let noted = self.context.journal.as_of(|synced| Checkpoint {
            generation: 0,
            incarnation: self.context.incarnation as u32,
            clean,
            journaled: self.durability == Durability::Fsync,
            frame: synced.frame,
            journal_file: synced.file,
            journal_position: synced.position,
            journal_files: Vec::new(),
            partitions: marks(&logs),
        });
        Ok(CheckpointRun {
            engine: self,
            file,
            logs,
            noted,
        })
    }
}

impl CheckpointRun<'_> {
    /// What is noted, as of one moment.
    pub fn noted(&self) -> &Checkpoint {
        &self.noted
    }

    /// The partitions that are noted, in the order of their marks.
    pub fn logs(&self) -> &[Arc<Log>] {
        &self.logs
    }

    /// Syncs everything that was not synced when the ends were noted.
    pub fn sync(&mut self) -> Result<()> {
        if knock_out::is_out(Rule::SyncSegments) {
            return Ok(());
        }
        let context = &self.engine.context;
        fan_out::for_each(&self.logs, |log| log.sync_files())?;
        self.noted.journal_files = context.journal.sync_files(context)?;
        if knock_out::is_out(Rule::NoteAtOnce) {
            self.noted.partitions = marks(&self.logs);
        }
        if knock_out::is_out(Rule::RecycleAfterSlot) {
            self.engine.context.journal.recycle(self.noted.frame);
        }
        Ok(())
    }

    /// Writes and syncs the slot; the frames that it covers are needed no more.
    pub fn write(mut self) -> Result<()> {
        let context = &self.engine.context;
        let frame = self.noted.frame;
        let marks: Vec<(u64, u64)> = self
            .noted
            .partitions
            .iter()
            .map(|mark| (mark.log_start, mark.recovery_point))
            .collect();
        if let Some(file) = &mut *self.file {
            file.write(context, &self.engine.path, self.noted)?;
        }
        for (log, (log_start, recovery_point)) in self.logs.iter().zip(marks) {
            log.note_checkpoint(log_start, recovery_point);
        }
        context.journal.recycle(frame);
        context.metrics.checkpoints.add(1);
        Ok(())
    }
}

/// What a checkpoint says of these partitions, in their order.
pub(super) fn marks(logs: &[Arc<Log>]) -> Vec<PartitionMark> {
    logs.iter().map(|log| mark(log)).collect()
}

fn mark(log: &Log) -> PartitionMark {
    let committed = log.committed();
    PartitionMark {
        topic_id: log.topic().id,
        partition: log.number(),
        log_start: log.log_start(),
        recovery_point: committed.end.offset,
        recovery_segment: committed.end.segment,
        recovery_position: committed.end.position,
        journaled: committed.journaled,
        damaged: log.damage().is_some(),
    }
}
