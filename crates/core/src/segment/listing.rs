//! Which files of a partition's folder are its segments. While segments give way to the one that compaction made of them, it
//! counts from the moment that it is named so, whether or not they are all gone; what a crash cut short there is finished
//! at the next opening.

use std::path::{Path, PathBuf};

use tidelog_format::file_name::{self, CLEANED};
use tidelog_io::{DirEntry, Storage};

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
        let (from, to) = (folder.join(&entry.name), folder.join(file_name::log(base)));
        storage.rename(&from, &to).during("rename", &from)?;
        sync()?;
    }
    Ok(())
}
