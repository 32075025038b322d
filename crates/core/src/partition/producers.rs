//! What a partition knows of its producers: of each the last sequence number, which is the floor below which everything
//! is in the log, and its last batches, so that a retry gets the answer of its original. Rules: Kafka's
//! (`ProducerStateManager`, KIP-98), but for what is older than the last batches, which is a duplicate here and no gap,
//! and for an unknown producer, which may not begin in the middle.

use std::collections::HashMap;

use tidelog_format::batch::{BatchHeader, TimestampType};
use tidelog_format::producer_snapshot::{ProducerEntry, ProducerSnapshot, SequencedBatch};
use tidelog_format::sequence;

use super::append::Appended;
use crate::error::{Error, Result};
use crate::producer_ids::{Claim, is_kept};

/// Batches of each producer that are remembered: as many as a Kafka client has on its way at most.
pub(crate) const WINDOW: usize = 5;
/// Producers without a name that are remembered. Those used least recently go first.
const SESSIONS_MAX: usize = 100_000;
/// Producers without a name are forgotten when they have sent nothing for so long.
const SESSION_MS: i64 = 7 * 24 * 3600 * 1000;

/// The producers of one partition.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    by_id: HashMap<i64, Producer>,
    /// How many of them have no name.
    sessions: usize,
    /// The largest id without a name that was forgotten, or -1.
    forgotten: i64,
    /// Bytes of batches that came since the state was written out.
    pub unsaved: u64,
}

#[derive(Debug, Clone)]
struct Producer {
    epoch: i16,
    last_sequence: i32,
    /// When it was last heard of, in ms.
    last_used: i64,
    /// Its last batches, the newest last.
    window: Window,
}

/// The last batches, without memory of their own: there may be very many producers.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    batches: [Option<SequencedBatch>; WINDOW],
}

impl Window {
    fn push(&mut self, batch: SequencedBatch) {
        self.batches.rotate_left(1);
        self.batches[WINDOW - 1] = Some(batch);
    }

    fn iter(&self) -> impl Iterator<Item = &SequencedBatch> {
        self.batches.iter().flatten()
    }
}

/// What is to be done with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Append,
    /// It is in the log.
    Duplicate(Appended),
}

impl Producers {
    pub fn new() -> Producers {
        Producers {
            forgotten: -1,
            ..Producers::default()
        }
    }

    /// Judges a batch whose epoch is the one in force. The topic and the partition are for the error.
    pub fn judge(
        &self,
        header: &BatchHeader,
        claim: Claim<'_>,
        topic: &str,
        partition: u32,
    ) -> Result<Verdict> {
        let (id, first) = (header.producer_id, header.base_sequence);
        let last = sequence::last_of(first, header.last_offset_delta + 1);
        let gap = |expected| Error::OutOfOrderSequence {
            topic: topic.to_owned(),
            partition,
            producer_id: id,
            expected,
            given: first,
        };
        let Some(known) = self.by_id.get(&id) else {
            // One that was forgotten may have begun with any batch, also with this one.
            let may_begin = is_kept(id) || id > self.forgotten;
            return match claim {
                Claim::Session | Claim::Store => Ok(Verdict::Append),
                _ if first == 0 && may_begin => Ok(Verdict::Append),
                _ if is_kept(id) => Err(gap(0)),
                _ => Err(Error::UnknownProducer {
                    producer_id: id,
                    epoch: header.producer_epoch,
                }),
            };
        };
        if header.producer_epoch < known.epoch {
            return Err(Error::ProducerFenced {
                name: format!("producer id {id}"),
            });
        }
        if header.producer_epoch > known.epoch {
            return match first {
                0 => Ok(Verdict::Append),
                _ => Err(gap(0)),
            };
        }
        let expected = sequence::next(known.last_sequence);
        if first == expected {
            return Ok(Verdict::Append);
        }
        let repeated =
            |batch: &&SequencedBatch| (batch.first_sequence, batch.last_sequence) == (first, last);
        if let Some(original) = known.window.iter().find(repeated) {
            return Ok(Verdict::Duplicate(Appended {
                base_offset: original.base_offset,
                last_offset: original.base_offset + u64::from(header.last_offset_delta),
                timestamp: original.timestamp,
                duplicate: true,
            }));
        }
        if ahead(expected, first) > 0 {
            return Err(gap(expected));
        }
        if ahead(expected, last) >= 0 {
            return Err(Error::SequenceOverlap {
                topic: topic.to_owned(),
                partition,
                producer_id: id,
                first,
                last,
                stored: known.last_sequence,
            });
        }
        Err(Error::DuplicateSequence {
            topic: topic.to_owned(),
            partition,
            producer_id: id,
            sequence: last,
        })
    }

