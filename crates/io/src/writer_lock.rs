//! The lock that makes one process the only writer of a store: `flock` on a file of its own. It
//! conflicts with other processes and with a second attempt in the same one, and ends with the
//! process however that dies. (A POSIX record lock would be lost when any other handle of the
//! file is closed.)

use crate::retry;
use std::fmt::Debug;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;

/// The lock, for as long as it is not dropped.
pub trait WriterLock: Send + Sync + Debug {}

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
    file: File,
}

impl WriterLock for OsLock {}

impl Drop for OsLock {
    fn drop(&mut self) {
        // Closing would do, were it not for a program being started at this moment, which holds
        // a copy of the descriptor until it has become that program. If this fails, closing does it.
        let _closed_anyway = self.file.unlock();
    }
}

/// `file` is the lock file, open for reading and writing.
pub(crate) fn try_lock(file: File) -> io::Result<LockAttempt> {
    let attempt = retry::uninterrupted(|| match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    })?;
    if !attempt {
        return Ok(LockAttempt::Busy {
            pid: read_pid(&file),
        });
    }
    // Emptied first, so that nobody reads the last holder's id as ours.
    file.set_len(0)?;
    file.write_all_at(format!("{}\n", std::process::id()).as_bytes(), 0)?;
    Ok(LockAttempt::Held(Box::new(OsLock { file })))
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
