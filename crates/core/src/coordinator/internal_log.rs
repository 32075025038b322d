//! A log of latest records by key, in a topic of the store's own with one partition, which is compacted.

use std::sync::Arc;

use tidelog_format::batch::{Batch, TimestampType};
use tidelog_format::builder::BatchBuilder;
use tidelog_format::compression::Compression;

use crate::config::{CleanupPolicy, Durability, TopicChange, TopicConfig};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::partition::{Log, now_ms};
use crate::sync::read;

/// The one that is being written is not compacted.
const SEGMENT_BYTES: u64 = 4 << 20;
const BATCH_BYTES: usize = 128 << 10;
const READ_BYTES: usize = 1 << 20;

/// A key, and what is in force for it; nothing takes it back.
pub(super) type Record = (Vec<u8>, Option<Vec<u8>>);

pub(super) struct InternalLog {
    log: Arc<Log>,
}

impl InternalLog {
    /// Opens the log, and makes it if there is none.
    pub fn open(engine: &Engine, name: &str) -> Result<InternalLog> {
        let topic = match engine.open_topic(name) {
            Ok(topic) => topic,
            Err(Error::UnknownTopic { .. }) => engine.create_topic(
                name,
                TopicConfig {
                    partitions: 1,
                    durability: Some(Durability::Fsync),
                    cleanup: CleanupPolicy::Compact,
                    segment_bytes: SEGMENT_BYTES,
                    ..TopicConfig::default()
                },
            )?,
            Err(error) => return Err(error),
        };
        if !engine.context.read_only && !topic.meta.config().cleanup.compacts() {
            // It was made when the store could not compact yet.
            let change = TopicChange {
                cleanup: Some(CleanupPolicy::Compact),
                ..TopicChange::default()
            };
            engine.alter_topic(&topic, &change)?;
        }
        let log = read(&topic.logs).first().cloned().ok_or(Error::Closed)?;
        match log.damage() {
            Some(damage) => Err(damage.clone()),
            None => Ok(InternalLog { log }),
        }
    }

    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Calls `visit` with all records, in order.
    pub fn replay(&self, mut visit: impl FnMut(&[u8], Option<&[u8]>) -> Result<()>) -> Result<()> {
        let (mut bytes, mut scratch) = (Vec::new(), Vec::new());
        let mut offset = self.log.log_start();
        while offset < self.log.high_watermark() {
            let next = self.log.read(offset, READ_BYTES, &mut bytes)?.next;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let damaged = |error| Error::invalid_batch(&error);
                let batch = Batch::check(rest).map_err(damaged)?;
                for record in batch.records(&mut scratch).map_err(damaged)? {
                    let record = record.map_err(damaged)?;
                    if record.offset >= offset {
                        visit(record.key.unwrap_or_default(), record.value)?;
                    }
                }
                rest = rest.get(batch.bytes().len()..).unwrap_or_default();
            }
            offset = next;
        }
        Ok(())
    }
}

/// Batches of these records.
pub(super) fn encode(records: Vec<Record>) -> Result<Vec<Vec<u8>>> {
    let now = now_ms();
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    let mut batches = Vec::new();
    for (key, value) in records {
        if builder.size() >= BATCH_BYTES {
            batches.push(finish(&mut builder)?);
        }
        builder
            .append(now, Some(&key), value.as_deref(), std::iter::empty())
            .map_err(|error| Error::invalid_batch(&error))?;
    }
    if !builder.is_empty() {
        batches.push(finish(&mut builder)?);
    }
    Ok(batches)
}

fn finish(builder: &mut BatchBuilder) -> Result<Vec<u8>> {
    builder
        .finish()
        .map_err(|error| Error::invalid_batch(&error))
}
