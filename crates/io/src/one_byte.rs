//! A storage that does everything it is asked, a byte at a time, and interrupts every other call:
//! the least that the system promises. What works on it does not depend on whole transfers.

use crate::retry::{self, ShortIo};
use crate::{
    DirEntry, FileSystemKind, LockAttempt, OpenMode, ReadAt, Storage, StorageFile, StorageFolder,
};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Another storage, whose reads and writes are split into single bytes and run through the same
/// loops that [`OsStorage`](crate::OsStorage) uses. A write of many bytes is many writes of the
/// storage below, so that a crash planned there can fall between any two bytes.
#[derive(Clone, Debug)]
pub struct OneByteStorage {
    inner: Arc<dyn Storage>,
}

impl OneByteStorage {
    /// Splits what goes to and comes from `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Storage>) -> OneByteStorage {
        OneByteStorage { inner }
    }
}

impl Storage for OneByteStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(OneByteFile(Pieces::new(
            self.inner.open(path, mode)?,
        ))))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.read_dir(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.inner.exists(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.hard_link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir(path)
    }

    fn open_dir(&self, path: &Path) -> io::Result<Box<dyn StorageFolder>> {
        self.inner.open_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<LockAttempt> {
        self.inner.lock(path)
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        self.inner.is_locked(path)
    }

    fn file_system(&self, path: &Path) -> io::Result<FileSystemKind> {
        self.inner.file_system(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.inner.canonicalize(path)
    }
}

/// Access to something in single bytes, every other time interrupted.
struct Pieces<T: ?Sized> {
    interrupt: AtomicBool,
    inner: Arc<T>,
}

impl<T: ?Sized> Pieces<T> {
    fn new(inner: Arc<T>) -> Pieces<T> {
        Pieces {
            interrupt: AtomicBool::new(true),
            inner,
        }
    }

    fn interrupted(&self) -> io::Result<()> {
        match self.interrupt.fetch_xor(true, Ordering::Relaxed) {
            true => Err(io::ErrorKind::Interrupted.into()),
            false => Ok(()),
        }
    }
}

struct OneByteFile(Pieces<dyn StorageFile>);

impl fmt::Debug for OneByteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OneByteFile").field(&self.0.inner).finish()
    }
}

impl ShortIo for Pieces<dyn StorageFile> {
    fn read_some_at(&self, position: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.interrupted()?;
        let count = buf.len().min(1);
        match self.inner.read_exact_at(position, &mut buf[..count]) {
            Ok(()) => Ok(count),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn write_some_at(&self, position: u64, bytes: &[u8]) -> io::Result<usize> {
        self.interrupted()?;
        let count = bytes.len().min(1);
        self.inner.write_all_at(position, &bytes[..count])?;
        Ok(count)
    }
}

impl ReadAt for OneByteFile {
    fn read_exact_at(&self, position: u64, buf: &mut [u8]) -> io::Result<()> {
        retry::read_exact_at(&self.0, position, buf)
    }
}

impl StorageFile for OneByteFile {
    fn len(&self) -> io::Result<u64> {
        self.0.inner.len()
    }

    fn modified(&self) -> io::Result<Option<i64>> {
        self.0.inner.modified()
    }

    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        retry::write_all_at(&self.0, position, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.inner.set_len(len)
    }

    fn allocate(&self, position: u64, len: u64) -> io::Result<()> {
        self.0.inner.allocate(position, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.inner.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.inner.sync_all()
    }

    fn drop_cache(&self, position: u64, len: u64) -> io::Result<()> {
        self.0.inner.drop_cache(position, len)
    }
}
