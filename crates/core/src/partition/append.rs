//! Appending: under the partition's lock a batch is judged, gets its place, is written at the end of the active segment,
//! and joins the journal's open frame or is published.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidelog_format::batch::{Batch, BatchHeader};
use tidelog_format::journal::Place;

use super::placement::{Prepared, Writer};
use super::producers::Verdict;
use super::{Committed, Log};
use crate::config::TopicConfig;
use crate::error::{Error, Result};
use crate::journal::{Round, Turn};
use crate::knock_out::{self, Rule};
use crate::producer_ids::Claim;
use crate::sync::lock;

/// Where an append went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub base_offset: u64,
    /// Offset of the last record.
    pub last_offset: u64,
    /// The time of the append in ms where the topic uses it, else -1.
    pub timestamp: i64,
    /// Whether it had been appended before: this is a retry, and was answered as its original.
    pub duplicate: bool,
}

/// Under which terms a batch is appended.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// In whose name.
    pub claim: Claim<'a>,
    /// Only if it gets this offset.
    pub expect_offset: Option<u64>,
}

impl Terms<'_> {
    /// Of a batch that is encoded elsewhere.
    pub const FOREIGN: Terms<'static> = Terms {
        claim: Claim::Foreign,
        expect_offset: None,
    };
}

/// Called once with the outcome, on the appending thread (`buffered`) or a thread that does a round of the journal.
pub(crate) type AppendDone = Box<dyn FnOnce(Result<Appended>) + Send>;

impl Log {
    /// Appends a checked batch, which gets its place here, and calls `done` once it is as durable as the topic
    /// promises. The bytes are not needed any more when this returns. A retry of a batch that is in the log is
    /// answered as its original, and not before that is durable.
    pub fn append(
        self: &Arc<Self>,
        batch: &mut [u8],
        header: &BatchHeader,
        terms: Terms<'_>,
        done: AppendDone,
    ) {
        self.append_for(batch, header, terms, done, false);
    }

    /// As `append`, for a caller that waits for the answer anyway: if no round of the journal is under way, it does
    /// the one that this batch has joined.
    pub fn append_leading(
        self: &Arc<Self>,
        batch: &mut [u8],
        header: &BatchHeader,
        terms: Terms<'_>,
        done: AppendDone,
    ) {
        if let Some(round) = self.append_for(batch, header, terms, done, true) {
            round.run(self.context());
        }
    }

    fn append_for(
        self: &Arc<Self>,
        batch: &mut [u8],
        header: &BatchHeader,
        terms: Terms<'_>,
        done: AppendDone,
        leads: bool,
    ) -> Option<Round> {
        let config = self.topic().config();
        let identity = self
            .ready_to_append(&config, header, terms.claim)
            .and_then(|()| self.context().producer_ids.identify(terms.claim, header));
        let identity = match identity {
            Ok(identity) => identity,
            Err(error) => {
                done(Err(error));
                return None;
            }
        };
        let mut writer = lock(&self.writer);
        // Nobody takes the id over while this is held.
        let admitted = identity
            .as_ref()
            .map(|identity| identity.admit(terms.claim, header.producer_epoch))
            .transpose();
        let verdict = admitted.and_then(|admitted| {
            let verdict = self.judge(&mut writer, header, &terms)?;
            Ok((verdict, admitted))
        });
        let _admitted = match verdict {
            Ok((Verdict::Append, admitted)) => admitted,
            Ok((Verdict::Duplicate(original), _)) => {
                let waits = writer.journaled && !knock_out::is_out(Rule::RetryAfterOriginal);
                drop(writer);
                let done = move |synced: Result<()>| done(synced.map(|()| original));
                match waits {
                    true => self.context().journal.after(Box::new(done)),
                    false => done(Ok(())),
                }
                return None;
            }
            Err(error) => {
                drop(writer);
                done(Err(error));
                return None;
            }
        };
        if writer.journaled {
            return match self.append_journaled(&mut writer, &config, batch) {
                Ok((turn, appended)) => {
                    let end = writer.end(appended.last_offset + 1);
                    let done = Box::new(move |synced: Result<()>| done(synced.map(|()| appended)));
                    turn.join_at(self, end, done, leads)
                }
                Err(error) => {
                    drop(writer);
                    done(Err(error));
                    None
                }
            };
        }
        let appended = self
            .prepare(&mut writer, &config, batch, None)
            .and_then(|prepared| self.write(&mut writer, &config, &prepared, batch));
        if let Ok(appended) = appended {
            self.commit(Committed {
                end: writer.end(appended.last_offset + 1),
                journaled: false,
            });
        }
        drop(writer);
        self.wake();
        done(appended);
        None
    }

    /// What is to be done with a batch, by what is known of its producer and by the offset it would get.
    pub(super) fn judge(
        self: &Arc<Self>,
        writer: &mut Writer,
        header: &BatchHeader,
        terms: &Terms<'_>,
    ) -> Result<Verdict> {
        if header.producer_id >= 0 {
            let (topic, number) = (&self.topic().name, self.number());
            let producers = self.producers(writer)?;
            let verdict = producers.judge(header, terms.claim, topic, number)?;
            if verdict != Verdict::Append {
                return Ok(verdict);
            }
        }
        match terms.expect_offset {
            Some(expected) if expected != self.log_end() => Err(Error::OffsetConflict {
                topic: self.topic().name.clone(),
                partition: self.number(),
                expected,
                actual: self.log_end(),
            }),
            _ => Ok(Verdict::Append),
        }
    }

