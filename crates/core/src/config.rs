//! What a store and a topic can be told: options with their units, defaults and limits, checked in one
//! place before anything is written, and named in Kafka's words.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tidelog_format::batch::TimestampType;
use tidelog_format::compression::Compression;
use tidelog_format::limits::{DEFAULT_BATCH_BYTES, MAX_BATCH_BYTES};
use tidelog_io::{OsStorage, Storage};

use crate::error::{Error, Result};
use crate::journal::JournalOptions;

/// What an acknowledged send survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The process being killed and power loss: acknowledged after the disk has confirmed a sync.
    Fsync,
    /// The process being killed, but not power loss: acknowledged once written to the page cache.
    Buffered,
}

impl Durability {
    /// `fsync` or `buffered`.
    pub fn name(self) -> &'static str {
        match self {
            Durability::Fsync => "fsync",
            Durability::Buffered => "buffered",
        }
    }

    /// The durability of this name.
    pub fn from_name(name: &str) -> Option<Durability> {
        match name {
            "fsync" => Some(Durability::Fsync),
            "buffered" => Some(Durability::Buffered),
            _ => None,
        }
    }
}

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Of topics that do not say otherwise. Default `Fsync`.
    pub durability: Durability,
    /// Opens beside a running writer, in this or another process, and follows it. Default false.
    pub read_only: bool,
    /// Makes the folder and the store when there is none. Default true.
    pub create: bool,
    /// Opens on a network file system, where locks and syncs can't be trusted, and on one whose locks keep nobody out
    /// or whose maps do not show what was written. Default false.
    pub allow_network_file_system: bool,
    /// How often retention is applied. Default 300 s, Kafka's `log.retention.check.interval.ms`.
    pub maintenance_interval: Duration,
    /// How often dirty files are synced and recovery points noted: bounds what `buffered` topics lose with
    /// the power, and how much an unclean open has to check. Default 10 s.
    pub checkpoint_interval: Duration,
    /// Sizes of the journal, through which `fsync` topics become durable.
    pub journal: JournalOptions,
    /// How the logs of topics that are compacted are cleaned.
    pub compaction: CompactionOptions,
    /// How many segments keep their files open; the least recently used are closed. A segment takes one file handle, and up
    /// to two more for its indexes while records are looked for. Default: an eighth of the files that this process may
    /// have open (`ulimit -n`), and at most 1024, so that most handles are left to the rest of the program. When the
    /// system has none left, segments that are not in use are closed whatever this says.
    pub open_segments: usize,
    /// Told how far the recovery of a store that was not closed in order has come. Default none.
    pub on_recovery: Option<RecoveryProgress>,
    /// Where the bytes go. Default the operating system's file system.
    pub storage: Arc<dyn Storage>,
}

/// Called now and then with the bytes that are done and those that there are to do, about; with false for an answer
/// the opening stops, and can be done again.
#[derive(Clone)]
pub struct RecoveryProgress(Arc<dyn Fn(u64, u64) -> bool + Send + Sync>);

impl RecoveryProgress {
    /// Calls this.
    pub fn new(call: impl Fn(u64, u64) -> bool + Send + Sync + 'static) -> RecoveryProgress {
        RecoveryProgress(Arc::new(call))
    }

    pub(crate) fn tell(&self, done: u64, all: u64) -> Result<()> {
        match (self.0)(done, all.max(done)) {
            true => Ok(()),
            false => Err(Error::Stopped),
        }
    }
}

impl fmt::Debug for RecoveryProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryProgress")
    }
}

/// The one value of the operating system's storage: stores opened on the same one share their engine.
/// Most open segments by default.
const OPEN_SEGMENTS_MAX: u64 = 1024;

/// With up to three handles a segment, more than half of the limit is left to the program.
fn default_open_segments() -> usize {
    let limit = tidelog_io::open_file_limit().unwrap_or(u64::MAX);
    (limit / 8).clamp(1, OPEN_SEGMENTS_MAX) as usize
}

fn os_storage() -> Arc<dyn Storage> {
    static OS: OnceLock<Arc<OsStorage>> = OnceLock::new();
    OS.get_or_init(|| Arc::new(OsStorage)).clone()
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions {
            durability: Durability::Fsync,
            read_only: false,
            create: true,
            allow_network_file_system: false,
            maintenance_interval: Duration::from_secs(300),
            checkpoint_interval: Duration::from_secs(10),
            journal: JournalOptions::default(),
            compaction: CompactionOptions::default(),
            on_recovery: None,
            open_segments: default_open_segments(),
            storage: os_storage(),
        }
    }
}

