//! Looking into files, for the command line: the batches of one segment, and the check of a whole store. Plain
//! objects, since a person reads what comes out. Nothing here changes a file.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::{AsyncTask, Buffer};
use napi_derive::napi;
use tidelog::format::batch::{Batch, BatchHeader};
use tidelog::format::record::Record;
use tidelog::inspect::{Problem, Scanned, SegmentScan, VerifyReport, scan_segment, verify_store};
use tidelog::io::{OsStorage, Storage};

use crate::error::{Thrown, thrown};
use crate::numbers::{from_i64, from_u64, to_usize};
use crate::options::name_of;
use crate::progress::{NativeStop, Progress, reporter};
use crate::task::{Blocking, blocking};

/// One segment file, read from its beginning.
#[napi]
pub struct NativeSegmentScan {
    scan: Arc<Mutex<SegmentScan>>,
}

/// A batch, or what stands where a batch should.
#[napi(object)]
pub struct NativeScanned {
    /// Its first byte in the file.
    pub position: f64,
    /// What does not hold; the scan ends with it. `batch` is absent then.
    pub damage: Option<String>,
    /// The offset that should be there, where there is damage.
    pub expected_offset: Option<f64>,
    /// The batch.
    pub batch: Option<NativeBatch>,
}

/// A batch's header, and its records if they were asked for. Fields as in Kafka's format.
#[napi(object)]
pub struct NativeBatch {
    /// Encoded bytes of the whole batch.
    pub size: f64,
    pub base_offset: f64,
    pub last_offset: f64,
    pub leader_epoch: i32,
    pub magic: i32,
    pub crc: u32,
    /// `none`, `gzip`, `snappy`, `lz4` or `zstd`; absent if it is none of these.
    pub compression: Option<String>,
    /// `CreateTime` or `LogAppendTime`.
    pub timestamp_type: String,
    pub is_transactional: bool,
    pub is_control: bool,
    pub base_timestamp: f64,
    pub max_timestamp: f64,
    /// -1 where no producer is named. Decimal, as it may exceed what a number holds.
    pub producer_id: String,
    pub producer_epoch: i32,
    pub base_sequence: i32,
    pub record_count: u32,
    /// The records, if asked for and if they could be decoded.
    pub records: Option<Vec<NativeRecord>>,
    /// Why the records could not be decoded, although the CRC holds.
    pub records_error: Option<String>,
}

/// A decoded record.
#[napi(object)]
pub struct NativeRecord {
    pub offset: f64,
    /// In ms since the epoch.
    pub timestamp: f64,
    /// Absent where it is null.
    pub key: Option<Buffer>,
    /// Absent where it is null.
    pub value: Option<Buffer>,
    pub headers: Vec<NativeHeader>,
}

/// A record's header.
#[napi(object)]
pub struct NativeHeader {
    pub name: String,
    /// Absent where it is null.
    pub value: Option<Buffer>,
}

/// What the check of a store found.
#[napi(object)]
pub struct NativeVerifyReport {
    /// Partitions looked at.
    pub partitions: f64,
    /// Segments looked at.
    pub segments: f64,
    /// Batches that hold.
    pub batches: f64,
    /// Records in them.
    pub records: f64,
    /// Bytes in them.
    pub bytes: f64,
    /// What does not hold.
    pub problems: Vec<NativeProblem>,
}

/// One thing that does not hold.
#[napi(object)]
pub struct NativeProblem {
    /// The file.
    pub file: String,
    /// The byte in it.
    pub position: f64,
    /// The offset that was expected there.
    pub offset: f64,
    /// What does not hold.
    pub reason: String,
    /// Whether records are affected; an index can be made again.
    pub records_affected: bool,
}

#[napi]
impl NativeSegmentScan {
    /// Opens a segment, a file named by 20 digits and `.log`.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeSegmentScan>")]
    pub fn open(path: String) -> AsyncTask<Blocking<NativeSegmentScan>> {
        blocking(move || {
            let scan = scan_segment(&OsStorage, &PathBuf::from(path))?;
            Ok(NativeSegmentScan {
                scan: Arc::new(Mutex::new(scan)),
            })
        })
    }

    /// The file's length in bytes when it was opened.
    #[napi(getter, catch_unwind)]
    pub fn file_length(&self) -> Result<f64, Thrown> {
        let scan = self.scan.lock().unwrap_or_else(PoisonError::into_inner);
        from_u64("fileLength", scan.file_len()).map_err(thrown)
    }

    /// The next batches, at most `count` of them; none at the end.
    #[napi(catch_unwind, ts_return_type = "Promise<Array<NativeScanned>>")]
    pub fn next(
        &self,
        count: f64,
        with_records: bool,
    ) -> Result<AsyncTask<Blocking<Vec<NativeScanned>>>, Thrown> {
        let count = to_usize("count", count).map_err(thrown)?;
        let scan = Arc::clone(&self.scan);
        Ok(blocking(move || {
            let mut scan = scan.lock().unwrap_or_else(PoisonError::into_inner);
            let mut found = Vec::new();
            while found.len() < count
                && let Some(scanned) = scan.next()
            {
                found.push(to_js(scanned, scan.bytes(), with_records)?);
            }
            Ok(found)
        }))
    }
}

