//! The files of partitions taken by themselves, as they can be beside a writer, in a folder that is no part of a store, and
//! where what would tell more of them is damaged: every batch, every index entry and every snapshot of producers.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tidelog_io::Storage;

use super::indexes::{Ends, IndexedSegment, Writer, check_indexes};
use super::report::{Findings, Problem};
use super::scan::{Scanned, scan};
use super::snapshots::check_snapshots;
use crate::error::{Error, IoContext, Result};
use crate::segment::{Listed, listed};

/// How often a partition is looked at again whose segments a writer has replaced meanwhile.
const ATTEMPTS: usize = 5;

/// A partition's folder.
pub(super) struct Folder {
    pub path: PathBuf,
    pub by: Writer,
    /// Between segments that hold nothing any more one may be gone.
    pub log_start: u64,
}

/// Checks the partitions. What is deleted meanwhile is passed over; what can't be read is named, and the rest is checked.
pub(super) fn verify_folders(
    storage: &dyn Storage,
    folders: &[Folder],
    findings: &mut Findings,
    mut progress: impl FnMut(u64, u64) -> bool,
) -> Result<()> {
    let size = |folder: &Folder| {
        let files = segments(storage, &folder.path).unwrap_or_default();
        files.iter().map(|file| file.len).sum::<u64>()
    };
    let sizes: Vec<u64> = folders.iter().map(size).collect();
    let total = sizes.iter().sum();
    let (mut done, mut goes_on) = (0, true);
    for (folder, size) in folders.iter().zip(sizes) {
        let found = verify_folder(storage, folder, &mut |position| {
            goes_on &= progress(done + position, total);
            goes_on
        });
        match found {
            Ok(found) => findings.take(found),
            Err(error) if is_gone(&error) => {}
            Err(error) => findings.add(Problem::told_by(error)?),
        }
        findings.report.partitions += 1;
        done += size;
        if !goes_on {
            break;
        }
    }
    Ok(())
}

fn segments(storage: &dyn Storage, folder: &Path) -> Result<Vec<Listed>> {
    let entries = storage.read_dir(folder).during("list", folder)?;
    Ok(listed(folder, &entries))
}

fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::NotFound)
}

fn verify_folder(
    storage: &dyn Storage,
    folder: &Folder,
    progress: &mut impl FnMut(u64) -> bool,
) -> Result<Findings> {
    let mut files = segments(storage, &folder.path)?;
    for _ in 1..ATTEMPTS {
        let found = verify_segments(storage, folder, &files, progress)?;
        if found.is_clean() {
            return Ok(found);
        }
        let now = segments(storage, &folder.path)?;
        // The last one grows, and new ones come.
        let settled = files.len().saturating_sub(1);
        if now.get(..settled) == files.get(..settled) {
            return Ok(found);
        }
        files = now;
    }
    verify_segments(storage, folder, &files, progress)
}

fn verify_segments(
    storage: &dyn Storage,
    folder: &Folder,
    files: &[Listed],
    progress: &mut impl FnMut(u64) -> bool,
) -> Result<Findings> {
    let mut findings = Findings::default();
    let end = match folder.by {
        Writer::Tidelog => crate::published::load(storage, &folder.path)?,
        Writer::Kafka => None,
    };
    let end = end.map(|ends| ends.high_watermark);
    if folder.by == Writer::Tidelog {
        for bad in check_snapshots(storage, &folder.path)? {
            findings.add(bad);
        }
    }
    let (mut expected, mut done) = (None, 0);
    for Listed { base, path, len } in files {
        if let Some(expected) = expected
            && folder.misses(expected, *base)
        {
            findings.add(Problem {
                offset: expected,
                ..Problem::of(
                    path,
                    format!("offset {expected} should follow, but the segment begins at {base}"),
                    true,
                )
            });
        }
        let mut in_segment = |bytes| progress(done + bytes);
        expected = match verify_segment(
            storage,
            path,
            folder.by,
            end,
            &mut findings,
            &mut in_segment,
        ) {
            Ok(next) => Some(next),
            // Deleted since the folder was listed.
            Err(error) if is_gone(&error) => None,
            Err(error) => {
                findings.add(Problem {
                    offset: *base,
                    ..Problem::told_by(error)?
                });
                None
            }
        };
        findings.report.segments += 1;
        done += len;
        if !progress(done) {
            break;
        }
    }
    Ok(findings)
}

impl Folder {
    /// Whether a segment that begins here does not continue the one before, which ended where `expected` should follow.
    fn misses(&self, expected: u64, base: u64) -> bool {
        match self.by {
            Writer::Tidelog => expected != base && base > self.log_start,
            Writer::Kafka => base < expected,
        }
    }
}

/// Checks one segment and its indexes; gives the offset that should follow.
fn verify_segment(
    storage: &dyn Storage,
    path: &Path,
    by: Writer,
    end: Option<u64>,
    findings: &mut Findings,
    progress: &mut impl FnMut(u64) -> bool,
) -> Result<u64> {
    let mut scan = scan(storage, path, by)?;
    let base = scan.next_offset();
    let mut batches: Vec<Ends> = Vec::new();
    for scanned in scan.by_ref() {
        match scanned {
            Scanned::Batch { position, header } => {
                findings.report.batches += 1;
                findings.report.records += u64::from(header.record_count);
                findings.report.bytes += header.size() as u64;
                batches.push(Ends {
                    last_offset: header.last_offset(),
                    position,
                    max_timestamp: header.max_timestamp,
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
                // What lies behind the end is just being written.
                if end.is_none_or(|end| offset < end) {
                    findings.add(Problem {
                        position,
                        offset,
                        ..Problem::of(path, reason, true)
                    });
                }
            }
        }
    }
    let next = scan.next_offset();
    let segment = IndexedSegment {
        path,
        base,
        next,
        batches: &batches,
        by,
    };
    check_indexes(storage, &segment, |wrong| findings.add(wrong))?;
    Ok(next)
}
