//! A log of latest records by key, in a topic of the store's own with one partition. It is bounded by being rewritten: when
//! it has become much longer than what is in force, all that is in force is appended anew, and the log begins there.

use std::sync::Arc;

use tidelog_format::batch::{Batch, TimestampType};
use tidelog_format::builder::BatchBuilder;
use tidelog_format::compression::Compression;

use crate::config::{Durability, TopicConfig};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::partition::{AtomicAppend, Log, now_ms};
use crate::producer_ids::Claim;
use crate::sync::read;

/// A shorter log is not rewritten.
const REWRITE_MIN: u64 = 16 << 20;
/// How many times longer than what is in force it may be.
const REWRITE_FACTOR: u64 = 4;
/// Whole segments are unlinked.
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
                    segment_bytes: SEGMENT_BYTES,
                    ..TopicConfig::default()
                },
            )?,
            Err(error) => return Err(error),
        };
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

    /// Appends all that is in force, if the log has become long.
    pub fn rewrite(&self, records: impl FnOnce() -> Vec<Record>) -> Result<Option<Rewrite>> {
        if self.log.bytes() < REWRITE_MIN {
            return Ok(None);
        }
        let batches = encode(records())?;
        let len: usize = batches.iter().map(Vec::len).sum();
        if self.log.bytes() < len as u64 * REWRITE_FACTOR {
            return Ok(None);
        }
        let logs = [Arc::clone(&self.log)];
        let mut begin = None;
        let (answer, durable) = std::sync::mpsc::channel();
        for batch in batches {
            let mut append = AtomicAppend::lock(&logs);
            let placed = append.prepare(&self.log, Claim::Store, vec![batch])?;
            begin = begin.or(placed.first().map(|placed| placed.base_offset));
            let answer = answer.clone();
            append.write(Box::new(move |written| {
                let _ = answer.send(written);
            }))?;
        }
        Ok(Some(Rewrite {
            log: Arc::clone(&self.log),
            begin: begin.unwrap_or_else(|| self.log.log_end()),
            durable,
        }))
    }
}

/// A log whose content was appended anew from `begin` on.
pub(super) struct Rewrite {
    log: Arc<Log>,
    begin: u64,
    durable: std::sync::mpsc::Receiver<Result<()>>,
}

impl Rewrite {
    /// Lets go of what comes before, once what was appended is durable. Blocks for the disk.
    pub fn finish(self, engine: &Engine) -> Result<()> {
        self.durable.iter().collect::<Result<()>>()?;
        self.log.raise_start(self.begin)?;
        engine.checkpoint(false)?;
        self.log.unlink_below_start().map(|_| ())
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
