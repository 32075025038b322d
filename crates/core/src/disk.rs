//! The disk as the engine uses it: the one place that decides what an error of the disk means.
//!
//! - **A sync that failed is final**, whatever its error says: no later sync proves anything, so the health of the store is
//!   latched here, and the caller is told [`Error::Poisoned`](crate::Error::Poisoned). A lack of space that only a sync
//!   tells is no exception.
//! - **A call that is not a sync is not final.** A folder that can't be opened to be synced has lost nothing; it is tried
//!   again with the next checkpoint.
//! - **Without a file handle left**, segments that are not in use are closed, and the call is made again.
//!
//! All files and folders of an engine are opened through this storage, so no sync can go round it.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tidelog_io::{
    DirEntry, FileSystemKind, HandleLimit, LockAttempt, OpenMode, ReadAt, Storage, StorageFile,
    StorageFolder,
};

use crate::error::Error;
use crate::health::Health;

/// How often handles are let go for one call: other threads, and the rest of the program, may take them first.
const ATTEMPTS: usize = 8;

/// Closes files that are not in use. False if there are none.
type LetGo = Box<dyn Fn() -> bool + Send + Sync>;

pub(crate) struct Disk {
    storage: Arc<dyn Storage>,
    health: Arc<Health>,
    let_go: OnceLock<LetGo>,
}

thread_local! {
    /// This thread is letting handles go: what it opens meanwhile must not begin that again.
    static LETTING_GO: Cell<bool> = const { Cell::new(false) };
}

/// A sync that failed. It travels as the source of an [`io::Error`] to where that becomes an [`Error`].
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub(crate) struct FailedSync {
    /// The first failure of the store.
    pub cause: String,
}

impl Disk {
    pub fn new(storage: Arc<dyn Storage>) -> Arc<Disk> {
        Arc::new(Disk {
            storage,
            health: Arc::default(),
            let_go: OnceLock::new(),
        })
    }

    /// The storage that it was made of.
    pub fn inner(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Says how handles are got when the system has none left.
    pub fn let_go_by(&self, let_go: impl Fn() -> bool + Send + Sync + 'static) {
        let _ = self.let_go.set(Box::new(let_go));
    }

    /// Makes a call that needs a handle, again for as long as there is none and others can be let go.
    fn with_handle<T>(&self, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let mut outcome = call();
        for _ in 0..ATTEMPTS {
            match &outcome {
                Err(error) if HandleLimit::behind(error).is_some() && self.let_go() => {
                    outcome = call();
                }
                _ => break,
            }
        }
        outcome
    }

    fn let_go(&self) -> bool {
        let Some(let_go) = self.let_go.get() else {
            return false;
        };
        if LETTING_GO.replace(true) {
            return false;
        }
        let closed = let_go();
        LETTING_GO.set(false);
        closed
    }
}

impl Health {
    /// Makes a sync count, or its failure final. It counts only if none had failed by its end.
    fn sync(
        &self,
        path: &Path,
        what: &str,
        sync: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let told = |error| match error {
            Error::Poisoned { cause } => io::Error::other(FailedSync { cause }),
            other => io::Error::other(other),
        };
        self.check_disk().map_err(told)?;
        sync().map_err(|error| {
            told(self.poison(format!("sync of {what}{}: {error}", path.display())))
        })?;
        self.check_disk().map_err(told)
    }
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Disk").field(&self.storage).finish()
    }
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    file: Arc<dyn StorageFile>,
    health: Arc<Health>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    folder: Box<dyn StorageFolder>,
    health: Arc<Health>,
}

impl Storage for Disk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(File {
            path: path.to_owned(),
            file: self.with_handle(|| self.storage.open(path, mode))?,
            health: Arc::clone(&self.health),
        }))
    }

    fn open_dir(&self, path: &Path) -> io::Result<Box<dyn StorageFolder>> {
        Ok(Box::new(Folder {
            path: path.to_owned(),
            folder: self.with_handle(|| self.storage.open_dir(path))?,
            health: Arc::clone(&self.health),
        }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.storage.create_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.with_handle(|| self.storage.read_dir(path))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.storage.exists(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.storage.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.storage.hard_link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.storage.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.storage.remove_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<LockAttempt> {
        self.storage.lock(path)
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        self.storage.is_locked(path)
    }

    fn file_system(&self, path: &Path) -> io::Result<FileSystemKind> {
        self.storage.file_system(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.storage.canonicalize(path)
    }
}

impl StorageFolder for Folder {
    fn sync(&self) -> io::Result<()> {
        self.health
            .sync(&self.path, "folder ", || self.folder.sync())
    }
}

impl ReadAt for File {
    fn read_exact_at(&self, position: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(position, buf)
    }
}

impl StorageFile for File {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn modified(&self) -> io::Result<Option<i64>> {
        self.file.modified()
    }

    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(position, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, position: u64, len: u64) -> io::Result<()> {
        self.file.allocate(position, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.health.sync(&self.path, "", || self.file.sync_data())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.health.sync(&self.path, "", || self.file.sync_all())
    }

    fn drop_cache(&self, position: u64, len: u64) -> io::Result<()> {
        self.file.drop_cache(position, len)
    }
}
