//! One partition of a survey: all its segments walked, and what has to be done so that its offsets go without a gap
//! from its log start to its durable end.

use std::path::{Path, PathBuf};

use tidelog_format::batch::BatchHeader;
use tidelog_format::file_name;
use tidelog_format::journal::{PartitionId, Place};
use tidelog_io::Storage;

use super::patches::Patches;
use super::walk::{Bounds, Hole, Mend, Walk};
use crate::error::{IoContext, Result};
use crate::inspect::{IndexedSegment, Writer, check_indexes, check_snapshots};
use crate::partition::SyncPoint;
use crate::segment::listed;

/// What is known of a partition beside its segments.
#[derive(Debug, Clone)]
pub(super) struct Partition {
    pub topic: String,
    pub id: PartitionId,
    pub folder: PathBuf,
    pub log_start: u64,
    pub journaled: bool,
    /// The durable end, and its place in the files as they were.
    pub end: SyncPoint,
    pub trust: Trust,
    /// Indexes from this segment on are made again by recovery anyway.
    pub recovery_segment: u64,
    /// Whether the checkpoint has it as damaged.
    pub damaged: bool,
}

/// What tells where the log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Checkpoint and journal: exactly at the durable end.
    Exact,
    /// Checkpoint: not before the durable end.
    AtLeast,
    /// The segments themselves, and not before the durable end. Something that told of it was lost.
    Segments,
}

/// A segment's file that has to be written anew, or its indexes.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub path: PathBuf,
    /// Bytes of the old file that are kept, but for the holes.
    pub upto: u64,
    pub holes: Vec<Hole>,
    pub mends: Vec<Mend>,
    /// Indexes that do not fit.
    pub indexes: Vec<PathBuf>,
}

/// A partition, walked.
#[derive(Debug, Clone)]
pub(super) struct Surveyed {
    pub partition: Partition,
    pub work: Vec<Work>,
    /// Snapshots of producers that do not hold.
    pub snapshots: Vec<PathBuf>,
    /// The end of what was walked, in the files as they are.
    pub end: SyncPoint,
    /// Epoch of the last batch.
    pub epoch: i32,
    /// Base offsets and bytes of the segments that are there.
    pub segments: Vec<(u64, u64)>,
    /// Batches that hold, and the records in them.
    pub batches: u64,
    pub records: u64,
    /// Records below were deleted, as far as anything tells.
    deleted: u64,
}

struct File {
    base: u64,
    path: PathBuf,
}

pub(super) struct Survey<'a> {
    pub storage: &'a dyn Storage,
    pub patches: &'a Patches,
    /// The newest life there may be a batch of.
    pub incarnation: i32,
    /// No checkpoint tells of log starts and ends.
    pub blind: bool,
}

impl Survey<'_> {
    /// `progress` gets the bytes done.
    pub fn run(&self, mut partition: Partition, mut progress: impl FnMut(u64)) -> Result<Surveyed> {
        let files = self.files(&partition.folder)?;
        let first_base = files.first().map(|file| file.base);
        let deleted = partition.log_start;
        if self.blind {
            let first = first_base.unwrap_or(partition.log_start);
            partition.log_start = partition.log_start.max(first);
        }
        let log_start = partition.log_start;
        let below = files.windows(2);
        let below = below.take_while(|pair| pair.get(1).is_some_and(|file| file.base <= log_start));
        let files = files.get(below.count()..).unwrap_or_default();
        let trust = partition.trust;
        let mut out = Surveyed {
            end: partition.end,
            work: Vec::new(),
            snapshots: check_snapshots(self.storage, &partition.folder)?
                .into_iter()
                .map(|bad| bad.path)
                .collect(),
            epoch: i32::MIN,
            segments: Vec::with_capacity(files.len()),
            batches: 0,
            records: 0,
            deleted,
            partition,
        };
        let known = out.partition.end.offset;
        if trust != Trust::Segments && known <= log_start {
            // Nothing that was durable is left: what there is, recovery settles.
            return Ok(out);
        }
        let durable = if self.blind { u64::MAX } else { known };
        let mut offset = files
            .first()
            .map_or(log_start, |file| file.base.min(log_start));
        let mut done = 0;
        for (index, file) in files.iter().enumerate() {
            if trust == Trust::Exact && file.base >= durable {
                break;
            }
            if file.base > offset {
                // What lies behind the durable end without continuing it is no part of the log.
                let to = file.base.min(durable);
                if offset < to {
                    out.make(offset, to);
                    offset = to;
                }
                if file.base > offset {
                    break;
                }
            }
            let next_base = files.get(index + 1).map(|next| next.base);
            let mut limit = next_base.unwrap_or(u64::MAX);
            if trust == Trust::Exact {
                limit = limit.min(durable);
            }
            let floor = match next_base {
                Some(base) if self.blind => base,
                None if self.blind => known,
                _ => durable.min(limit),
            };
            let bounds = Bounds {
                durable,
                limit,
                incarnation: self.incarnation,
            };
            offset = self.segment(&mut out, file, offset, bounds, floor, |position| {
                progress(done + position);
            })?;
            done += self.patches.open(self.storage, &file.path)?.len;
            progress(done);
            if offset >= durable && next_base != Some(offset) {
                break;
            }
        }
        if offset < known {
            out.make(offset, known);
        }
        Ok(out)
    }

    /// Walks one segment, notes what has to be done, and gives the offset that it ends at then.
    fn segment(
        &self,
        out: &mut Surveyed,
        file: &File,
        offset: u64,
        bounds: Bounds,
        floor: u64,
        progress: impl FnMut(u64),
    ) -> Result<u64> {
        let log = self.patches.open(self.storage, &file.path)?;
        let len = log.len;
        out.segments.push((file.base, len));
        let mut walked = Walk::new(&log, len, bounds).run(offset, out.epoch, progress);
        out.batches += walked.batches.len() as u64;
        out.records += walked.records;
        let whole = walked.position == len && len > 0;
        if walked.offset < floor && !whole {
            let reason = walked.stop.take();
            walked.holes.push(Hole {
                position: walked.position,
                len: len - walked.position,
                first: walked.offset,
                next: floor,
                epoch: walked.epoch,
                reason: reason.unwrap_or_else(|| "the segment is empty".to_owned()),
            });
            (walked.position, walked.offset) = (len, floor);
        }
        out.epoch = walked.epoch;
        out.end = SyncPoint {
            offset: walked.offset,
            segment: file.base,
            position: walked.position,
        };
        let mut indexes = Vec::new();
        let settled = file.base < out.partition.recovery_segment;
        if settled && walked.holes.is_empty() && walked.mends.is_empty() {
            let (next, batches) = (walked.offset, &walked.batches);
            let segment = IndexedSegment {
                path: &file.path,
                base: file.base,
                next,
                batches,
                by: Writer::Tidelog,
            };
            check_indexes(self.storage, &segment, |wrong| {
                if !indexes.contains(&wrong.index) {
                    indexes.push(wrong.index);
                }
            })?;
        }
        if !(walked.holes.is_empty() && walked.mends.is_empty() && indexes.is_empty()) {
            out.work.push(Work {
                path: file.path.clone(),
                // Behind an exact end nothing is kept: nobody was told of it.
                upto: match out.partition.trust {
                    Trust::Exact => walked.position,
                    Trust::AtLeast | Trust::Segments => len,
                },
                holes: walked.holes,
                mends: walked.mends,
                indexes,
            });
        }
        Ok(walked.offset)
    }

    /// The folder's segments in order. Empty ones hold nothing.
    fn files(&self, folder: &Path) -> Result<Vec<File>> {
        let mut files = Vec::new();
        if self.storage.exists(folder).during("look for", folder)? {
            let entries = self.storage.read_dir(folder).during("list", folder)?;
            let segments = listed(folder, &entries).into_iter();
            files.extend(
                segments
                    .filter(|segment| segment.len > 0)
                    .map(|segment| File {
                        base: segment.base,
                        path: segment.path,
                    }),
            );
        }
        for path in self.patches.files_in(folder) {
            let name = path.file_name().map(|name| name.to_string_lossy());
            let base = name.and_then(|name| file_name::parse_log(&name));
            if let Some(base) = base.filter(|base| files.iter().all(|file| file.base != *base)) {
                let path = path.to_owned();
                files.push(File { base, path });
            }
        }
        files.sort_by_key(|file| file.base);
        Ok(files)
    }
}