impl OpenOptions {
    pub(crate) fn validate(&self) -> Result<()> {
        let positive = |argument: &'static str, value: bool| {
            if value {
                return Ok(());
            }
            Err(Error::InvalidArgument {
                argument,
                reason: "must be above 0".to_owned(),
            })
        };
        positive("maintenance_interval", !self.maintenance_interval.is_zero())?;
        positive("checkpoint_interval", !self.checkpoint_interval.is_zero())?;
        positive("open_segments", self.open_segments > 0)?;
        self.compaction.validate()?;
        self.journal.validate()
    }
}

/// How the store's cleaner works, which compacts one partition after another on a thread of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactionOptions {
    /// How often it looks for something to do. Default 15 s, Kafka's `log.cleaner.backoff.ms`.
    pub interval: Duration,
    /// Bytes that it reads and writes in a second at most, both counted; at least 64 KiB. Default 64 MiB. (Kafka:
    /// `log.cleaner.io.max.bytes.per.second`, without a bound by default.)
    pub bytes_per_second: u64,
    /// Memory in bytes for keys, 24 bytes each, at least 1 MiB. What has more keys is cleaned in several passes. Default
    /// 32 MiB, which is 1.25 million keys. (Kafka: `log.cleaner.dedupe.buffer.size`, 128 MiB.)
    pub memory_bytes: usize,
}

impl Default for CompactionOptions {
    fn default() -> CompactionOptions {
        CompactionOptions {
            interval: Duration::from_secs(15),
            bytes_per_second: 64 << 20,
            memory_bytes: 32 << 20,
        }
    }
}

impl CompactionOptions {
    fn validate(&self) -> Result<()> {
        let least = |argument: &'static str, value: u64, least: u64| match value >= least {
            true => Ok(()),
            false => Err(Error::InvalidArgument {
                argument,
                reason: format!("must be at least {least}, not {value}"),
            }),
        };
        least("compaction.interval", self.interval.as_millis() as u64, 1)?;
        least(
            "compaction.bytes_per_second",
            self.bytes_per_second,
            64 << 10,
        )?;
        least("compaction.memory_bytes", self.memory_bytes as u64, 1 << 20)
    }
}

/// What becomes of old records: Kafka's `cleanup.policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CleanupPolicy {
    /// They stay until retention, if there is any, takes whole segments.
    #[default]
    Delete,
    /// The newest record of each key stays; every record has a key. Retention does not apply.
    Compact,
    /// Both.
    CompactAndDelete,
}

impl CleanupPolicy {
    /// As Kafka writes it: `delete`, `compact` or `compact,delete`.
    pub fn name(self) -> &'static str {
        match self {
            CleanupPolicy::Delete => "delete",
            CleanupPolicy::Compact => "compact",
            CleanupPolicy::CompactAndDelete => "compact,delete",
        }
    }

    /// The policy of this name; the two words of both may stand in either order.
    pub fn from_name(name: &str) -> Option<CleanupPolicy> {
        match name {
            "delete" => Some(CleanupPolicy::Delete),
            "compact" => Some(CleanupPolicy::Compact),
            "compact,delete" | "delete,compact" => Some(CleanupPolicy::CompactAndDelete),
            _ => None,
        }
    }

    /// Whether old records of a key go.
    pub fn compacts(self) -> bool {
        self != CleanupPolicy::Delete
    }

    /// Whether retention applies.
    pub fn deletes(self) -> bool {
        self != CleanupPolicy::Compact
    }
}

/// When a partition of a topic that is compacted is cleaned, and what stays.
#[derive(Debug, Clone, PartialEq)]
pub struct CompactionConfig {
    /// The part of the log, of its bytes, that was not cleaned yet, above which it is. 0 to 1, default 0.5: Kafka's
    /// `min.cleanable.dirty.ratio`.
    pub min_dirty_ratio: f64,
    /// For how long in ms a record stays in any case, by its timestamp. Default 0: Kafka's `min.compaction.lag.ms`.
    pub min_lag_ms: u64,
    /// After how long in ms a record is cleaned whatever the ratio. Segments then begin at least as often. Default none:
    /// Kafka's `max.compaction.lag.ms`.
    pub max_lag_ms: Option<u64>,
    /// For how long in ms a record without a value, which says that its key is gone, stays after the first cleaning that saw
    /// it: whoever reads from the beginning within that time hears of it. Default 24 h: Kafka's `delete.retention.ms`.
    pub delete_retention_ms: u64,
}

