//! Open files, maps and locks of the simulated disk. Each belongs to the life of the machine in
//! which it was made, and fails in any later one.

use super::bytes::Edit;
use super::disk::{Change, Disk};
use super::faults::CallKind;
use super::lock_disk;
use super::names::NodeId;
use crate::{ReadAt, StorageFile, StorageFolder, WriterLock, end_of, unexpected_eof};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

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

fn copy_out(live: &[u8], limit: u64, position: u64, buf: &mut [u8]) -> io::Result<()> {
    let readable = limit.min(live.len() as u64);
    let end = end_of(position, buf.len())?;
    if buf.is_empty() {
        return Ok(());
    }
    if end > readable {
        return Err(unexpected_eof(position, buf.len(), readable));
    }
    buf.copy_from_slice(&live[position as usize..end as usize]);
    Ok(())
}

impl ReadAt for SimulatedFile {
    fn read_exact_at(&self, position: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut disk = lock_disk(&self.handle.disk);
        disk.begin(self.handle.life, CallKind::Look)?;
        copy_out(
            disk.file(self.handle.node)?.bytes.live(),
            u64::MAX,
            position,
            buf,
        )
    }
}

impl StorageFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        let mut disk = lock_disk(&self.handle.disk);
        disk.begin(self.handle.life, CallKind::Look)?;
        Ok(disk.file(self.handle.node)?.bytes.len())
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

    fn map(&self, capacity: u64) -> io::Result<Arc<dyn ReadAt>> {
        let mut disk = lock_disk(&self.handle.disk);
        disk.begin(self.handle.life, CallKind::Look)?;
        let handle = Handle::new(&self.handle.disk, &mut disk, self.handle.node)?;
        Ok(Arc::new(SimulatedMap { handle, capacity }))
    }
}

struct SimulatedMap {
    handle: Handle,
    capacity: u64,
}

impl ReadAt for SimulatedMap {
    fn read_exact_at(&self, position: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut disk = lock_disk(&self.handle.disk);
        disk.check_life(self.handle.life)?;
        copy_out(
            disk.file(self.handle.node)?.bytes.live(),
            self.capacity,
            position,
            buf,
        )
    }
}

pub(super) struct SimulatedLock {
    handle: Handle,
}

impl SimulatedLock {
    /// The file's lock, which is free.
    pub(super) fn new(
        shared: &SharedDisk,
        disk: &mut Disk,
        node: NodeId,
    ) -> io::Result<SimulatedLock> {
        disk.file(node)?.locked = true;
        Ok(SimulatedLock {
            handle: Handle::new(shared, disk, node)?,
        })
    }
}

impl WriterLock for SimulatedLock {}

impl fmt::Debug for SimulatedLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedLock")
            .field("node", &self.handle.node)
            .finish()
    }
}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        let mut disk = lock_disk(&self.handle.disk);
        if disk.life() == self.handle.life
            && let Ok(file) = disk.file(self.handle.node)
        {
            file.locked = false;
        }
    }
}
