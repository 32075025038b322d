//! Repair of a damaged store: only what is damaged is given up, and only by whoever has seen what that is. Lost offsets
//! stay in use, as empty batches: positions of readers stay valid, and no offset is given twice. A repair may die
//! anywhere and be run again.

mod assess;
mod partition;
mod patches;
mod plan;
mod rewrite;
mod salvage;
mod walk;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidelog_format::checkpoint::{Checkpoint, PartitionMark};
use tidelog_format::file_name;
use tidelog_io::{OpenMode, Storage, WriterLock};

use crate::catalog::Catalog;
use crate::checkpoint;
use crate::disk::Disk;
use crate::engine::folder::{LOCK, no_store, store_id, take_lock};
use crate::error::{Error, IoContext, Result};
use crate::fan_out;
use crate::partition::SyncPoint;
use assess::{Assessed, assess};
use partition::Surveyed;
pub use plan::{LostFrames, LostRange, MendedBatch, RepairPlan, RepairReport};

/// A store that was looked at, and that nobody writes to while this is held, but where nothing can be written at all.
pub struct Survey {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    plan: RepairPlan,
    /// What keeps others out, or why it could not be had.
    lock: Result<Box<dyn WriterLock>>,
}

/// Finds out what is damaged in a store and what a repair would give up. Changes nothing; the store must not be open
/// for writing. Reads all of it: `progress` gets the bytes done and all bytes, and stops it by giving false. It needs no right
/// to write; without that the repair is refused.
///
/// # Errors
/// [`Error::StoreLocked`], [`Error::NotAStore`], [`Error::UnsupportedVersion`], [`Error::CorruptFile`] for files that
/// can't be repaired, [`Error::Io`].
pub fn survey(
    storage: &Arc<dyn Storage>,
    path: impl AsRef<Path>,
    progress: impl FnMut(u64, u64) -> bool,
) -> Result<Survey> {
    let path = path.as_ref();
    let storage = &(Disk::new(Arc::clone(storage)) as Arc<dyn Storage>);
    store_id(&**storage, path)?.ok_or_else(|| no_store(&**storage, path))?;
    let lock = lock_if_writable(&**storage, path)?;
    let plan = to_plan(&assess(storage, path, false, progress)?);
    Ok(Survey {
        storage: Arc::clone(storage),
        path: path.to_owned(),
        plan,
        lock,
    })
}

/// The lock, or what keeps it from being taken where nobody holds it and nothing can be written.
fn lock_if_writable(storage: &dyn Storage, path: &Path) -> Result<Result<Box<dyn WriterLock>>> {
    let denied = match take_lock(storage, path) {
        Err(Error::Io {
            source,
            operation,
            path,
        }) if matches!(
            source.kind(),
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied
        ) =>
        {
            Error::Io {
                source,
                operation,
                path,
            }
        }
        taken => return taken.map(Ok),
    };
    let file = path.join(LOCK);
    match storage
        .is_locked(&file)
        .during("look for a writer by", &file)?
    {
        true => Err(Error::StoreLocked {
            path: path.to_owned(),
            pid: None,
        }),
        false => Ok(Err(denied)),
    }
}

/// What a survey finds in a store that nobody writes to, for a check: without the lock, so that a writer may come. What is
/// found is worth nothing then.
pub(crate) fn plan_of(
    storage: &Arc<dyn Storage>,
    path: &Path,
    progress: impl FnMut(u64, u64) -> bool,
) -> Result<RepairPlan> {
    assess(storage, path, false, progress).map(|assessed| to_plan(&assessed))
}

impl Survey {
    /// What is damaged, and what a repair would give up.
    pub fn plan(&self) -> &RepairPlan {
        &self.plan
    }

