//! Producing packed records: those of each partition are encoded into batches first, all of them, so that
//! bad input is refused before anything is written; then each batch is appended.

use std::collections::HashMap;
use std::sync::Arc;

use tidelog_format::batch::BatchHeader;
use tidelog_format::journal::PartitionId;
use tidelog_format::sequence;

use crate::encode::{Encoded, Encoder, Spare};
use crate::error::{Error, Result};
use crate::partition::{AppendDone, Appended, Terms};
use crate::producer_ids::{Claim, Hold, ProducerId};
use crate::store::Store;
use crate::sync::{Mutex, lock};
use crate::topic::{Partition, Topic};
use crate::workers::Lane;

/// Records with consecutive offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Their partition.
    pub partition: u32,
    /// The offset of the first.
    pub base_offset: u64,
    /// How many there are.
    pub count: u32,
    /// The time of their append in ms where the topic uses it, else -1.
    pub timestamp: i64,
}

/// What became of the records of one call.
#[derive(Debug, Default)]
pub struct ProduceOutcome {
    /// What was appended, in the order of the records of each partition; also when there was an error.
    pub runs: Vec<Run>,
    /// Why records are missing from `runs`. Records of one partition are missing from its end only.
    pub error: Option<Error>,
    /// The caller's buffers, to be used again.
    pub table: Vec<u8>,
    /// See `table`.
    pub bytes: Vec<u8>,
}

impl ProduceOutcome {
    /// One error tells of all that is missing: if any of it may be stored all the same, that is what it says.
    fn take_in(&mut self, error: Error) {
        if self
            .error
            .as_ref()
            .is_none_or(|known| error.indefinite() && !known.indefinite())
        {
            self.error = Some(error);
        }
    }
}

type Done = Box<dyn FnOnce(ProduceOutcome) + Send>;

/// Under which conditions a record is appended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Condition {
    /// Only at this offset; [`Error::OffsetConflict`] tells where the log ends instead.
    pub expect_offset: Option<u64>,
    /// Its sequence number among the records of this producer in its partition. One that is in the log is not
    /// appended again, one that does not follow is refused.
    pub sequence: Option<i32>,
}

/// The way of one producer's records into the log: they are encoded and written on the core's threads, in
/// the order of the calls, each batch with the producer's id and a sequence number (KIP-98). From
/// [`Store::producer_lane`] and [`Store::named_producer_lane`].
#[derive(Clone)]
pub struct ProducerLane(Arc<Inner>);

struct Inner {
    store: Store,
    lane: Lane,
    spare: Arc<Spare>,
    producer: Producer,
    sequences: Mutex<HashMap<PartitionId, i32>>,
}

/// Who sends.
enum Producer {
    /// Nobody whom others know: an id for as long as the store is open.
    Session(Result<i64>),
    Named(Hold),
}

impl ProducerLane {
    pub(crate) fn new(store: Store, lane: Lane, hold: Option<Hold>) -> ProducerLane {
        let producer = match hold {
            Some(hold) => Producer::Named(hold),
            None => Producer::Session(store.engine().context.producer_ids.new_session()),
        };
        ProducerLane(Arc::new(Inner {
            store,
            lane,
            spare: Arc::default(),
            producer,
            sequences: Mutex::default(),
        }))
    }

    /// Appends packed records (see [`tidelog_format::packed`]). Returns at once; `done` is called once, on a
    /// thread of the core, when all that could be appended is as durable as the topic promises. A record
    /// without a time gets the present.
    pub fn produce(
        &self,
        topic: &Topic,
        table: Vec<u8>,
        bytes: Vec<u8>,
        done: impl FnOnce(ProduceOutcome) + Send + 'static,
    ) {
        let (inner, topic) = (Arc::clone(&self.0), topic.clone());
        self.0.lane.push(move || {
            let batches = inner.encode(&topic, &table, &bytes, None);
            let progress = Progress::new(table, bytes, Box::new(done));
            match batches {
                Ok(batches) => inner.append(&topic, batches, &progress),
                Err(error) => progress.fail(error),
            }
            progress.finish_one();
        });
    }

