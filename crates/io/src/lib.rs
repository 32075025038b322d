//! The only door from Tidelog to the disk: files, folders, the writer's lock, and nothing that
//! knows what is in them. The engine takes a [`Storage`] and never calls the operating system
//! itself, so that it runs the same on a real disk ([`OsStorage`]), on a simulated one that loses
//! power and fails on command ([`SimulatedStorage`]), and on one that hands out a byte at a time
//! ([`OneByteStorage`]). All calls block; all are safe to make from several threads at once.

#![forbid(unsafe_code)]

mod file_system;
mod handles;
mod one_byte;
mod os;
mod retry;
mod simulated;
mod writer_lock;

pub use file_system::FileSystemKind;
pub use handles::{HandleLimit, open_file_limit};
pub use one_byte::OneByteStorage;
pub use os::OsStorage;
pub use simulated::{CallKind, Counters, CrashKind, Device, FaultKind, SimulatedStorage};
pub use writer_lock::{LockAttempt, WriterLock};

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a file is opened, and whether it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpenMode {
    /// For reading; the file must exist. Anything that changes it fails.
    Read,
    /// For reading and writing; the file must exist.
    Write,
    /// For reading and writing; an empty file is made if there is none.
    Create,
    /// For reading and writing; fails with `AlreadyExists` if there is anything under that name.
    CreateNew,
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name without its folder. Bytes that are not UTF-8 are replaced by U+FFFD; such a file
    /// is none of ours and can not be opened through this crate.
    pub name: String,
    /// Whether it is a folder. A symbolic link is not, whatever it points to.
    pub is_dir: bool,
    /// Length in bytes of a file; without meaning for a folder.
    pub len: u64,
}

/// A disk. Paths are absolute, or relative to the process's working folder.
///
/// What is *written* survives the death of the process. What survives a loss of power is only
/// what was synced: a file's bytes and length by [`StorageFile::sync_data`], and its name (as well
/// as renames and removals) by [`Storage::sync_dir`] of the folder that holds it.
pub trait Storage: Send + Sync + Debug {
    /// Opens a regular file. New files are readable and writable by their owner only (0600); the
    /// descriptor is not inherited by programs the process starts; a symbolic link at the end of
    /// the path is refused.
    ///
    /// # Errors
    /// `NotFound`, `AlreadyExists` (by [`OpenMode::CreateNew`]), `IsADirectory`, `InvalidInput`
    /// for anything else that is not a regular file, and what the system says.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>>;

    /// Makes one folder, open to its owner only (0700). Its parent must exist.
    ///
    /// # Errors
    /// `AlreadyExists`, `NotFound` (no parent), and what the system says.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// All entries of a folder, sorted by name.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, and what the system says.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;

    /// Whether there is anything under this name. Symbolic links are not followed.
    ///
    /// # Errors
    /// Whatever keeps the question from being answered, such as `PermissionDenied`.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Renames a file or folder, in one step. A file at `to` is replaced. Both folders need
    /// [`Storage::sync_dir`] for it to survive a loss of power.
    ///
    /// # Errors
    /// `NotFound`, `DirectoryNotEmpty`, and what the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file another name, in a folder of the same file system. Both names mean the same bytes from then on. The
    /// folder of the new one needs [`Storage::sync_dir`] for it to survive a loss of power.
    ///
    /// # Errors
    /// `AlreadyExists`, `NotFound`, `CrossesDevices`, `Unsupported` or `PermissionDenied` where the file system or the
    /// file's owner has none, and what the system says.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name. Open handles and maps of it keep working.
    ///
    /// # Errors
    /// `NotFound`, `IsADirectory`, and what the system says.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty folder.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, `DirectoryNotEmpty`, and what the system says.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Opens a folder, to sync its names later. Nothing is read or changed: an error of this call
    /// says nothing about what is on the disk. Open it before names in it change, so that a lack
    /// of handles is known while nothing has happened yet.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, and what the system says, such as EMFILE.
    fn open_dir(&self, path: &Path) -> io::Result<Box<dyn StorageFolder>>;