    /// Does what the plan says. Where nothing is damaged nothing is changed. The next opening checks every partition
    /// that was damaged once more, and accepts appends to it again.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the survey was stopped, [`Error::Io`], [`Error::StorageFull`]. It can be run
    /// again then.
    pub fn repair(self, mut progress: impl FnMut(u64, u64)) -> Result<RepairReport> {
        if !self.plan.complete {
            return Err(Error::InvalidArgument {
                argument: "survey",
                reason: "was stopped before its end".to_owned(),
            });
        }
        if self.plan.is_empty() {
            return Ok(RepairReport { done: self.plan });
        }
        let _lock = self.lock?;
        let storage = &*self.storage;
        Catalog::new(Arc::clone(&self.storage), self.path.clone()).clean_up()?;
        let assessed = assess(&self.storage, &self.path, true, |done, total| {
            progress(done, total);
            true
        })?;
        // What the journal held is durable in the segments before the checkpoint says that it is needed no more;
        // and that is so before positions in the segments change.
        sync(storage, &assessed.partitions)?;
        let mut checkpoint = settled(&assessed, Surveyed::end_before);
        checkpoint::replace_file(storage, &self.path, &checkpoint)?;

        let mut plan = to_plan(&assessed);
        let mut kept = Vec::new();
        for partition in assessed
            .partitions
            .iter()
            .filter(|one| !(one.work.is_empty() && one.snapshots.is_empty()))
        {
            let folder = &partition.partition.folder;
            if !storage.exists(folder).during("look for", folder)? {
                storage.create_dir(folder).during("create", folder)?;
                storage.sync_dir(&self.path).during("sync", &self.path)?;
            }
            for work in &partition.work {
                kept.extend(rewrite::rewrite(storage, work)?);
            }
            for snapshot in &partition.snapshots {
                rewrite::remove(storage, snapshot)?;
            }
            storage.sync_dir(folder).during("sync", folder)?;
        }
        for (lost, kept) in plan.lost.iter_mut().zip(kept) {
            lost.kept = kept;
        }
        checkpoint.generation += 1;
        checkpoint.partitions = marks(&assessed, Surveyed::end_after);
        checkpoint::replace_file(storage, &self.path, &checkpoint)?;
        Ok(RepairReport { done: plan })
    }
}

/// The life that the journal's frames and the damage were of is over.
fn settled(assessed: &Assessed, end: impl Fn(&Surveyed) -> SyncPoint) -> Checkpoint {
    Checkpoint {
        generation: assessed.last.generation + 1,
        incarnation: assessed.last.incarnation.saturating_add(1),
        clean: assessed.last.clean,
        journaled: assessed.last.journaled,
        frame: assessed.frame,
        journal_file: 0,
        journal_position: 0,
        journal_files: Vec::new(),
        partitions: marks(assessed, end),
    }
}

fn marks(assessed: &Assessed, end: impl Fn(&Surveyed) -> SyncPoint) -> Vec<PartitionMark> {
    let mark = |surveyed: &Surveyed| {
        let (partition, end) = (&surveyed.partition, end(surveyed));
        PartitionMark {
            topic_id: partition.id.topic_id,
            partition: partition.id.partition,
            log_start: partition.log_start,
            recovery_point: end.offset,
            recovery_segment: end.segment,
            recovery_position: end.position,
            journaled: partition.journaled,
            // The next opening checks all of it, and makes its indexes again.
            damaged: surveyed.is_damaged(),
        }
    };
    assessed.partitions.iter().map(mark).collect()
}

/// Syncs every segment that may hold what is not durable.
fn sync(storage: &dyn Storage, partitions: &[Surveyed]) -> Result<()> {
    fan_out::for_each(partitions, |surveyed| {
        let folder = &surveyed.partition.folder;
        if !storage.exists(folder).during("look for", folder)? {
            return Ok(());
        }
        for entry in storage.read_dir(folder).during("list", folder)? {
            if file_name::parse_log(&entry.name).is_some() {
                let path = folder.join(&entry.name);
                let file = storage.open(&path, OpenMode::Write).during("open", &path)?;
                file.sync_all().during("sync", &path)?;
            }
        }
        storage.sync_dir(folder).during("sync", folder)
    })
}

fn to_plan(assessed: &Assessed) -> RepairPlan {
    let mut plan = RepairPlan {
        partitions: assessed.partitions.len() as u64,
        bytes: assessed.bytes,
        complete: assessed.complete,
        checkpoint: assessed.checkpoint.clone(),
        checkpoint_slot: assessed.checkpoint_slot.clone(),
        journal: assessed.journal.clone(),
        ..RepairPlan::default()
    };
    for surveyed in &assessed.partitions {
        plan.segments += surveyed.segments.len() as u64;
        plan.batches += surveyed.batches;
        plan.records += surveyed.records;
        plan.snapshots.extend(surveyed.snapshots.iter().cloned());
        let (topic, number) = (&surveyed.partition.topic, surveyed.partition.id.partition);
        for work in &surveyed.work {
            plan.indexes.extend(work.indexes.iter().cloned());
            plan.lost.extend(work.holes.iter().map(|hole| LostRange {
                topic: topic.clone(),
                partition: number,
                file: work.path.clone(),
                position: hole.position,
                bytes: hole.len,
                first: hole.first,
                next: hole.next,
                reason: hole.reason.clone(),
                kept: None,
            }));
            plan.mended
                .extend(work.mends.iter().map(|mend| MendedBatch {
                    topic: topic.clone(),
                    partition: number,
                    file: work.path.clone(),
                    position: mend.position,
                    offset: mend.base_offset,
                }));
        }
    }
    plan
}
