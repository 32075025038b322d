//! Putting what compaction has made of segments in their place. The new file is durable under a name of its own first; where
//! it replaces several, its next name says so, durably, before they go, and it gets the name of the first one when the others
//! are gone for good. At every moment one of the two, and not both, counts. Readers that hold the old segments have them open
//! and read on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidelog_format::file_name;
use tidelog_io::{OpenMode, StorageFolder};

use super::Log;
use super::load::unlink;
use crate::error::{Error, IoContext, Result};
use crate::knock_out::{self, Rule};
use crate::segment::{CleanedSegment, Segment};
use crate::sync::atomic::{AtomicBool, AtomicU64};
use crate::sync::{Mutex, lock, write};

/// How far a partition is compacted.
#[derive(Debug, Default)]
pub(crate) struct Compaction {
    /// Below it no key has two records. What is lost of it is cleaned again.
    upto: AtomicU64,
    /// Nothing is cleaned any more until the store is opened again, which finishes what could not be, or tells of damage.
    stuck: AtomicBool,
    /// Why the last attempt to clean it failed, if it did.
    failure: Mutex<Option<String>>,
    /// Held while it is cleaned.
    running: Mutex<()>,
}

impl Log {
    /// Up to where each key has one record only.
    pub fn compacted(&self) -> u64 {
        self.compaction.upto.load(Ordering::Acquire)
    }

    pub(super) fn set_compacted(&self, upto: u64) {
        let upto = upto.min(self.log_end());
        self.compaction.upto.store(upto, Ordering::Release);
    }

    /// As if what was noted were lost.
    #[cfg(test)]
    pub fn forget_compacted(&self) {
        self.compaction.upto.store(0, Ordering::Release);
    }

    pub fn compacting(&self) -> &Mutex<()> {
        &self.compaction.running
    }

    /// Whether it can be compacted at all in this life.
    pub fn is_stuck(&self) -> bool {
        self.damage().is_some() || self.compaction.stuck.load(Ordering::Acquire)
    }

    fn set_stuck(&self) {
        self.compaction.stuck.store(true, Ordering::Release);
    }

    /// Notes how an attempt to clean the partition ended: after damage it stays so, as there are no others.
    pub fn note_attempt(&self, failure: Option<&Error>) {
        if failure.is_some_and(|error| !passes(error)) {
            self.set_stuck();
        } else if self.is_stuck() {
            return;
        }
        *lock(&self.compaction.failure) = failure.map(Error::to_string);
    }

    pub fn compaction_failure(&self) -> Option<String> {
        lock(&self.compaction.failure).clone()
    }

    /// Segments that end at or below this offset may be compacted: readers see all of them, and a recovery would begin
    /// behind them, so that no frame of the journal is put back into one.
    pub fn cleanable_end(&self) -> u64 {
        match knock_out::is_out(Rule::CleanBelowRecovery) {
            true => self.high_watermark(),
            // A checkpoint that ends exactly with a segment may name the end of that one.
            false => self
                .recovery_point
                .load(Ordering::Acquire)
                .saturating_sub(1)
                .min(self.high_watermark()),
        }
    }

    /// The base offsets of the batches by which producers are known.
    pub fn remembered_batches(self: &Arc<Self>) -> Result<Vec<u64>> {
        let mut writer = lock(&self.writer);
        Ok(self.producers(&mut writer)?.remembered_batches())
    }

    /// Has what is known of producers below an offset in a snapshot, from where it is not read in the log any more.
    pub fn keep_producers_below(self: &Arc<Self>, offset: u64) -> Result<()> {
        let files = self.own_files()?;
        self.save_producers_below(&files, offset)
    }

    /// Makes a file for what is left of segments.
    pub fn create_cleaned(&self, base: u64, index_interval: u32) -> Result<CleanedSegment> {
        let _files = self.own_folder()?;
        CleanedSegment::create(self.context(), self.folder(), base, index_interval)
    }

    /// Takes the file of an attempt that failed, or led to nothing, away. A deleted topic's folder may be another's by now:
    /// nothing is touched there, and nothing was left.
    pub fn discard_cleaned(&self, cleaned: CleanedSegment) {
        if let Ok(_files) = self.own_folder() {
            cleaned.discard(self.context());
        }
    }