    /// Writes a batch and enters it in the open frame, which is held open for whoever joins it.
    fn append_journaled<'a>(
        self: &'a Arc<Self>,
        writer: &mut Writer,
        config: &TopicConfig,
        batch: &mut [u8],
    ) -> Result<(Turn<'a>, Appended)> {
        let prepared = self.prepare(writer, config, batch, None)?;
        let journal = &self.context().journal;
        // From here to the end the frame is held open: entries stand in it in the order of offsets.
        let mut turn = journal.enter(self.context(), &[batch.len()])?;
        let appended = self.write(writer, config, &prepared, batch)?;
        self.enter(&mut turn, &prepared, batch);
        Ok((turn, appended))
    }

    /// Enters a batch that was written in a frame.
    pub(super) fn enter(self: &Arc<Self>, turn: &mut Turn<'_>, prepared: &Prepared, batch: &[u8]) {
        if turn.is_extent(batch.len()) {
            turn.sync_files(self);
        }
        let place = Place {
            partition: self.id(),
            segment: prepared.segment_base(),
            position: prepared.position(),
        };
        turn.enter(&place, batch, prepared.records());
    }

    /// Appends a batch that keeps the offsets it has, for a log taken over from elsewhere: it must continue
    /// this one exactly, or begin it. Not durable, and in an `fsync` topic not readable, before `seal_import`.
    pub fn append_imported(self: &Arc<Self>, mut batch: Vec<u8>) -> Result<()> {
        let header = *Batch::check(&batch)
            .map_err(|error| Error::invalid_batch(&error))?
            .header();
        self.context().health.check()?;
        let config = self.topic().config();
        let mut writer = lock(&self.writer);
        let first = writer.active().is_none() && self.log_end() == 0;
        if !first && header.base_offset != self.log_end() {
            let reason = format!(
                "base offset {} does not continue the log's end {}",
                header.base_offset,
                self.log_end()
            );
            return Err(Error::InvalidBatch { reason });
        }
        if first {
            self.log_start.store(header.base_offset, Ordering::Release);
            self.log_end.store(header.base_offset, Ordering::Release);
        }
        writer.importing = true;
        let keep = Some(header.base_offset);
        let prepared = self.prepare(&mut writer, &config, &mut batch, keep)?;
        self.write(&mut writer, &config, &prepared, &batch)?;
        Ok(())
    }

    /// Makes what was imported durable and readable. The caller writes a checkpoint, without which a recovery
    /// would cut it: it is not in the journal.
    pub fn seal_import(&self) -> Result<()> {
        self.sync_files()?;
        let mut writer = lock(&self.writer);
        let end = writer.end(self.log_end());
        writer.importing = false;
        self.commit(Committed {
            end,
            journaled: writer.journaled,
        });
        drop(writer);
        self.wake();
        Ok(())
    }

    /// Whether an import into it has not finished.
    pub fn is_importing(&self) -> bool {
        lock(&self.writer).importing
    }

    /// Whether appends go through the journal.
    pub fn is_journaled(&self) -> bool {
        lock(&self.writer).journaled
    }

    /// Has appends go round the journal from now on. Blocks for the disk.
    pub fn leave_journal(self: &Arc<Self>) -> Result<()> {
        let mut writer = lock(&self.writer);
        if writer.journaled {
            let end = writer.end(self.log_end());
            self.context().journal.release(self.context(), self, end)?;
            writer.journaled = false;
        }
        Ok(())
    }

    /// Has appends go through the journal from now on, once `checkpoint` has made durable what was appended round it
    /// and where it ends: a recovery then knows where the frames go on. Blocks for the disk.
    ///
    /// A checkpoint that failed may stand there all the same, and would have what is appended round the journal cut
    /// off: another one takes it back, or nothing more is written.
    pub fn join_journal(logs: &[Arc<Log>], checkpoint: impl Fn() -> Result<()>) -> Result<()> {
        let mut writers: Vec<_> = logs.iter().map(|log| lock(&log.writer)).collect();
        let note = |journaled| {
            for log in logs {
                lock(&log.committed).journaled = journaled;
            }
        };
        note(true);
        if !knock_out::is_out(Rule::CheckpointBeforeJournal) {
            checkpoint().inspect_err(|_| {
                note(false);
                if let (Err(error), Some(log)) = (checkpoint(), logs.first()) {
                    log.context().health.poison(error);
                }
            })?;
        }
        for writer in &mut writers {
            writer.journaled = true;
        }
        Ok(())
    }

    pub(super) fn ready_to_append(
        &self,
        config: &TopicConfig,
        header: &BatchHeader,
        claim: Claim<'_>,
    ) -> Result<()> {
        self.context().health.check()?;
        self.check()?;
        if self.context().read_only {
            return Err(Error::ReadOnly);
        }
        if let Some(damage) = self.damage() {
            return Err(damage.clone());
        }
        if self.topic().is_internal() && !matches!(claim, Claim::Store) {
            return Err(self.topic().internal());
        }
        if header.size() as u64 > u64::from(config.max_batch_bytes) {
            return Err(Error::RecordTooLarge {
                what: "a record batch",
                size: header.size() as u64,
                limit: u64::from(config.max_batch_bytes),
                field: "max.message.bytes",
            });
        }
        Ok(())
    }
}
