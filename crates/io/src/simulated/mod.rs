//! A disk in memory that treats programs as badly as a real one may: it forgets what was not
//! synced, sector by sector and name by name, fails at the call it is told to, fills up, and dies
//! at any moment. A seed decides everything, so what it finds can be found again.

mod bytes;
mod disk;
mod faults;
mod handle;
mod names;
mod random;

pub use faults::{CallKind, Counters, FaultKind};

use crate::{DirEntry, FileSystemKind, LockAttempt, OpenMode, Storage, StorageFile, StorageFolder};
use bytes::Edit;
use disk::{Change, Disk, FileNode};
use faults::Verdict;
use handle::{SimulatedFile, SimulatedFolder, SimulatedLock};
use names::{NodeId, Place};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a disk writes whole or spoils.
const SECTOR: u64 = 512;
/// The unit of disk space, and of what the cache holds.
const BLOCK: u64 = 4096;

/// How a life of the simulated machine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CrashKind {
    /// The process dies. All that was written is still there to be read; what was not synced still
    /// depends on the power.
    Kill,
    /// The power fails. Synced bytes and names survive. Of the others, each 512-byte sector is as
    /// it was after any of the writes that touched it since the sync, or garbage; a file's length
    /// is any that it had or one between; a change of names happened or not.
    PowerLoss,
}

/// What kind of disk is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// How many of a hundred unsynced sectors a loss of power turns to garbage. Default 10.
    pub garbage_percent: u8,
    /// Whether garbage takes the whole sector, with bytes that were synced before and not written
    /// again, and not just the bytes that were being written. Default false.
    pub garbage_spoils_sector: bool,
}

impl Default for Device {
    fn default() -> Device {
        Device {
            garbage_percent: 10,
            garbage_spoils_sector: false,
        }
    }
}

/// A handle of a simulated disk; clones are handles of the same one, and may be used by any
/// threads. There is one empty folder, the root, in which relative paths start as well.
///
/// After [`SimulatedStorage::crash`] all files and locks opened before fail, and this handle
/// goes on with what the crash left. Threads of the program that "died" may still hold one: give
/// them [`SimulatedStorage::process`].
#[derive(Clone)]
pub struct SimulatedStorage {
    disk: Arc<Mutex<Disk>>,
    /// The one life it works in; None for all.
    life: Option<u64>,
}

impl Default for SimulatedStorage {
    fn default() -> SimulatedStorage {
        SimulatedStorage::new()
    }
}

impl fmt::Debug for SimulatedStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let disk = self.disk();
        f.debug_struct("SimulatedStorage")
            .field("life", &disk.life())
            .field("down", &disk.is_down())
            .field("counters", &disk.plan.counters)
            .finish_non_exhaustive()
    }
}

