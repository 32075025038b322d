//! Index entries compared with the batches that they name: what does not fit can be made again from the log.

use std::path::{Path, PathBuf};

use tidelog_format::offset_index::{self, OffsetEntry};
use tidelog_format::time_index::{self, TimeEntry};
use tidelog_io::{OpenMode, Storage};

use crate::error::{IoContext, Result};

/// What index entries tell of a batch, which they name by its last offset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    pub last_offset: u64,
    pub position: u64,
    pub max_timestamp: i64,
}

/// Who wrote a segment, and so what its indexes and offsets have to be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// Entries name one batch, and offsets go without a gap.
    Tidelog,
    /// Entries may name the first of several batches that were appended together, and compaction leaves gaps.
    Kafka,
}

/// A segment whose batches are these, up to the offset `next`.
pub(crate) struct IndexedSegment<'a> {
    pub path: &'a Path,
    pub base: u64,
    pub next: u64,
    pub batches: &'a [Ends],
    pub by: Writer,
}

/// An entry that is not so.
pub(crate) struct WrongEntry {
    pub index: PathBuf,
    pub position: u64,
    pub offset: u64,
    pub reason: String,
}

/// Checks both indexes of a segment.
pub(crate) fn check_indexes(
    storage: &dyn Storage,
    segment: &IndexedSegment<'_>,
    mut tell: impl FnMut(WrongEntry),
) -> Result<()> {
    let mut check = |ending: &str, len: usize, fits: &dyn Fn(&[u8]) -> Option<Entry>| {
        let index = segment.path.with_extension(ending);
        let bytes = read(storage, &index)?;
        let used = used(&bytes, len);
        for (number, entry) in bytes.chunks_exact(len).take(used).enumerate() {
            let Some(Entry {
                relative,
                holds,
                says,
            }) = fits(entry)
            else {
                continue;
            };
            let offset = segment.base + u64::from(relative);
            if !holds && offset < segment.next {
                tell(WrongEntry {
                    index: index.clone(),
                    position: (number * len) as u64,
                    offset,
                    reason: format!(
                        "entry {number} says {says}, which is not so of offset {offset}"
                    ),
                });
            }
        }
        let zeros = bytes.len() / len - used;
        if zeros > 0 {
            tell(WrongEntry {
                index: index.clone(),
                position: (used * len) as u64,
                offset: segment.base,
                reason: format!(
                    "{zeros} entries of zeros up to its end: space for entries that was allocated and not used, or what \
                     another program has filled up"
                ),
            });
        }
        Ok(())
    };
    check("index", offset_index::ENTRY_LEN, &|bytes| {
        let entry = OffsetEntry::decode(bytes)?;
        let at = u64::from(entry.position);
        Some(Entry {
            relative: entry.relative_offset,
            holds: segment.begins_at(segment.offset(entry.relative_offset), at),
            says: format!("that its batch begins at byte {at}"),
        })
    })?;
    let times = segment.batches.iter().map(|batch| batch.max_timestamp);
    let newest_so_far: Vec<i64> = times
        .scan(i64::MIN, |newest, time| {
            *newest = time.max(*newest);
            Some(*newest)
        })
        .collect();
    check("timeindex", time_index::ENTRY_LEN, &|bytes| {
        let entry = TimeEntry::decode(bytes)?;
        let time = entry.timestamp;
        Some(Entry {
            relative: entry.relative_offset,
            holds: segment.is_newest(segment.offset(entry.relative_offset), time, &newest_so_far),
            says: format!("that the newest time of its batch is {time}"),
        })
    })
}

struct Entry {
    relative: u32,
    holds: bool,
    says: String,
}

impl IndexedSegment<'_> {
    fn offset(&self, relative: u32) -> u64 {
        self.base + u64::from(relative)
    }

    fn ending_with(&self, offset: u64) -> Option<&Ends> {
        let at = self
            .batches
            .binary_search_by_key(&offset, |batch| batch.last_offset);
        self.batches.get(at.ok()?)
    }

    /// Whether a reader that looks for the offset finds it from this position on.
    fn begins_at(&self, offset: u64, position: u64) -> bool {
        if self.by == Writer::Tidelog {
            return self
                .ending_with(offset)
                .is_some_and(|batch| batch.position == position);
        }
        let at = self
            .batches
            .binary_search_by_key(&position, |batch| batch.position);
        at.is_ok_and(|at| {
            let before = at
                .checked_sub(1)
                .and_then(|before| self.batches.get(before));
            before.is_none_or(|before| before.last_offset < offset)
        })
    }

    /// Whether a reader that looks for a later time misses nothing before this offset.
    fn is_newest(&self, offset: u64, time: i64, newest_so_far: &[i64]) -> bool {
        if self.by == Writer::Tidelog {
            return self
                .ending_with(offset)
                .is_some_and(|batch| batch.max_timestamp == time);
        }
        let before = self
            .batches
            .partition_point(|batch| batch.last_offset < offset);
        let newest = before
            .checked_sub(1)
            .and_then(|last| newest_so_far.get(last));
        newest.is_none_or(|newest| *newest <= time)
    }
}

/// The number of entries before those that are zeros up to the end. The first one may rightly be of zeros.
fn used(bytes: &[u8], len: usize) -> usize {
    let mut entries = bytes.chunks_exact(len);
    let last = entries.rposition(|entry| entry.iter().any(|byte| *byte != 0));
    last.map_or((bytes.len() / len).min(1), |last| last + 1)
}

fn read(storage: &dyn Storage, path: &Path) -> Result<Vec<u8>> {
    if !storage.exists(path).during("look for", path)? {
        return Ok(Vec::new());
    }
    let file = storage.open(path, OpenMode::Read).during("open", path)?;
    let mut bytes = vec![0; usize::try_from(file.len().during("measure", path)?).unwrap_or(0)];
    file.read_exact_at(0, &mut bytes).during("read", path)?;
    Ok(bytes)
}
