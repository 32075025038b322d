//! Finds places in a segment by its indexes. An index is only a hint: every answer is compared with the
//! batch header that it points at, and one that does not fit has the indexes rebuilt from the log.

use std::sync::Arc;

use tidelog_format::offset_index::OffsetEntry;
use tidelog_format::time_index::TimeEntry;

use super::index::SparseIndex;
use super::scan::{Expect, Scanner};
use super::{Indexes, Newest, OpenFiles, Segment};
use crate::context::Context;
use crate::error::{IoContext, Result};
use crate::sync::lock;

/// A batch boundary at or before what was looked for, and the base offset that must stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub position: u64,
    pub offset: u64,
}

/// The end of a segment, behind its last index entry.
struct Tail {
    /// The newest time, with the last offset of its batch.
    newest: Option<(i64, u64)>,
    /// Bytes that no entry covers.
    bytes: u64,
    /// The offset that the segment ends at.
    end: u64,
}

impl Segment {
    fn start(&self) -> Place {
        Place {
            position: 0,
            offset: self.base,
        }
    }

    /// Where to begin walking to reach `offset`.
    pub fn locate(
        self: &Arc<Self>,
        context: &Context,
        files: &OpenFiles,
        offset: u64,
        interval: u32,
    ) -> Result<Place> {
        let hint = *lock(&self.hint);
        if let Some(hint) = hint
            && hint.offset == offset
        {
            return Ok(hint);
        }
        // An entry names the LAST offset of its batch: the batch that holds `offset` may be the one after it.
        let before = |entry: &OffsetEntry| self.base + u64::from(entry.relative_offset) <= offset;
        for _ in 0..2 {
            let indexed =
                self.with_checked_indexes(context, files, interval, |indexes, context| {
                    indexes.offset_lookup(context, before)
                })?;
            if let Some(place) = self.confirmed(files, indexed.finish(before)) {
                return Ok(match hint {
                    Some(hint) if hint.offset <= offset && hint.offset > place.offset => hint,
                    _ => place,
                });
            }
            self.rebuild_indexes(context, files, interval)?;
        }
        Ok(self.start())
    }

    /// Notes where a read ended.
    pub fn set_hint(&self, place: Place) {
        *lock(&self.hint) = Some(place);
    }

    /// Where to begin walking to reach the first record at or after `timestamp`: everything before has an
    /// earlier time.
    pub fn locate_time(
        self: &Arc<Self>,
        context: &Context,
        files: &OpenFiles,
        timestamp: i64,
        interval: u32,
    ) -> Result<Place> {
        let before = |entry: &TimeEntry| entry.timestamp < timestamp;
        for _ in 0..2 {
            let lookup =
                self.with_checked_indexes(context, files, interval, |indexes, context| {
                    indexes.time.lookup(&*context.storage, before)
                })?;
            let Some(entry) = lookup.finish(before) else {
                return Ok(self.start());
            };
            let offset = self.base + u64::from(entry.relative_offset);
            let place = self.locate(context, files, offset, interval)?;
            if self.confirm_time(files, place, offset, entry.timestamp) {
                return Ok(place);
            }
            self.rebuild_indexes(context, files, interval)?;
        }
        Ok(self.start())
    }

    /// The largest timestamp in the segment.
    pub fn newest(self: &Arc<Self>, context: &Context, interval: u32) -> Result<Newest> {
        if self.size() == 0 {
            return Ok(Newest::NoRecords);
        }
        let files = self.files(context)?;
        self.with_checked_indexes(context, &files, interval, |indexes, _| {
            Ok(match indexes.max_timestamp {
                _ if indexes.cut_short => Newest::Unknown,
                Some((timestamp, _)) => Newest::At(timestamp),
                None => Newest::NoRecords,
            })
        })
    }

    /// When its file was last written, in ms, if that is known.
    pub fn written(self: &Arc<Self>, context: &Context) -> Result<Option<i64>> {
        let files = self.files(context)?;
        files.file().modified().during("examine", &self.path)
    }

