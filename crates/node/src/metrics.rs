//! A store's figures as they cross. Those of partitions are numbers in an array, since a store may have a hundred thousand
//! of them.

use std::time::Duration;

use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;
use tidelog::{Percentiles, StoreMetrics, TopicMetrics, Traffic};

use crate::numbers::{from_u64, nearest};

/// What a store has done since it was opened in this process, and how it stands.
#[napi(object)]
pub struct NativeMetrics {
    /// Time since the opening.
    pub uptime_ms: f64,
    /// What was appended.
    pub appended: NativeTraffic,
    /// What was read.
    pub read: NativeTraffic,
    /// The journal.
    pub journal: NativeJournalMetrics,
    /// Checkpoints written.
    pub checkpoints: f64,
    /// Transactions.
    pub transactions: NativeTransactionMetrics,
    /// The topics' names.
    pub topics: Vec<String>,
    /// Seven numbers a partition: its topic's place in `topics`, its number, log start offset, high watermark, log end
    /// offset, segments, bytes.
    pub partitions: Float64Array,
}

/// Records and their stored bytes.
#[napi(object)]
pub struct NativeTraffic {
    pub records: f64,
    pub bytes: f64,
}

/// The spread of recent values.
#[napi(object)]
pub struct NativePercentiles {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

/// Syncs, and room for frames.
#[napi(object)]
pub struct NativeJournalMetrics {
    pub syncs: f64,
    /// Records that they made durable.
    pub records: f64,
    /// Their time.
    pub sync_ms_total: f64,
    /// The time of one.
    pub sync_ms: NativePercentiles,
    /// The records of one.
    pub records_per_sync: NativePercentiles,
    pub bytes: f64,
    pub capacity_bytes: f64,
    pub free_bytes: f64,
    /// Appends that wait for room.
    pub waiting: f64,
}

/// Transactions by how they ended.
#[napi(object)]
pub struct NativeTransactionMetrics {
    pub open: f64,
    pub committed: f64,
    pub aborted: f64,
}

impl NativeMetrics {
    pub(crate) fn from_core(metrics: StoreMetrics) -> tidelog::Result<NativeMetrics> {
        let StoreMetrics {
            syncs,
            journal,
            transactions,
            ..
        } = metrics;
        Ok(NativeMetrics {
            uptime_ms: ms(metrics.uptime),
            appended: traffic(metrics.appended),
            read: traffic(metrics.read),
            journal: NativeJournalMetrics {
                syncs: nearest(syncs.count),
                records: nearest(syncs.records),
                sync_ms_total: ms(syncs.time),
                sync_ms: percentiles(syncs.micros, 1000.0),
                records_per_sync: percentiles(syncs.group, 1.0),
                bytes: nearest(journal.bytes),
                capacity_bytes: nearest(journal.capacity),
                free_bytes: nearest(journal.room),
                waiting: nearest(journal.waiting),
            },
            checkpoints: nearest(metrics.checkpoints),
            transactions: NativeTransactionMetrics {
                open: nearest(transactions.open),
                committed: nearest(transactions.committed),
                aborted: nearest(transactions.aborted),
            },
            partitions: partitions(&metrics.topics)?,
            topics: metrics.topics.into_iter().map(|topic| topic.name).collect(),
        })
    }
}

fn partitions(topics: &[TopicMetrics]) -> tidelog::Result<Float64Array> {
    let mut numbers = Vec::new();
    for (place, topic) in topics.iter().enumerate() {
        for found in &topic.partitions {
            numbers.extend([
                place as f64,
                f64::from(found.partition),
                from_u64("logStartOffset", found.log_start_offset)?,
                from_u64("highWatermark", found.high_watermark)?,
                from_u64("logEndOffset", found.log_end_offset)?,
                found.segments as f64,
                nearest(found.bytes),
            ]);
        }
    }
    Ok(Float64Array::new(numbers))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn traffic(Traffic { records, bytes }: Traffic) -> NativeTraffic {
    NativeTraffic {
        records: nearest(records),
        bytes: nearest(bytes),
    }
}

fn percentiles(found: Percentiles, of_one: f64) -> NativePercentiles {
    let scaled = |value| nearest(value) / of_one;
    NativePercentiles {
        p50: scaled(found.p50),
        p95: scaled(found.p95),
        p99: scaled(found.p99),
        max: scaled(found.max),
    }
}