impl Default for CompactionConfig {
    fn default() -> CompactionConfig {
        CompactionConfig {
            min_dirty_ratio: 0.5,
            min_lag_ms: 0,
            max_lag_ms: None,
            delete_retention_ms: 24 * 3_600_000,
        }
    }
}

impl CompactionConfig {
    fn validate(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.min_dirty_ratio) {
            return Err(Error::InvalidConfig {
                field: "min.cleanable.dirty.ratio".to_owned(),
                reason: format!("must be 0 to 1, not {}", self.min_dirty_ratio),
            });
        }
        let max = i64::MAX as u64;
        within("min.compaction.lag.ms", self.min_lag_ms, 0, max)?;
        within("delete.retention.ms", self.delete_retention_ms, 0, max)?;
        match self.max_lag_ms {
            Some(ms) => within("max.compaction.lag.ms", ms, self.min_lag_ms.max(1), max),
            None => Ok(()),
        }
    }
}

/// A topic's configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    /// Number of partitions, 1 to 100,000. Default 1.
    pub partitions: u32,
    /// What an acknowledged send survives. Default the store's.
    pub durability: Option<Durability>,
    /// How records are compressed, a batch at a time. Default none.
    pub compression: Compression,
    /// Whether records carry the producer's time or that of their append. Default the producer's.
    pub timestamp_type: TimestampType,
    /// What becomes of old records. Default: retention, if there is any, takes them.
    pub cleanup: CleanupPolicy,
    /// How the topic is compacted, if it is.
    pub compaction: CompactionConfig,
    /// Age in ms of a segment's newest record at which the segment is deleted. Default none: kept for ever.
    pub retention_ms: Option<u64>,
    /// Size in bytes a partition may have before its oldest segments are deleted. Default none.
    pub retention_bytes: Option<u64>,
    /// Size in bytes at which a segment is full, 1 KiB to 2 GiB - 1. Default 1 GiB.
    pub segment_bytes: u64,
    /// Span in ms between a segment's first record and a new one at which a new segment begins. Default 7 days.
    pub segment_ms: u64,
    /// Bytes of log for one entry of the offset and time index. Default 4096.
    pub index_interval_bytes: u32,
    /// Largest encoded batch in bytes, at most 64 MiB. Default 1 MiB + 12, Kafka's `max.message.bytes`.
    pub max_batch_bytes: u32,
    /// How far in ms a record's timestamp may lie in the future, since such a record would hold up
    /// retention by time. Default one hour.
    pub max_future_ms: u64,
}

impl Default for TopicConfig {
    fn default() -> TopicConfig {
        TopicConfig {
            partitions: 1,
            durability: None,
            compression: Compression::None,
            timestamp_type: TimestampType::CreateTime,
            cleanup: CleanupPolicy::Delete,
            compaction: CompactionConfig::default(),
            retention_ms: None,
            retention_bytes: None,
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3_600_000,
            index_interval_bytes: 4096,
            max_batch_bytes: DEFAULT_BATCH_BYTES as u32,
            max_future_ms: 3_600_000,
        }
    }
}

/// Most partitions of one store.
pub(crate) const MAX_PARTITIONS: u32 = 100_000;

impl TopicConfig {
    pub(crate) fn validate(&self) -> Result<()> {
        within(
            "partitions",
            u64::from(self.partitions),
            1,
            u64::from(MAX_PARTITIONS),
        )?;
        within("segment.bytes", self.segment_bytes, 1024, i32::MAX as u64)?;
        within("segment.ms", self.segment_ms, 1, i64::MAX as u64)?;
        within(
            "index.interval.bytes",
            u64::from(self.index_interval_bytes),
            1,
            i32::MAX as u64,
        )?;
        within(
            "max.message.bytes",
            u64::from(self.max_batch_bytes),
            128,
            MAX_BATCH_BYTES as u64,
        )?;
        within(
            "message.timestamp.after.max.ms",
            self.max_future_ms,
            0,
            i64::MAX as u64,
        )?;
        if let Some(ms) = self.retention_ms {
            within("retention.ms", ms, 1, i64::MAX as u64)?;
        }
        if let Some(bytes) = self.retention_bytes {
            within("retention.bytes", bytes, 0, i64::MAX as u64)?;
        }
        self.compaction.validate()?;
        let retention = [
            ("retention.ms", self.retention_ms),
            ("retention.bytes", self.retention_bytes),
        ];
        for (field, limit) in retention {
            if limit.is_some() && !self.cleanup.deletes() {
                return Err(Error::InvalidConfig {
                    field: field.to_owned(),
                    reason: "has no meaning for a topic that is only compacted; let cleanup.policy be compact,delete"
                        .to_owned(),
                });
            }
        }
        Ok(())
    }

