//! The store's `checkpoint`: two slots written in turn, each whole with its own checksum, so that a torn
//! write leaves the other one. It holds the incarnation, whether the store was closed in order, and of each
//! partition its log start and where recovery may begin.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidelog_format::checkpoint::{Checkpoint, CheckpointError};
use tidelog_io::{OpenMode, Storage, StorageFile};

use crate::context::Context;
use crate::error::{Error, IoContext, Result};
use crate::knock_out::{self, Rule};

pub(crate) const FILE_NAME: &str = "checkpoint";

pub(crate) const NEW_FILE: &str = "checkpoint.tmp";

/// Slots start at this size and double when the partitions outgrow them.
const SLOT_MIN: u64 = 64 << 10;

/// The file, open for the life of the store. Its two slots have the same size: half of the file's.
pub(crate) struct CheckpointFile {
    path: PathBuf,
    file: Arc<dyn StorageFile>,
    slot_len: u64,
    generation: u64,
    /// The slot that holds the newest.
    current: u64,
    /// The other slot held nothing when it was opened: a crash tore it, or it was the newer one and is damaged.
    alone: bool,
}

impl CheckpointFile {
    /// Makes a new store's file, durable but for its folder entry.
    pub fn create(storage: &dyn Storage, folder: &Path, first: &Checkpoint) -> Result<()> {
        let path = folder.join(FILE_NAME);
        let file = storage
            .open(&path, OpenMode::Create)
            .during("create", &path)?;
        write_new(&*file, &path, SLOT_MIN, first)
    }

    /// Opens the file and reads its newest valid slot.
    pub fn open(
        storage: &dyn Storage,
        folder: &Path,
        writable: bool,
    ) -> Result<(CheckpointFile, Checkpoint)> {
        let path = folder.join(FILE_NAME);
        let mode = if writable {
            OpenMode::Write
        } else {
            OpenMode::Read
        };
        let file = storage.open(&path, mode).during("open", &path)?;
        let len = file.len().during("measure", &path)?;
        if writable {
            // After a failed sync the page cache may show a slot that the disk does not have.
            file.drop_cache(0, len).during("drop the cache of", &path)?;
        }
        let slot_len = len / 2;
        let mut newest: Option<(u64, Checkpoint)> = None;
        let mut reasons = Vec::new();
        for slot in 0..2 {
            let mut bytes = vec![0; usize::try_from(slot_len).unwrap_or(0)];
            let read = file.read_exact_at(slot * slot_len, &mut bytes);
            match read
                .map_err(|e| e.to_string())
                .and_then(|()| match Checkpoint::decode(&bytes) {
                    Ok(checkpoint) => Ok(Ok(checkpoint)),
                    Err(CheckpointError::UnknownVersion { found, supported }) => {
                        Ok(Err(Error::UnsupportedVersion {
                            path: path.clone(),
                            found,
                            supported,
                        }))
                    }
                    Err(other) => Err(other.to_string()),
                }) {
                Ok(Ok(checkpoint)) => {
                    if newest
                        .as_ref()
                        .is_none_or(|(_, best)| checkpoint.generation > best.generation)
                    {
                        newest = Some((slot, checkpoint));
                    }
                }
                Ok(Err(unknown)) => return Err(unknown),
                Err(reason) => reasons.push(reason),
            }
        }
        let Some((current, checkpoint)) = newest else {
            return Err(Error::CorruptFile {
                file: path,
                reason: reasons.join("; "),
            });
        };
        if writable && !knock_out::is_out(Rule::SyncCheckpointRead) {
            // It may stand in the page cache only, and the other slot is the next to be overwritten.
            file.sync_data().during("sync", &path)?;
        }
        Ok((
            CheckpointFile {
                path,
                file,
                slot_len,
                generation: checkpoint.generation,
                current,
                alone: !reasons.is_empty(),
            },
            checkpoint,
        ))
    }

    /// Whether the slot that was read may not be the newest that was written.
    pub fn may_be_stale(&self) -> bool {
        self.alone
    }

