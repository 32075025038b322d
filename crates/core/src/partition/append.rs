//! Appending: under the partition's lock a batch gets its offsets, is written at the end of the active
//! segment, and joins the journal's open frame or is published. Everything that can be checked is checked before anything is
//! written; what fails afterwards is cut off again, or the store is poisoned.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use tidelog_format::batch::{self, Batch, BatchHeader, HEADER_LEN, TimestampType};
use tidelog_format::journal::Place;

use super::{Committed, Log, SyncPoint};
use crate::config::TopicConfig;
use crate::error::{Error, IoContext, Result};
use crate::journal::Turn;
use crate::knock_out::{self, Rule};
use crate::segment::{OpenFiles, Segment};
use crate::sync::{lock, write};

/// Where an append went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub base_offset: u64,
    /// Offset of the last record.
    pub last_offset: u64,
    /// The time of the append in ms where the topic uses it, else -1.
    pub timestamp: i64,
}

/// Called once with the outcome, on the appending thread (`buffered`) or a thread of the core (`fsync`).
pub(crate) type AppendDone = Box<dyn FnOnce(Result<Appended>) + Send>;

/// Space is reserved ahead in steps that grow with the segment: ten thousand small partitions must fit a
/// small disk, and a fast one must not stop for every batch.
const ALLOCATE_MIN: u64 = 16 << 10;
const ALLOCATE_MAX: u64 = 16 << 20;

/// A batch that was written, and the frame that is held open for it.
struct Placed<'a> {
    appended: Appended,
    turn: Option<Turn<'a>>,
}

/// What the partition's lock protects.
#[derive(Default)]
pub(crate) struct Writer {
    active: Option<Arc<Segment>>,
    /// Bytes of the active segment's file that have blocks.
    allocated: u64,
    /// The newest timestamp in the active segment's first batch, from which its age is counted.
    first_timestamp: Option<i64>,
    /// The last append time given out: it never goes back, whatever the clock does.
    append_time: i64,
    /// Whether appends go through the journal.
    journaled: bool,
    /// What lies below this offset is in the journal, or durable. What lies above was appended round it.
    journaled_to: u64,
}

impl Writer {
    pub fn new(active: Option<Arc<Segment>>, journaled: bool, journaled_to: u64) -> Writer {
        Writer {
            active,
            journaled,
            journaled_to,
            ..Writer::default()
        }
    }

    /// Goes on in another segment, or in none yet.
    fn move_to(&mut self, active: Option<Arc<Segment>>) {
        (self.active, self.allocated, self.first_timestamp) = (active, 0, None);
    }

    /// The log's end `offset` with its place.
    fn end(&self, offset: u64) -> SyncPoint {
        SyncPoint {
            offset,
            segment: self.active.as_ref().map_or(offset, |active| active.base()),
            position: self.active.as_ref().map_or(0, |active| active.size()),
        }
    }

    pub fn active(&self) -> Option<&Arc<Segment>> {
        self.active.as_ref()
    }

    /// Forgets the active segment, which is being deleted.
    pub fn leave(&mut self) {
        self.move_to(None);
    }
}

impl Log {
    /// Appends a checked batch, which gets its place here, and calls `done` once it is as durable as the topic
    /// promises. The bytes are not needed any more when this returns.
    pub fn append(self: &Arc<Self>, batch: &mut [u8], header: &BatchHeader, done: AppendDone) {
        let config = self.topic().config();
        if let Err(error) = self.ready_to_append(&config, header) {
            return done(Err(error));
        }
        let mut writer = lock(&self.writer);
        let placed = self.place(&mut writer, &config, batch, None);
        match placed {
            Err(error) => {
                drop(writer);
                done(Err(error));
            }
            Ok(Placed {
                appended,
                turn: Some(turn),
            }) => {
                let committed = Committed {
                    end: writer.end(appended.last_offset + 1),
                    journaled: true,
                };
                let done = Box::new(move |synced: Result<()>| done(synced.map(|()| appended)));
                turn.join(self, committed, done);
            }
            Ok(Placed {
                appended,
                turn: None,
            }) => {
                self.commit(Committed {
                    end: writer.end(appended.last_offset + 1),
                    journaled: false,
                });
                drop(writer);
                self.wake();
                done(Ok(appended));
            }
        }
    }

