//! Options as plain objects, and how they become the engine's. What is absent is the engine's default; what is out
//! of range is the engine's error. Names of choices are Kafka's.

use std::time::Duration;

use napi::bindgen_prelude::{Either, Null};
use napi_derive::napi;
use tidelog::{
    CleanupPolicy, Compression, Durability, Error, OpenOptions, Result, TimestampType, TopicChange,
    TopicConfig,
};

use crate::numbers::{from_u64, to_u32, to_u64, to_usize};

/// How a store is opened.
#[napi(object)]
pub struct NativeOpenOptions {
    /// `fsync` or `buffered`, of topics that do not say otherwise.
    pub durability: Option<String>,
    /// Opens beside a writer.
    pub read_only: bool,
    /// Makes a store where there is none.
    pub create: bool,
    /// Opens on a network file system.
    pub force: bool,
    /// How often retention is applied, in ms.
    pub maintenance_interval_ms: Option<f64>,
    /// How often dirty files are synced and recovery points noted, in ms.
    pub checkpoint_interval_ms: Option<f64>,
    /// How many segments keep their files open.
    pub open_segments: Option<f64>,
    /// How often the cleaner looks for something to compact, in ms.
    pub compaction_interval_ms: Option<f64>,
    /// Bytes that the cleaner reads and writes in a second at most.
    pub compaction_bytes_per_second: Option<f64>,
    /// Bytes of memory for the keys of one pass.
    pub compaction_memory_bytes: Option<f64>,
}

impl NativeOpenOptions {
    pub(crate) fn into_core(self) -> Result<OpenOptions> {
        let mut options = OpenOptions {
            read_only: self.read_only,
            create: self.create,
            allow_network_file_system: self.force,
            ..OpenOptions::default()
        };
        if let Some(name) = self.durability {
            options.durability = durability(&name)?;
        }
        if let Some(ms) = self.maintenance_interval_ms {
            options.maintenance_interval =
                Duration::from_millis(to_u64("maintenanceIntervalMs", ms)?);
        }
        if let Some(ms) = self.checkpoint_interval_ms {
            options.checkpoint_interval =
                Duration::from_millis(to_u64("checkpointIntervalMs", ms)?);
        }
        if let Some(count) = self.open_segments {
            options.open_segments = to_usize("openSegments", count)?;
        }
        let compaction = &mut options.compaction;
        if let Some(ms) = self.compaction_interval_ms {
            compaction.interval = Duration::from_millis(to_u64("compaction.intervalMs", ms)?);
        }
        if let Some(bytes) = self.compaction_bytes_per_second {
            compaction.bytes_per_second = to_u64("compaction.bytesPerSecond", bytes)?;
        }
        if let Some(bytes) = self.compaction_memory_bytes {
            compaction.memory_bytes = to_usize("compaction.memoryBytes", bytes)?;
        }
        Ok(options)
    }
}

/// A topic's configuration: given at creation, where what is absent is the default, and told by `config`, where
/// nothing is absent.
#[napi(object)]
pub struct NativeTopicConfig {
    /// Number of partitions.
    pub partitions: Option<f64>,
    /// `fsync` or `buffered`.
    pub durability: Option<String>,
    /// `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    pub compression: Option<String>,
    /// `CreateTime` or `LogAppendTime`.
    pub timestamp_type: Option<String>,
    /// `delete`, `compact` or `compact,delete`.
    pub cleanup: Option<String>,
    /// The part of a log that was not cleaned yet above which it is.
    pub min_dirty_ratio: Option<f64>,
    /// For how long in ms a record is not compacted.
    pub min_lag_ms: Option<f64>,
    /// After how long in ms a record is compacted in any case, or null for never.
    pub max_lag_ms: Option<Either<f64, Null>>,
    /// For how long in ms a tombstone stays after the first cleaning that saw it.
    pub delete_retention_ms: Option<f64>,
    /// Age in ms at which segments are deleted, or null for never.
    pub retention_ms: Option<Either<f64, Null>>,
    /// Bytes of a partition from which on its oldest segments are deleted, or null for never.
    pub retention_bytes: Option<Either<f64, Null>>,
    /// Bytes at which a segment is full.
    pub segment_bytes: Option<f64>,
    /// Span in ms at which a new segment begins.
    pub segment_ms: Option<f64>,
    /// Bytes of log for one entry of an index.
    pub index_interval_bytes: Option<f64>,
    /// Largest encoded batch in bytes.
    pub max_batch_bytes: Option<f64>,
    /// How far in ms a record's time may lie in the future.
    pub max_future_ms: Option<f64>,
}

