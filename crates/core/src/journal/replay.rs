//! Reading the journal after an unclean end: the frames behind the checkpoint's, in order, each put back into its
//! segments. A frame counts if its checksum holds, it is of the life that the checkpoint names, its number is the
//! next, and everything that it only names is there. The first that does not count is a torn tail, unless a frame
//! behind it does: that one was written only after the one before was durable, so the journal is damaged.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidelog_format::batch::{Batch, BatchHeader, HEADER_LEN as BATCH_HEADER_LEN};
use tidelog_format::checkpoint::Checkpoint;
use tidelog_format::file_name;
use tidelog_format::journal::{Entry, Frame, FrameHeader, HEADER_LEN, PAGE, PartitionId, Place};
use tidelog_io::{OpenMode, Storage, StorageFile};

use super::files::{JournalFile, file_name_of};
use super::frames::{FoundFrame, first_frames, valid_frames};
use crate::error::{Error, IoContext, Result};
use crate::knock_out::{self, Rule};
use crate::partition::SyncPoint;

/// What is known of a partition before the journal is read.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub folder: PathBuf,
    /// Where it ends by the checkpoint.
    pub end: SyncPoint,
    /// Whether its records went through the journal, which then tells exactly where it ends.
    pub journaled: bool,
}

/// What the journal held.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// The last frame that counts.
    pub frame: u64,
    /// Bytes of the frames that count.
    pub bytes: u64,
    /// Where the next frame would begin; `None` where no frame of the life was found.
    pub behind: Option<(u32, u64)>,
    /// What was durable and does not hold any more.
    pub damage: Option<Error>,
}

/// At most this many segment files are kept open.
const OPEN_MAX: usize = 128;
/// Where batches are put back to.
enum Put<'a> {
    /// Their segments.
    Segments,
    /// Nowhere, and nothing is changed: they are told, with their segment's path and the position in it.
    Told(&'a mut dyn FnMut(&Path, u64, &[u8])),
}

pub(crate) struct Replay<'a> {
    storage: &'a dyn Storage,
    folder: PathBuf,
    files: &'a [JournalFile],
    partitions: &'a mut HashMap<PartitionId, Known>,
    incarnation: u32,
    put: Put<'a>,
    open: HashMap<(PartitionId, u64), Arc<dyn StorageFile>>,
}

