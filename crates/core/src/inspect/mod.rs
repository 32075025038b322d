//! Looking into stores and segment files, for people and tools. Nothing here changes anything.

mod indexes;
mod log_starts;
mod own_files;
mod snapshots;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidelog_format::batch::BatchHeader;
use tidelog_format::file_name;
use tidelog_io::{OpenMode, Storage, StorageFile};

use crate::error::{Error, IoContext, Result};
use crate::segment::{Damage, Expect, Found, Listed, Scanner, listed};
pub(crate) use indexes::{Ends, WrongEntry, check_indexes};
use log_starts::LogStarts;
use own_files::verify_own_files;
pub(crate) use snapshots::{BadSnapshot, check_snapshots};

/// The batches of one segment file, in order, with their CRC checked.
pub struct SegmentScan {
    file: Arc<dyn StorageFile>,
    len: u64,
    position: u64,
    expect: Expect,
    batch: Vec<u8>,
    ended: bool,
}

/// A batch, or where and why the file does not hold one.
#[derive(Debug, Clone)]
pub enum Scanned {
    /// A batch that holds.
    Batch {
        /// Its first byte in the file.
        position: u64,
        /// Its header.
        header: BatchHeader,
    },
    /// The scan ends here.
    Damage {
        /// The byte where a batch should begin.
        position: u64,
        /// The offset that it should have.
        offset: u64,
        /// What does not hold.
        reason: String,
    },
}

/// Opens a segment file (`<base offset>.log`) for a scan.
///
/// # Errors
/// [`Error::InvalidArgument`] if it is not named like a segment, [`Error::Io`].
pub fn scan_segment(storage: &dyn Storage, path: &Path) -> Result<SegmentScan> {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let swapped = || file_name::parse_swap(&name).map(|(base, _)| base);
    let base = file_name::parse_log(&name)
        .or_else(swapped)
        .ok_or_else(|| Error::InvalidArgument {
            argument: "path",
            reason: format!("{name:?} is not named like a segment: 20 digits and .log"),
        })?;
    let file = storage.open(path, OpenMode::Read).during("open", path)?;
    let len = file.len().during("measure", path)?;
    let expect = Expect {
        offset: base,
        epoch_min: i32::MIN,
        epoch_max: i32::MAX,
    };
    Ok(SegmentScan {
        file,
        len,
        position: 0,
        expect,
        batch: Vec::new(),
        ended: false,
    })
}

impl SegmentScan {
    /// The file's length in bytes.
    pub fn file_len(&self) -> u64 {
        self.len
    }

    /// The encoded bytes of the batch that was given last.
    pub fn bytes(&self) -> &[u8] {
        &self.batch
    }
}

impl Iterator for SegmentScan {
    type Item = Scanned;

    fn next(&mut self) -> Option<Scanned> {
        if self.ended {
            return None;
        }
        let mut scanner = Scanner::new(&*self.file, self.position, self.len, self.expect, true);
        let next = scanner.next();
        self.position = scanner.position();
        self.expect = scanner.expect();
        self.batch = scanner.into_bytes();
        match next {
            Ok(Some(Found { position, header })) => Some(Scanned::Batch { position, header }),
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(Damage {
                position,
                offset,
                reason,
            }) => {
                self.ended = true;
                Some(Scanned::Damage {
                    position,
                    offset,
                    reason,
                })
            }
        }
    }
}

/// What a check of a store or a partition found.
#[derive(Debug, Clone, Default)]
pub struct VerifyReport {
    /// Partitions looked at.
    pub partitions: u64,
    /// Segments looked at.
    pub segments: u64,
    /// Batches that hold.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// What does not hold.
    pub problems: Vec<Problem>,
}

impl VerifyReport {
    fn add(&mut self, other: VerifyReport) {
        self.partitions += other.partitions;
        self.segments += other.segments;
        self.batches += other.batches;
        self.records += other.records;
        self.bytes += other.bytes;
        self.problems.extend(other.problems);
    }
}

/// One thing that does not hold.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The byte in it.
    pub position: u64,
    /// The offset that was expected there.
    pub offset: u64,
    /// What does not hold.
    pub reason: String,
    /// Whether records are affected; an index can be made again.
    pub records_affected: bool,
}

impl From<BadSnapshot> for Problem {
    fn from(bad: BadSnapshot) -> Problem {
        Problem {
            file: bad.path,
            position: 0,
            offset: bad.offset,
            reason: format!(
                "{}; what is known of producers is read from the log",
                bad.reason
            ),
            records_affected: false,
        }
    }
}

