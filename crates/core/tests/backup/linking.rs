//! A disk that makes links in some places only.

use crate::store::ROOT;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidelog::io::{
    DirEntry, FileSystemKind, LockAttempt, OpenMode, SimulatedStorage, Storage, StorageFile,
    StorageFolder,
};

/// Where links can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    Everywhere,
    /// The copy is on another file system.
    InTheStore,
    None,
}

/// A disk that has links in some places only.
#[derive(Debug)]
pub struct Linking(pub SimulatedStorage, pub Links);

impl Storage for Linking {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        self.0.open(path, mode)
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
        match self.1 {
            Links::Everywhere => self.0.hard_link(from, to),
            Links::InTheStore if to.starts_with(ROOT) => self.0.hard_link(from, to),
            Links::InTheStore => Err(io::ErrorKind::CrossesDevices.into()),
            Links::None => Err(io::ErrorKind::Unsupported.into()),
        }
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
