//! Checkpoint, journal and segments taken together: what each partition should hold. A survey holds in memory what the
//! journal would put back; a repair puts it back, which is done again without harm after a crash.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use tidelog_format::batch::BatchHeader;
use tidelog_format::checkpoint::{Checkpoint, PartitionMark};
use tidelog_format::journal::{PartitionId, Place};
use tidelog_io::{OpenMode, Storage};

use super::partition::{Partition, Survey, Surveyed, Trust};
use super::patches::Patches;
use super::plan::LostFrames;
use super::salvage::{Salvage, lost_frames};
use crate::catalog::{Catalog, StoredTopic};
use crate::checkpoint::{self, Slot};
use crate::config::Durability;
use crate::engine::recovery::{known_partitions, told_beyond};
use crate::error::{Error, IoContext, Result};
use crate::journal::{self, FoundFrame, JournalFile, Known, Replay};
use crate::partition::{SyncPoint, goes_beyond};
use crate::published;
use crate::segment::{finish_swaps, listed};

/// What a store holds, and what is wrong with it.
pub(super) struct Assessed {
    /// The checkpoint as it was, or one made up of what is known without it.
    pub last: Checkpoint,
    pub checkpoint: Option<String>,
    pub checkpoint_slot: Option<String>,
    pub journal: Option<LostFrames>,
    pub partitions: Vec<Surveyed>,
    /// The largest number of a frame that holds.
    pub frame: u64,
    /// Bytes that were walked.
    pub bytes: u64,
    /// Whether it was not stopped.
    pub complete: bool,
}

/// Looks at everything; with `put_back` the journal's batches are put back into their segments first.
pub(super) fn assess(
    storage: &Arc<dyn Storage>,
    path: &Path,
    put_back: bool,
    mut progress: impl FnMut(u64, u64) -> bool,
) -> Result<Assessed> {
    let catalog = Catalog::new(Arc::clone(storage), path.to_owned());
    let stored = catalog.load()?;
    if put_back {
        finish_compaction(&**storage, &catalog, &stored)?;
    }
    let mode = if put_back {
        OpenMode::Write
    } else {
        OpenMode::Read
    };
    let files = journal::open_all(&**storage, &journal::folder(path), mode)?;
    let frames = journal::valid_frames(&files)?;
    let (mut last, mut lost, slot) = newest(&**storage, path, &frames)?;
    if lost.is_none()
        && last.clean
        && let Some(why) = is_outgrown(&**storage, &catalog, &stored, &last)?
    {
        last = made_up(last.incarnation, last.generation);
        lost = Some(why);
    }
    let mut found = Found {
        storage: &**storage,
        catalog: &catalog,
        stored: &stored,
        files: &files,
        frames: &frames,
        put_back,
        patches: Patches::default(),
        last,
        blind: lost.is_some(),
    };
    let total = found.total()?;
    let (partitions, lost_frames) = match found.blind {
        false => found.by_checkpoint()?,
        true => (found.by_themselves()?, None),
    };
    let incarnation = match found.blind {
        true => i32::MAX,
        false => i32::try_from(found.last.incarnation).unwrap_or(i32::MAX),
    };
    let survey = Survey {
        storage: &**storage,
        patches: &found.patches,
        incarnation,
        blind: found.blind,
    };
    let (mut bytes, mut complete) = (0, true);
    let mut surveyed = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let mut done = 0;
        surveyed.push(survey.run(partition, |position| {
            done = position;
            complete &= progress(bytes + position, total);
        })?);
        bytes += done;
        if !complete {
            break;
        }
    }
    let mut last = found.last;
    if found.blind {
        let epochs = surveyed.iter().map(|one| one.epoch);
        let newest = epochs.max().and_then(|epoch| u32::try_from(epoch).ok());
        last.incarnation = last.incarnation.max(newest.unwrap_or(0));
    }
    Ok(Assessed {
        frame: frames
            .iter()
            .map(|frame| frame.sequence)
            .fold(last.frame, u64::max),
        last,
        checkpoint: lost,
        checkpoint_slot: slot,
        journal: lost_frames,
        partitions: surveyed,
        bytes,
        complete,
    })
}

/// Puts what compaction has made of segments in their place, where a crash came before.
fn finish_compaction(
    storage: &dyn Storage,
    catalog: &Catalog,
    stored: &[StoredTopic],
) -> Result<()> {
    for topic in stored {
        for number in 0..topic.config.partitions {
            let folder = catalog.partition_folder(&topic.name, number);
            if storage.exists(&folder).during("look for", &folder)? {
                finish_swaps(storage, &folder)?;
            }
        }
    }
    Ok(())
}