    /// Puts `new` in the place of `old`, which follow each other. False if some of them are not there any more: nothing has
    /// changed then. Durable when this returns. Blocks for the disk.
    pub fn replace(
        self: &Arc<Self>,
        old: &[Arc<Segment>],
        mut new: CleanedSegment,
        capacity: u64,
        index_interval: u32,
    ) -> Result<bool> {
        let context = self.context();
        let ready = new.finish(context).and_then(|()| {
            old.iter()
                .try_for_each(|segment| segment.retire(context, index_interval))
        });
        let _files = self.own_files()?;
        let keep_old = |new: CleanedSegment| {
            old.iter().for_each(|segment| segment.reinstate());
            new.discard(context);
        };
        let there = ready
            .and_then(|()| context.health.check())
            .and_then(|()| new.finish_indexes(context))
            .map(|()| self.holds(old));
        if !matches!(there, Ok(true)) {
            keep_old(new);
            return there;
        }
        let others = old.get(1..).unwrap_or_default();
        // Before names change: a lack of handles is told while the old ones still count.
        let folder = match context.storage.open_dir(self.folder()) {
            Ok(folder) => folder,
            Err(error) => {
                keep_old(new);
                return Err(error).during("open", self.folder());
            }
        };
        let moved = match others.is_empty() {
            true => new.move_to_log(context),
            false => new.move_to_swap(context),
        };
        if let Err(error) = moved {
            keep_old(new);
            return Err(error);
        }
        // From here on the new one counts at the next opening.
        self.finish_replacing(&*folder, others, &mut new)
            .inspect_err(|_| self.set_stuck())?;
        let segment = new.into_segment(context, capacity);
        self.publish_replaced(old, segment);
        Ok(true)
    }

    fn finish_replacing(
        &self,
        folder: &dyn StorageFolder,
        others: &[Arc<Segment>],
        new: &mut CleanedSegment,
    ) -> Result<()> {
        let context = self.context();
        let sync = || folder.sync().during("sync", self.folder());
        if others.is_empty() {
            return sync();
        }
        if !knock_out::is_out(Rule::SwapInOrder) {
            sync()?;
        }
        for segment in others {
            unlink(context, segment)?;
        }
        if !knock_out::is_out(Rule::SwapInOrder) {
            sync()?;
        }
        new.move_to_log(context)?;
        sync()
    }

    fn holds(&self, run: &[Arc<Segment>]) -> bool {
        let segments = self.segments();
        let Some(first) = run.first() else {
            return false;
        };
        let at = segments.partition_point(|segment| segment.base() < first.base());
        let same = |(here, there): (&Arc<Segment>, &Arc<Segment>)| Arc::ptr_eq(here, there);
        let here = segments.get(at..at + run.len()).unwrap_or_default();
        here.len() == run.len() && here.iter().zip(run).all(same)
    }

    fn publish_replaced(&self, old: &[Arc<Segment>], new: Arc<Segment>) {
        let is_old = |segment: &Arc<Segment>| old.iter().any(|one| Arc::ptr_eq(one, segment));
        {
            let mut segments = write(&self.segments);
            let mut list: Vec<_> = segments
                .iter()
                .filter(|segment| !is_old(segment))
                .cloned()
                .collect();
            let at = list.partition_point(|segment| segment.base() < new.base());
            list.insert(at, new);
            *segments = Arc::new(list);
        }
        {
            let mut unsynced = lock(&self.unsynced);
            unsynced.segments.retain(|segment| !is_old(segment));
            // The names of its indexes.
            unsynced.folder = true;
        }
        for segment in old {
            self.context()
                .tables
                .forget_segment(self.uid(), segment.base());
        }
    }

    /// Notes up to where the partition is compacted. What of it does not reach the disk is cleaned again.
    pub fn note_compacted(&self, upto: u64) -> Result<()> {
        let before = self.compaction.upto.fetch_max(upto, Ordering::AcqRel);
        if before >= upto {
            return Ok(());
        }
        let _files = self.own_files()?;
        let storage = &self.context().storage;
        let path = |offset| self.folder().join(file_name::compacted(offset));
        let (old, new) = (path(before), path(upto));
        if storage.exists(&old).during("look for", &old)? {
            return storage.rename(&old, &new).during("rename", &old);
        }
        let made = storage.open(&new, OpenMode::Create);
        made.map(|_| ()).during("create", &new)
    }
}

/// Whether an attempt can be made again soon, with a hope for another outcome.
fn passes(error: &Error) -> bool {
    !matches!(error, Error::Corruption { .. } | Error::InvalidBatch { .. })
}
