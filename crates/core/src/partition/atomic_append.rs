//! Appending to several partitions all or nothing: their locks are taken in one order, all batches get their places and
//! blocks, one frame of the journal takes them in, and their ends move together once it is durable. Nothing is written
//! before everything that can be refused was checked; what fails afterwards poisons the store, and the next opening
//! cuts it off.

use std::sync::Arc;

use super::Log;
use super::append::{Appended, Terms};
use super::placement::{Prepared, Writer};
use super::producers::Verdict;
use crate::config::TopicConfig;
use crate::error::{Error, Result};
use crate::journal::Done;
use crate::knock_out::{self, Rule};
use crate::producer_ids::Claim;
use crate::sync::{MutexGuard, lock};
use tidelog_format::batch::BatchHeader;

/// Partitions of one store that are locked together.
pub(crate) struct AtomicAppend<'a> {
    parts: Vec<Part<'a>>,
}

struct Part<'a> {
    log: &'a Arc<Log>,
    writer: MutexGuard<'a, Writer>,
    config: Arc<TopicConfig>,
    batches: Vec<Vec<u8>>,
    prepared: Vec<Prepared>,
}

impl<'a> AtomicAppend<'a> {
    /// Locks the partitions, which must be sorted by `uid` and distinct: the one order in which several are locked.
    pub fn lock(logs: &'a [Arc<Log>]) -> AtomicAppend<'a> {
        debug_assert!(logs.is_sorted_by(|a, b| a.uid() < b.uid()));
        let part = |log: &'a Arc<Log>| Part {
            log,
            writer: lock(&log.writer),
            config: log.topic().config(),
            batches: Vec::new(),
            prepared: Vec::new(),
        };
        AtomicAppend {
            parts: logs.iter().map(part).collect(),
        }
    }

    /// Gives batches of one partition their places, and says where they will be. Nothing is written yet.
    pub fn prepare(
        &mut self,
        log: &Arc<Log>,
        claim: Claim<'_>,
        mut batches: Vec<Vec<u8>>,
    ) -> Result<Vec<Appended>> {
        let part = self
            .parts
            .iter_mut()
            .find(|part| Arc::ptr_eq(part.log, log))
            .ok_or(Error::Closed)?;
        if !part.writer.journaled {
            return Err(part.log.topic().not_transactional());
        }
        let terms = Terms {
            claim,
            expect_offset: None,
        };
        let mut first = true;
        for batch in &batches {
            let header = BatchHeader::parse(batch).map_err(|error| Error::invalid_batch(&error))?;
            part.log.ready_to_append(&part.config, &header, claim)?;
            // Those that follow continue the first: they were numbered together.
            if std::mem::take(&mut first)
                && part.log.judge(&mut part.writer, &header, &terms)? != Verdict::Append
            {
                return Err(Error::OutOfOrderSequence {
                    topic: part.log.topic().name.clone(),
                    partition: part.log.number(),
                    producer_id: header.producer_id,
                    expected: header.base_sequence,
                    given: header.base_sequence,
                });
            }
        }
        let prepared = part
            .log
            .prepare_all(&mut part.writer, &part.config, &mut batches)?;
        part.batches = batches;
        part.prepared = prepared;
        Ok(part.prepared.iter().map(Prepared::appended).collect())
    }

    /// Writes everything that was prepared, in one frame, and calls `done` when that is durable.
    ///
    /// # Errors
    /// Those for which nothing was written; `done` is dropped then. Later ones poison the store and go to `done`.
    pub fn write(mut self, done: Done) -> Result<()> {
        self.parts.retain(|part| !part.prepared.is_empty());
        let Some(first) = self.parts.first() else {
            done(Ok(()));
            return Ok(());
        };
        let context = Arc::clone(first.log.context());
        let lens: Vec<usize> = self
            .parts
            .iter()
            .flat_map(|part| part.batches.iter().map(Vec::len))
            .collect();
        let mut turn = context.journal.enter(&context, &lens)?;
        let mut written = false;
        for part in &mut self.parts {
            for (prepared, batch) in part.prepared.iter().zip(&part.batches) {
                let appended = part
                    .log
                    .write(&mut part.writer, &part.config, prepared, batch);
                match appended {
                    Ok(_) => written = true,
                    Err(error) if !written => return Err(error),
                    // A part of it is in the segments, and in no frame.
                    Err(error) => {
                        let error = context.health.poison(error);
                        drop(turn);
                        drop(self);
                        done(Err(error));
                        return Ok(());
                    }
                }
                part.log.enter(&mut turn, prepared, batch);
            }
            turn.move_end(part.log, part.writer.end(part.log.log_end()));
            if knock_out::is_out(Rule::OneFrame) {
                turn.close();
            }
        }
        turn.join(done);
        Ok(())
    }
}
