//! The offset and time index of one segment: sparse, derived from the log, checked against it on use
//! and rebuilt when they do not fit. New entries gather in memory and go to their file a page at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidelog_format::offset_index::OffsetEntry;
use tidelog_format::time_index::TimeEntry;
use tidelog_io::{OpenMode, ReadAt, Storage, StorageFile};

use crate::error::{IoContext, Result};

/// So many bytes of a file are read at once at the end of a search.
const PAGE_BYTES: usize = 4096;

/// Entries held back before they are written to the file: a page of the smaller kind.
const PENDING_MAX: usize = 512;

/// An entry of either index, in its encoding of fixed size.
pub(crate) trait Entry: Copy {
    const LEN: usize;
    fn decode(bytes: &[u8]) -> Option<Self>;
    fn encode(&self, out: &mut Vec<u8>);
}

impl Entry for OffsetEntry {
    const LEN: usize = tidelog_format::offset_index::ENTRY_LEN;
    fn decode(bytes: &[u8]) -> Option<Self> {
        OffsetEntry::decode(bytes)
    }
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&OffsetEntry::encode(self));
    }
}

impl Entry for TimeEntry {
    const LEN: usize = tidelog_format::time_index::ENTRY_LEN;
    fn decode(bytes: &[u8]) -> Option<Self> {
        TimeEntry::decode(bytes)
    }
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&TimeEntry::encode(self));
    }
}

/// Entries in order: the file's first, then those that are not in it yet.
pub(crate) struct SparseIndex<E> {
    path: PathBuf,
    flushed: usize,
    pending: Vec<E>,
    last: Option<E>,
    data: Option<(usize, Arc<dyn StorageFile>)>,
}

/// What a search needs, taken under the lock and used outside of it: reading may wait for the disk.
pub(crate) enum Lookup<E> {
    Found(Option<E>),
    Search {
        entries: usize,
        data: Arc<dyn StorageFile>,
    },
}

impl<E: Entry> SparseIndex<E> {
    pub fn empty(path: PathBuf) -> SparseIndex<E> {
        SparseIndex {
            path,
            flushed: 0,
            pending: Vec::new(),
            last: None,
            data: None,
        }
    }

    /// Takes over the file of an earlier life, if there is one.
    pub fn load(storage: &dyn Storage, path: PathBuf) -> Result<SparseIndex<E>> {
        let mut index = SparseIndex::empty(path);
        if !storage
            .exists(&index.path)
            .during("look for", &index.path)?
        {
            return Ok(index);
        }
        let file = storage
            .open(&index.path, OpenMode::Read)
            .during("open", &index.path)?;
        let len = file.len().during("measure", &index.path)?;
        // A part of an entry at the end is one that was being written.
        index.flushed = (len / E::LEN as u64) as usize;
        index.last = match index.flushed {
            0 => None,
            entries => read_entry(&*file, entries - 1),
        };
        Ok(index)
    }

    pub fn last(&self) -> Option<E> {
        self.last
    }

    pub fn len(&self) -> usize {
        self.flushed + self.pending.len()
    }

    pub fn push(&mut self, entry: E) {
        self.pending.push(entry);
        self.last = Some(entry);
    }

    /// Forgets the file's entries from the first on that `stays` does not hold for.
    pub fn keep(&mut self, storage: &dyn Storage, stays: impl Fn(&E) -> bool) -> Result<()> {
        if self.last.is_none_or(|last| stays(&last)) {
            return Ok(());
        }
        let file = storage
            .open(&self.path, OpenMode::Read)
            .during("open", &self.path)?;
        let (mut low, mut high) = (0, self.flushed);
        while low < high {
            let middle = low + (high - low) / 2;
            match read_entry::<E>(&*file, middle) {
                Some(entry) if stays(&entry) => low = middle + 1,
                _ => high = middle,
            }
        }
        self.flushed = low;
        self.last = low
            .checked_sub(1)
            .and_then(|entry| read_entry(&*file, entry));
        self.data = None;
        Ok(())
    }

    pub fn is_page_pending(&self) -> bool {
        self.pending.len() >= PENDING_MAX
    }