    /// Writes and syncs a new checkpoint. A failed sync poisons the store.
    pub fn write(
        &mut self,
        context: &Context,
        folder: &Path,
        mut checkpoint: Checkpoint,
    ) -> Result<()> {
        context.health.check_disk()?;
        checkpoint.generation = self.generation + 1;
        let bytes = checkpoint.encode();
        if bytes.len() as u64 > self.slot_len {
            self.grow(context, folder, &checkpoint, bytes.len() as u64)?;
        } else {
            let slot = 1 - self.current;
            self.file
                .write_all_at(slot * self.slot_len, &bytes)
                .during("write", &self.path)?;
            self.file.sync_data().during("sync", &self.path)?;
            self.current = slot;
        }
        self.generation = checkpoint.generation;
        Ok(())
    }

    /// Replaces the file by one with larger slots.
    fn grow(
        &mut self,
        context: &Context,
        folder: &Path,
        checkpoint: &Checkpoint,
        needed: u64,
    ) -> Result<()> {
        let slot_len = slot_len_for(needed);
        self.file = replace(&*context.storage, folder, slot_len, checkpoint)?;
        self.slot_len = slot_len;
        self.current = 0;
        Ok(())
    }
}

/// Replaces the file by one that holds this checkpoint, durably and in one step, whatever its slots held.
pub(crate) fn replace_file(
    storage: &dyn Storage,
    folder: &Path,
    checkpoint: &Checkpoint,
) -> Result<()> {
    let slot_len = slot_len_for(checkpoint.encode().len() as u64);
    replace(storage, folder, slot_len, checkpoint).map(|_| ())
}

fn slot_len_for(needed: u64) -> u64 {
    needed.next_power_of_two().max(SLOT_MIN)
}

/// As `replace_file`, and gives the new file.
fn replace(
    storage: &dyn Storage,
    folder: &Path,
    slot_len: u64,
    checkpoint: &Checkpoint,
) -> Result<Arc<dyn StorageFile>> {
    let (new, path) = (folder.join(NEW_FILE), folder.join(FILE_NAME));
    // Before the name changes: a lack of handles is told while nothing has happened yet.
    let names = storage.open_dir(folder).during("open", folder)?;
    let file = storage
        .open(&new, OpenMode::Create)
        .during("create", &new)?;
    write_new(&*file, &new, slot_len, checkpoint)?;
    storage.rename(&new, &path).during("rename", &new)?;
    names.sync().during("sync", folder)?;
    Ok(file)
}

/// What a slot holds.
pub(crate) enum Slot {
    Holds(Checkpoint),
    /// It was never written.
    Empty,
    /// It was damaged, or not wholly written.
    Damaged(String),
}

/// Both slots, for a look at them.
pub(crate) fn look(storage: &dyn Storage, folder: &Path) -> Result<[Slot; 2]> {
    let path = folder.join(FILE_NAME);
    if !storage.exists(&path).during("look for", &path)? {
        let missing = || Slot::Damaged("the file is missing".to_owned());
        return Ok([missing(), missing()]);
    }
    let file = storage.open(&path, OpenMode::Read).during("open", &path)?;
    let slot_len = file.len().during("measure", &path)? / 2;
    let read = |slot: u64| {
        let mut bytes = vec![0; usize::try_from(slot_len).unwrap_or(0)];
        if let Err(error) = file.read_exact_at(slot * slot_len, &mut bytes) {
            return Ok(Slot::Damaged(error.to_string()));
        }
        match Checkpoint::decode(&bytes) {
            Ok(checkpoint) => Ok(Slot::Holds(checkpoint)),
            Err(CheckpointError::Missing) if bytes.iter().all(|byte| *byte == 0) => Ok(Slot::Empty),
            Err(CheckpointError::UnknownVersion { found, supported }) => {
                Err(Error::UnsupportedVersion {
                    path: path.clone(),
                    found,
                    supported,
                })
            }
            Err(error) => Ok(Slot::Damaged(error.to_string())),
        }
    };
    Ok([read(0)?, read(1)?])
}

fn write_new(
    file: &dyn StorageFile,
    path: &Path,
    slot_len: u64,
    checkpoint: &Checkpoint,
) -> Result<()> {
    // Written whole, so that later writes find their blocks whatever happens to the disk's free space.
    let mut bytes = checkpoint.encode();
    bytes.resize(usize::try_from(slot_len * 2).unwrap_or(bytes.len()), 0);
    file.set_len(0).during("shorten", path)?;
    file.write_all_at(0, &bytes).during("write", path)?;
    file.sync_all().during("sync", path)
}
