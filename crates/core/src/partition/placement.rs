//! Giving batches their place: the partition's writer, and the segment, blocks and offsets that a batch gets under its
//! lock. Everything that can be checked is checked before anything is written; what fails afterwards is cut off again,
//! or the store is poisoned.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use tidelog_format::batch::{self, BatchHeader, HEADER_LEN, TimestampType};

use super::append::Appended;
use super::producers::Producers;
use super::{Log, SyncPoint};
use crate::config::TopicConfig;
use crate::error::{Error, IoContext, Result};
use crate::segment::{OpenFiles, Segment};
use crate::sync::{lock, write};

/// Space is reserved ahead in steps that grow with the segment: ten thousand small partitions must fit a
/// small disk, and a fast one must not stop for every batch.
const ALLOCATE_MIN: u64 = 16 << 10;
const ALLOCATE_MAX: u64 = 16 << 20;

/// A batch that has its place.
pub(super) struct Prepared {
    header: BatchHeader,
    pub timestamp: i64,
    segment: Arc<Segment>,
    position: u64,
    files: Arc<OpenFiles>,
}

/// What is to be appended at once.
#[derive(Clone, Copy)]
struct Need {
    bytes: u64,
    last_offset: u64,
}

impl Need {
    fn of(header: &BatchHeader) -> Need {
        Need {
            bytes: header.size() as u64,
            last_offset: header.last_offset(),
        }
    }
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
    pub(super) journaled: bool,
    /// What is being imported is in no frame: until it is sealed nothing else is appended.
    pub(super) importing: bool,
    /// What is known of producers; none before the first batch of one, or a question about one.
    pub(super) producers: Option<Producers>,
}

impl Writer {
    pub fn new(active: Option<Arc<Segment>>, journaled: bool) -> Writer {
        Writer {
            active,
            journaled,
            ..Writer::default()
        }
    }

    /// Goes on in another segment, or in none yet.
    fn move_to(&mut self, active: Option<Arc<Segment>>) {
        (self.active, self.allocated, self.first_timestamp) = (active, 0, None);
    }

