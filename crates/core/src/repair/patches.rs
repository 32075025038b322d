//! What the journal would put back, held in memory beside the segments: a survey sees them as a repair would make
//! them, and changes nothing. At most as much as the journal holds.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidelog_io::{OpenMode, ReadAt, Storage, StorageFile};

use crate::error::{IoContext, Result};

/// Batches by segment file and position.
#[derive(Default)]
pub(super) struct Patches(HashMap<PathBuf, BTreeMap<u64, Vec<u8>>>);

impl Patches {
    pub fn add(&mut self, segment: &Path, position: u64, batch: &[u8]) {
        let patches = self.0.entry(segment.to_owned()).or_default();
        patches.insert(position, batch.to_vec());
    }

    /// Files of a partition's folder that only exist here.
    pub fn files_in<'a>(&'a self, folder: &'a Path) -> impl Iterator<Item = &'a Path> {
        self.0
            .keys()
            .map(PathBuf::as_path)
            .filter(move |path| path.parent() == Some(folder))
    }

    /// A segment as it would be.
    pub fn open<'a>(&'a self, storage: &dyn Storage, path: &Path) -> Result<PatchedFile<'a>> {
        let (mut file, mut len) = (None, 0);
        if storage.exists(path).during("look for", path)? {
            let found = storage.open(path, OpenMode::Read).during("open", path)?;
            len = found.len().during("measure", path)?;
            file = Some(found);
        }
        let patches = self.0.get(path);
        let end = patches
            .and_then(BTreeMap::last_key_value)
            .map_or(0, |(position, bytes)| position + bytes.len() as u64);
        Ok(PatchedFile {
            file,
            file_len: len,
            len: len.max(end),
            patches,
        })
    }
}

pub(super) struct PatchedFile<'a> {
    file: Option<Arc<dyn StorageFile>>,
    file_len: u64,
    pub len: u64,
    patches: Option<&'a BTreeMap<u64, Vec<u8>>>,
}

impl ReadAt for PatchedFile<'_> {
    fn read_exact_at(&self, position: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = position.saturating_add(buf.len() as u64);
        if end > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let within = self.file_len.saturating_sub(position).min(buf.len() as u64);
        let (from_file, behind) = buf.split_at_mut(within as usize);
        match &self.file {
            Some(file) if !from_file.is_empty() => file.read_exact_at(position, from_file)?,
            _ => {}
        }
        behind.fill(0);
        let Some(patches) = self.patches else {
            return Ok(());
        };
        // Batches do not overlap: of those that begin before, only the last can reach in here.
        let before = patches.range(..position).next_back();
        for (at, bytes) in before.into_iter().chain(patches.range(position..end)) {
            let (from, to) = (position.max(*at), end.min(at + bytes.len() as u64));
            if from >= to {
                continue;
            }
            let source = bytes.get((from - at) as usize..(to - at) as usize);
            let target = buf.get_mut((from - position) as usize..(to - position) as usize);
            if let (Some(source), Some(target)) = (source, target) {
                target.copy_from_slice(source);
            }
        }
        Ok(())
    }
}
