//! Copying an open store.

use std::path::PathBuf;

use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;
use tidelog::BackupReport;

use crate::numbers::from_u64;
use crate::progress::{NativeStop, Progress, reporter};
use crate::store::NativeStore;
use crate::task::{Blocking, blocking};

/// What a backup holds, and what it took.
#[napi(object)]
pub struct NativeBackupReport {
    /// The folder, absolute.
    pub path: String,
    /// The moment that the copy shows, in ms since 1970.
    pub timestamp: f64,
    /// Topics in it.
    pub topics: f64,
    /// Their partitions.
    pub partitions: f64,
    /// Bytes that it shares with the store.
    pub bytes_linked: f64,
    /// Bytes that were copied.
    pub bytes_copied: f64,
    /// How long it took, in ms.
    pub duration_ms: f64,
}

#[napi]
impl NativeStore {
    /// Copies the store as of one moment. `progress` gets the bytes done and all bytes now and then, not every time.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeBackupReport>")]
    pub fn backup(
        &self,
        folder: String,
        #[napi(ts_arg_type = "((done: number, total: number) => void) | null")] progress: Option<
            Progress,
        >,
        stop: Option<&NativeStop>,
    ) -> AsyncTask<Blocking<NativeBackupReport>> {
        let store = self.store().clone();
        let report = reporter(progress, stop);
        blocking(move || to_js(&store.backup(PathBuf::from(folder), report)?))
    }
}

fn to_js(report: &BackupReport) -> tidelog::Result<NativeBackupReport> {
    Ok(NativeBackupReport {
        path: report.folder.to_string_lossy().into_owned(),
        timestamp: report.time_ms as f64,
        topics: from_u64("topics", report.topics)?,
        partitions: from_u64("partitions", report.partitions)?,
        bytes_linked: from_u64("bytesLinked", report.bytes_linked)?,
        bytes_copied: from_u64("bytesCopied", report.bytes_copied)?,
        duration_ms: report.duration.as_secs_f64() * 1000.0,
    })
}