    /// The place that was found in the index, if it fits; without an entry that is the start.
    fn confirmed(&self, files: &OpenFiles, entry: Option<OffsetEntry>) -> Option<Place> {
        match entry {
            None => Some(self.start()),
            Some(entry) => self.confirm(files, &entry),
        }
    }

    /// The place that an offset entry points at, if the batch there is the one it names.
    fn confirm(&self, files: &OpenFiles, entry: &OffsetEntry) -> Option<Place> {
        let position = u64::from(entry.position);
        if position >= self.size() {
            return None;
        }
        let header = self.header_at(files.log(), position).ok()?;
        let fits = header.last_offset() == self.base + u64::from(entry.relative_offset)
            && position + header.size() as u64 <= self.size();
        fits.then_some(Place {
            position,
            offset: header.base_offset,
        })
    }

    /// Whether the batch that ends with `offset` has this maximum timestamp.
    fn confirm_time(&self, files: &OpenFiles, from: Place, offset: u64, timestamp: i64) -> bool {
        let mut place = from;
        while place.offset <= offset && place.position < self.size() {
            let Ok(header) = self.header_at(files.log(), place.position) else {
                return false;
            };
            if header.base_offset != place.offset {
                return false;
            }
            if header.last_offset() == offset {
                return header.max_timestamp == timestamp;
            }
            place = Place {
                position: place.position + header.size() as u64,
                offset: header.next_offset(),
            };
        }
        false
    }

    /// Runs `work` on the indexes as they are, loaded if need be; for the writer, which knows that they fit.
    fn with_indexes<T>(
        self: &Arc<Self>,
        context: &Context,
        work: impl FnOnce(&mut Indexes) -> Result<T>,
    ) -> Result<T> {
        let mut guard = lock(&self.indexes);
        let indexes = match &mut *guard {
            Some(indexes) => indexes,
            none => {
                self.check_not_abandoned()?;
                none.insert(self.load_indexes(context)?)
            }
        };
        work(indexes)
    }

    /// Runs `work` on the indexes, after making sure on their first use that they fit the log.
    pub(super) fn with_checked_indexes<T>(
        self: &Arc<Self>,
        context: &Context,
        files: &OpenFiles,
        interval: u32,
        work: impl FnOnce(&mut Indexes, &Context) -> Result<T>,
    ) -> Result<T> {
        let first_use = lock(&self.indexes).is_none();
        if first_use && !self.load_and_check(context, files, interval)? {
            self.rebuild_indexes(context, files, interval)?;
        }
        self.with_indexes(context, |indexes| work(indexes, context))
    }

    /// Loads the index files, and says whether their last entries fit the log.
    ///
    /// Beside a writer in another process the files may hold less than the log, since the writer adds entries a page at a
    /// time, and more than the log had when its size was looked at. What they lack is read from the log.
    fn load_and_check(
        self: &Arc<Self>,
        context: &Context,
        files: &OpenFiles,
        interval: u32,
    ) -> Result<bool> {
        let size = self.size();
        let (last, entries) = self.with_indexes(context, |indexes| {
            if context.read_only {
                let below = |entry: &OffsetEntry| u64::from(entry.position) < size;
                indexes.offset.keep(&*context.storage, below)?;
            }
            Ok((indexes.offset.last(), indexes.offset.len()))
        })?;
        if size == 0 {
            return Ok(entries == 0);
        }
        let from = match last {
            None => self.start(),
            Some(entry) => match self.confirm(files, &entry) {
                Some(place) => place,
                None => return Ok(false),
            },
        };
        // The tail after the last entry holds the newest time, and in the writer's process is at most an interval and two
        // batches long.
        let longest = match context.read_only {
            true => u64::MAX,
            false => u64::from(interval),
        };
        let Some(tail) = self.tail(files, from, longest) else {
            return Ok(false);
        };
        let time = self.with_indexes(context, |indexes| {
            if context.read_only {
                let below =
                    |entry: &TimeEntry| self.base + u64::from(entry.relative_offset) < tail.end;
                indexes.time.keep(&*context.storage, below)?;
            }
            Ok(indexes.time.last())
        })?;
        if time.is_none() && last.is_some() {
            return Ok(false);
        }
        if let Some(entry) = time {
            // Retention trusts it: it must not tell of an earlier time.
            let offset = self.base + u64::from(entry.relative_offset);
            let before =
                |entry: &OffsetEntry| self.base + u64::from(entry.relative_offset) <= offset;
            let indexed =
                self.with_indexes(context, |indexes| indexes.offset_lookup(context, before))?;
            let place = self.confirmed(files, indexed.finish(before));
            let fits = |place| self.confirm_time(files, place, offset, entry.timestamp);
            if !place.is_some_and(fits) {
                return Ok(false);
            }
        }
        let newest = match (time, tail.newest) {
            (Some(entry), Some((in_tail, _))) if in_tail > entry.timestamp => tail.newest,
            (Some(entry), _) => Some((
                entry.timestamp,
                self.base + u64::from(entry.relative_offset),
            )),
            (None, newest) => newest,
        };
        self.with_indexes(context, |indexes| {
            indexes.unindexed = tail.bytes;
            indexes.max_timestamp = newest;
            Ok(())
        })?;
        Ok(true)
    }