    /// Appends one packed record under a condition, in turn with this lane's other work. Returns at once; `done` is called
    /// once, on a thread of the core, when it is as durable as the topic promises, with the buffers to be used again. A
    /// record that is in the log already has [`Appended::duplicate`] set, or ends in [`Error::DuplicateSequence`] where
    /// its offset is not known any more.
    pub fn produce_if(
        &self,
        topic: &Topic,
        table: Vec<u8>,
        bytes: Vec<u8>,
        condition: Condition,
        done: impl FnOnce(Result<Appended>, Vec<u8>, Vec<u8>) + Send + 'static,
    ) {
        let (inner, topic) = (Arc::clone(&self.0), topic.clone());
        self.0.lane.push(move || {
            let encoded = inner.encode(&topic, &table, &bytes, condition.sequence);
            let one = encoded.and_then(|batches| match <[Encoded; 1]>::try_from(batches) {
                Ok([one]) if one.count == 1 => Ok(one),
                _ => Err(Error::InvalidArgument {
                    argument: "table",
                    reason: "a condition is for one record".to_owned(),
                }),
            });
            let done = move |appended| done(appended, table, bytes);
            match one {
                Ok(one) => inner.append_if(&topic, one, condition, Box::new(done)),
                Err(error) => done(Err(error)),
            }
        });
    }

    /// The last sequence number of this producer in a partition, which counts its records there from 0 on; `None` if
    /// there is none. It is as durable as the topic promises. Blocks for the disk.
    ///
    /// # Errors
    /// [`Error::ProducerFenced`] if another one has taken the name over, [`Error::UnknownPartition`].
    pub fn last_sequence(&self, topic: &Topic, partition: u32) -> Result<Option<i32>> {
        let inner = &*self.0;
        inner.store.check_writable()?;
        let producer = inner.check()?;
        let log = topic.log(partition)?;
        let last = log.last_sequence(producer.producer_id, producer.epoch)?;
        if log.is_journaled() {
            log.sync()?;
        }
        Ok(last)
    }

    /// Appends an encoded record batch, in turn with this lane's other work. Returns at once; `done` is called
    /// as by [`Partition::append_with`].
    pub fn append(
        &self,
        partition: &Partition,
        batch: Vec<u8>,
        done: impl FnOnce(Result<Appended>) + Send + 'static,
    ) {
        let partition = partition.clone();
        self.0.lane.push(move || partition.append_with(batch, done));
    }
}

impl Inner {
    /// The id to send under, if nobody has taken it over.
    fn check(&self) -> Result<ProducerId> {
        match &self.producer {
            Producer::Session(id) => id.clone().map(|producer_id| ProducerId {
                producer_id,
                epoch: 0,
            }),
            Producer::Named(hold) => hold.check().map(|()| hold.id()),
        }
    }

