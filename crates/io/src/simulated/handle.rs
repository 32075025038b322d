//! Open files and locks of the simulated disk. Each belongs to the life of the machine in
//! which it was made, and fails in any later one.

use super::bytes::Edit;
use super::disk::{Change, Disk, FileNode};
use super::faults::CallKind;
use super::lock_disk;
use super::names::{NodeId, Place};
use crate::{ReadAt, StorageFile, StorageFolder, WriterLock, end_of, unexpected_eof};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type SharedDisk = Arc<Mutex<Disk>>;

/// What keeps a file alive without a name.
struct Handle {
    disk: SharedDisk,
    node: NodeId,
    life: u64,
}

impl Handle {
    fn new(shared: &SharedDisk, disk: &mut Disk, node: NodeId) -> io::Result<Handle> {
        disk.file(node)?.handles += 1;
        Ok(Handle {
            disk: Arc::clone(shared),
            node,
            life: disk.life(),
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut disk = lock_disk(&self.disk);
        // A crash has already taken the handles of earlier lives.
        if disk.life() == self.life
            && let Ok(file) = disk.file(self.node)
        {
            file.handles = file.handles.saturating_sub(1);
        }
    }
}

pub(super) struct SimulatedFile {
    handle: Handle,
    writable: bool,
}

impl SimulatedFile {
    pub(super) fn new(
        shared: &SharedDisk,
        disk: &mut Disk,
        node: NodeId,
        writable: bool,
    ) -> io::Result<SimulatedFile> {
        Ok(SimulatedFile {
            handle: Handle::new(shared, disk, node)?,
            writable,
        })
    }

    fn change(&self, kind: CallKind, change: impl FnOnce(NodeId) -> Change) -> io::Result<()> {
        let mut disk = lock_disk(&self.handle.disk);
        let verdict = disk.begin(self.handle.life, kind)?;
        let change = change(self.handle.node);
        if !self.writable {
            // The errors that the system has for a file opened for reading.
            match &change {
                Change::Edit(_, Edit::SetLen(_)) => return Err(rustix::io::Errno::INVAL.into()),
                Change::Edit(..) | Change::Allocate { .. } => {
                    return Err(rustix::io::Errno::BADF.into());
                }
                Change::Name(_) | Change::SyncFile(_) | Change::SyncFolder(_) => {}
            }
        }
        disk.finish(verdict, change)
    }
}

/// An open folder. It works on when it is renamed or removed.
pub(super) struct SimulatedFolder {
    disk: SharedDisk,
    node: NodeId,
    life: u64,
}

impl SimulatedFolder {
    pub(super) fn new(shared: &SharedDisk, disk: &Disk, node: NodeId) -> SimulatedFolder {
        SimulatedFolder {
            disk: Arc::clone(shared),
            node,
            life: disk.life(),
        }
    }
}

impl StorageFolder for SimulatedFolder {
    fn sync(&self) -> io::Result<()> {
        let mut disk = lock_disk(&self.disk);
        let verdict = disk.begin(self.life, CallKind::Sync)?;
        disk.finish(verdict, Change::SyncFolder(self.node))
    }
}

impl fmt::Debug for SimulatedFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedFolder")
            .field("node", &self.node)
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SimulatedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedFile")
            .field("node", &self.handle.node)
            .field("life", &self.handle.life)
            .field("writable", &self.writable)
            .finish()
    }
}

impl ReadAt for SimulatedFile {
    fn read_exact_at(&self, position: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut disk = lock_disk(&self.handle.disk);
        disk.begin(self.handle.life, CallKind::Look)?;
        let live = disk.file(self.handle.node)?.bytes.live();
        let (end, len) = (end_of(position, buf.len())?, live.len() as u64);
        if buf.is_empty() {
            return Ok(());
        }
        if end > len {
            return Err(unexpected_eof(position, buf.len(), len));
        }
        buf.copy_from_slice(&live[position as usize..end as usize]);
        Ok(())
    }
}

impl StorageFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        let mut disk = lock_disk(&self.handle.disk);
        disk.begin(self.handle.life, CallKind::Look)?;
        Ok(disk.file(self.handle.node)?.bytes.len())
    }

    fn modified(&self) -> io::Result<Option<i64>> {
        Ok(None)
    }

    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        end_of(position, bytes.len())?;
        if bytes.is_empty() {
            return Ok(());
        }
        self.change(CallKind::Write, |node| {
            Change::Edit(
                node,
                Edit::Write {
                    position,
                    bytes: bytes.to_vec(),
                },
            )
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(CallKind::Change, |node| {
            Change::Edit(node, Edit::SetLen(len))
        })
    }

    fn allocate(&self, position: u64, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        self.change(CallKind::Change, |node| Change::Allocate {
            node,
            position,
            len,
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(CallKind::Sync, Change::SyncFile)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.change(CallKind::Sync, Change::SyncFile)
    }

    fn drop_cache(&self, position: u64, len: u64) -> io::Result<()> {
        let mut disk = lock_disk(&self.handle.disk);
        disk.begin(self.handle.life, CallKind::Look)?;
        if len > 0 {
            disk.file(self.handle.node)?.bytes.drop_cache(position, len);
        }
        Ok(())
    }
}

pub(super) struct SimulatedLock {
    path: PathBuf,
    handle: Mutex<Handle>,
    folder: NodeId,
}

impl SimulatedLock {
    /// The lock of a file, which is free, and of its folder, which is taken.
    pub(super) fn new(
        shared: &SharedDisk,
        disk: &mut Disk,
        path: &Path,
        node: NodeId,
        folder: NodeId,
    ) -> io::Result<SimulatedLock> {
        disk.file(node)?.locked = true;
        Ok(SimulatedLock {
            path: path.to_owned(),
            handle: Mutex::new(Handle::new(shared, disk, node)?),
            folder,
        })
    }

    fn handle(&self) -> MutexGuard<'_, Handle> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WriterLock for SimulatedLock {
    fn keep(&self) -> io::Result<bool> {
        let mut handle = self.handle();
        let shared = Arc::clone(&handle.disk);
        let mut disk = lock_disk(&shared);
        disk.check_life(handle.life)?;
        let Place { name, node } = disk.names.place(&self.path)?;
        if name.0 != self.folder {
            return Ok(false);
        }
        let node = match node {
            Some(node) if node == handle.node => return Ok(true),
            Some(node) => node,
            None => {
                let node = disk.new_node();
                disk.files.insert(node, FileNode::default());
                disk.names.perform(vec![(name, Some(node))]);
                node
            }
        };
        let file = disk.file(node)?;
        if std::mem::replace(&mut file.locked, true) {
            return Ok(false);
        }
        let again = Handle::new(&shared, &mut disk, node)?;
        drop(disk);
        *handle = again;
        Ok(true)
    }
}

impl fmt::Debug for SimulatedLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedLock")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        let handle = self.handle();
        let mut disk = lock_disk(&handle.disk);
        if disk.life() == handle.life {
            disk.locked.remove(&self.folder);
            if let Ok(file) = disk.file(handle.node) {
                file.locked = false;
            }
        }
    }
}