    /// What lies at and after `from`; `None` if more than `longest` bytes of it have no entry, so that entries must be
    /// missing, or if it does not hold.
    fn tail(&self, files: &OpenFiles, from: Place, longest: u64) -> Option<Tail> {
        let (mut place, mut newest, mut bytes) = (from, None::<(i64, u64)>, 0);
        while place.position < self.size() {
            if bytes > longest && place.position > from.position {
                // The batch here should have had an entry.
                return None;
            }
            let header = self.header_at(files.log(), place.position).ok()?;
            if header.base_offset != place.offset {
                return None;
            }
            if header.record_count > 0
                && newest.is_none_or(|(timestamp, _)| header.max_timestamp > timestamp)
            {
                newest = Some((header.max_timestamp, header.last_offset()));
            }
            bytes += header.size() as u64;
            place = Place {
                position: place.position + header.size() as u64,
                offset: header.next_offset(),
            };
        }
        Some(Tail {
            newest,
            bytes,
            end: place.offset,
        })
    }

    fn load_indexes(&self, context: &Context) -> Result<Indexes> {
        let mut indexes = self.empty_indexes();
        indexes.offset = SparseIndex::load(&*context.storage, indexes.offset.path().to_owned())?;
        indexes.time = SparseIndex::load(&*context.storage, indexes.time.path().to_owned())?;
        indexes.max_timestamp = indexes.time.last().map(|entry| {
            (
                entry.timestamp,
                self.base + u64::from(entry.relative_offset),
            )
        });
        Ok(indexes)
    }

    /// Makes the indexes again by walking the batch headers. Stops at a header that does not hold: what lies
    /// beyond is found by walking, and reported there.
    pub fn rebuild_indexes(
        self: &Arc<Self>,
        context: &Context,
        files: &OpenFiles,
        interval: u32,
    ) -> Result<()> {
        let mut guard = lock(&self.indexes);
        self.check_not_abandoned()?;
        let mut indexes = self.empty_indexes();
        let expect = Expect {
            offset: self.base,
            epoch_min: i32::MIN,
            epoch_max: i32::MAX,
        };
        let files = files.in_a_row(self.size());
        let mut scanner = Scanner::new(files.log(), 0, self.size(), expect, false);
        loop {
            match scanner.next() {
                Ok(Some(found)) => {
                    indexes.enter(self.base, found.position, &found.header, interval);
                }
                ended => {
                    indexes.cut_short = ended.is_err();
                    break;
                }
            }
        }
        // The files of one that was replaced are another's now, and beside a writer they are the writer's.
        if !self.is_retired() && !context.read_only {
            indexes.offset.flush(&*context.storage)?;
            indexes.time.flush(&*context.storage)?;
        }
        *guard = Some(indexes);
        Ok(())
    }
}