    /// [`Storage::open_dir`] and [`StorageFolder::sync`] in one call.
    ///
    /// # Errors
    /// As these two. Which of them failed is not told.
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.open_dir(path)?.sync()
    }

    /// Tries, without waiting, to become the one holder of the lock file at `path`, which is made
    /// if there is none, and of its folder: one who deletes the file lets nobody else in. The holder's process id is kept in it for people and for
    /// [`LockAttempt::Busy`]. The lock ends when the [`WriterLock`] is dropped or the process dies.
    /// A second attempt in the same process is refused like any other.
    ///
    /// # Errors
    /// What the system says; that somebody else holds the lock is not an error.
    fn lock(&self, path: &Path) -> io::Result<LockAttempt>;

    /// Whether somebody holds the lock at `path`, asked without writing: also where nothing can be
    /// written. For the moment of the question the lock can't be had.
    ///
    /// # Errors
    /// What the system says; that there is no such file is not an error.
    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        Ok(self.exists(path)? && matches!(self.lock(path)?, LockAttempt::Busy { .. }))
    }

    /// What kind of file system the existing file or folder `path` is on.
    ///
    /// # Errors
    /// `NotFound`, and what the system says.
    fn file_system(&self, path: &Path) -> io::Result<FileSystemKind>;

    /// The absolute path with all symbolic links resolved, for telling whether two paths mean the
    /// same folder.
    ///
    /// # Errors
    /// `NotFound`, and what the system says.
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf>;
}

/// An open folder. Dropping it closes it, without syncing.
pub trait StorageFolder: Send + Sync + Debug {
    /// Makes the names in this folder as they are now survive a loss of power.
    ///
    /// # Errors
    /// What the system says. After a failure nothing may be assumed to be durable, and trying
    /// again proves nothing: a second sync can succeed without the disk having the first one's data.
    fn sync(&self) -> io::Result<()>;
}

/// Something whose bytes can be read at any position.
pub trait ReadAt: Send + Sync {
    /// Fills `buf` with the bytes from `position` (in bytes from the start) on. Reading nothing
    /// always succeeds.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file does not have that many bytes there; `buf` then holds anything.
    fn read_exact_at(&self, position: u64, buf: &mut [u8]) -> io::Result<()>;
}

/// An open file. Positions and lengths are in bytes. Dropping the last handle closes it, without
/// syncing.
///
/// Concurrent writes to ranges that overlap are the caller's to keep apart.
pub trait StorageFile: ReadAt + Debug {
    /// The file's length in bytes, without space that was only allocated.
    ///
    /// # Errors
    /// What the system says.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// What the system says.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// When the file was last written, in ms since 1970; `None` where the disk does not keep it.
    ///
    /// # Errors
    /// What the system says.
    fn modified(&self) -> io::Result<Option<i64>>;

    /// Writes all bytes at `position`; the file grows as needed, and a gap reads as zeros. They
    /// survive the process, but not a loss of power before the next sync.
    ///
    /// # Errors
    /// `StorageFull`, and what the system says. **A part may have been written**, and the file may
    /// have grown; cut it back with [`StorageFile::set_len`] or write over it.
    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file or extends it with zeros. Space allocated beyond the new end is given back.
    ///
    /// # Errors
    /// What the system says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reserves real disk space for `len` bytes from `position` on, and leaves the file's length
    /// as it is. Writing there can then not fail for want of space, except on file systems that
    /// never overwrite in place (btrfs, zfs).
    ///
    /// # Errors
    /// `StorageFull`; `Unsupported` where the file system can not do it; what the system says.
    fn allocate(&self, position: u64, len: u64) -> io::Result<()>;

    /// Makes the file's bytes and length survive a loss of power. The name is the folder's matter:
    /// [`Storage::sync_dir`].
    ///
    /// # Errors
    /// What the system says. A failure is final: the unsynced bytes may never reach the disk
    /// although they can still be read and although the next sync succeeds.
    fn sync_data(&self) -> io::Result<()>;

    /// [`StorageFile::sync_data`], and the file's other attributes too.
    ///
    /// # Errors
    /// As for [`StorageFile::sync_data`].
    fn sync_all(&self) -> io::Result<()>;

    /// Asks the system to forget its copy of these bytes (at least; more may be forgotten), so
    /// that the next read comes from the disk. Bytes waiting to be written stay. Does nothing where the system has no such call.
    ///
    /// # Errors
    /// What the system says.
    fn drop_cache(&self, position: u64, len: u64) -> io::Result<()>;
}

/// Refuses positions that no file can have, before they overflow.
pub(crate) fn end_of(position: u64, len: usize) -> io::Result<u64> {
    position
        .checked_add(len as u64)
        .filter(|end| *end <= i64::MAX as u64)
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{len} bytes at position {position} reach beyond the largest file"),
            )
        })
}

pub(crate) fn unexpected_eof(position: u64, wanted: usize, end: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        format!("{wanted} bytes wanted at position {position} of a file of {end}"),
    )
}
