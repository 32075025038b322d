//! Taking over a Kafka log folder into an open store.

use std::path::PathBuf;

use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;
use tidelog::import::{
    ImportOptions, ImportReport, ImportedPartition, ImportedTopic, import_kafka,
};

use crate::numbers::{MAX_SAFE, from_u64};
use crate::progress::{NativeStop, Progress, reporter};
use crate::store::NativeStore;
use crate::task::{Blocking, blocking};

/// What was taken over.
#[napi(object)]
pub struct NativeImportReport {
    /// The topics, by name.
    pub topics: Vec<NativeImportedTopic>,
    /// The folders that were left out.
    pub skipped: Vec<NativeSkippedFolder>,
    /// Whether it was stopped. Topics that it had made are then gone again.
    pub stopped: bool,
}

/// One topic that was taken over.
#[napi(object)]
pub struct NativeImportedTopic {
    /// Its name in the store.
    pub name: String,
    /// Its partitions, by number.
    pub partitions: Vec<NativeImportedPartition>,
    /// Numbers for which there was no folder; these partitions are empty.
    pub missing: Vec<u32>,
}

/// One partition that was taken over.
#[napi(object)]
pub struct NativeImportedPartition {
    /// Its number.
    pub partition: u32,
    /// The first offset that can be read.
    pub log_start_offset: f64,
    /// The offset that the next record gets.
    pub log_end_offset: f64,
    /// Records taken over.
    pub records: f64,
    /// Batches that hold them.
    pub batches: f64,
    /// Bytes of these batches.
    pub bytes: f64,
    /// Offsets of control records.
    pub control_offsets: f64,
    /// Offsets in transactions that were aborted.
    pub aborted_offsets: f64,
    /// Offsets in transactions that had not ended.
    pub unfinished_offsets: f64,
    /// Offsets that compaction had removed.
    pub removed_offsets: f64,
    /// Bytes of an unfinished write that were left out.
    pub torn_bytes: f64,
}

/// A folder that was left out.
#[napi(object)]
pub struct NativeSkippedFolder {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

#[napi]
impl NativeStore {
    /// Takes over the topics of a Kafka log folder, or one partition's folder, whose broker is not running. `topic`
    /// names the only one to take of many, or the one to take a partition's folder into. `progress` gets the bytes
    /// done and all bytes now and then, not every time.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeImportReport>")]
    pub fn import_kafka(
        &self,
        folder: String,
        topic: Option<String>,
        #[napi(ts_arg_type = "((done: number, total: number) => void) | null")] progress: Option<
            Progress,
        >,
        stop: Option<&NativeStop>,
    ) -> AsyncTask<Blocking<NativeImportReport>> {
        let store = self.store().clone();
        let options = ImportOptions {
            topic,
            max_offset: Some(MAX_SAFE),
        };
        let report = reporter(progress, stop);
        blocking(move || {
            to_js(import_kafka(
                &store,
                &PathBuf::from(folder),
                &options,
                report,
            )?)
        })
    }
}

fn to_js(report: ImportReport) -> tidelog::Result<NativeImportReport> {
    let skipped = report.skipped.into_iter();
    Ok(NativeImportReport {
        topics: report
            .topics
            .into_iter()
            .map(to_js_topic)
            .collect::<tidelog::Result<_>>()?,
        skipped: skipped
            .map(|folder| NativeSkippedFolder {
                name: folder.name,
                reason: folder.reason.to_owned(),
            })
            .collect(),
        stopped: report.stopped,
    })
}

fn to_js_topic(topic: ImportedTopic) -> tidelog::Result<NativeImportedTopic> {
    Ok(NativeImportedTopic {
        name: topic.name,
        partitions: topic
            .partitions
            .iter()
            .map(to_js_partition)
            .collect::<tidelog::Result<_>>()?,
        missing: topic.missing,
    })
}

fn to_js_partition(partition: &ImportedPartition) -> tidelog::Result<NativeImportedPartition> {
    Ok(NativeImportedPartition {
        partition: partition.partition,
        log_start_offset: from_u64("logStartOffset", partition.log_start)?,
        log_end_offset: from_u64("logEndOffset", partition.log_end)?,
        records: from_u64("records", partition.records)?,
        batches: from_u64("batches", partition.batches)?,
        bytes: from_u64("bytes", partition.bytes)?,
        control_offsets: from_u64("controlOffsets", partition.control_offsets)?,
        aborted_offsets: from_u64("abortedOffsets", partition.aborted_offsets)?,
        unfinished_offsets: from_u64("unfinishedOffsets", partition.unfinished_offsets)?,
        removed_offsets: from_u64("removedOffsets", partition.removed_offsets)?,
        torn_bytes: from_u64("tornBytes", partition.torn_bytes)?,
    })
}
