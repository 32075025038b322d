//! One segment of a partition: a file of record batches named by its base offset, with its two indexes.
//! Its bytes below `size` never change. Files and maps are opened when needed and closed when idle.

mod cleaned;
mod index;
mod listing;
mod locate;
mod open;
mod read_ahead;
mod scan;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidelog_format::batch::{BatchHeader, HEADER_LEN};
use tidelog_format::file_name;
use tidelog_format::limits::MAX_BATCH_BYTES;
use tidelog_format::offset_index::OffsetEntry;
use tidelog_format::time_index::TimeEntry;
use tidelog_io::{OpenMode, ReadAt, StorageFile};

use crate::context::Context;
use crate::error::{Error, IoContext, Result};
use crate::sync::atomic::{AtomicBool, AtomicU64};
use crate::sync::{Mutex, MutexGuard, RwLock, lock, read, try_lock, try_write, write};

pub(crate) use cleaned::CleanedSegment;
use index::SparseIndex;
pub(crate) use listing::{Listed, finish_swaps, listed};
pub(crate) use locate::Place;
pub(crate) use open::OpenSegments;
use read_ahead::ReadAhead;
pub(crate) use scan::{Damage, Expect, Found, Scanner};

pub(crate) struct Segment {
    base: u64,
    path: PathBuf,
    /// Bytes of whole batches; raised after they are written.
    size: AtomicU64,
    /// Largest size it may reach.
    capacity: u64,
    open: RwLock<Option<Arc<OpenFiles>>>,
    /// Its files are gone, or about to go, and their paths may become another's: they are not opened any more.
    abandoned: AtomicBool,
    last_used: AtomicU64,
    /// Written since the last sync. Set after a write and before the new end is published; cleared before a sync.
    dirty: AtomicBool,
    /// Its index files were completed since the last sync.
    indexes_dirty: AtomicBool,
    /// Its names are those of a segment that has taken its place, or about to be: its files stay open as long as there are
    /// readers.
    retired: AtomicBool,
    sync: Mutex<()>,
    indexes: Mutex<Option<Indexes>>,
    /// Where the last read ended, which is where the next one in a row begins.
    hint: Mutex<Option<Place>>,
}

/// The open file. It is read by position and not through a map: a page of a map that the disk does not give, or that
/// another program has cut off, ends the process by a signal, and here it is an error.
pub(crate) struct OpenFiles {
    file: Arc<dyn StorageFile>,
    log: Arc<dyn ReadAt>,
    /// Beside a writer in another process: whether it is known that the file is of the topic that it was opened for.
    pub confirmed: AtomicBool,
}

struct Indexes {
    offset: SparseIndex<OffsetEntry>,
    time: SparseIndex<TimeEntry>,
    /// Bytes appended since the last entry.
    unindexed: u64,
    /// The largest timestamp so far, with the last offset of its batch.
    max_timestamp: Option<(i64, u64)>,
    /// Whether they end at damage, and tell nothing of what is behind it.
    cut_short: bool,
}

/// The newest time in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Newest {
    At(i64),
    /// It holds offsets, and no record.
    NoRecords,
    /// A part of it is damaged.
    Unknown,
}

impl Segment {
    /// A segment whose file has `size` bytes of whole batches (0 and no file yet for a new one).
    pub fn new(folder: &Path, base: u64, size: u64, capacity: u64) -> Segment {
        Segment::at(folder.join(file_name::log(base)), base, size, capacity)
    }

    /// As `new`, of a file whatever its name.
    pub fn at(path: PathBuf, base: u64, size: u64, capacity: u64) -> Segment {
        Segment {
            base,
            path,
            size: AtomicU64::new(size),
            capacity: capacity.max(size),
            open: RwLock::new(None),
            abandoned: AtomicBool::new(false),
            last_used: AtomicU64::new(0),
            dirty: AtomicBool::new(false),
            indexes_dirty: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            sync: Mutex::new(()),
            indexes: Mutex::new(None),
            hint: Mutex::new(None),
        }
    }