    /// The span in ms after which a segment ends: the one that is being written is never cleaned.
    pub(crate) fn roll_ms(&self) -> u64 {
        match self.compaction.max_lag_ms {
            Some(lag) if self.cleanup.compacts() => lag.min(self.segment_ms),
            _ => self.segment_ms,
        }
    }
}

fn within(field: &str, value: u64, min: u64, max: u64) -> Result<()> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(Error::InvalidConfig {
        field: field.to_owned(),
        reason: format!("must be {min} to {max}, not {value}"),
    })
}

/// A change to a topic's configuration: only what is given changes.
#[derive(Debug, Clone, Default)]
pub struct TopicChange {
    /// New number of partitions; it may only grow. Keys then map to other partitions than before.
    pub partitions: Option<u32>,
    /// New durability.
    pub durability: Option<Durability>,
    /// New compression, of batches from now on.
    pub compression: Option<Compression>,
    /// New policy. Records without a key that are there already stay.
    pub cleanup: Option<CleanupPolicy>,
    /// New [`CompactionConfig::min_dirty_ratio`].
    pub min_dirty_ratio: Option<f64>,
    /// New [`CompactionConfig::min_lag_ms`].
    pub min_lag_ms: Option<u64>,
    /// New [`CompactionConfig::max_lag_ms`]; `Some(None)` lifts the bound.
    pub max_lag_ms: Option<Option<u64>>,
    /// New [`CompactionConfig::delete_retention_ms`], for tombstones that no cleaning has seen yet.
    pub delete_retention_ms: Option<u64>,
    /// New retention by age; `Some(None)` keeps records for ever.
    pub retention_ms: Option<Option<u64>>,
    /// New retention by size; `Some(None)` lifts the bound.
    pub retention_bytes: Option<Option<u64>>,
    /// New segment size, from the next segment on.
    pub segment_bytes: Option<u64>,
    /// New segment span.
    pub segment_ms: Option<u64>,
    /// New limit of an encoded batch.
    pub max_batch_bytes: Option<u32>,
    /// New limit of timestamps in the future.
    pub max_future_ms: Option<u64>,
}

impl TopicChange {
    pub(crate) fn apply(&self, config: &TopicConfig) -> Result<TopicConfig> {
        let mut new = config.clone();
        fn set<T: Clone>(field: &mut T, value: &Option<T>) {
            if let Some(value) = value {
                *field = value.clone();
            }
        }
        set(&mut new.partitions, &self.partitions);
        if self.durability.is_some() {
            new.durability = self.durability;
        }
        set(&mut new.compression, &self.compression);
        set(&mut new.cleanup, &self.cleanup);
        let compaction = &mut new.compaction;
        set(&mut compaction.min_dirty_ratio, &self.min_dirty_ratio);
        set(&mut compaction.min_lag_ms, &self.min_lag_ms);
        set(&mut compaction.max_lag_ms, &self.max_lag_ms);
        set(
            &mut compaction.delete_retention_ms,
            &self.delete_retention_ms,
        );
        set(&mut new.retention_ms, &self.retention_ms);
        set(&mut new.retention_bytes, &self.retention_bytes);
        set(&mut new.segment_bytes, &self.segment_bytes);
        set(&mut new.segment_ms, &self.segment_ms);
        set(&mut new.max_batch_bytes, &self.max_batch_bytes);
        set(&mut new.max_future_ms, &self.max_future_ms);
        if new.partitions < config.partitions {
            return Err(Error::InvalidConfig {
                field: "partitions".to_owned(),
                reason: format!(
                    "can only grow, from {} on; {} was asked for",
                    config.partitions, new.partitions
                ),
            });
        }
        new.validate()?;
        Ok(new)
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
