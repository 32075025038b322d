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

/// An entry that is not so.
pub(crate) struct WrongEntry {
    pub index: PathBuf,
    pub position: u64,
    pub offset: u64,
    pub reason: String,
}

/// Checks both indexes of a segment whose batches are these, up to the offset `next`.
pub(crate) fn check_indexes(
    storage: &dyn Storage,
    segment: &Path,
    base: u64,
    next: u64,
    batches: &[Ends],
) -> Result<Vec<WrongEntry>> {
    let mut wrong = Vec::new();
    let mut check = |index: &Path,
                     (number, len): (usize, usize),
                     relative: u32,
                     fits: &dyn Fn(&Ends) -> bool,
                     says: String| {
        let offset = base + u64::from(relative);
        let batch = batches.binary_search_by_key(&offset, |batch| batch.last_offset);
        let holds = batch.is_ok_and(|at| batches.get(at).is_some_and(fits));
        if !holds && offset < next {
            wrong.push(WrongEntry {
                index: index.to_owned(),
                position: (number * len) as u64,
                offset,
                reason: format!("entry {number} says {says}, which is not so of offset {offset}"),
            });
        }
    };
    let index = segment.with_extension("index");
    let len = offset_index::ENTRY_LEN;
    let found = entries(storage, &index, len, OffsetEntry::decode)?;
    for (number, entry) in found.into_iter().enumerate() {
        let at = u64::from(entry.position);
        let says = format!("that its batch begins at byte {at}");
        let fits = |batch: &Ends| batch.position == at;
        check(&index, (number, len), entry.relative_offset, &fits, says);
    }
    let index = segment.with_extension("timeindex");
    let len = time_index::ENTRY_LEN;
    let found = entries(storage, &index, len, TimeEntry::decode)?;
    for (number, entry) in found.into_iter().enumerate() {
        let time = entry.timestamp;
        let says = format!("that the newest time of its batch is {time}");
        let fits = |batch: &Ends| batch.max_timestamp == time;
        check(&index, (number, len), entry.relative_offset, &fits, says);
    }
    Ok(wrong)
}

fn entries<E>(
    storage: &dyn Storage,
    path: &Path,
    len: usize,
    decode: impl Fn(&[u8]) -> Option<E>,
) -> Result<Vec<E>> {
    if !storage.exists(path).during("look for", path)? {
        return Ok(Vec::new());
    }
    let file = storage.open(path, OpenMode::Read).during("open", path)?;
    let mut bytes = vec![0; usize::try_from(file.len().during("measure", path)?).unwrap_or(0)];
    file.read_exact_at(0, &mut bytes).during("read", path)?;
    Ok(bytes.chunks_exact(len).filter_map(decode).collect())
}