impl Surveyed {
    /// A segment that holds nothing but the offsets of one that is missing.
    fn make(&mut self, first: u64, next: u64) {
        let path = self.partition.folder.join(file_name::log(first));
        let hole = Hole {
            position: 0,
            len: 0,
            first,
            next,
            epoch: self.epoch,
            reason: "the segment is missing, or its end".to_owned(),
        };
        self.end = SyncPoint {
            offset: next,
            segment: first,
            position: 0,
        };
        self.work.push(Work {
            path,
            upto: 0,
            holes: vec![hole],
            mends: Vec::new(),
            indexes: Vec::new(),
        });
    }

    /// Whether the segments, which nothing but themselves tells of, have nothing in the place of a batch.
    pub fn lacks(&self, place: &Place, header: &BatchHeader) -> bool {
        let deleted = header.next_offset() <= self.deleted;
        let path = self.partition.folder.join(file_name::log(place.segment));
        let end = place.position + header.size() as u64;
        let segment = self
            .segments
            .iter()
            .find(|(base, _)| *base == place.segment);
        let beyond = segment.is_none_or(|(_, len)| *len <= place.position);
        let is_in = |work: &Work, hole: &Hole| {
            let offsets = hole.first <= header.base_offset && header.next_offset() <= hole.next;
            let bytes = work.path == path
                && hole.position <= place.position
                && (end <= hole.position + hole.len || hole.position + hole.len == work.upto);
            offsets && (bytes || beyond) && header.leader_epoch >= hole.epoch
        };
        let first = self.segments.first().map_or(0, |(base, _)| *base);
        let before = header.next_offset() <= first && segment.is_none();
        let behind = header.base_offset >= self.end.offset && header.leader_epoch >= self.epoch;
        !deleted
            && (behind
                || before
                || self
                    .work
                    .iter()
                    .any(|work| work.holes.iter().any(|hole| is_in(work, hole))))
    }

    /// Whether the partition is not as it should be.
    pub fn is_damaged(&self) -> bool {
        self.partition.damaged || !self.work.is_empty()
    }

    /// The durable end once the work is done, in the files as they are then.
    pub fn end_after(&self) -> SyncPoint {
        let rewritten = self.work.iter().any(|work| !work.holes.is_empty());
        if !rewritten && self.partition.trust != Trust::Segments {
            return self.partition.end;
        }
        let mut end = self.end;
        let path = self.partition.folder.join(file_name::log(end.segment));
        if let Some(work) = self.work.iter().find(|work| work.path == path) {
            end.position = super::rewrite::position_after(&work.holes, end.position);
        }
        end
    }

    /// The durable end while the files are as they were.
    pub fn end_before(&self) -> SyncPoint {
        match self.partition.trust {
            Trust::Segments => self.end,
            Trust::Exact | Trust::AtLeast => self.partition.end,
        }
    }
}
