//! What a store needs of its file system is tried at opening: a lock that keeps nobody out, and bytes on another machine,
//! are refused, unless it is forced.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use support::*;
use tidelog::io::{
    DirEntry, FileSystemKind, LockAttempt, OpenMode, SimulatedStorage, Storage, StorageFile,
    StorageFolder, WriterLock,
};
use tidelog::{Durability, Error, OpenOptions, Store};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    /// Everybody gets the lock.
    Lock,
    /// Bytes are on another machine.
    Network,
    /// Nothing can be written.
    ReadOnly,
}

/// A disk with one flaw.
#[derive(Debug)]
struct Flawed(SimulatedStorage, Flaw);

#[derive(Debug)]
struct NoLock;

impl WriterLock for NoLock {
    fn keep(&self) -> io::Result<bool> {
        Ok(true)
    }
}

impl Storage for Flawed {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        match self.1 {
            Flaw::ReadOnly if mode != OpenMode::Read => {
                Err(io::ErrorKind::ReadOnlyFilesystem.into())
            }
            _ => self.0.open(path, mode),
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.0.read_dir(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.0.exists(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.hard_link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.0.remove_dir(path)
    }

    fn open_dir(&self, path: &Path) -> io::Result<Box<dyn StorageFolder>> {
        self.0.open_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<LockAttempt> {
        match self.1 {
            Flaw::Lock => Ok(LockAttempt::Held(Box::new(NoLock))),
            Flaw::ReadOnly => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            _ => self.0.lock(path),
        }
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        self.0.is_locked(path)
    }

    fn file_system(&self, path: &Path) -> io::Result<FileSystemKind> {
        match self.1 {
            Flaw::Network => Ok(FileSystemKind::Network("nfs".into())),
            _ => self.0.file_system(path),
        }
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.0.canonicalize(path)
    }
}

#[test]
fn each_flaw_is_found_at_opening_and_can_be_forced() {
    for flaw in [Flaw::Lock, Flaw::Network] {
        let disk = SimulatedStorage::new();
        let storage: Arc<dyn Storage> = Arc::new(Flawed(disk.clone(), flaw));
        let refused = Store::open("/data", options(&storage, Durability::Fsync))
            .err()
            .unwrap();
        assert!(
            matches!(refused, Error::UnsupportedFileSystem { .. }),
            "{flaw:?}: {refused}"
        );
        let forced = OpenOptions {
            allow_network_file_system: true,
            ..options(&storage, Durability::Fsync)
        };
        Store::open("/data", forced).unwrap().close().unwrap();
        // The disk itself is fine.
        let storage: Arc<dyn Storage> = Arc::new(disk.process());
        let store = Store::open("/data", options(&storage, Durability::Fsync)).unwrap();
        store.close().unwrap();
    }
}

#[test]
fn a_survey_needs_no_right_to_write() {
    let disk = SimulatedStorage::new();
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let store = Store::open("/data", options(&storage, Durability::Fsync)).unwrap();
    let topic = store
        .create_topic("t", tidelog::TopicConfig::default())
        .unwrap();
    let partition = topic.partition(0).unwrap();
    partition.append(batch(&[value(1, 20)])).unwrap();
    let read_only: Arc<dyn Storage> = Arc::new(Flawed(disk, Flaw::ReadOnly));
    let look = || tidelog::repair::survey(&read_only, "/data", |_, _| true);
    // Somebody who may write has it open.
    assert_eq!(look().err().unwrap().code(), "ERR_TIDELOG_STORE_LOCKED");
    store.close().unwrap();
    assert!(look().unwrap().plan().is_empty());
    let path = Path::new("/data/t-0/00000000000000000000.log");
    let whole = content(&*storage, path);
    set_content(&*storage, path, &whole[..whole.len() - 1]);
    let looked = look().unwrap();
    assert_eq!(looked.plan().lost.len(), 1);
    let refused = looked.repair(|_, _| ()).unwrap_err();
    assert_eq!(refused.code(), "ERR_TIDELOG_IO");
}