/// Checks every batch, every index entry and every snapshot of producers under a store's folder, or under one
/// partition's. Of a store that is being written, what lies behind the published end is left out. `progress` gets the
/// bytes done and all bytes, and stops the check by giving false.
///
/// # Errors
/// [`Error::NotAStore`] if there is no partition folder, [`Error::Io`].
pub fn verify_store(
    storage: &dyn Storage,
    path: &Path,
    mut progress: impl FnMut(u64, u64) -> bool,
) -> Result<VerifyReport> {
    let folders = partition_folders(storage, path)?;
    let mut segments = Vec::new();
    let mut total = 0;
    for folder in &folders {
        let entries = storage.read_dir(folder).during("list", folder)?;
        let files = listed(folder, &entries);
        total += files.iter().map(|file| file.len).sum::<u64>();
        segments.push(files);
    }
    let mut report = VerifyReport {
        partitions: folders.len() as u64,
        ..VerifyReport::default()
    };
    let meta = path.join("meta.properties");
    if storage.exists(&meta).during("look for", &meta)? {
        report.problems = verify_own_files(storage, path)?;
    }
    let log_starts = LogStarts::of(storage, path)?;
    let mut done = 0;
    for (folder, files) in folders.iter().zip(segments) {
        let bytes = files.iter().map(|file| file.len).sum::<u64>();
        let mut goes_on = true;
        let log_start = log_starts.in_folder(storage, folder)?;
        let found = verify_partition(storage, folder, files, log_start, |position| {
            goes_on = progress(done + position, total);
            goes_on
        })?;
        report.add(found);
        done += bytes;
        if !goes_on {
            break;
        }
    }
    Ok(report)
}

/// How often a partition is looked at again whose segments a writer has replaced meanwhile.
const ATTEMPTS: usize = 5;

fn verify_partition(
    storage: &dyn Storage,
    folder: &Path,
    mut files: Vec<Listed>,
    log_start: u64,
    mut progress: impl FnMut(u64) -> bool,
) -> Result<VerifyReport> {
    for _ in 1..ATTEMPTS {
        let found = verify_segments(storage, folder, &files, log_start, &mut progress);
        if matches!(&found, Ok(report) if report.problems.is_empty()) {
            return found;
        }
        let entries = storage.read_dir(folder).during("list", folder)?;
        let now = listed(folder, &entries);
        // The last one grows, and new ones come.
        let settled = files.len().saturating_sub(1);
        if now.get(..settled) == files.get(..settled) {
            return found;
        }
        files = now;
    }
    verify_segments(storage, folder, &files, log_start, &mut progress)
}

fn verify_segments(
    storage: &dyn Storage,
    folder: &Path,
    files: &[Listed],
    log_start: u64,
    progress: &mut impl FnMut(u64) -> bool,
) -> Result<VerifyReport> {
    let mut report = VerifyReport::default();
    let end = crate::published::load(storage, folder)?.map(|ends| ends.high_watermark);
    let snapshots = check_snapshots(storage, folder)?.into_iter();
    report.problems.extend(snapshots.map(Problem::from));
    let (mut expected, mut done) = (None, 0);
    for Listed { base, path, len } in files {
        report.segments += 1;
        if let Some(expected) = expected
            && expected != *base
            // Between segments that hold nothing any more one may be gone.
            && *base > log_start
        {
            let reason =
                format!("offset {expected} should follow, but the segment begins at {base}");
            report.problems.push(Problem {
                file: path.clone(),
                position: 0,
                offset: expected,
                reason,
                records_affected: true,
            });
        }
        expected = Some(verify_segment(storage, path, end, &mut report, |bytes| {
            progress(done + bytes)
        })?);
        done += len;
        if !progress(done) {
            break;
        }
    }
    Ok(report)
}

fn partition_folders(storage: &dyn Storage, path: &Path) -> Result<Vec<PathBuf>> {
    let entries = storage.read_dir(path).during("list", path)?;
    if entries
        .iter()
        .any(|entry| file_name::parse_log(&entry.name).is_some())
    {
        return Ok(vec![path.to_owned()]);
    }
    let folders: Vec<PathBuf> = entries
        .iter()
        .filter(|entry| entry.is_dir && file_name::parse_partition_folder(&entry.name).is_some())
        .map(|entry| path.join(&entry.name))
        .collect();
    let is_store = entries.iter().any(|entry| entry.name == "meta.properties");
    if folders.is_empty() && !is_store {
        let reason = "it has neither partition folders nor segments".to_owned();
        return Err(Error::NotAStore {
            path: path.to_owned(),
            reason,
        });
    }
    Ok(folders)
}

/// Checks one segment and its indexes; gives the offset that should follow.
fn verify_segment(
    storage: &dyn Storage,
    path: &Path,
    end: Option<u64>,
    report: &mut VerifyReport,
    mut progress: impl FnMut(u64) -> bool,
) -> Result<u64> {
    let mut scan = scan_segment(storage, path)?;
    let base = scan.expect.offset;
    let mut batches: Vec<Ends> = Vec::new();
    let mut problem = |file: PathBuf, position, offset, reason, records_affected| {
        report.problems.push(Problem {
            file,
            position,
            offset,
            reason,
            records_affected,
        });
    };
    for scanned in scan.by_ref() {
        match scanned {
            Scanned::Batch { position, header } => {
                report.batches += 1;
                report.records += u64::from(header.record_count);
                report.bytes += header.size() as u64;
                let (last_offset, max_timestamp) = (header.last_offset(), header.max_timestamp);
                batches.push(Ends {
                    last_offset,
                    position,
                    max_timestamp,
                });
                if !progress(position) {
                    break;
                }
            }
            Scanned::Damage {
                position,
                offset,
                reason,
            } => {
                if end.is_none_or(|end| offset < end) {
                    problem(path.to_owned(), position, offset, reason, true);
                }
            }
        }
    }
    let next = scan.expect.offset;
    for wrong in check_indexes(storage, path, base, next, &batches)? {
        let WrongEntry {
            index,
            position,
            offset,
            reason,
        } = wrong;
        problem(index, position, offset, reason, false);
    }
    Ok(next)
}
