//! A store's figures as they cross: names, and numbers in arrays, since a store may have a hundred thousand partitions and
//! the objects that JavaScript gets are made there.

use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;
use tidelog::{Percentiles, StoreMetrics, Traffic};

use crate::numbers::{from_u64, nearest};

/// What a store has done since it was opened in this process, and how it stands.
#[napi(object)]
pub struct NativeMetrics {
    /// Time since the opening.
    pub uptime_ms: f64,
    /// Records and bytes.
    pub appended: Vec<f64>,
    /// Records and bytes.
    pub read: Vec<f64>,
    /// Number of syncs, records that they made durable, and their time in ms.
    pub syncs: Vec<f64>,
    /// p50, p95, p99 and maximum of the time of one, in ms.
    pub sync_ms: Vec<f64>,
    /// The same of the records of one.
    pub sync_records: Vec<f64>,
    /// Bytes, most bytes, room, and appends that wait for it.
    pub journal: Vec<f64>,
    /// Checkpoints written.
    pub checkpoints: f64,
    /// Open, committed, aborted.
    pub transactions: Vec<f64>,
    /// The topics' names.
    pub topics: Vec<String>,
    /// Seven numbers a partition: its topic's place in `topics`, its number, log start offset, high watermark, log end
    /// offset, segments, bytes.
    pub partitions: Float64Array,
}

impl NativeMetrics {
    pub(crate) fn from_core(metrics: &StoreMetrics) -> tidelog::Result<NativeMetrics> {
        let StoreMetrics {
            syncs,
            journal,
            transactions,
            topics,
            ..
        } = metrics;
        let mut partitions = Vec::new();
        for (place, topic) in topics.iter().enumerate() {
            for found in &topic.partitions {
                partitions.extend([
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
        let ms = |time: std::time::Duration| time.as_secs_f64() * 1000.0;
        Ok(NativeMetrics {
            uptime_ms: ms(metrics.uptime),
            appended: traffic(metrics.appended),
            read: traffic(metrics.read),
            syncs: vec![
                nearest(syncs.count),
                nearest(syncs.records),
                ms(syncs.time),
            ],
            sync_ms: percentiles(syncs.micros, 1000.0),
            sync_records: percentiles(syncs.group, 1.0),
            journal: [
                journal.bytes,
                journal.capacity,
                journal.room,
                journal.waiting,
            ]
            .map(nearest)
            .to_vec(),
            checkpoints: nearest(metrics.checkpoints),
            transactions: [
                transactions.open,
                transactions.committed,
                transactions.aborted,
            ]
            .map(nearest)
            .to_vec(),
            topics: topics.iter().map(|topic| topic.name.clone()).collect(),
            partitions: Float64Array::new(partitions),
        })
    }
}

fn traffic(Traffic { records, bytes }: Traffic) -> Vec<f64> {
    vec![nearest(records), nearest(bytes)]
}

fn percentiles(found: Percentiles, of_one: f64) -> Vec<f64> {
    [found.p50, found.p95, found.p99, found.max]
        .map(|value| nearest(value) / of_one)
        .to_vec()
}
