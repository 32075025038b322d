//! What a store needs of its file system is tried at opening: a lock that keeps nobody out, and maps that do not show
//! what was written, are refused, unless it is forced.

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
    DirEntry, FileSystemKind, LockAttempt, OpenMode, ReadAt, SimulatedStorage, Storage,
    StorageFile, StorageFolder, WriterLock,
};
use tidelog::{Durability, Error, OpenOptions, Store};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    /// Everybody gets the lock.
    Lock,
    /// A map shows the file as it was when it was made.
    Map,
    /// Bytes are on another machine.
    Network,
}

/// A disk with one flaw.
#[derive(Debug)]
struct Flawed(SimulatedStorage, Flaw);

#[derive(Debug)]
struct FlawedFile(Arc<dyn StorageFile>);

#[derive(Debug)]
struct NoLock;

impl WriterLock for NoLock {}

struct Snapshot(Vec<u8>);

impl ReadAt for Snapshot {
    fn read_exact_at(&self, position: u64, buf: &mut [u8]) -> io::Result<()> {
        let from = &self.0[position as usize..];
        buf.copy_from_slice(&from[..buf.len()]);
        Ok(())
    }
}

impl Storage for Flawed {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let file = self.0.open(path, mode)?;
        Ok(match self.1 {
            Flaw::Map => Arc::new(FlawedFile(file)),
            _ => file,
        })
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
            _ => self.0.lock(path),
        }
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

impl ReadAt for FlawedFile {
    fn read_exact_at(&self, position: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(position, buf)
    }
}

impl StorageFile for FlawedFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(position, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn allocate(&self, position: u64, len: u64) -> io::Result<()> {
        self.0.allocate(position, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn drop_cache(&self, position: u64, len: u64) -> io::Result<()> {
        self.0.drop_cache(position, len)
    }

    fn map(&self, _capacity: u64) -> io::Result<Arc<dyn ReadAt>> {
        let mut bytes = vec![0; self.0.len()? as usize];
        self.0.read_exact_at(0, &mut bytes)?;
        Ok(Arc::new(Snapshot(bytes)))
    }
}

#[test]
fn each_flaw_is_found_at_opening_and_can_be_forced() {
    for flaw in [Flaw::Lock, Flaw::Map, Flaw::Network] {
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
