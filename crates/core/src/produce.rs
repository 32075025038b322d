//! Producing packed records: those of each partition are encoded into batches first, all of them, so that
//! bad input is refused before anything is written; then each batch is appended.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidelog_format::FormatError;
use tidelog_format::batch::{BatchHeader, TimestampType};
use tidelog_format::builder::BatchBuilder;
use tidelog_format::packed::{PackedRecord, PackedRecords};

use crate::config::TopicConfig;
use crate::error::{Error, Result};
use crate::partition::{Appended, now_ms};
use crate::store::Store;
use crate::sync::{Mutex, lock};
use crate::topic::{Partition, Topic};
use crate::workers::Lane;

/// Batches are cut at this many bytes before compression: large enough that the cost of a batch vanishes,
/// small enough that it stays in the processor's cache.
const BATCH_TARGET_BYTES: usize = 128 << 10;

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

/// The way of one producer's records into the log: they are encoded and written on the core's threads, in
/// the order of the calls. From [`Store::producer_lane`].
#[derive(Clone)]
pub struct ProducerLane {
    store: Store,
    lane: Lane,
    spare: Arc<Spare>,
}

/// Memory of batches that were written, for those to come.
#[derive(Default)]
struct Spare(Mutex<Vec<Vec<u8>>>);

impl Spare {
    /// More than the batches of one call need rarely.
    const KEPT: usize = 16;
    /// A batch of one huge record is not worth keeping its memory.
    const KEPT_BYTES: usize = 2 * BATCH_TARGET_BYTES;

    fn take(&self) -> Vec<u8> {
        lock(&self.0).pop().unwrap_or_default()
    }

    fn give_back(&self, buffer: Vec<u8>) {
        let mut kept = lock(&self.0);
        if kept.len() < Self::KEPT && buffer.capacity() <= Self::KEPT_BYTES {
            kept.push(buffer);
        }
    }
}

impl ProducerLane {
    pub(crate) fn new(store: Store, lane: Lane) -> ProducerLane {
        ProducerLane {
            store,
            lane,
            spare: Arc::default(),
        }
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
        let (store, topic, spare) = (self.store.clone(), topic.clone(), Arc::clone(&self.spare));
        self.lane.push(move || {
            let batches = store
                .check()
                .and_then(|()| encode(&topic, &table, &bytes, &spare));
            let progress = Progress::new(table, bytes, Box::new(done));
            match batches {
                Ok(batches) => append(&topic, batches, &progress, &spare),
                Err(error) => progress.fail(error),
            }
            progress.finish_one();
        });
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
        self.lane.push(move || partition.append_with(batch, done));
    }
}

struct Encoded {
    partition: u32,
    count: u32,
    batch: Vec<u8>,
}

fn encode(topic: &Topic, table: &[u8], bytes: &[u8], spare: &Spare) -> Result<Vec<Encoded>> {
    let config = topic.config();
    let target = BATCH_TARGET_BYTES.min(config.max_batch_bytes as usize);
    let packed = PackedRecords::new(table, bytes).map_err(|error| invalid(0, &error))?;
    let now = now_ms();
    let new_builder =
        || BatchBuilder::with_buffer(config.compression, TimestampType::CreateTime, spare.take());
    let mut builders: BTreeMap<u32, BatchBuilder> = BTreeMap::new();
    let mut encoded = Vec::new();
    for (index, record) in packed.iter().enumerate() {
        let record = record.map_err(|error| invalid(index, &error))?;
        let timestamp = time_of(record.timestamp, now, &config, index)?;
        let builder = match builders.get_mut(&record.partition) {
            Some(builder) => builder,
            None => {
                topic.check_partition(record.partition)?;
                builders.entry(record.partition).or_insert(new_builder())
            }
        };
        let size = record.size_upper_bound();
        if !builder.is_empty() && builder.size() + size > target {
            finish(builder, record.partition, &config, &mut encoded)?;
            *builder = new_builder();
        }
        // Most records have no headers: their way is kept short.
        let appended = if record.has_headers() {
            append_with_headers(builder, timestamp, &record)
        } else {
            builder.append(timestamp, record.key, record.value, std::iter::empty())
        };
        appended.map_err(|error| invalid(index, &error))?;
    }
    for (partition, mut builder) in builders {
        if !builder.is_empty() {
            finish(&mut builder, partition, &config, &mut encoded)?;
        }
    }
    Ok(encoded)
}

#[inline(never)]
fn append_with_headers(
    builder: &mut BatchBuilder,
    timestamp: i64,
    record: &PackedRecord<'_>,
) -> std::result::Result<(), FormatError> {
    builder.append(timestamp, record.key, record.value, record.headers())
}

fn finish(
    builder: &mut BatchBuilder,
    partition: u32,
    config: &TopicConfig,
    out: &mut Vec<Encoded>,
) -> Result<()> {
    let count = builder.record_count();
    let batch = builder
        .finish()
        .map_err(|error| Error::invalid_batch(&error))?;
    if batch.len() > config.max_batch_bytes as usize {
        return Err(Error::RecordTooLarge {
            what: if count == 1 {
                "a record"
            } else {
                "a record batch"
            },
            size: batch.len() as u64,
            limit: u64::from(config.max_batch_bytes),
            field: "max.message.bytes",
        });
    }
    out.push(Encoded {
        partition,
        count,
        batch,
    });
    Ok(())
}

fn time_of(given: Option<i64>, now: i64, config: &TopicConfig, index: usize) -> Result<i64> {
    // The append sets the time of such a topic, whatever a record brings.
    if config.timestamp_type == TimestampType::LogAppendTime {
        return Ok(now);
    }
    let timestamp = given.unwrap_or(now);
    let latest = now.saturating_add_unsigned(config.max_future_ms);
    if timestamp < 0 || timestamp > latest {
        let reason = format!(
            "timestamp {timestamp} is outside of 0 to {latest} (now and message.timestamp.after.max.ms); give it in ms since 1970"
        );
        return Err(Error::InvalidRecord { index, reason });
    }
    Ok(timestamp)
}

fn invalid(index: usize, error: &FormatError) -> Error {
    match error {
        FormatError::TooLarge { what, size, limit } => Error::RecordTooLarge {
            what,
            size: *size as u64,
            limit: *limit as u64,
            field: "nothing: it is fixed",
        },
        other => Error::InvalidRecord {
            index,
            reason: other.to_string(),
        },
    }
}

fn append(topic: &Topic, batches: Vec<Encoded>, progress: &Arc<Progress>, spare: &Spare) {
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
            Box::new(move |appended| shared.end(slot, appended)),
        );
        spare.give_back(batch);
        // A batch that was refused has answered by now; those after it would leave a gap.
        if progress.has_failed() {
            return;
        }
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