    /// Writes what is pending. The file is not synced: after a crash it is checked, and rebuilt if need be.
    /// A first write replaces the file, since a reader may still have the old one open.
    pub fn flush(&mut self, storage: &dyn Storage) -> Result<()> {
        if self.pending.is_empty() && self.flushed > 0 {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(self.pending.len() * E::LEN);
        for entry in &self.pending {
            entry.encode(&mut bytes);
        }
        if self.flushed == 0 {
            let new = self.path.with_extension("tmp");
            let file = storage
                .open(&new, OpenMode::Create)
                .during("create", &new)?;
            file.set_len(0).during("shorten", &new)?;
            file.write_all_at(0, &bytes).during("write", &new)?;
            storage.rename(&new, &self.path).during("rename", &new)?;
        } else {
            let file = storage
                .open(&self.path, OpenMode::Write)
                .during("open", &self.path)?;
            file.write_all_at((self.flushed * E::LEN) as u64, &bytes)
                .during("write", &self.path)?;
        }
        self.flushed += self.pending.len();
        self.pending.clear();
        Ok(())
    }

    /// Gives back the open file; the next search opens it again.
    pub fn close(&mut self) {
        self.data = None;
    }

    /// Prepares the search for the last entry that `before` holds for; entries for which it holds come first.
    pub fn lookup(
        &mut self,
        storage: &dyn Storage,
        before: impl Fn(&E) -> bool,
    ) -> Result<Lookup<E>> {
        let in_pending = self.pending.partition_point(&before);
        if in_pending > 0 || self.flushed == 0 {
            return Ok(Lookup::Found(
                in_pending.checked_sub(1).map(|i| self.pending[i]),
            ));
        }
        self.open(storage)?;
        match &self.data {
            Some((entries, data)) => Ok(Lookup::Search {
                entries: *entries,
                data: Arc::clone(data),
            }),
            None => Ok(Lookup::Found(None)),
        }
    }

    /// Has the entries of the file at hand, whatever becomes of its name.
    pub fn open(&mut self, storage: &dyn Storage) -> Result<()> {
        if self.flushed == 0 || matches!(&self.data, Some((entries, _)) if *entries == self.flushed)
        {
            return Ok(());
        }
        let file = storage
            .open(&self.path, OpenMode::Read)
            .during("open", &self.path)?;
        self.data = Some((self.flushed, file));
        Ok(())
    }

    /// Gives the file another name.
    pub fn move_to(&mut self, storage: &dyn Storage, path: PathBuf) -> Result<()> {
        storage
            .rename(&self.path, &path)
            .during("rename", &self.path)?;
        self.path = path;
        Ok(())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl<E: Entry> Lookup<E> {
    /// The last entry that `before` holds for. An entry that can't be read ends the search as if it did
    /// not hold: what comes out is checked against the log by the caller.
    pub fn finish(self, before: impl Fn(&E) -> bool) -> Option<E> {
        let (entries, data) = match self {
            Lookup::Found(entry) => return entry,
            Lookup::Search { entries, data } => (entries, data),
        };
        let (mut low, mut high, mut found) = (0, entries, None);
        while high - low > PAGE_BYTES / E::LEN {
            let middle = low + (high - low) / 2;
            match read_entry::<E>(&*data, middle) {
                Some(entry) if before(&entry) => {
                    found = Some(entry);
                    low = middle + 1;
                }
                _ => high = middle,
            }
        }
        // The rest is read at once: a call of the system costs more than a page of entries.
        let mut bytes = vec![0; (high - low) * E::LEN];
        if data
            .read_exact_at((low * E::LEN) as u64, &mut bytes)
            .is_err()
        {
            return found;
        }
        let entries = bytes.chunks_exact(E::LEN).map_while(E::decode);
        entries.take_while(|entry| before(entry)).last().or(found)
    }
}

fn read_entry<E: Entry>(data: &(impl ReadAt + ?Sized), index: usize) -> Option<E> {
    let mut bytes = [0; 16];
    let bytes = bytes.get_mut(..E::LEN)?;
    data.read_exact_at((index * E::LEN) as u64, bytes).ok()?;
    E::decode(bytes)
}