    pub fn base(&self) -> u64 {
        self.base
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// For a reader beside a writer in another process, which learns the size from the file. The indexes grow
    /// with it, and are loaded again. False if the open file is not the one of this size, or that one grown further if it
    /// is `active`: another has taken its place.
    pub fn follow_size(&self, size: u64, active: bool) -> bool {
        let same = |len: u64| len == size || (active && len > size);
        let open = read(&self.open).clone();
        if open.is_some_and(|files| !files.file.len().is_ok_and(same)) {
            return false;
        }
        if self.size.swap(size, Ordering::AcqRel) != size {
            *lock(&self.indexes) = None;
            *lock(&self.hint) = None;
        }
        true
    }

    /// The largest size it may reach.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Ends the segment at a position, for a recovery that cut it or found damage there.
    pub fn cap(&self, position: u64) {
        self.size.store(position, Ordering::Release);
    }

    pub fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    pub fn is_open(&self) -> bool {
        read(&self.open).is_some()
    }

    /// The largest size that a segment filled up to `segment_bytes` can reach: a batch larger than the
    /// segment has one to itself.
    pub fn capacity_for(segment_bytes: u64) -> u64 {
        segment_bytes.max(MAX_BATCH_BYTES as u64)
    }

    /// The open file, opened if need be.
    pub fn files(self: &Arc<Self>, context: &Context) -> Result<Arc<OpenFiles>> {
        self.last_used
            .store(context.segments.tick(), Ordering::Relaxed);
        if let Some(files) = &*read(&self.open) {
            return Ok(Arc::clone(files));
        }
        let files = {
            let mut open = write(&self.open);
            if let Some(files) = &*open {
                return Ok(Arc::clone(files));
            }
            self.check_not_abandoned()?;
            let files = Arc::new(self.open_files(context)?);
            *open = Some(Arc::clone(&files));
            files
        };
        context.segments.opened(context, self);
        Ok(files)
    }

    fn open_files(&self, context: &Context) -> Result<OpenFiles> {
        let mode = match context.read_only {
            true => OpenMode::Read,
            false => OpenMode::Write,
        };
        let file = context.storage.open(&self.path, mode);
        Ok(OpenFiles::new(
            file.during("open", &self.path)?,
            !context.read_only,
        ))
    }

    /// Makes the file of a new segment. Its folder entry is not durable until the folder is synced.
    pub fn create(self: &Arc<Self>, context: &Context) -> Result<()> {
        let files = self.create_files(context).inspect_err(|_| {
            // It may be there all the same. What can't be removed either is taken for nothing by the next opening.
            let _ = context.storage.remove_file(&self.path);
        })?;
        *write(&self.open) = Some(Arc::new(files));
        *lock(&self.indexes) = Some(self.empty_indexes());
        self.last_used
            .store(context.segments.tick(), Ordering::Relaxed);
        context.segments.opened(context, self);
        Ok(())
    }

    fn create_files(&self, context: &Context) -> Result<OpenFiles> {
        let file = context
            .storage
            .open(&self.path, OpenMode::Create)
            .during("create", &self.path)?;
        // An empty one may be left of an attempt that failed.
        if file.len().during("measure", &self.path)? > 0 {
            let exists = std::io::ErrorKind::AlreadyExists.into();
            return Err(Error::io("create", &self.path, exists));
        }
        Ok(OpenFiles::new(file, true))
    }

    /// Writes a batch at the end of the segment and enters it in the indexes. One writer at a time: the
    /// partition's lock. On an error nothing has changed for readers, and `size` tells where to cut.
    pub fn append(
        &self,
        files: &OpenFiles,
        bytes: &[u8],
        header: &BatchHeader,
        index_interval: u32,
    ) -> Result<()> {
        let position = self.size();
        files
            .file
            .write_all_at(position, bytes)
            .during("write", &self.path)?;
        self.size
            .store(position + bytes.len() as u64, Ordering::Release);
        if let Some(indexes) = &mut *lock(&self.indexes) {
            indexes.enter(self.base, position, header, index_interval);
        }
        Ok(())
    }

    /// Writes index entries that fill a page. A failure is harmless: indexes are rebuilt from the log.
    pub fn flush_full_index_pages(&self, context: &Context) {
        if let Some(indexes) = &mut *lock(&self.indexes)
            && (indexes.offset.is_page_pending() || indexes.time.is_page_pending())
        {
            let _ = indexes.offset.flush(&*context.storage);
            let _ = indexes.time.flush(&*context.storage);
        }
    }

    /// Ends the segment: writes the indexes out whole, with the final entry of the time index, as Kafka does, and
    /// gives back blocks that were allocated ahead.
    pub fn seal(self: &Arc<Self>, context: &Context, index_interval: u32) -> Result<()> {
        match self.complete_indexes(context, index_interval) {
            // They are made again from the log when they are needed.
            Err(error) if error.is_shortage() => {}
            other => other?,
        }
        let files = self.files(context)?;
        files.file.set_len(self.size()).during("trim", &self.path)
    }

    fn complete_indexes(self: &Arc<Self>, context: &Context, index_interval: u32) -> Result<()> {
        let files = self.files(context)?;
        // Appends since the store was opened are not in indexes that nobody has loaded meanwhile.
        self.with_checked_indexes(context, &files, index_interval, |indexes, _| {
            indexes.enter_time(self.base);
            indexes.offset.flush(&*context.storage)?;
            indexes.time.flush(&*context.storage)
        })?;
        self.indexes_dirty.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether its indexes may hold more than their files do.
    pub fn is_touched(&self) -> bool {
        lock(&self.indexes).is_some()
    }

    pub fn mark_dirty(&self) -> bool {
        !self.dirty.swap(true, Ordering::AcqRel)
    }

    /// Makes what was written durable, index files that were completed, too. Syncs of one file are serialised: whoever
    /// finds the mark cleared must know that the sync that cleared it has ended.
    pub fn sync(self: &Arc<Self>, context: &Context) -> Result<()> {
        let one_at_a_time = lock(&self.sync);
        self.sync_alone(&one_at_a_time, context)
    }

    fn sync_alone(
        self: &Arc<Self>,
        _one_at_a_time: &MutexGuard<'_, ()>,
        context: &Context,
    ) -> Result<()> {
        context.health.check_disk()?;
        clearing(&self.dirty, || {
            let files = self.files(context)?;
            files.file.sync_data().during("sync", &self.path)?;
            // Those of a segment that is written on are made again after a crash, and not worth a sync.
            clearing(&self.indexes_dirty, || self.sync_indexes(context))
        })
    }

    /// Makes the index files durable, which are not made again once a checkpoint lies behind the segment.
    pub fn sync_indexes(&self, context: &Context) -> Result<()> {
        for extension in ["index", "timeindex"] {
            let path = self.path.with_extension(extension);
            let file = context.storage.open(&path, OpenMode::Write);
            let file = file.during("open", &path)?;
            file.sync_data().during("sync", &path)?;
        }
        Ok(())
    }

    /// Closes its files unless they are in use.
    pub fn close_if_idle(self: &Arc<Self>, context: &Context) {
        if self.sync(context).is_err() {
            return;
        }
        let mut open = write(&self.open);
        let idle = open
            .as_ref()
            .is_some_and(|files| Arc::strong_count(files) == 1);
        if idle && !self.is_retired() && !self.dirty.load(Ordering::Acquire) {
            *open = None;
            if let Some(indexes) = &mut *lock(&self.indexes) {
                indexes.offset.close();
                indexes.time.close();
            }
        }
    }

    /// Closes its files unless they are in use, for a thread that may hold any locks: it waits for none, and passes over a
    /// segment that it would have to wait for. One that is not synced is closed only if it may be `synced` first.
    pub fn let_go(self: &Arc<Self>, context: &Context, synced: bool) -> bool {
        let Some(one_at_a_time) = try_lock(&self.sync) else {
            return false;
        };
        let is_dirty = || self.dirty.load(Ordering::Acquire);
        let idle = |open: &Option<Arc<OpenFiles>>| {
            let files = open.as_ref();
            files.is_some_and(|files| Arc::strong_count(files) == 1)
        };
        // Asked first, and let go again: a sync takes these locks itself.
        let worth_it = try_write(&self.open).is_some_and(|open| idle(&open));
        if !worth_it || self.is_retired() || (is_dirty() && !synced) {
            return false;
        }
        if is_dirty() && self.sync_alone(&one_at_a_time, context).is_err() {
            return false;
        }
        let (Some(mut open), Some(mut indexes)) = (try_write(&self.open), try_lock(&self.indexes))
        else {
            return false;
        };
        if !idle(&open) || self.is_retired() || is_dirty() {
            return false;
        }
        *open = None;
        if let Some(indexes) = &mut *indexes {
            indexes.offset.close();
            indexes.time.close();
        }
        true
    }

    /// Makes all of it durable and has its files open for good, for a segment whose names will soon be another's: whoever
    /// holds it reads on.
    pub fn retire(self: &Arc<Self>, context: &Context, index_interval: u32) -> Result<()> {
        self.retired.store(true, Ordering::Release);
        let files = self.files(context)?;
        self.with_checked_indexes(context, &files, index_interval, |indexes, context| {
            indexes.offset.open(&*context.storage)?;
            indexes.time.open(&*context.storage)
        })?;
        self.sync(context)
    }

    /// It keeps its names after all.
    pub fn reinstate(&self) {
        self.retired.store(false, Ordering::Release);
    }

    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// Closes its files for good, before the segment is deleted; a reader in it keeps its own until it is done.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        *write(&self.open) = None;
        *lock(&self.indexes) = None;
    }

    fn check_not_abandoned(&self) -> Result<()> {
        match self.abandoned.load(Ordering::Acquire) {
            true => Err(Error::io(
                "open",
                &self.path,
                std::io::ErrorKind::NotFound.into(),
            )),
            false => Ok(()),
        }
    }

    fn empty_indexes(&self) -> Indexes {
        Indexes::empty(
            self.path.with_extension("index"),
            self.path.with_extension("timeindex"),
        )
    }

    /// Reads a batch header at a position below `size`.
    pub fn header_at(&self, log: &dyn ReadAt, position: u64) -> Result<BatchHeader> {
        let mut bytes = [0; HEADER_LEN];
        log.read_exact_at(position, &mut bytes)
            .during("read", &self.path)?;
        BatchHeader::parse(&bytes).map_err(|error| Error::invalid_batch(&error))
    }
}

impl OpenFiles {
    fn new(file: Arc<dyn StorageFile>, confirmed: bool) -> OpenFiles {
        OpenFiles {
            log: file.clone(),
            file,
            confirmed: AtomicBool::new(confirmed),
        }
    }

