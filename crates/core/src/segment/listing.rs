//! Which files of a partition's folder are its segments. While segments give way to the one that compaction made of them, it
//! counts from the moment that it is named so, whether or not they are all gone; what a crash cut short there is finished
//! at the next opening.

use std::path::{Path, PathBuf};

use tidelog_format::file_name::{self, CLEANED};
use tidelog_io::{DirEntry, OpenMode, Storage};

use super::scan::{Expect, Scanner};
use crate::error::{IoContext, Result};

/// A file that counts as a segment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listed {
    pub base: u64,
    pub path: PathBuf,
    pub len: u64,
}

/// The segments among the entries of a folder, in order.
pub(crate) fn listed(folder: &Path, entries: &[DirEntry]) -> Vec<Listed> {
    let swaps: Vec<(u64, u64)> = entries
        .iter()
        .filter_map(|entry| file_name::parse_swap(&entry.name))
        .collect();
    let replaced = |base: u64| {
        swaps
            .iter()
            .any(|(from, next)| (*from..*next).contains(&base))
    };
    let base_of = |name: &str| match file_name::parse_swap(name) {
        Some((base, _)) => Some(base),
        None => file_name::parse_log(name).filter(|base| !replaced(*base)),
    };
    let mut segments: Vec<Listed> = entries
        .iter()
        .filter(|entry| !entry.is_dir)
        .filter_map(|entry| {
            Some(Listed {
                base: base_of(&entry.name)?,
                path: folder.join(&entry.name),
                len: entry.len,
            })
        })
        .collect();
    segments.sort();
    segments
}

/// Puts in their place what replaces segments that a crash has left, and takes away what it left half-done. Durable when
/// this returns, unless nothing was left.
pub(crate) fn finish_swaps(storage: &dyn Storage, folder: &Path) -> Result<()> {
    let entries = storage.read_dir(folder).during("list", folder)?;
    let sync = || storage.sync_dir(folder).during("sync", folder);
    for entry in entries.iter().filter(|entry| entry.name.ends_with(CLEANED)) {
        let path = folder.join(&entry.name);
        storage.remove_file(&path).during("remove", &path)?;
    }
    for entry in &entries {
        let Some((base, next)) = file_name::parse_swap(&entry.name) else {
            continue;
        };
        let swap = folder.join(&entry.name);
        if !holds(storage, std::slice::from_ref(&swap), base, next)? {
            // Where all that it stands for is there still, that stays; else it is the only one.
            let mut logs: Vec<(u64, PathBuf)> = entries
                .iter()
                .filter_map(|old| Some((file_name::parse_log(&old.name)?, folder.join(&old.name))))
                .filter(|(offset, _)| (base..next).contains(offset))
                .collect();
            logs.sort();
            let logs: Vec<PathBuf> = logs.into_iter().map(|(_, path)| path).collect();
            if holds(storage, &logs, base, next)? {
                let aside = folder.join(format!("{}.damaged", entry.name));
                storage.rename(&swap, &aside).during("rename", &swap)?;
                sync()?;
                continue;
            }
        }
        // That it counts may stand in the cache only; what it replaces must not go before that is durable.
        sync()?;
        for old in &entries {
            if let Some((offset, kind)) = file_name::parse(&old.name)
                && (base..next).contains(&offset)
                && kind != file_name::SegmentFile::Snapshot
                && (offset, kind) != (base, file_name::SegmentFile::Log)
            {
                let path = folder.join(&old.name);
                storage.remove_file(&path).during("remove", &path)?;
            }
        }
        sync()?;
        let to = folder.join(file_name::log(base));
        storage.rename(&swap, &to).during("rename", &swap)?;
        sync()?;
    }
    Ok(())
}

/// Whether files, one behind the other, hold batches for all offsets from `base` up to `next`.
fn holds(storage: &dyn Storage, files: &[PathBuf], base: u64, next: u64) -> Result<bool> {
    let mut expect = Expect {
        offset: base,
        epoch_min: i32::MIN,
        epoch_max: i32::MAX,
    };
    for path in files {
        let file = storage.open(path, OpenMode::Read).during("open", path)?;
        let len = file.len().during("measure", path)?;
        let mut scanner = Scanner::new(&*file, 0, len, expect, true);
        loop {
            match scanner.next() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return Ok(false),
            }
        }
        expect = scanner.expect();
    }
    Ok(expect.offset == next)
}