fn lock_disk(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    // A test that panicked elsewhere must still be able to tell why.
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimulatedStorage {
    /// An empty disk without a limit.
    #[must_use]
    pub fn new() -> SimulatedStorage {
        SimulatedStorage::with_device(Device::default())
    }

    /// An empty disk of a certain kind.
    #[must_use]
    pub fn with_device(device: Device) -> SimulatedStorage {
        SimulatedStorage {
            disk: Arc::new(Mutex::new(Disk::new(device))),
            life: None,
        }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        lock_disk(&self.disk)
    }

    /// The disk as a process of now sees it: a handle that fails for good with the next crash.
    #[must_use]
    pub fn process(&self) -> SimulatedStorage {
        SimulatedStorage {
            disk: Arc::clone(&self.disk),
            life: Some(self.disk().life()),
        }
    }

    /// An independent disk in the same state, plans and counters included; for trying several
    /// endings of one story. Files that are open are not open there.
    #[must_use]
    pub fn duplicate(&self) -> SimulatedStorage {
        let mut disk = self.disk().clone();
        for file in disk.files.values_mut() {
            file.handles = 0;
            file.locked = false;
        }
        disk.locked.clear();
        SimulatedStorage {
            disk: Arc::new(Mutex::new(disk)),
            life: None,
        }
    }

    /// Ends this life of the machine and begins the next. Plans end with it, the capacity and the
    /// counters stay. The same history, kind and seed leave the same disk.
    pub fn crash(&self, kind: CrashKind, seed: u64) {
        self.disk().crash(kind, seed);
    }

    /// Lets a call of this life fail: the one that makes [`Counters::calls`] equal `call`. Later
    /// calls go through.
    pub fn fail_at(&self, call: u64, kind: FaultKind) {
        self.disk().plan.fail_at(call, kind);
    }

    /// What the calls of this life were that failed because it was planned, in order.
    #[must_use]
    pub fn failed_calls(&self) -> Vec<CallKind> {
        self.disk().plan.hit.clone()
    }

    /// Lets opening files and folders, listing and locking fail with EMFILE while so many files are open, as with a
    /// limit of file handles. None: no limit, the default.
    pub fn limit_handles(&self, most: Option<usize>) {
        self.disk().most_handles = most;
    }

    /// How many handles of files are open in this life.
    #[must_use]
    pub fn open_handles(&self) -> usize {
        self.disk().open_handles()
    }

    /// Stops the machine at the call that makes [`Counters::calls`] equal `call`: it and all later
    /// ones fail until [`SimulatedStorage::crash`], which decides how much of it was done.
    pub fn crash_at(&self, call: u64) {
        self.disk().plan.crash_at(call);
    }

    /// Like [`SimulatedStorage::crash_at`], at the call that makes [`Counters::changes`] equal
    /// `change`. Calls that only look leave nothing to be found, so these are all the crashes
    /// that differ.
    pub fn crash_at_change(&self, change: u64) {
        self.disk().plan.crash_at_change(change);
    }

    /// Forgets failures and crashes that are planned and have not come yet.
    pub fn clear_plans(&self) {
        self.disk().plan.clear();
    }

    /// Whether a planned crash has stopped the machine.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.disk().is_down()
    }

    /// Limits the space for file contents, counted in blocks of 4096 bytes; names are free. A
    /// limit below what is used takes nothing away. Default: no limit.
    pub fn set_capacity(&self, bytes: u64) {
        self.disk().capacity = Some(bytes);
    }

    /// The space that files take, in bytes, with what was allocated and not written.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.disk().used()
    }

    /// How many calls there were.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.disk().plan.counters
    }

    /// Counts a call that does not change the disk.
    fn look(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let mut disk = self.disk();
        self.begin(&mut disk, CallKind::Look)?;
        Ok(disk)
    }

    fn begin(&self, disk: &mut Disk, kind: CallKind) -> io::Result<Verdict> {
        let life = self.life.unwrap_or(disk.life());
        disk.begin(life, kind)
    }

    /// The file at a path, made first if it is missing and `make`.
    fn file_at(&self, disk: &mut Disk, path: &Path, make: bool) -> io::Result<NodeId> {
        let place = disk.names.place(path);
        let missing = matches!(&place, Ok(Place { node: None, .. }));
        let kind = if make && missing {
            CallKind::Change
        } else {
            CallKind::Look
        };
        let verdict = self.begin(disk, kind)?;
        let Place { name, node } = place?;
        match node {
            Some(node) if disk.names.is_folder(node) => Err(io::ErrorKind::IsADirectory.into()),
            Some(node) => Ok(node),
            None if !make => Err(io::ErrorKind::NotFound.into()),
            None => {
                let node = disk.new_node();
                disk.files.insert(node, FileNode::default());
                disk.finish(verdict, Change::Name(vec![(name, Some(node))]))?;
                Ok(node)
            }
        }
    }
}