/// Checks every batch and index entry of a store, or of one partition's folder. `progress` gets the bytes done and
/// all bytes now and then, not every time. After `stop` the report tells what was found so far.
#[napi(catch_unwind, ts_return_type = "Promise<NativeVerifyReport>")]
pub fn verify_files(
    path: String,
    #[napi(ts_arg_type = "((done: number, total: number) => void) | null")] progress: Option<
        Progress,
    >,
    stop: Option<&NativeStop>,
) -> AsyncTask<Blocking<NativeVerifyReport>> {
    let report = reporter(progress, stop);
    blocking(move || {
        let storage: Arc<dyn Storage> = Arc::new(OsStorage);
        to_js_report(verify_store(&storage, &PathBuf::from(path), report)?)
    })
}

/// As `verify_files`, of a backup that is not open: also that it is complete, and ends where its checkpoint says.
#[napi(catch_unwind, ts_return_type = "Promise<NativeVerifyReport>")]
pub fn verify_backup(
    path: String,
    #[napi(ts_arg_type = "((done: number, total: number) => void) | null")] progress: Option<
        Progress,
    >,
    stop: Option<&NativeStop>,
) -> AsyncTask<Blocking<NativeVerifyReport>> {
    let report = reporter(progress, stop);
    blocking(move || {
        let storage: Arc<dyn Storage> = Arc::new(OsStorage);
        let found = tidelog::verify_backup(&storage, &PathBuf::from(path), report)?;
        to_js_report(found)
    })
}

fn to_js(scanned: Scanned, bytes: &[u8], with_records: bool) -> tidelog::Result<NativeScanned> {
    match scanned {
        Scanned::Batch { position, header } => Ok(NativeScanned {
            position: from_u64("position", position)?,
            damage: None,
            expected_offset: None,
            batch: Some(to_js_batch(&header, with_records.then_some(bytes))?),
        }),
        Scanned::Damage {
            position,
            offset,
            reason,
        } => Ok(NativeScanned {
            position: from_u64("position", position)?,
            damage: Some(reason),
            expected_offset: Some(from_u64("offset", offset)?),
            batch: None,
        }),
    }
}

fn to_js_batch(header: &BatchHeader, bytes: Option<&[u8]>) -> tidelog::Result<NativeBatch> {
    let (records, records_error) = match bytes.map(decode).transpose()? {
        Some(Ok(records)) => (Some(records), None),
        Some(Err(reason)) => (None, Some(reason)),
        None => (None, None),
    };
    let attributes = header.attributes;
    Ok(NativeBatch {
        size: from_u64("size", header.size() as u64)?,
        base_offset: from_u64("offset", header.base_offset)?,
        last_offset: from_u64("offset", header.last_offset())?,
        leader_epoch: header.leader_epoch,
        magic: i32::from(header.magic),
        crc: header.crc,
        compression: attributes
            .compression()
            .ok()
            .map(|compression| compression.name().to_owned()),
        timestamp_type: name_of(attributes.timestamp_type()).to_owned(),
        is_transactional: attributes.is_transactional(),
        is_control: attributes.is_control(),
        base_timestamp: from_i64("timestamp", header.base_timestamp)?,
        max_timestamp: from_i64("timestamp", header.max_timestamp)?,
        producer_id: header.producer_id.to_string(),
        producer_epoch: i32::from(header.producer_epoch),
        base_sequence: header.base_sequence,
        record_count: header.record_count,
        records,
        records_error,
    })
}

/// The records, or why there are none; an error only for numbers that can't cross.
fn decode(bytes: &[u8]) -> tidelog::Result<Result<Vec<NativeRecord>, String>> {
    let mut scratch = Vec::new();
    let records = match Batch::check(bytes)
        .and_then(|batch| batch.records(&mut scratch)?.collect::<Result<Vec<_>, _>>())
    {
        Ok(records) => records,
        Err(error) => return Ok(Err(error.to_string())),
    };
    records
        .iter()
        .map(to_js_record)
        .collect::<tidelog::Result<_>>()
        .map(Ok)
}

fn to_js_record(record: &Record<'_>) -> tidelog::Result<NativeRecord> {
    let buffer = |bytes: &[u8]| Buffer::from(bytes.to_vec());
    Ok(NativeRecord {
        offset: from_u64("offset", record.offset)?,
        timestamp: from_i64("timestamp", record.timestamp)?,
        key: record.key.map(buffer),
        value: record.value.map(buffer),
        headers: record
            .headers
            .iter()
            .map(|(name, value)| NativeHeader {
                name: String::from_utf8_lossy(name).into_owned(),
                value: value.map(buffer),
            })
            .collect(),
    })
}

fn to_js_report(report: VerifyReport) -> tidelog::Result<NativeVerifyReport> {
    Ok(NativeVerifyReport {
        partitions: from_u64("partitions", report.partitions)?,
        segments: from_u64("segments", report.segments)?,
        batches: from_u64("batches", report.batches)?,
        records: from_u64("records", report.records)?,
        bytes: from_u64("bytes", report.bytes)?,
        problems: report
            .problems
            .into_iter()
            .map(to_js_problem)
            .collect::<tidelog::Result<_>>()?,
    })
}

fn to_js_problem(problem: Problem) -> tidelog::Result<NativeProblem> {
    Ok(NativeProblem {
        file: problem.file.to_string_lossy().into_owned(),
        position: from_u64("position", problem.position)?,
        offset: from_u64("offset", problem.offset)?,
        reason: problem.reason,
        records_affected: problem.records_affected,
    })
}