/// The newest checkpoint; why it is not the last one there was, if it is not; and a slot that does not hold.
fn newest(
    storage: &dyn Storage,
    path: &Path,
    frames: &[FoundFrame],
) -> Result<(Checkpoint, Option<String>, Option<String>)> {
    let (mut held, mut reasons): (Vec<Checkpoint>, Vec<String>) = Default::default();
    for slot in checkpoint::look(storage, path)? {
        match slot {
            Slot::Holds(checkpoint) => held.push(checkpoint),
            Slot::Empty => {}
            Slot::Damaged(reason) => reasons.push(reason),
        }
    }
    let life = frames.iter().map(|frame| frame.incarnation).max();
    let reason = reasons.join("; ");
    let is_later = |last: &Checkpoint| {
        let mut frames = frames.iter();
        frames.any(|frame| frame.is_later(last.incarnation))
    };
    match held.into_iter().max_by_key(|held| held.generation) {
        Some(last) => match life.filter(|_| is_later(&last)) {
            None => Ok((last, None, (!reason.is_empty()).then_some(reason))),
            // Frames of a life are written only once a checkpoint of that life is durable.
            Some(life) => {
                let why = format!(
                    "it is of life {} of the store, and the journal of life {life}",
                    last.incarnation
                );
                Ok((made_up(life, last.generation), Some(why), None))
            }
        },
        None => {
            let reason = match reason.is_empty() {
                true => "no slot was ever written".to_owned(),
                false => reason,
            };
            Ok((made_up(life.unwrap_or(0), 0), Some(reason), None))
        }
    }
}

/// Why the mark of an orderly close is an older one: a log goes on behind it.
fn is_outgrown(
    storage: &dyn Storage,
    catalog: &Catalog,
    stored: &[StoredTopic],
    last: &Checkpoint,
) -> Result<Option<String>> {
    let damaged = |id: &PartitionId| {
        let mut marks = last.partitions.iter();
        marks.any(|mark| {
            mark.damaged && (mark.topic_id, mark.partition) == (id.topic_id, id.partition)
        })
    };
    for (id, known) in known_partitions(catalog, stored, last) {
        let folder = &known.folder;
        if damaged(&id) || !storage.exists(folder).during("look for", folder)? {
            continue;
        }
        let entries = storage.read_dir(folder).during("list", folder)?;
        let segments = listed(folder, &entries).into_iter();
        if goes_beyond(segments.map(|one| (one.base, one.len)), &known.end) {
            return Ok(Some(format!(
                "it was closed in order at offset {} of {}, whose log goes on behind it",
                known.end.offset,
                folder.display()
            )));
        }
    }
    Ok(None)
}

fn made_up(incarnation: u32, generation: u64) -> Checkpoint {
    Checkpoint {
        generation,
        incarnation,
        journaled: true,
        ..Checkpoint::default()
    }
}

struct Found<'a> {
    storage: &'a dyn Storage,
    catalog: &'a Catalog,
    stored: &'a [StoredTopic],
    files: &'a [JournalFile],
    frames: &'a [FoundFrame],
    put_back: bool,
    patches: Patches,
    last: Checkpoint,
    blind: bool,
}