impl<'a> Replay<'a> {
    /// The frames of the life that `last` names.
    pub fn new(
        storage: &'a dyn Storage,
        folder: PathBuf,
        files: &'a [JournalFile],
        partitions: &'a mut HashMap<PartitionId, Known>,
        last: &Checkpoint,
    ) -> Replay<'a> {
        Replay {
            storage,
            folder,
            files,
            partitions,
            incarnation: last.incarnation,
            put: Put::Segments,
            open: HashMap::new(),
        }
    }

    /// Changes nothing, and tells what would be put back.
    pub fn telling(mut self, tell: &'a mut dyn FnMut(&Path, u64, &[u8])) -> Replay<'a> {
        self.put = Put::Told(tell);
        self
    }

    /// Puts everything back, moves the ends of `partitions` there, and syncs the journal.
    pub fn run(mut self, last: &Checkpoint) -> Result<Replayed> {
        for file in self.files {
            if knock_out::is_out(Rule::DropCaches) {
                break;
            }
            // After a failed sync the page cache may show frames that the disk does not have.
            file.file
                .drop_cache(0, file.written)
                .during("drop the cache of", &file.path)?;
        }
        let mut replayed = Replayed {
            frame: last.frame,
            ..Replayed::default()
        };
        let mut at = (last.journal_file, last.journal_position);
        while let Some((number, position, bytes)) = self.find(at, replayed.frame + 1)? {
            let frame = match Frame::check(&bytes) {
                Ok(frame) if self.counts(&frame)? => frame,
                _ => break,
            };
            self.apply(&frame)?;
            replayed.frame += 1;
            replayed.bytes += bytes.len() as u64;
            at = (
                number,
                position + tidelog_format::journal::padded(bytes.len()) as u64,
            );
        }
        replayed.behind = (at.1 > 0).then_some(at);
        let frames = valid_frames(self.files)?;
        replayed.damage = self
            .find_behind(&frames, replayed.frame + 1)
            .or_else(|| self.find_missing(&frames, last, at));
        if matches!(self.put, Put::Told(_)) {
            return Ok(replayed);
        }
        for file in self.files {
            file.file.sync_data().during("sync", &file.path)?;
        }
        Ok(replayed)
    }

    /// Looks for frames of a life that a store which was closed in order knows nothing of. The first frame of the life
    /// that follows begins a file; with `everywhere` all files are looked through.
    pub fn run_for_later_lives(self, last: &Checkpoint, everywhere: bool) -> Result<Replayed> {
        let frames = match everywhere {
            true => valid_frames(self.files)?,
            false => first_frames(self.files, last.incarnation)?,
        };
        Ok(Replayed {
            frame: last.frame,
            damage: self.find_behind(&frames, u64::MAX),
            ..Replayed::default()
        })
    }

    /// The whole frame of this number: right behind the one before, or at the start of a file.
    fn find(&self, behind: (u32, u64), sequence: u64) -> Result<Option<(u32, u64, Vec<u8>)>> {
        let files = self.files;
        let here = files
            .iter()
            .filter(|file| file.number == behind.0)
            .map(|file| (file, behind.1));
        for (file, position) in here.chain(files.iter().map(|file| (file, 0))) {
            if let Some(bytes) =
                self.frame_at(file, position, |header| self.is_next(header, sequence))?
            {
                return Ok(Some((file.number, position, bytes)));
            }
        }
        Ok(None)
    }

    fn is_next(&self, header: &FrameHeader, sequence: u64) -> bool {
        let ours = header.incarnation == self.incarnation || knock_out::is_out(Rule::Salt);
        ours && header.sequence == sequence
    }

    /// The bytes of the frame at a position, if it holds and is wanted.
    fn frame_at(
        &self,
        file: &JournalFile,
        position: u64,
        wanted: impl Fn(&FrameHeader) -> bool,
    ) -> Result<Option<Vec<u8>>> {
        if position + HEADER_LEN as u64 > file.written {
            return Ok(None);
        }
        let mut head = [0; HEADER_LEN];
        file.file
            .read_exact_at(position, &mut head)
            .during("read", &file.path)?;
        let Some(header) = FrameHeader::parse(&head) else {
            return Ok(None);
        };
        let whole = position + u64::from(header.len) <= file.written;
        if !whole || !wanted(&header) {
            return Ok(None);
        }
        let mut bytes = vec![0; header.len as usize];
        file.file
            .read_exact_at(position, &mut bytes)
            .during("read", &file.path)?;
        Ok(Frame::check(&bytes).is_ok().then_some(bytes))
    }

    /// Looks everywhere for a frame of this life that comes after one that does not count; and for one of a later
    /// life, whose first checkpoint was durable before it: the checkpoint that was read is not the newest then.
    fn find_behind(&self, frames: &[FoundFrame], missing: u64) -> Option<Error> {
        let frame = frames.iter().find(|frame| {
            let same_life = frame.incarnation == self.incarnation && frame.sequence > missing;
            same_life || frame.is_later(self.incarnation)
        })?;
        let position = frame.position;
        let reason = match frame.incarnation > self.incarnation {
            true => format!(
                "the frame at byte {position} is of life {} of the store, and the checkpoint of life {}: an older one, or its newer slot does not hold",
                frame.incarnation, self.incarnation
            ),
            false => format!(
                "frame {missing} does not hold although one behind it, at byte {position}, does"
            ),
        };
        let file = self.files.get(frame.file);
        Some(Error::CorruptFile {
            file: file.map(|file| file.path.clone()).unwrap_or_default(),
            reason,
        })
    }

    /// What the checkpoint names of the journal, and is not there. `at`: where the next frame would begin.
    fn find_missing(
        &self,
        frames: &[FoundFrame],
        last: &Checkpoint,
        at: (u32, u64),
    ) -> Option<Error> {
        let damage = |number: u32, reason: String| {
            let file = self.folder.join(file_name_of(number));
            Some(Error::CorruptFile { file, reason })
        };
        // A checkpoint without files is of an older version, or had no space for its life's first frame.
        let named = !last.journal_files.is_empty() && last.journal_position > 0;
        let ours = |frame: &FoundFrame| {
            frame.incarnation == last.incarnation && frame.sequence >= last.frame
        };
        if named && !frames.iter().any(ours) {
            let reason = format!("frame {} is gone, which the checkpoint names", last.frame);
            return damage(last.journal_file, reason);
        }
        for mark in &last.journal_files {
            let len = self.files.iter().find(|file| file.number == mark.number);
            let len = len.map_or(0, |file| file.written);
            // The next frame would begin here. What is cut off behind its first page was no frame.
            let next = if mark.number == at.0 { at.1 } else { 0 };
            let is_cut = |place: u64| len < place + PAGE as u64 && place + PAGE as u64 <= mark.len;
            if is_cut(0) || is_cut(next) {
                let reason = format!(
                    "{len} bytes are left of {}, and frames may have been in the rest",
                    mark.len
                );
                return damage(mark.number, reason);
            }
        }
        None
    }

    /// Whether everything that the frame only names is there, and all of it continues the partitions.
    fn counts(&mut self, frame: &Frame<'_>) -> Result<bool> {
        let mut ends: HashMap<PartitionId, SyncPoint> = HashMap::new();
        for entry in frame.entries() {
            // A frame whose checksum holds is as it was written: what is not understood is a newer version's.
            let entry = entry.map_err(|error| Error::CorruptFile {
                file: self
                    .files
                    .first()
                    .map_or_else(PathBuf::new, |file| file.path.clone()),
                reason: error.to_string(),
            })?;
            let Some((place, batch)) = placed(&entry) else {
                continue;
            };
            let Some(known) = self.partitions.get(&place.partition) else {
                continue;
            };
            let Ok(header) = BatchHeader::parse(batch) else {
                return Ok(false);
            };
            if matches!(entry, Entry::Extent { .. })
                && !knock_out::is_out(Rule::CheckExtents)
                && !extent_holds(self.storage, &known.folder, &place, batch, &header)?
            {
                return Ok(false);
            }
            let end = ends.entry(place.partition).or_insert(known.end);
            let follows = (end.segment, end.position) == (place.segment, place.position)
                || (place.segment, place.position) == (header.base_offset, 0);
            if end.offset != header.base_offset || !follows {
                return Ok(false);
            }
            *end = end_of(&place, &header);
        }
        Ok(true)
    }

    /// Puts a frame that counts back into the segments.
    fn apply(&mut self, frame: &Frame<'_>) -> Result<()> {
        for entry in frame.entries().flatten() {
            if let Entry::Release { partition } = entry
                && let Some(known) = self.partitions.get_mut(&partition)
            {
                known.journaled = false;
            }
            let Some((place, batch)) = placed(&entry) else {
                continue;
            };
            let (Some(known), Ok(header)) = (
                self.partitions.get_mut(&place.partition),
                BatchHeader::parse(batch),
            ) else {
                continue;
            };
            known.end = end_of(&place, &header);
            known.journaled = true;
            if matches!(entry, Entry::Batch { .. }) {
                let path = known.folder.join(file_name::log(place.segment));
                if let Put::Told(tell) = &mut self.put {
                    tell(&path, place.position, batch);
                    continue;
                }
                if self.open.len() >= OPEN_MAX {
                    self.open.clear();
                }
                let file = match self.open.entry((place.partition, place.segment)) {
                    std::collections::hash_map::Entry::Occupied(open) => open.into_mut(),
                    std::collections::hash_map::Entry::Vacant(vacant) => vacant.insert(
                        self.storage
                            .open(&path, OpenMode::Create)
                            .during("open", &path)?,
                    ),
                };
                file.write_all_at(place.position, batch)
                    .during("write", &path)?;
            }
        }
        Ok(())
    }
}

