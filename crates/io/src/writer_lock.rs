//! The lock that makes one process the only writer of a store: `flock` on a file of its own, and
//! on the folder that holds it, since the file may be deleted by somebody who takes it for a
//! leftover. It conflicts with other processes and with a second attempt in the same one, and ends
//! with the process however that dies. (A POSIX record lock would be lost when any other handle of
//! the file is closed.)

use crate::{OpenMode, os, retry};
use std::fmt::Debug;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The lock, for as long as it is not dropped.
pub trait WriterLock: Send + Sync + Debug {
    /// Whether it still keeps everybody out who asks at the same path. A lock file that was
    /// deleted is made and locked again; until then only its folder keeps others out, which a
    /// program that locks nothing but the file does not ask. False if another one has the file by
    /// now, or if another folder is at this path.
    ///
    /// # Errors
    /// What the system says; nothing is known then.
    fn keep(&self) -> io::Result<bool>;
}

/// What came of trying to lock.
#[derive(Debug)]
pub enum LockAttempt {
    /// The lock is ours until this is dropped.
    Held(Box<dyn WriterLock>),
    /// Somebody else holds it.
    Busy {
        /// The holder's process id, if it could be read. It is a hint: the holder may have just
        /// taken over, or run in another container.
        pid: Option<u32>,
    },
}

#[derive(Debug)]
struct OsLock {
    path: PathBuf,
    folder: Locked,
    file: Mutex<Locked>,
}

/// An open file or folder that is locked by this handle, unless its file system can't lock folders.
#[derive(Debug)]
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing would do, were it not for a program being started at this moment, which holds
        // a copy of the descriptor until it has become that program. If this fails, closing does it.
        let _closed_anyway = self.0.unlock();
    }
}

impl WriterLock for OsLock {
    fn keep(&self) -> io::Result<bool> {
        if !is_at(&self.folder.0, folder_of(&self.path))? {
            return Ok(false);
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if is_at(&file.0, &self.path)? {
            return Ok(true);
        }
        let again = os::open(&self.path, OpenMode::Create)?;
        if !try_flock(&again)? {
            return Ok(false);
        }
        let again = Locked(again);
        write_pid(&again.0)?;
        *file = again;
        Ok(true)
    }
}

/// Whether an open file or folder is the one that has this name.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let there = match std::fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let open = file.metadata()?;
    Ok((there.dev(), there.ino()) == (open.dev(), open.ino()))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// False if somebody else has locked it.
fn try_flock(file: &File) -> io::Result<bool> {
    retry::uninterrupted(|| match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    })
}

/// `path` is that of the lock file.
pub(crate) fn try_lock(path: &Path) -> io::Result<LockAttempt> {
    let file = os::open(path, OpenMode::Create)?;
    if !try_flock(&file)? {
        return Ok(LockAttempt::Busy {
            pid: read_pid(&file),
        });
    }
    let file = Locked(file);
    let folder = os::open_folder(folder_of(path))?;
    // Some network file systems lock no folder. The file has to do there.
    if !try_flock(&folder).unwrap_or(true) {
        // Its holder's file was deleted, and with it whose it is.
        return Ok(LockAttempt::Busy { pid: None });
    }
    let folder = Locked(folder);
    write_pid(&file.0)?;
    Ok(LockAttempt::Held(Box::new(OsLock {
        path: path.to_owned(),
        folder,
        file: Mutex::new(file),
    })))
}

/// Whether the lock file or its folder is locked, without writing. A shared lock conflicts with the
/// holder's only.
pub(crate) fn is_locked(path: &Path) -> io::Result<bool> {
    let is_shared = |file: &File| {
        retry::uninterrupted(|| match file.try_lock_shared() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        })
    };
    match os::open(path, OpenMode::Read) {
        Ok(file) if !is_shared(&file)? => return Ok(true),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Some network file systems lock no folder.
    Ok(!is_shared(&os::open_folder(folder_of(path))?).unwrap_or(true))
}

fn write_pid(file: &File) -> io::Result<()> {
    // Emptied first, so that nobody reads the last holder's id as ours.
    file.set_len(0)?;
    file.write_all_at(format!("{}\n", std::process::id()).as_bytes(), 0)
}

fn read_pid(file: &File) -> Option<u32> {
    // The longest id has ten digits. A file of anything else, or without its newline yet, has none.
    let mut text = [0; 16];
    let len = retry::uninterrupted(|| file.read_at(&mut text, 0)).ok()?;
    std::str::from_utf8(&text[..len])
        .ok()?
        .strip_suffix('\n')?
        .parse()
        .ok()
}
