//! Packed records to record batches, a partition at a time: cut at a size that fits the processor's cache, numbered for
//! their producer. All of it before any lock is taken, so that bad input is refused with nothing written.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidelog_format::FormatError;
use tidelog_format::batch::{Sequenced, TimestampType};
use tidelog_format::builder::BatchBuilder;
use tidelog_format::packed::{PackedRecord, PackedRecords};
use tidelog_format::sequence;

use crate::config::TopicConfig;
use crate::error::{Error, Result};
use crate::partition::now_ms;
use crate::producer_ids::ProducerId;
use crate::sync::{Mutex, lock};
use crate::topic::Topic;

/// Batches are cut at this many bytes before compression: large enough that the cost of a batch vanishes,
/// small enough that it stays in the processor's cache.
const BATCH_TARGET_BYTES: usize = 128 << 10;

/// Memory of batches that were written, for those to come.
#[derive(Default)]
pub(crate) struct Spare(Mutex<Vec<Vec<u8>>>);

impl Spare {
    /// More than the batches of one call need rarely.
    const KEPT: usize = 16;
    /// A batch of one huge record is not worth keeping its memory.
    const KEPT_BYTES: usize = 2 * BATCH_TARGET_BYTES;

    pub fn take(&self) -> Vec<u8> {
        lock(&self.0).pop().unwrap_or_default()
    }

    pub fn give_back(&self, buffer: Vec<u8>) {
        let mut kept = lock(&self.0);
        if kept.len() < Self::KEPT && buffer.capacity() <= Self::KEPT_BYTES {
            kept.push(buffer);
        }
    }
}

/// A batch to be appended.
pub(crate) struct Encoded {
    pub partition: u32,
    pub count: u32,
    pub batch: Vec<u8>,
}

/// Gathers records of one topic.
pub(crate) struct Encoder {
    topic: Topic,
    config: TopicConfig,
    producer: ProducerId,
    /// By partition.
    parts: BTreeMap<u32, Part>,
    encoded: Vec<Encoded>,
    encoded_bytes: usize,
    spare: Arc<Spare>,
}

/// The records of one partition that are not in a batch yet.
struct Part {
    builder: BatchBuilder,
    /// The sequence number of the next record that goes into a batch.
    sequence: i32,
}

impl Encoder {
    pub fn new(topic: &Topic, producer: ProducerId, spare: &Arc<Spare>) -> Encoder {
        Encoder {
            topic: topic.clone(),
            config: topic.config(),
            producer,
            parts: BTreeMap::new(),
            encoded: Vec::new(),
            encoded_bytes: 0,
            spare: Arc::clone(spare),
        }
    }

    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Bytes of what was gathered, before compression where it is not in a batch yet.
    pub fn size(&self) -> usize {
        let open = |part: &Part| match part.builder.is_empty() {
            true => 0,
            false => part.builder.size(),
        };
        self.encoded_bytes + self.parts.values().map(open).sum::<usize>()
    }

    /// Adds packed records (see [`tidelog_format::packed`]). `first_sequence` gives the sequence number of the first record
    /// in a partition. After an error a part of them may have been added.
    pub fn add(
        &mut self,
        table: &[u8],
        bytes: &[u8],
        first_sequence: impl Fn(u32) -> Result<i32>,
    ) -> Result<()> {
        let target = BATCH_TARGET_BYTES.min(self.config.max_batch_bytes as usize);
        let packed = PackedRecords::new(table, bytes).map_err(|error| invalid(0, &error))?;
        let now = now_ms();
        for (index, record) in packed.iter().enumerate() {
            let record = record.map_err(|error| invalid(index, &error))?;
            if record.key.is_none() && self.config.cleanup.compacts() {
                return Err(Error::keyless(index));
            }
            let timestamp = time_of(record.timestamp, now, &self.config, index)?;
            let part = match self.parts.get_mut(&record.partition) {
                Some(part) => part,
                None => {
                    self.topic.check_partition(record.partition)?;
                    let part = Part {
                        builder: builder(&self.config, &self.spare),
                        sequence: first_sequence(record.partition)?,
                    };
                    self.parts.entry(record.partition).or_insert(part)
                }
            };
            let size = record.size_upper_bound();
            if !part.builder.is_empty() && part.builder.size() + size > target {
                let done = finish(part, record.partition, &self.config, self.producer)?;
                self.encoded_bytes += done.batch.len();
                self.encoded.push(done);
                part.builder = builder(&self.config, &self.spare);
            }
            // Most records have no headers: their way is kept short.
            let builder = &mut part.builder;
            let appended = if record.has_headers() {
                append_with_headers(builder, timestamp, &record)
            } else {
                builder.append(timestamp, record.key, record.value, std::iter::empty())
            };
            appended.map_err(|error| invalid(index, &error))?;
        }
        Ok(())
    }

    /// The batches, those of each partition in order.
    pub fn finish(mut self) -> Result<Vec<Encoded>> {
        for (partition, part) in &mut self.parts {
            if !part.builder.is_empty() {
                let done = finish(part, *partition, &self.config, self.producer)?;
                self.encoded.push(done);
            }
        }
        Ok(self.encoded)
    }
}

fn builder(config: &TopicConfig, spare: &Spare) -> BatchBuilder {
    BatchBuilder::with_buffer(config.compression, TimestampType::CreateTime, spare.take())
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
    part: &mut Part,
    partition: u32,
    config: &TopicConfig,
    producer: ProducerId,
) -> Result<Encoded> {
    let count = part.builder.record_count();
    let sequenced = Sequenced {
        producer_id: producer.producer_id,
        producer_epoch: producer.epoch,
        base_sequence: part.sequence,
    };
    let batch = part
        .builder
        .finish_within(sequenced, config.max_batch_bytes as usize)
        .map_err(|error| Error::invalid_batch(&error))?;
    part.sequence = sequence::advance(part.sequence, count);
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
    Ok(Encoded {
        partition,
        count,
        batch,
    })
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