    /// Appends a batch that keeps the offsets it has, for a log taken over from elsewhere: it must continue
    /// this one exactly, or begin it. Not durable, and in an `fsync` topic not readable, before `seal_import`.
    pub fn append_imported(self: &Arc<Self>, mut batch: Vec<u8>) -> Result<()> {
        let header = *Batch::check(&batch)
            .map_err(|error| Error::invalid_batch(&error))?
            .header();
        self.context().health.check()?;
        let config = self.topic().config();
        let mut writer = lock(&self.writer);
        let first = writer.active.is_none() && self.log_end() == 0;
        if !first && header.base_offset != self.log_end() {
            let reason = format!(
                "base offset {} does not continue the log's end {}",
                header.base_offset,
                self.log_end()
            );
            return Err(Error::InvalidBatch { reason });
        }
        if first {
            self.log_start.store(header.base_offset, Ordering::Release);
            self.log_end.store(header.base_offset, Ordering::Release);
        }
        self.place(&mut writer, &config, &mut batch, Some(header.base_offset))?;
        Ok(())
    }

    /// Makes what was imported durable and readable. The caller writes a checkpoint, without which a recovery
    /// would cut it: it is not in the journal.
    pub fn seal_import(&self) -> Result<()> {
        self.sync_files()?;
        let mut writer = lock(&self.writer);
        let end = writer.end(self.log_end());
        writer.journaled_to = end.offset;
        self.commit(Committed {
            end,
            journaled: writer.journaled,
        });
        drop(writer);
        self.wake();
        Ok(())
    }

    /// Has appends go through the journal from now on, or round it, whatever comes first being settled before.
    /// Blocks for the disk.
    pub fn set_journaled(self: &Arc<Self>, journaled: bool) -> Result<()> {
        let mut writer = lock(&self.writer);
        if writer.journaled && !journaled {
            let end = writer.end(self.log_end());
            self.context().journal.release(self.context(), self, end)?;
        }
        writer.journaled = journaled;
        Ok(())
    }

    fn ready_to_append(&self, config: &TopicConfig, header: &BatchHeader) -> Result<()> {
        self.context().health.check()?;
        self.check()?;
        if self.context().read_only {
            return Err(Error::ReadOnly);
        }
        if let Some(damage) = self.damage() {
            return Err(damage.clone());
        }
        if header.size() as u64 > u64::from(config.max_batch_bytes) {
            return Err(Error::RecordTooLarge {
                what: "a record batch",
                size: header.size() as u64,
                limit: u64::from(config.max_batch_bytes),
                field: "max.message.bytes",
            });
        }
        Ok(())
    }