    /// The same file for reading on and on. Bytes below `end`, the size of the segment, do not change.
    pub fn in_a_row(&self, end: u64) -> OpenFiles {
        OpenFiles {
            file: Arc::clone(&self.file),
            log: Arc::new(ReadAhead::new(&self.file, end)),
            confirmed: AtomicBool::new(self.confirmed.load(Ordering::Acquire)),
        }
    }

    pub fn log(&self) -> &dyn ReadAt {
        &*self.log
    }

    pub fn file(&self) -> &dyn StorageFile {
        &*self.file
    }
}

/// Does the work that a mark asks for, which stands again if it fails.
fn clearing(mark: &AtomicBool, work: impl FnOnce() -> Result<()>) -> Result<()> {
    match mark.swap(false, Ordering::AcqRel) {
        true => work().inspect_err(|_| mark.store(true, Ordering::Release)),
        false => Ok(()),
    }
}

impl Indexes {
    fn empty(offset: PathBuf, time: PathBuf) -> Indexes {
        Indexes {
            offset: SparseIndex::empty(offset),
            time: SparseIndex::empty(time),
            unindexed: 0,
            max_timestamp: None,
            cut_short: false,
        }
    }

    /// Prepares the search for the last offset entry that `before` holds for.
    fn offset_lookup(
        &mut self,
        context: &Context,
        before: impl Fn(&OffsetEntry) -> bool,
    ) -> Result<index::Lookup<OffsetEntry>> {
        self.offset.lookup(&*context.storage, before)
    }

    /// Kafka's rule: an entry for a batch once more than the interval has gone by since the last entry.
    fn enter(&mut self, base: u64, position: u64, header: &BatchHeader, interval: u32) {
        let last_offset = header.last_offset();
        // A batch without records only holds offsets: its timestamp is nobody's.
        if header.record_count > 0
            && self
                .max_timestamp
                .is_none_or(|(timestamp, _)| header.max_timestamp > timestamp)
        {
            self.max_timestamp = Some((header.max_timestamp, last_offset));
        }
        if self.unindexed > u64::from(interval) {
            self.offset.push(OffsetEntry {
                relative_offset: (last_offset - base) as u32,
                position: position as u32,
            });
            self.enter_time(base);
            self.unindexed = 0;
        }
        self.unindexed += header.size() as u64;
    }

    /// Timestamps in the time index rise strictly.
    fn enter_time(&mut self, base: u64) {
        if let Some((timestamp, offset)) = self.max_timestamp
            && self
                .time
                .last()
                .is_none_or(|last| timestamp > last.timestamp)
        {
            self.time.push(TimeEntry {
                timestamp,
                relative_offset: (offset - base) as u32,
            });
        }
    }
}
