//! Letting go of old records. The log start is raised first and made durable by the store's checkpoint;
//! only then are the segments below it unlinked. A reader that is in one keeps its map until it is done.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Log;
use super::load::unlink;
use crate::error::Result;
use crate::knock_out::{self, Rule};
use crate::segment::{Newest, Segment};
use crate::sync::{lock, write};

/// Files that are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unlinked {
    pub segments: usize,
    /// Bytes of record batches in them.
    pub bytes: u64,
}

impl Log {
    /// Raises the log start to `before`, at most to the high watermark. Gives the new log start. A checkpoint makes it
    /// durable; `unlink_below_start` goes no further than that.
    pub fn raise_start(&self, before: u64) -> Result<u64> {
        self.check()?;
        if before > self.high_watermark() {
            return Err(self.out_of_range(before));
        }
        self.log_start.fetch_max(before, Ordering::AcqRel);
        self.announce();
        Ok(self.log_start())
    }

    /// The log start that the topic's retention asks for at this time: the base of the first segment that
    /// stays. Kafka's rules: oldest first, and never beyond the first segment that stays. An expired active
    /// segment is left by starting a new one.
    pub fn retention_start(self: &Arc<Self>, now: i64) -> Result<Option<u64>> {
        let config = self.topic().config();
        let bounded = config.retention_ms.is_some() || config.retention_bytes.is_some();
        if !bounded || !config.cleanup.deletes() {
            return Ok(None);
        }
        let segments = self.segments();
        let mut excess = match config.retention_bytes {
            Some(limit) => self.bytes().saturating_sub(limit),
            None => 0,
        };
        let high_watermark = self.high_watermark();
        let mut start = None;
        for (number, segment) in segments.iter().enumerate() {
            let last = number + 1 == segments.len();
            let end = segments
                .get(number + 1)
                .map_or_else(|| self.log_end(), |next| next.base());
            if end > high_watermark || segment.size() == 0 {
                break;
            }
            let too_old = match config.retention_ms {
                Some(limit) => self.is_older(segment, limit, now)?,
                None => false,
            };
            // By size only what is wholly in excess goes, and never the segment that is being written.
            let too_much = !last && excess >= segment.size();
            if !(too_old || too_much) {
                break;
            }
            excess = excess.saturating_sub(segment.size());
            start = Some(end);
        }
        Ok(start.filter(|start| *start > self.log_start()))
    }

    /// Whether all that a segment holds is older than `limit` ms. One without records holds nothing to keep.
    ///
    /// A record from the future, of a sender whose clock was wrong, counts as of when its segment was last written: else it
    /// would keep all that comes after it until its time has come. Only such a segment is judged by its file's time, which
    /// a copy or a restore may change.
    fn is_older(&self, segment: &Arc<Segment>, limit: u64, now: i64) -> Result<bool> {
        let interval = self.topic().config().index_interval_bytes;
        let newest = match segment.newest(self.context(), interval)? {
            Newest::NoRecords => return Ok(true),
            Newest::Unknown => return Ok(false),
            Newest::At(newest) if newest > now => {
                let written = segment.written(self.context())?;
                written.map_or(newest, |written| written.min(newest))
            }
            Newest::At(newest) => newest,
        };
        Ok(now.saturating_sub(newest) > i64::try_from(limit).unwrap_or(i64::MAX))
    }

    fn unlinkable(&self) -> u64 {
        let durable_start = self.durable_start.load(Ordering::Acquire);
        durable_start.min(self.recovery_point.load(Ordering::Acquire))
    }

    /// Whether there is something for `unlink_below_start` to do.
    pub fn has_segments_to_unlink(&self) -> bool {
        let segments = self.segments();
        let end = segments.get(1).map_or(self.log_end(), |next| next.base());
        segments
            .first()
            .is_some_and(|first| first.base() < end && end <= self.unlinkable())
    }

    /// Unlinks the segments that lie wholly below the durable log start, and below the recovery point: the journal must
    /// not bring back a part of one. Blocks for the disk.
    pub fn unlink_below_start(self: &Arc<Self>) -> Result<Unlinked> {
        let files = self.own_files()?;
        let start = match knock_out::is_out(Rule::UnlinkAfterCheckpoint) {
            true => self.log_start(),
            false => self.unlinkable(),
        };
        let first = self.segments().first().map(|segment| segment.base());
        if first.is_some_and(|first| first < start) {
            self.save_producers_below(&files, start)?;
        }
        let gone: Vec<Arc<Segment>> = {
            let mut writer = lock(&self.writer);
            let mut segments = write(&self.segments);
            let end = self.log_end();
            let keep_from = segments
                .iter()
                .enumerate()
                .take_while(|(number, segment)| {
                    let next = segments.get(number + 1).map_or(end, |next| next.base());
                    next <= start && next > segment.base()
                })
                .count();
            let gone = segments.iter().take(keep_from).cloned().collect();
            *segments = Arc::new(segments.iter().skip(keep_from).cloned().collect());
            if segments.is_empty() {
                // The log goes on in a segment named by its end; the next append makes it.
                writer.leave();
            }
            gone
        };
        lock(&self.unsynced)
            .segments
            .retain(|segment| !gone.iter().any(|g| Arc::ptr_eq(g, segment)));
        for segment in &gone {
            segment.abandon();
            unlink(self.context(), segment)?;
            self.context()
                .tables
                .forget_segment(self.uid(), segment.base());
        }
        Ok(Unlinked {
            segments: gone.len(),
            bytes: gone.iter().map(|segment| segment.size()).sum(),
        })
    }
}