    /// Notes a batch that is in the log now, or was found there.
    pub fn note(&mut self, header: &BatchHeader, now: i64) {
        let id = header.producer_id;
        if id < 0 {
            return;
        }
        self.unsaved += header.size() as u64;
        let sessions = &mut self.sessions;
        let producer = self.by_id.entry(id).or_insert_with(|| {
            *sessions += usize::from(!is_kept(id));
            Producer {
                epoch: header.producer_epoch,
                last_sequence: -1,
                last_used: now,
                window: Window::default(),
            }
        });
        if header.producer_epoch != producer.epoch {
            producer.epoch = header.producer_epoch;
            producer.window = Window::default();
        }
        let last = sequence::last_of(header.base_sequence, header.last_offset_delta + 1);
        producer.last_sequence = last;
        producer.last_used = now;
        let append_time = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
        producer.window.push(SequencedBatch {
            first_sequence: header.base_sequence,
            last_sequence: last,
            base_offset: header.base_offset,
            timestamp: if append_time {
                header.max_timestamp
            } else {
                -1
            },
        });
        if self.sessions > SESSIONS_MAX {
            self.forget_oldest();
        }
    }

    /// The base offsets of the last batches of all producers, in order.
    pub fn remembered_batches(&self) -> Vec<u64> {
        let mut offsets: Vec<u64> = self
            .by_id
            .values()
            .flat_map(|producer| producer.window.iter().map(|batch| batch.base_offset))
            .collect();
        offsets.sort_unstable();
        offsets
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty() && self.forgotten < 0
    }

    /// The last sequence number of a producer in this epoch.
    pub fn last_sequence(&self, producer_id: i64, epoch: i16) -> Option<i32> {
        self.by_id
            .get(&producer_id)
            .filter(|known| known.epoch == epoch)
            .map(|known| known.last_sequence)
    }

    /// Forgets a tenth of the producers without a name: one at a time would cost a search each.
    fn forget_oldest(&mut self) {
        let mut sessions: Vec<(i64, i64)> = self
            .by_id
            .iter()
            .filter(|(id, _)| !is_kept(**id))
            .map(|(id, producer)| (producer.last_used, *id))
            .collect();
        sessions.sort_unstable();
        for (_, id) in sessions.iter().take(SESSIONS_MAX / 10) {
            self.forget(*id);
        }
    }

    /// Forgets producers without a name that were not heard of for long.
    pub fn forget_expired(&mut self, now: i64) {
        let expired: Vec<i64> = self
            .by_id
            .iter()
            .filter(|(id, producer)| {
                !is_kept(**id) && now.saturating_sub(producer.last_used) > SESSION_MS
            })
            .map(|(id, _)| *id)
            .collect();
        expired.into_iter().for_each(|id| self.forget(id));
    }

    fn forget(&mut self, id: i64) {
        self.by_id.remove(&id);
        self.sessions -= 1;
        self.forgotten = self.forgotten.max(id);
    }

    /// What is written out; producers in the order of their ids.
    pub fn snapshot(&self, incarnation: i32) -> ProducerSnapshot {
        let mut producers: Vec<ProducerEntry> = self
            .by_id
            .iter()
            .map(|(id, producer)| ProducerEntry {
                producer_id: *id,
                epoch: producer.epoch,
                last_sequence: producer.last_sequence,
                last_timestamp: producer.last_used,
                kept: is_kept(*id),
                window: producer.window.iter().copied().collect(),
            })
            .collect();
        producers.sort_unstable_by_key(|producer| producer.producer_id);
        ProducerSnapshot {
            incarnation: incarnation as u32,
            forgotten: self.forgotten,
            producers,
        }
    }

    /// What was written out.
    pub fn restore(snapshot: &ProducerSnapshot) -> Producers {
        let mut producers = Producers {
            forgotten: snapshot.forgotten,
            ..Producers::default()
        };
        for entry in &snapshot.producers {
            let mut window = Window::default();
            let skipped = entry.window.len().saturating_sub(WINDOW);
            entry
                .window
                .iter()
                .skip(skipped)
                .for_each(|b| window.push(*b));
            producers.sessions += usize::from(!is_kept(entry.producer_id));
            producers.by_id.insert(
                entry.producer_id,
                Producer {
                    epoch: entry.epoch,
                    last_sequence: entry.last_sequence,
                    last_used: entry.last_timestamp,
                    window,
                },
            );
        }
        producers
    }
}

/// How far a sequence number is ahead of another one; negative when it is behind. They go round, so what is more than
/// half of the way ahead is behind.
fn ahead(of: i32, sequence: i32) -> i64 {
    const ROUND: i64 = 1 << 31;
    let distance = (i64::from(sequence) - i64::from(of)).rem_euclid(ROUND);
    if distance < ROUND / 2 {
        distance
    } else {
        distance - ROUND
    }
}

#[cfg(all(test, not(feature = "loom")))]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod tests;
