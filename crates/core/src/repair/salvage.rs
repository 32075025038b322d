//! Saves what frames of a damaged journal hold that stand behind the damage. They were durable, so what they tell of was
//! appended; what they do not hold themselves may still be in the segments.

use std::collections::HashMap;
use std::path::PathBuf;

use tidelog_format::batch::BatchHeader;
use tidelog_format::file_name;
use tidelog_format::journal::{Entry, Frame, PartitionId, Place};
use tidelog_io::{OpenMode, Storage};

use super::patches::Patches;
use super::plan::LostFrames;
use crate::error::{IoContext, Result};
use crate::journal::{FoundFrame, JournalFile, Known, end_of, placed};

pub(super) struct Salvage<'a> {
    pub storage: &'a dyn Storage,
    pub files: &'a [JournalFile],
    /// Where batches are noted instead of being written.
    pub patches: Option<&'a mut Patches>,
}

impl Salvage<'_> {
    /// Puts back the batches of these frames that are wanted, and moves the ends of `partitions` behind them.
    pub fn run(
        mut self,
        frames: &[FoundFrame],
        partitions: &mut HashMap<PartitionId, Known>,
        wanted: impl Fn(&Place, &BatchHeader) -> bool,
    ) -> Result<()> {
        for frame in frames {
            let Some(bytes) = frame.read(self.files) else {
                continue;
            };
            let Ok(frame) = Frame::check(&bytes) else {
                continue;
            };
            for entry in frame.entries().flatten() {
                self.entry(&entry, partitions, &wanted)?;
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        entry: &Entry<'_>,
        partitions: &mut HashMap<PartitionId, Known>,
        wanted: &impl Fn(&Place, &BatchHeader) -> bool,
    ) -> Result<()> {
        if let Entry::Release { partition } = entry
            && let Some(known) = partitions.get_mut(partition)
        {
            known.journaled = false;
        }
        let Some((place, batch)) = placed(entry) else {
            return Ok(());
        };
        let (Some(known), Ok(header)) = (
            partitions.get_mut(&place.partition),
            BatchHeader::parse(batch),
        ) else {
            return Ok(());
        };
        if header.base_offset < known.end.offset || !wanted(&place, &header) {
            return Ok(());
        }
        known.end = end_of(&place, &header);
        known.journaled = true;
        if !matches!(entry, Entry::Batch { .. }) {
            return Ok(());
        }
        let path = known.folder.join(file_name::log(place.segment));
        if let Some(patches) = &mut self.patches {
            patches.add(&path, place.position, batch);
            return Ok(());
        }
        let file = self
            .storage
            .open(&path, OpenMode::Create)
            .during("open", &path)?;
        file.write_all_at(place.position, batch)
            .during("write", &path)
    }
}

/// The runs of numbers behind `counted` that no frame has.
pub(super) fn lost_frames(
    file: PathBuf,
    reason: String,
    counted: u64,
    behind: &[FoundFrame],
) -> LostFrames {
    let (mut frames, mut next) = (Vec::new(), counted + 1);
    for frame in behind {
        if frame.sequence > next {
            frames.push((next, frame.sequence - 1));
        }
        next = next.max(frame.sequence + 1);
    }
    LostFrames {
        file,
        reason,
        frames,
        kept: behind.len() as u64,
    }
}