    fn terms(&self, expect_offset: Option<u64>) -> Terms<'_> {
        let claim = match &self.producer {
            Producer::Session(_) => Claim::Session,
            Producer::Named(hold) => Claim::Holder(hold),
        };
        Terms {
            claim,
            expect_offset,
        }
    }

    fn encode(
        &self,
        topic: &Topic,
        table: &[u8],
        bytes: &[u8],
        sequence: Option<i32>,
    ) -> Result<Vec<Encoded>> {
        self.store.check_writable()?;
        let producer = self.check()?;
        let mut encoder = Encoder::new(topic, producer, &self.spare);
        encoder.add(table, bytes, |partition| match sequence {
            Some(sequence) => Ok(sequence),
            None => self.next_sequence(topic, partition, producer),
        })?;
        encoder.finish()
    }

    /// The sequence number of the next record for a partition. Lane jobs run one after the other, so it is what stays
    /// when the one before has appended.
    fn next_sequence(&self, topic: &Topic, partition: u32, producer: ProducerId) -> Result<i32> {
        let log = topic.log(partition)?;
        if let Some(next) = lock(&self.sequences).get(&log.id()) {
            return Ok(*next);
        }
        let last = log.last_sequence(producer.producer_id, producer.epoch)?;
        Ok(last.map_or(0, sequence::next))
    }

    fn append(&self, topic: &Topic, batches: Vec<Encoded>, progress: &Arc<Progress>) {
        for Encoded {
            partition,
            count,
            mut batch,
        } in batches
        {
            let outcome = topic.log(partition).and_then(|log| {
                let header =
                    BatchHeader::parse(&batch).map_err(|error| Error::invalid_batch(&error))?;
                Ok((log, header))
            });
            let (log, header) = match outcome {
                Ok(found) => found,
                Err(error) => return progress.fail(error),
            };
            let slot = progress.begin(partition, count);
            let shared = Arc::clone(progress);
            log.append(
                &mut batch,
                &header,
                self.terms(None),
                Box::new(move |appended| shared.end(slot, appended)),
            );
            self.spare.give_back(batch);
            // A batch that was refused has answered by now; those after it would leave a gap.
            if progress.has_failed() {
                return;
            }
            let next = sequence::advance(header.base_sequence, count);
            lock(&self.sequences).insert(log.id(), next);
        }
    }

    fn append_if(&self, topic: &Topic, one: Encoded, condition: Condition, done: AppendDone) {
        let mut batch = one.batch;
        let found = topic.log(one.partition).and_then(|log| {
            let header =
                BatchHeader::parse(&batch).map_err(|error| Error::invalid_batch(&error))?;
            Ok((log, header))
        });
        match found {
            Ok((log, header)) => {
                log.append(
                    &mut batch,
                    &header,
                    self.terms(condition.expect_offset),
                    done,
                );
                // The log knows best what comes next: whether this was appended is not known here.
                lock(&self.sequences).remove(&log.id());
            }
            Err(error) => done(Err(error)),
        }
        self.spare.give_back(batch);
    }
}

/// Gathers the outcomes of one call's batches, and calls back after the last.
struct Progress(Mutex<State>);

struct State {
    outcome: ProduceOutcome,
    runs: Vec<Option<Run>>,
    /// Batches under way, and one for the appending itself.
    open: usize,
    done: Option<Done>,
}

impl Progress {
    fn new(table: Vec<u8>, bytes: Vec<u8>, done: Done) -> Arc<Progress> {
        let outcome = ProduceOutcome {
            table,
            bytes,
            ..ProduceOutcome::default()
        };
        Arc::new(Progress(Mutex::new(State {
            outcome,
            runs: Vec::new(),
            open: 1,
            done: Some(done),
        })))
    }

    fn begin(&self, partition: u32, count: u32) -> usize {
        let mut state = lock(&self.0);
        state.open += 1;
        state.runs.push(Some(Run {
            partition,
            base_offset: 0,
            count,
            timestamp: -1,
        }));
        state.runs.len() - 1
    }

    fn end(&self, slot: usize, appended: Result<Appended>) {
        {
            let mut state = lock(&self.0);
            match appended {
                Ok(appended) => {
                    if let Some(Some(run)) = state.runs.get_mut(slot) {
                        run.base_offset = appended.base_offset;
                        run.timestamp = appended.timestamp;
                    }
                }
                Err(error) => {
                    if let Some(run) = state.runs.get_mut(slot) {
                        *run = None;
                    }
                    state.outcome.take_in(error);
                }
            }
        }
        self.finish_one();
    }

    fn fail(&self, error: Error) {
        lock(&self.0).outcome.take_in(error);
    }

    fn has_failed(&self) -> bool {
        lock(&self.0).outcome.error.is_some()
    }

    fn finish_one(&self) {
        let mut state = lock(&self.0);
        state.open -= 1;
        if state.open > 0 {
            return;
        }
        let Some(done) = state.done.take() else {
            return;
        };
        let mut outcome = std::mem::take(&mut state.outcome);
        outcome.runs = state.runs.drain(..).flatten().collect();
        drop(state);
        done(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_outcome_outweighs_a_known_one() {
        let full = || Error::StorageFull { path: "x".into() };
        let unknown = || Error::Poisoned {
            cause: "y".to_owned(),
        };
        for errors in [[full(), unknown()], [unknown(), full()]] {
            let mut outcome = ProduceOutcome::default();
            errors.into_iter().for_each(|error| outcome.take_in(error));
            assert!(outcome.error.unwrap().indefinite());
        }
    }
}