impl NativeTopicConfig {
    pub(crate) fn into_core(self) -> Result<TopicConfig> {
        let mut config = TopicConfig {
            durability: self.durability.as_deref().map(durability).transpose()?,
            ..TopicConfig::default()
        };
        if let Some(name) = self.cleanup {
            config.cleanup = cleanup(&name)?;
        }
        let compaction = &mut config.compaction;
        if let Some(ratio) = self.min_dirty_ratio {
            compaction.min_dirty_ratio = ratio;
        }
        if let Some(ms) = self.min_lag_ms {
            compaction.min_lag_ms = to_u64("compaction.minLagMs", ms)?;
        }
        if let Some(bound) = bound("compaction.maxLagMs", self.max_lag_ms)? {
            compaction.max_lag_ms = bound;
        }
        if let Some(ms) = self.delete_retention_ms {
            compaction.delete_retention_ms = to_u64("compaction.deleteRetentionMs", ms)?;
        }
        if let Some(bound) = bound("retentionMs", self.retention_ms)? {
            config.retention_ms = bound;
        }
        if let Some(bound) = bound("retentionBytes", self.retention_bytes)? {
            config.retention_bytes = bound;
        }
        if let Some(count) = self.partitions {
            config.partitions = to_u32("partitions", count)?;
        }
        if let Some(name) = self.compression {
            config.compression = compression(&name)?;
        }
        if let Some(name) = self.timestamp_type {
            config.timestamp_type = timestamp_type(&name)?;
        }
        if let Some(bytes) = self.segment_bytes {
            config.segment_bytes = to_u64("segmentBytes", bytes)?;
        }
        if let Some(ms) = self.segment_ms {
            config.segment_ms = to_u64("segmentMs", ms)?;
        }
        if let Some(bytes) = self.index_interval_bytes {
            config.index_interval_bytes = to_u32("indexIntervalBytes", bytes)?;
        }
        if let Some(bytes) = self.max_batch_bytes {
            config.max_batch_bytes = to_u32("maxBatchBytes", bytes)?;
        }
        if let Some(ms) = self.max_future_ms {
            config.max_future_ms = to_u64("maxFutureMs", ms)?;
        }
        Ok(config)
    }

    pub(crate) fn from_core(config: &TopicConfig) -> Result<NativeTopicConfig> {
        Ok(NativeTopicConfig {
            partitions: Some(f64::from(config.partitions)),
            durability: config
                .durability
                .map(|durability| durability.name().to_owned()),
            compression: Some(config.compression.name().to_owned()),
            timestamp_type: Some(name_of(config.timestamp_type).to_owned()),
            cleanup: Some(config.cleanup.name().to_owned()),
            min_dirty_ratio: Some(config.compaction.min_dirty_ratio),
            min_lag_ms: Some(from_u64("minLagMs", config.compaction.min_lag_ms)?),
            max_lag_ms: Some(told("maxLagMs", config.compaction.max_lag_ms)?),
            delete_retention_ms: Some(from_u64(
                "deleteRetentionMs",
                config.compaction.delete_retention_ms,
            )?),
            retention_ms: Some(told("retentionMs", config.retention_ms)?),
            retention_bytes: Some(told("retentionBytes", config.retention_bytes)?),
            segment_bytes: Some(from_u64("segmentBytes", config.segment_bytes)?),
            segment_ms: Some(from_u64("segmentMs", config.segment_ms)?),
            index_interval_bytes: Some(f64::from(config.index_interval_bytes)),
            max_batch_bytes: Some(f64::from(config.max_batch_bytes)),
            max_future_ms: Some(from_u64("maxFutureMs", config.max_future_ms)?),
        })
    }
}