impl Found<'_> {
    /// Bytes that there are to walk.
    fn total(&self) -> Result<u64> {
        let mut total = 0;
        for partition in self.partitions(&HashMap::new(), Trust::Segments) {
            let folder = &partition.folder;
            if self.storage.exists(folder).during("look for", folder)? {
                let entries = self.storage.read_dir(folder).during("list", folder)?;
                let logs = entries.iter().filter(|entry| entry.name.ends_with(".log"));
                total += logs.map(|entry| entry.len).sum::<u64>();
            }
        }
        Ok(total)
    }

    /// What checkpoint and journal say; if the journal is damaged, what the rest of it says.
    fn by_checkpoint(&mut self) -> Result<(Vec<Partition>, Option<LostFrames>)> {
        let mut known = known_partitions(self.catalog, self.stored, &self.last);
        let (mut trust, mut lost) = (Trust::Exact, None);
        if !self.last.clean {
            let patches = &mut self.patches;
            let mut tell = |path: &Path, position, batch: &[u8]| patches.add(path, position, batch);
            let folder = journal::folder(self.catalog.root());
            let mut replay = Replay::new(self.storage, folder, self.files, &mut known, &self.last);
            if !self.put_back {
                replay = replay.telling(&mut tell);
            }
            let mut replayed = replay.run(&self.last)?;
            if replayed.damage.is_none() {
                replayed.damage = told_beyond(self.storage, &known, &self.last)?;
            }
            if let Some(Error::CorruptFile { file, reason }) = replayed.damage {
                let behind = self.frames.iter().filter(|frame| {
                    frame.incarnation == self.last.incarnation && frame.sequence > replayed.frame
                });
                let behind: Vec<FoundFrame> = behind.copied().collect();
                lost = Some(lost_frames(file, reason, replayed.frame, &behind));
                self.salvage().run(&behind, &mut known, |_, _| true)?;
                trust = Trust::Segments;
            }
        }
        let mut partitions = self.partitions(&known, trust);
        if trust == Trust::Segments {
            self.heed_readers(&mut partitions)?;
        }
        Ok((partitions, lost))
    }

    /// What segments and journal say where no checkpoint does. Of the journal counts what the segments lack: the rest was put into them long ago.
    fn by_themselves(&mut self) -> Result<Vec<Partition>> {
        let mut known = known_partitions(self.catalog, self.stored, &self.last);
        let nothing = Patches::default();
        let survey = Survey {
            storage: self.storage,
            patches: &nothing,
            incarnation: i32::MAX,
            blind: true,
        };
        let mut held = HashMap::new();
        let mut partitions = self.partitions(&known, Trust::Segments);
        self.heed_readers(&mut partitions)?;
        for mut partition in partitions {
            partition.end = SyncPoint::default();
            held.insert(partition.id, survey.run(partition, |_| ())?);
        }
        let life = self.frames.iter().map(|frame| frame.incarnation).max();
        let frames = self.frames.iter();
        let newest: Vec<FoundFrame> = frames
            .filter(|frame| Some(frame.incarnation) == life)
            .copied()
            .collect();
        let continues = |place: &Place, header: &BatchHeader| {
            held.get(&place.partition)
                .is_some_and(|there: &Surveyed| there.lacks(place, header))
        };
        self.salvage().run(&newest, &mut known, continues)?;
        let mut partitions = self.partitions(&known, Trust::Segments);
        self.heed_readers(&mut partitions)?;
        Ok(partitions)
    }

    fn salvage(&mut self) -> Salvage<'_> {
        Salvage {
            storage: self.storage,
            files: self.files,
            patches: (!self.put_back).then_some(&mut self.patches),
        }
    }

    /// Readers in other processes were told of ends that nothing else may know any more: no offset below is given
    /// again.
    fn heed_readers(&mut self, partitions: &mut [Partition]) -> Result<()> {
        for partition in partitions {
            let told = published::load(self.storage, &partition.folder)?;
            let told = told.filter(|told| self.blind || told.incarnation == self.last.incarnation);
            let Some(told) = told.filter(|told| told.log_start <= told.high_watermark) else {
                continue;
            };
            partition.end.offset = partition.end.offset.max(told.high_watermark);
            if self.blind {
                partition.log_start = partition.log_start.max(told.log_start);
                self.last.incarnation = self.last.incarnation.max(told.incarnation);
            }
        }
        Ok(())
    }

    fn partitions(&self, known: &HashMap<PartitionId, Known>, trust: Trust) -> Vec<Partition> {
        let mut partitions = Vec::new();
        for topic in self.stored {
            for number in 0..topic.config.partitions {
                let id = PartitionId {
                    topic_id: topic.id,
                    partition: number,
                };
                let mark = self.mark(&id);
                let known = known.get(&id);
                let journaled = known.map_or_else(
                    || topic.config.durability != Some(Durability::Buffered),
                    |known| known.journaled,
                );
                partitions.push(Partition {
                    topic: topic.name.clone(),
                    id,
                    folder: self.catalog.partition_folder(&topic.name, number),
                    log_start: mark.map_or(0, |mark| mark.log_start),
                    journaled,
                    // After a repair recovery begins behind all of it.
                    recovery_segment: match self.last.clean || self.put_back || self.blind {
                        true => u64::MAX,
                        false => mark.map_or(0, |mark| mark.recovery_segment),
                    },
                    end: known.map(|known| known.end).unwrap_or_default(),
                    trust: match trust {
                        Trust::Exact if !journaled => Trust::AtLeast,
                        trust => trust,
                    },
                    damaged: mark.is_some_and(|mark| mark.damaged),
                });
            }
        }
        partitions
    }

    fn mark(&self, id: &PartitionId) -> Option<&PartitionMark> {
        let is_it =
            |mark: &&PartitionMark| (mark.topic_id, mark.partition) == (id.topic_id, id.partition);
        self.last.partitions.iter().find(is_it)
    }
}
