//! The real disk: files by `pread` and `pwrite`, space by `fallocate`, folders synced by their own
//! descriptors. It adds to the system calls what callers would otherwise each have to: retries,
//! short transfers and safe open flags.

use crate::retry::{self, ShortIo, uninterrupted};
use crate::{
    DirEntry, FileSystemKind, LockAttempt, OpenMode, ReadAt, Storage, StorageFile, StorageFolder,
    file_system, writer_lock,
};
use rustix::fs::OFlags;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// The largest piece of page cache the system keeps as one. A range is dropped only in whole pieces.
#[cfg(target_os = "linux")]
const CACHE_UNIT: u64 = 2 << 20;

/// The disks of this machine, through the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsStorage;

impl OsStorage {
    /// The one real storage; it has no state.
    #[must_use]
    pub fn new() -> OsStorage {
        OsStorage
    }
}

pub(crate) fn open(path: &Path, mode: OpenMode) -> io::Result<File> {
    // NONBLOCK has no meaning for a regular file, and keeps a named pipe in our place from making
    // us wait for ever. The standard library adds CLOEXEC and repeats after a signal.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .write(mode != OpenMode::Read)
        .create(mode == OpenMode::Create)
        .create_new(mode == OpenMode::CreateNew)
        .mode(FILE_MODE)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    Ok(file)
}

pub(crate) fn open_folder(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::DIRECTORY.bits().cast_signed())
        .open(path)
}

impl Storage for OsStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(OsFile {
            file: open(path, mode)?,
        }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(DIR_MODE).create(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // Removed since the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            entries.push(DirEntry {
                name: entry.file_name().to_string_lossy().into_owned(),
                is_dir: metadata.is_dir(),
                len: metadata.len(),
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match std::fs::symlink_metadata(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::hard_link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir(path)
    }

    fn open_dir(&self, path: &Path) -> io::Result<Box<dyn StorageFolder>> {
        Ok(Box::new(OsFolder(open_folder(path)?)))
    }

    fn lock(&self, path: &Path) -> io::Result<LockAttempt> {
        writer_lock::try_lock(path)
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        writer_lock::is_locked(path)
    }

    fn file_system(&self, path: &Path) -> io::Result<FileSystemKind> {
        file_system::of(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::canonicalize(path)
    }
}

#[derive(Debug)]
struct OsFolder(File);

impl StorageFolder for OsFolder {
    fn sync(&self) -> io::Result<()> {
        self.0.sync_all()?;
        read_an_entry(&self.0)
    }
}

/// XFS may call a folder synced whose changes it has just given up, when an error makes it shut down in that moment.
/// Reading it fails then. It is read through the same handle: another one may not be had.
#[cfg(target_os = "linux")]
fn read_an_entry(folder: &File) -> io::Result<()> {
    rustix::fs::seek(folder, rustix::fs::SeekFrom::Start(0))?;
    // Room for one entry with the longest name.
    let mut space = [std::mem::MaybeUninit::uninit(); 1024];
    let mut entries = rustix::fs::RawDir::new(folder, &mut space);
    match entries.next().transpose() {
        // The folder was removed while it was open: nothing in it is left to keep.
        Ok(_) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn read_an_entry(_folder: &File) -> io::Result<()> {
    Ok(())
}

#[derive(Debug)]
struct OsFile {
    file: File,
}

impl ShortIo for File {
    fn read_some_at(&self, position: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.read_at(buf, position)
    }

    fn write_some_at(&self, position: u64, bytes: &[u8]) -> io::Result<usize> {
        self.write_at(bytes, position)
    }
}

impl ReadAt for OsFile {
    fn read_exact_at(&self, position: u64, buf: &mut [u8]) -> io::Result<()> {
        retry::read_exact_at(&self.file, position, buf)
    }
}

impl StorageFile for OsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn modified(&self) -> io::Result<Option<i64>> {
        let written = self.file.metadata()?.modified()?;
        let since_1970 = written.duration_since(std::time::UNIX_EPOCH);
        Ok(since_1970
            .ok()
            .and_then(|time| i64::try_from(time.as_millis()).ok()))
    }

    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        crate::end_of(position, bytes.len())?;
        retry::write_all_at(&self.file, position, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, position: u64, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        allocate(&self.file, position, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn drop_cache(&self, position: u64, len: u64) -> io::Result<()> {
        drop_cache(&self.file, position, len)
    }
}

#[cfg(target_os = "linux")]
fn allocate(file: &File, position: u64, len: u64) -> io::Result<()> {
    use rustix::fs::FallocateFlags;
    use rustix::io::Errno;
    uninterrupted(
        || match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, position, len) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Err(io::ErrorKind::Unsupported.into()),
            Err(error) => Err(error.into()),
        },
    )
}

#[cfg(not(target_os = "linux"))]
fn allocate(_file: &File, _position: u64, _len: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
fn drop_cache(file: &File, position: u64, len: u64) -> io::Result<()> {
    use std::num::NonZeroU64;
    if len == 0 {
        return Ok(());
    }
    // The system keeps what is only partly in the range, so the range is widened.
    let start = position - position % CACHE_UNIT;
    let end = position
        .saturating_add(len)
        .checked_next_multiple_of(CACHE_UNIT);
    // Without a length it is the rest of the file.
    let len = end
        .filter(|end| *end <= i64::MAX as u64)
        .and_then(|end| NonZeroU64::new(end - start));
    uninterrupted(|| {
        Ok(rustix::fs::fadvise(
            file,
            start,
            len,
            rustix::fs::Advice::DontNeed,
        )?)
    })
}

#[cfg(not(target_os = "linux"))]
fn drop_cache(_file: &File, _position: u64, _len: u64) -> io::Result<()> {
    Ok(())
}