impl Storage for SimulatedStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let mut disk = self.disk();
        disk.check_handles()?;
        if mode == OpenMode::CreateNew && disk.names.find(path).is_ok() {
            self.begin(&mut disk, CallKind::Look)?;
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let make = matches!(mode, OpenMode::Create | OpenMode::CreateNew);
        let node = self.file_at(&mut disk, path, make)?;
        Ok(Arc::new(SimulatedFile::new(
            &self.disk,
            &mut disk,
            node,
            mode != OpenMode::Read,
        )?))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let verdict = self.begin(&mut disk, CallKind::Change)?;
        if disk.names.find(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let place = disk.names.place(path)?;
        let node = disk.new_node();
        disk.names.add_folder(node);
        disk.finish(verdict, Change::Name(vec![(place.name, Some(node))]))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let disk = self.look()?;
        disk.check_handles()?;
        let folder = disk.names.find(path)?;
        if !disk.names.is_folder(folder) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let entry = |(name, node): (&str, NodeId)| DirEntry {
            name: name.to_owned(),
            is_dir: disk.names.is_folder(node),
            len: disk.files.get(&node).map_or(0, |file| file.bytes.len()),
        };
        Ok(disk.names.entries(folder).map(entry).collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.look()?.names.find(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let verdict = self.begin(&mut disk, CallKind::Change)?;
        let (source, target) = (disk.names.place(from)?, disk.names.place(to)?);
        let node = source.node.ok_or(io::ErrorKind::NotFound)?;
        if target.node == Some(node) {
            return Ok(());
        }
        let is_folder = disk.names.is_folder(node);
        let (from, to) = (names::normalize(from)?, names::normalize(to)?);
        if is_folder && to.starts_with(&from) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if from.starts_with(&to) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        if let Some(replaced) = target.node {
            match (is_folder, disk.names.is_folder(replaced)) {
                (false, true) => return Err(io::ErrorKind::IsADirectory.into()),
                (true, false) => return Err(io::ErrorKind::NotADirectory.into()),
                _ if disk.names.entries(replaced).next().is_some() => {
                    return Err(io::ErrorKind::DirectoryNotEmpty.into());
                }
                _ => {}
            }
        }
        disk.finish(
            verdict,
            Change::Name(vec![(source.name, None), (target.name, Some(node))]),
        )
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let verdict = self.begin(&mut disk, CallKind::Change)?;
        let (source, target) = (disk.names.find(from)?, disk.names.place(to)?);
        if disk.names.is_folder(source) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if target.node.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        disk.finish(verdict, Change::Name(vec![(target.name, Some(source))]))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let verdict = self.begin(&mut disk, CallKind::Change)?;
        let place = disk.names.place(path)?;
        let node = place.node.ok_or(io::ErrorKind::NotFound)?;
        if disk.names.is_folder(node) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        disk.finish(verdict, Change::Name(vec![(place.name, None)]))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let verdict = self.begin(&mut disk, CallKind::Change)?;
        let place = disk.names.place(path)?;
        let node = place.node.ok_or(io::ErrorKind::NotFound)?;
        if !disk.names.is_folder(node) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if disk.names.entries(node).next().is_some() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        disk.finish(verdict, Change::Name(vec![(place.name, None)]))
    }

    fn open_dir(&self, path: &Path) -> io::Result<Box<dyn StorageFolder>> {
        let disk = self.look()?;
        disk.check_handles()?;
        let folder = disk.names.find(path)?;
        if !disk.names.is_folder(folder) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Box::new(SimulatedFolder::new(&self.disk, &disk, folder)))
    }

    fn lock(&self, path: &Path) -> io::Result<LockAttempt> {
        let mut disk = self.disk();
        disk.check_handles()?;
        let node = self.file_at(&mut disk, path, true)?;
        let (folder, _) = disk.names.place(path)?.name;
        let folder_locked = !disk.locked.insert(folder);
        let file = disk.file(node)?;
        if file.locked || folder_locked {
            let pid = std::str::from_utf8(file.bytes.live()).ok();
            let pid = pid.and_then(|text| text.strip_suffix('\n')?.parse().ok());
            return Ok(LockAttempt::Busy { pid });
        }
        let pid = format!("{}\n", std::process::id()).into_bytes();
        file.bytes.edit(Edit::SetLen(0));
        file.bytes.edit(Edit::Write {
            position: 0,
            bytes: pid,
        });
        Ok(LockAttempt::Held(Box::new(SimulatedLock::new(
            &self.disk, &mut disk, path, node, folder,
        )?)))
    }

    fn file_system(&self, path: &Path) -> io::Result<FileSystemKind> {
        self.look()?.names.find(path)?;
        Ok(FileSystemKind::Local("simulated".into()))
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        let disk = self.look()?;
        disk.names.find(path)?;
        Ok(Path::new("/").join(names::normalize(path)?.iter().collect::<PathBuf>()))
    }
}