/// Place and first bytes of what an entry has appended.
pub(crate) fn placed<'a>(entry: &Entry<'a>) -> Option<(Place, &'a [u8])> {
    match entry {
        Entry::Batch { place, batch } => Some((*place, batch)),
        Entry::Extent { place, header } => Some((*place, header.as_slice())),
        Entry::Release { .. } => None,
    }
}

/// Where a partition ends behind a batch.
pub(crate) fn end_of(place: &Place, header: &BatchHeader) -> SyncPoint {
    SyncPoint {
        offset: header.next_offset(),
        segment: place.segment,
        position: place.position + header.size() as u64,
    }
}

/// Whether the batch that an extent names stands in its segment.
fn extent_holds(
    storage: &dyn Storage,
    folder: &Path,
    place: &Place,
    first_bytes: &[u8],
    header: &BatchHeader,
) -> Result<bool> {
    let path = folder.join(file_name::log(place.segment));
    if !storage.exists(&path).during("look for", &path)? {
        return Ok(false);
    }
    let file = storage.open(&path, OpenMode::Read).during("open", &path)?;
    let end = place.position.saturating_add(header.size() as u64);
    if file.len().during("measure", &path)? < end {
        return Ok(false);
    }
    let mut bytes = vec![0; header.size()];
    if file.read_exact_at(place.position, &mut bytes).is_err() {
        return Ok(false);
    }
    Ok(bytes.get(..BATCH_HEADER_LEN) == Some(first_bytes) && Batch::check(&bytes).is_ok())
}