/// A change to a topic's configuration. What is absent stays; `null` lifts a bound of retention.
#[napi(object, object_to_js = false)]
pub struct NativeTopicChange {
    /// New number of partitions; it may only grow.
    pub partitions: Option<f64>,
    /// `fsync` or `buffered`.
    pub durability: Option<String>,
    /// `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    pub compression: Option<String>,
    /// `delete`, `compact` or `compact,delete`.
    pub cleanup: Option<String>,
    /// The part of a log that was not cleaned yet above which it is.
    pub min_dirty_ratio: Option<f64>,
    /// For how long in ms a record is not compacted.
    pub min_lag_ms: Option<f64>,
    /// After how long in ms a record is compacted in any case, or null for never.
    pub max_lag_ms: Option<Either<f64, Null>>,
    /// For how long in ms a tombstone stays after the first cleaning that saw it.
    pub delete_retention_ms: Option<f64>,
    /// Age in ms at which segments are deleted, or null for never.
    pub retention_ms: Option<Either<f64, Null>>,
    /// Bytes of a partition from which on its oldest segments are deleted, or null for never.
    pub retention_bytes: Option<Either<f64, Null>>,
    /// Bytes at which a segment is full.
    pub segment_bytes: Option<f64>,
    /// Span in ms at which a new segment begins.
    pub segment_ms: Option<f64>,
    /// Largest encoded batch in bytes.
    pub max_batch_bytes: Option<f64>,
    /// How far in ms a record's time may lie in the future.
    pub max_future_ms: Option<f64>,
}

impl NativeTopicChange {
    pub(crate) fn into_core(self) -> Result<TopicChange> {
        Ok(TopicChange {
            partitions: self
                .partitions
                .map(|count| to_u32("partitions", count))
                .transpose()?,
            durability: self.durability.as_deref().map(durability).transpose()?,
            compression: self.compression.as_deref().map(compression).transpose()?,
            cleanup: self.cleanup.as_deref().map(cleanup).transpose()?,
            min_dirty_ratio: self.min_dirty_ratio,
            min_lag_ms: self
                .min_lag_ms
                .map(|ms| to_u64("compaction.minLagMs", ms))
                .transpose()?,
            max_lag_ms: bound("compaction.maxLagMs", self.max_lag_ms)?,
            delete_retention_ms: self
                .delete_retention_ms
                .map(|ms| to_u64("compaction.deleteRetentionMs", ms))
                .transpose()?,
            retention_ms: bound("retentionMs", self.retention_ms)?,
            retention_bytes: bound("retentionBytes", self.retention_bytes)?,
            segment_bytes: self
                .segment_bytes
                .map(|bytes| to_u64("segmentBytes", bytes))
                .transpose()?,
            segment_ms: self
                .segment_ms
                .map(|ms| to_u64("segmentMs", ms))
                .transpose()?,
            max_batch_bytes: self
                .max_batch_bytes
                .map(|bytes| to_u32("maxBatchBytes", bytes))
                .transpose()?,
            max_future_ms: self
                .max_future_ms
                .map(|ms| to_u64("maxFutureMs", ms))
                .transpose()?,
        })
    }
}

fn bound(argument: &'static str, given: Option<Either<f64, Null>>) -> Result<Option<Option<u64>>> {
    Ok(match given {
        None => None,
        Some(Either::A(value)) => Some(Some(to_u64(argument, value)?)),
        Some(Either::B(Null)) => Some(None),
    })
}

fn told(what: &'static str, bound: Option<u64>) -> Result<Either<f64, Null>> {
    Ok(match bound {
        Some(value) => Either::A(from_u64(what, value)?),
        None => Either::B(Null),
    })
}

fn cleanup(name: &str) -> Result<CleanupPolicy> {
    CleanupPolicy::from_name(name)
        .ok_or_else(|| unknown("cleanup", name, "delete, compact or compact,delete"))
}

fn durability(name: &str) -> Result<Durability> {
    Durability::from_name(name).ok_or_else(|| unknown("durability", name, "fsync or buffered"))
}

fn compression(name: &str) -> Result<Compression> {
    name.parse()
        .map_err(|_| unknown("compression", name, "none, gzip, snappy, lz4 or zstd"))
}

fn timestamp_type(name: &str) -> Result<TimestampType> {
    [TimestampType::CreateTime, TimestampType::LogAppendTime]
        .into_iter()
        .find(|kind| name_of(*kind) == name)
        .ok_or_else(|| unknown("timestampType", name, "CreateTime or LogAppendTime"))
}

pub(crate) fn name_of(kind: TimestampType) -> &'static str {
    match kind {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn unknown(field: &str, name: &str, expected: &str) -> Error {
    Error::InvalidConfig {
        field: field.to_owned(),
        reason: format!("must be {expected}, not {name:?}"),
    }
}