    /// Gives the batch its place, writes it and moves the log end; enters it in the journal if it goes through it. The
    /// lock is held by the caller, who joins the frame or lets readers see the batch.
    fn place<'a>(
        self: &'a Arc<Self>,
        writer: &mut Writer,
        config: &TopicConfig,
        batch: &mut [u8],
        keep_offset: Option<u64>,
    ) -> Result<Placed<'a>> {
        // A panic or a failed sync may have come between the first check and the lock.
        self.context().health.check()?;
        self.check()?;
        let base_offset = keep_offset.unwrap_or_else(|| self.log_end());
        let mut timestamp = -1;
        if keep_offset.is_none() && config.timestamp_type == TimestampType::LogAppendTime {
            timestamp = now_ms().max(writer.append_time);
            batch::set_log_append_time(batch, timestamp)
                .map_err(|error| Error::invalid_batch(&error))?;
        }
        batch::set_placement(batch, base_offset, self.context().incarnation)
            .map_err(|error| Error::invalid_batch(&error))?;
        let header = BatchHeader::parse(batch.get(..HEADER_LEN).unwrap_or_default())
            .map_err(|error| Error::invalid_batch(&error))?;

        let segment = self.segment_for(writer, config, &header)?;
        let files = segment.files(self.context())?;
        self.reserve(writer, &segment, &files, batch.len() as u64)?;
        // From here to the end the frame is held open: entries stand in it in the order of offsets.
        let mut turn = match keep_offset {
            None if writer.journaled => {
                let journal = &self.context().journal;
                Some(journal.enter(self.context(), batch.len())?)
            }
            _ => None,
        };
        let place = Place {
            partition: self.id(),
            segment: segment.base(),
            position: segment.size(),
        };
        if let Err(error) = segment.append(&files, batch, &header, config.index_interval_bytes) {
            return Err(self.cut_back(writer, &segment, &files, error));
        }
        if segment.mark_dirty() {
            lock(&self.unsynced).segments.push(Arc::clone(&segment));
        }
        segment.flush_full_index_pages(self.context());
        writer.append_time = writer.append_time.max(timestamp);
        if header.max_timestamp >= 0 {
            writer.first_timestamp.get_or_insert(header.max_timestamp);
        }
        self.context().count_appended(batch.len() as u64);
        self.log_end.store(header.next_offset(), Ordering::Release);
        if let Some(turn) = &mut turn {
            let unjournaled = writer.journaled_to < base_offset;
            if turn.is_extent(batch.len())
                || (unjournaled && !knock_out::is_out(Rule::SyncUnjournaled))
            {
                turn.sync_files(self);
            }
            turn.enter(&place, batch);
            writer.journaled_to = header.next_offset();
        }
        let appended = Appended {
            base_offset,
            last_offset: header.last_offset(),
            timestamp,
        };
        Ok(Placed { appended, turn })
    }

    /// The active segment, or a new one when it is full, too old, or its offsets would no longer fit.
    fn segment_for(
        self: &Arc<Self>,
        writer: &mut Writer,
        config: &TopicConfig,
        header: &BatchHeader,
    ) -> Result<Arc<Segment>> {
        let Some(active) = writer.active.clone() else {
            return self.roll(writer, config, header.base_offset);
        };
        if active.size() == 0 {
            return Ok(active);
        }
        let first_timestamp = match writer.first_timestamp {
            Some(timestamp) => timestamp,
            None => {
                // The segment was written in an earlier life. A batch without records has no time.
                let files = active.files(self.context())?;
                let first = active.header_at(files.log(), 0)?.max_timestamp;
                let timestamp = if first < 0 {
                    header.max_timestamp
                } else {
                    first
                };
                *writer.first_timestamp.insert(timestamp)
            }
        };
        // Its map was made for the size that was configured then.
        let limit = config.segment_bytes.min(active.capacity());
        let full = active.size() + header.size() as u64 > limit;
        let age = header.max_timestamp.saturating_sub(first_timestamp);
        let old = u64::try_from(age).is_ok_and(|age| age > config.segment_ms);
        let far = header.last_offset() - active.base() > i32::MAX as u64;
        if !(full || old || far) {
            return Ok(active);
        }
        active.seal(self.context(), config.index_interval_bytes)?;
        self.roll(writer, config, header.base_offset)
    }

    fn roll(
        self: &Arc<Self>,
        writer: &mut Writer,
        config: &TopicConfig,
        base: u64,
    ) -> Result<Arc<Segment>> {
        let capacity = Segment::capacity_for(config.segment_bytes);
        let segment = Arc::new(Segment::new(self.folder(), base, 0, capacity));
        segment.create(self.context())?;
        lock(&self.unsynced).folder = true;
        let mut segments = write(&self.segments);
        let mut list = Vec::with_capacity(segments.len() + 1);
        list.extend(segments.iter().cloned());
        list.push(Arc::clone(&segment));
        *segments = Arc::new(list);
        writer.move_to(Some(Arc::clone(&segment)));
        Ok(segment)
    }

    /// Makes sure that there are blocks for the batch, so that a full disk shows here, with nothing written.
    fn reserve(
        &self,
        writer: &mut Writer,
        segment: &Segment,
        files: &OpenFiles,
        bytes: u64,
    ) -> Result<()> {
        let end = segment.size() + bytes;
        if end <= writer.allocated {
            return Ok(());
        }
        let from = writer.allocated.max(segment.size());
        let step = segment.size().clamp(ALLOCATE_MIN, ALLOCATE_MAX);
        for to in [end + step, end] {
            match files.file().allocate(from, to - from) {
                Ok(()) => {
                    writer.allocated = to;
                    return Ok(());
                }
                // Nothing to reserve with: the write itself then tells of a full disk, and is cut back.
                Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {
                    writer.allocated = u64::MAX;
                    return Ok(());
                }
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull && to != end => {}
                Err(error) => return Err(error).during("reserve space for", segment.path()),
            }
        }
        Ok(())
    }

    /// Removes what a failed write may have left behind the end.
    fn cut_back(
        &self,
        writer: &mut Writer,
        segment: &Segment,
        files: &OpenFiles,
        error: Error,
    ) -> Error {
        writer.allocated = 0;
        match files.file().set_len(segment.size()) {
            Ok(()) => error,
            Err(cut) => self
                .context()
                .health
                .poison(format!("{error}; and cutting it off: {cut}")),
        }
    }
}

/// Wall-clock time in ms since the epoch.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}
