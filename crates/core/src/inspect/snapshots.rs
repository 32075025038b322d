//! Snapshots of producers: what does not hold is passed over, and what it told of is made again from the log.

use std::path::{Path, PathBuf};

use tidelog_format::file_name::{self, SegmentFile};
use tidelog_format::producer_snapshot::ProducerSnapshot;
use tidelog_io::{OpenMode, Storage};

use crate::error::{IoContext, Result};

/// A snapshot that does not hold.
#[derive(Debug, Clone)]
pub(crate) struct BadSnapshot {
    pub path: PathBuf,
    /// The offset that it is named by: what it tells of lies before.
    pub offset: u64,
    pub reason: String,
}

/// Reads all snapshots of a partition. Each is written under another name first, so that a writer beside is never seen
/// half done.
pub(crate) fn check_snapshots(storage: &dyn Storage, folder: &Path) -> Result<Vec<BadSnapshot>> {
    let mut bad = Vec::new();
    if !storage.exists(folder).during("look for", folder)? {
        return Ok(bad);
    }
    for entry in storage.read_dir(folder).during("list", folder)? {
        let Some((offset, SegmentFile::Snapshot)) = file_name::parse(&entry.name) else {
            continue;
        };
        let path = folder.join(&entry.name);
        let file = match storage.open(&path, OpenMode::Read) {
            Ok(file) => file,
            // A writer has removed it since.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).during("open", &path),
        };
        let mut bytes = vec![0; usize::try_from(file.len().during("measure", &path)?).unwrap_or(0)];
        let reason = match file.read_exact_at(0, &mut bytes) {
            Ok(()) => ProducerSnapshot::decode(&bytes)
                .err()
                .map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(reason) = reason {
            bad.push(BadSnapshot {
                path,
                offset,
                reason,
            });
        }
    }
    bad.sort_by_key(|bad| bad.offset);
    Ok(bad)
}