    /// The log's end `offset` with its place.
    pub(super) fn end(&self, offset: u64) -> SyncPoint {
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

impl Prepared {
    pub(super) fn segment_base(&self) -> u64 {
        self.segment.base()
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn records(&self) -> u32 {
        self.header.record_count
    }

    pub(super) fn appended(&self) -> Appended {
        Appended {
            base_offset: self.header.base_offset,
            last_offset: self.header.last_offset(),
            timestamp: self.timestamp,
            duplicate: false,
        }
    }
}

impl Log {
    /// Gives a batch its place, with blocks for it. Nothing is written yet. The lock is held by the caller.
    pub(super) fn prepare(
        self: &Arc<Self>,
        writer: &mut Writer,
        config: &TopicConfig,
        batch: &mut [u8],
        keep_offset: Option<u64>,
    ) -> Result<Prepared> {
        let importing = keep_offset.is_some();
        self.ready_to_write(writer, importing)?;
        let base_offset = keep_offset.unwrap_or_else(|| self.log_end());
        let (header, timestamp) = self.place(writer, config, batch, base_offset, importing)?;
        let (segment, files) = self.room_for(writer, config, &header, Need::of(&header))?;
        Ok(Prepared {
            header,
            timestamp,
            position: segment.size(),
            segment,
            files,
        })
    }

    /// As `prepare`, for batches that are appended together: there is room for all of them, in one segment.
    pub(super) fn prepare_all(
        self: &Arc<Self>,
        writer: &mut Writer,
        config: &TopicConfig,
        batches: &mut [Vec<u8>],
    ) -> Result<Vec<Prepared>> {
        self.ready_to_write(writer, false)?;
        let mut placed = Vec::with_capacity(batches.len());
        let mut next = self.log_end();
        for batch in batches {
            let (header, timestamp) = self.place(writer, config, batch, next, false)?;
            next = header.next_offset();
            placed.push((header, timestamp));
        }
        let Some((first, _)) = placed.first() else {
            return Ok(Vec::new());
        };
        let need = Need {
            bytes: placed.iter().map(|(header, _)| header.size() as u64).sum(),
            last_offset: next - 1,
        };
        if need.bytes > config.segment_bytes {
            return Err(Error::TransactionTooLarge {
                size: need.bytes,
                limit: config.segment_bytes,
                field: "the topic's segment.bytes",
            });
        }
        let (segment, files) = self.room_for(writer, config, first, need)?;
        let mut position = segment.size();
        let prepare = |(header, timestamp): (BatchHeader, i64)| {
            let prepared = Prepared {
                header,
                timestamp,
                position,
                segment: Arc::clone(&segment),
                files: Arc::clone(&files),
            };
            position += header.size() as u64;
            prepared
        };
        Ok(placed.into_iter().map(prepare).collect())
    }

    fn ready_to_write(&self, writer: &Writer, importing: bool) -> Result<()> {
        // A panic or a failed sync may have come between the first check and the lock.
        self.context().health.check()?;
        self.check()?;
        if writer.importing && !importing {
            return Err(Error::InvalidArgument {
                argument: "partition",
                reason: "an import into it has not finished; send when it has".to_owned(),
            });
        }
        Ok(())
    }

    /// Sets what a batch gets with its place, and gives the time of its append, or -1.
    fn place(
        &self,
        writer: &Writer,
        config: &TopicConfig,
        batch: &mut [u8],
        base_offset: u64,
        importing: bool,
    ) -> Result<(BatchHeader, i64)> {
        let mut timestamp = -1;
        if !importing && config.timestamp_type == TimestampType::LogAppendTime {
            timestamp = now_ms().max(writer.append_time);
            batch::set_log_append_time(batch, timestamp)
                .map_err(|error| Error::invalid_batch(&error))?;
        }
        batch::set_placement(batch, base_offset, self.context().incarnation)
            .map_err(|error| Error::invalid_batch(&error))?;
        let header = BatchHeader::parse(batch.get(..HEADER_LEN).unwrap_or_default())
            .map_err(|error| Error::invalid_batch(&error))?;
        Ok((header, timestamp))
    }

    /// A segment with blocks for what begins with this batch.
    fn room_for(
        self: &Arc<Self>,
        writer: &mut Writer,
        config: &TopicConfig,
        first: &BatchHeader,
        need: Need,
    ) -> Result<(Arc<Segment>, Arc<OpenFiles>)> {
        let segment = self.segment_for(writer, config, first, need)?;
        let files = segment.files(self.context())?;
        self.reserve(writer, &segment, &files, need.bytes)?;
        Ok((segment, files))
    }

    /// Writes a batch at its place and moves the log end. The lock is held by the caller, who joins a frame or lets
    /// readers see the batch.
    pub(super) fn write(
        &self,
        writer: &mut Writer,
        config: &TopicConfig,
        prepared: &Prepared,
        batch: &[u8],
    ) -> Result<Appended> {
        let Prepared {
            header,
            timestamp,
            segment,
            files,
            ..
        } = prepared;
        if let Err(error) = segment.append(files, batch, header, config.index_interval_bytes) {
            return Err(self.cut_back(writer, segment, files, error));
        }
        if segment.mark_dirty() {
            lock(&self.unsynced).segments.push(Arc::clone(segment));
        }
        segment.flush_full_index_pages(self.context());
        writer.append_time = writer.append_time.max(*timestamp);
        if header.max_timestamp >= 0 {
            writer.first_timestamp.get_or_insert(header.max_timestamp);
        }
        if let Some(producers) = &mut writer.producers
            && header.producer_id >= 0
        {
            producers.note(header, now_ms());
        }
        self.context().count_appended(batch.len() as u64);
        if !self.topic().is_internal() {
            let records = u64::from(header.record_count);
            let counter = &self.context().metrics.appended;
            counter.add(records, batch.len() as u64);
        }
        self.log_end.store(header.next_offset(), Ordering::Release);
        Ok(prepared.appended())
    }

    /// The active segment, or a new one when it is full, too old, or its offsets would no longer fit.
    fn segment_for(
        self: &Arc<Self>,
        writer: &mut Writer,
        config: &TopicConfig,
        header: &BatchHeader,
        need: Need,
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
        let full = active.size() + need.bytes > limit;
        let age = header.max_timestamp.saturating_sub(first_timestamp);
        let old = u64::try_from(age).is_ok_and(|age| age > config.roll_ms());
        let far = need.last_offset - active.base() > i32::MAX as u64;
        if !(full || old || far) {
            return Ok(active);
        }
        self.seal(&active, config.index_interval_bytes)?;
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
        // First: what is made and then given up must be gone for good with the next checkpoint, too.
        lock(&self.unsynced).folder = true;
        segment.create(self.context())?;
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
                Err(error) if is_full(&error) && to != end => {}
                Err(error) => return Err(error).during("reserve space for", segment.path()),
            }
        }
        Ok(())
    }

    /// Removes what a failed write may have left behind the end, for good: a batch that was refused must not be found
    /// after a loss of power.
    fn cut_back(
        &self,
        writer: &mut Writer,
        segment: &Arc<Segment>,
        files: &OpenFiles,
        error: Error,
    ) -> Error {
        writer.allocated = 0;
        let cut = files.file().set_len(segment.size());
        segment.mark_dirty();
        let cut = cut
            .during("cut", segment.path())
            .and_then(|()| segment.sync(self.context()));
        match cut {
            Ok(()) => error,
            Err(cut) => self
                .context()
                .health
                .poison(format!("{error}; and cutting it off: {cut}")),
        }
    }
}

/// Whether there is no space, or none left for this user.
fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

/// Wall-clock time in ms since the epoch.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}
