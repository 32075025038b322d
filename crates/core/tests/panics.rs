//! A panic in a round of the journal, or in a callback, is nobody else's: all who wait are answered, on whichever thread
//! the round was done, and a store whose round broke off acknowledges nothing any more.

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
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use support::*;
use tidelog::io::{
    CrashKind, DirEntry, FileSystemKind, LockAttempt, OpenMode, ReadAt, SimulatedStorage, Storage,
    StorageFile, StorageFolder,
};
use tidelog::{Appended, Durability, Error, Partition, Result, Store, TopicConfig};

const ROOT: &str = "/data";

/// A disk whose journal panics at a sync, once that is asked for.
#[derive(Debug)]
struct Panicking(SimulatedStorage, Arc<AtomicBool>);

#[derive(Debug)]
struct PanickingFile(Arc<dyn StorageFile>, Arc<AtomicBool>);

impl Storage for Panicking {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let file = self.0.open(path, mode)?;
        match path.extension() {
            Some(extension) if extension == "journal" => {
                Ok(Arc::new(PanickingFile(file, Arc::clone(&self.1))))
            }
            _ => Ok(file),
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
        self.0.lock(path)
    }

    fn file_system(&self, path: &Path) -> io::Result<FileSystemKind> {
        self.0.file_system(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.0.canonicalize(path)
    }
}

impl ReadAt for PanickingFile {
    fn read_exact_at(&self, position: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(position, buf)
    }
}

impl StorageFile for PanickingFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn modified(&self) -> io::Result<Option<i64>> {
        self.0.modified()
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
        assert!(!self.1.load(Ordering::Relaxed), "asked for by the test");
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn drop_cache(&self, position: u64, len: u64) -> io::Result<()> {
        self.0.drop_cache(position, len)
    }
}

/// Sends and waits: the round is done on this thread.
fn send_leading(partition: &Partition, batch: Vec<u8>) -> Result<Appended> {
    partition.append(batch)
}

/// Sends with a callback: the round is done on the journal's thread.
fn send_with(partition: &Partition, batch: Vec<u8>) -> Result<Appended> {
    let (answer, wait) = mpsc::channel();
    partition.append_with(batch, move |appended| answer.send(appended).unwrap());
    wait.recv().unwrap()
}

#[test]
fn a_round_that_panics_fails_its_sends_and_poisons_the_store_on_whichever_thread() {
    for send in [send_leading, send_with] {
        for send_after in [send_leading, send_with] {
            let disk = SimulatedStorage::new();
            let panics = Arc::new(AtomicBool::new(false));
            let storage: Arc<dyn Storage> =
                Arc::new(Panicking(disk.process(), Arc::clone(&panics)));
            let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
            let topic = store.create_topic("t", TopicConfig::default()).unwrap();
            let partition = topic.partition(0).unwrap();
            send(&partition, batch(&[value(0, 100)])).unwrap();
            panics.store(true, Ordering::Relaxed);
            let error = send(&partition, batch(&[value(1, 100)])).unwrap_err();
            assert!(
                matches!(&error, Error::Poisoned { cause } if cause.contains("panicked")),
                "{error}"
            );
            assert!(error.indefinite());
            panics.store(false, Ordering::Relaxed);
            let error = send_after(&partition, batch(&[value(2, 100)])).unwrap_err();
            assert_eq!(error.code(), "ERR_TIDELOG_POISONED");
            assert_eq!(partition.high_watermark(), 1);
            // The journal's thread is there to be ended.
            assert_eq!(store.close().unwrap_err().code(), "ERR_TIDELOG_POISONED");
            disk.crash(CrashKind::Kill, 0);
        }
    }
}

#[test]
fn a_callback_that_panics_takes_nobodys_answer_with_it() {
    let disk = SimulatedStorage::new();
    let storage: Arc<dyn Storage> = Arc::new(disk.process());
    let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
    let topic = store.create_topic("t", TopicConfig::default()).unwrap();
    let partition = topic.partition(0).unwrap();
    for n in 0..20 {
        partition.append_with(batch(&[value(n, 100)]), |_| panic!("a send's"));
        let waiter = partition.wait_for(partition.log_end_offset(), |_| panic!("a reader's"));
        waiter.map(drop).unwrap();
        let send = [send_leading, send_with][n as usize % 2];
        let appended = send(&partition, batch(&[value(n, 100)])).unwrap();
        assert_eq!(appended.base_offset, n * 2 + 1);
    }
    store.close().unwrap();
}
