//! How much of a file this process knows to be there, shared by all its handles and maps of that
//! file. Maps read under its shared side and `set_len` works under its exclusive side, so that no
//! page is taken away under a reader: that is what makes reading a map safe.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

/// Device and inode. It names one file for as long as anything holds the file open or mapped, and
/// whatever owns an [`Extent`] does.
type FileId = (u64, u64);

static EXTENTS: Mutex<Option<HashMap<FileId, Weak<Extent>>>> = Mutex::new(None);

#[derive(Debug)]
pub(crate) struct Extent {
    id: FileId,
    /// No byte below it lies beyond the file's end, as far as this process is concerned.
    known_len: AtomicU64,
    lock: RwLock<()>,
}

impl Extent {
    /// The extent of an open file, the same one for all who have it open.
    pub(crate) fn of(metadata: &Metadata) -> Arc<Extent> {
        let id = (metadata.dev(), metadata.ino());
        let mut extents = EXTENTS.lock().unwrap_or_else(PoisonError::into_inner);
        let extents = extents.get_or_insert_default();
        if let Some(extent) = extents.get(&id).and_then(Weak::upgrade) {
            return extent;
        }
        let extent = Arc::new(Extent {
            id,
            known_len: AtomicU64::new(0),
            lock: RwLock::new(()),
        });
        extents.insert(id, Arc::downgrade(&extent));
        extent
    }

    /// Keeps the file from being shortened while the guard lives.
    pub(crate) fn keep(&self) -> Kept<'_> {
        // The lock guards no data, so a panic under it leaves nothing half done.
        Kept {
            extent: self,
            _guard: self.lock.read().unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn change(&self) -> RwLockWriteGuard<'_, ()> {
        self.lock.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the length from the system: for when a map begins.
    pub(crate) fn measure(&self, file: &File) -> io::Result<()> {
        let _guard = self.change();
        self.known_len
            .store(file.metadata()?.len(), Ordering::Release);
        Ok(())
    }

    /// Changes the file's length when no read through a map is under way.
    pub(crate) fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        let _guard = self.change();
        let result = file.set_len(len);
        // A failed call may have shortened the file all the same, so the system is asked.
        let known = match &result {
            Ok(()) => len,
            Err(_) => file.metadata().map_or(0, |metadata| metadata.len()),
        };
        self.known_len.store(known, Ordering::Release);
        result
    }
}

impl Drop for Extent {
    fn drop(&mut self) {
        let mut extents = EXTENTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(extents) = extents.as_mut() {
            // The entry may already be that of the file's next extent.
            if extents
                .get(&self.id)
                .is_some_and(|entry| entry.strong_count() == 0)
            {
                extents.remove(&self.id);
            }
        }
    }
}

/// A time in which the file is not shortened.
pub(crate) struct Kept<'a> {
    extent: &'a Extent,
    _guard: RwLockReadGuard<'a, ()>,
}

impl Kept<'_> {
    pub(crate) fn known_len(&self) -> u64 {
        self.extent.known_len.load(Ordering::Acquire)
    }

    /// The file was written up to `end`.
    pub(crate) fn raise(&self, end: u64) {
        self.extent.known_len.fetch_max(end, Ordering::Release);
    }
}
