//! What takes the place of segments that are compacted: written beside them under names that an opening takes away, synced,
//! and moved to its own names when all of it is there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidelog_format::batch::BatchHeader;
use tidelog_format::file_name::{self, CLEANED, SegmentFile};
use tidelog_io::{OpenMode, StorageFile};

use super::{Indexes, Segment};
use crate::context::Context;
use crate::error::{IoContext, Result};
use crate::knock_out::{self, Rule};
use crate::sync::lock;

/// Batches gather up to this size before they are written.
const BUFFER_BYTES: usize = 256 << 10;

pub(crate) struct CleanedSegment {
    base: u64,
    folder: PathBuf,
    path: PathBuf,
    file: Arc<dyn StorageFile>,
    /// Bytes that are in the file.
    written: u64,
    buffer: Vec<u8>,
    indexes: Indexes,
    index_interval: u32,
    /// The offset after its last batch.
    next: u64,
}

impl CleanedSegment {
    /// Makes the file, empty. What an attempt that failed has left there is overwritten.
    pub fn create(
        context: &Context,
        folder: &Path,
        base: u64,
        index_interval: u32,
    ) -> Result<CleanedSegment> {
        let name = |kind: SegmentFile| folder.join(kind.name(base) + CLEANED);
        let path = name(SegmentFile::Log);
        let file = context
            .storage
            .open(&path, OpenMode::Create)
            .during("create", &path)?;
        file.set_len(0).during("shorten", &path)?;
        Ok(CleanedSegment {
            base,
            folder: folder.to_owned(),
            path,
            file,
            written: 0,
            buffer: Vec::new(),
            indexes: Indexes::empty(name(SegmentFile::OffsetIndex), name(SegmentFile::TimeIndex)),
            index_interval,
            next: base,
        })
    }

    pub fn size(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Adds a batch, which begins where the one before ends.
    pub fn append(&mut self, header: &BatchHeader, bytes: &[u8]) -> Result<()> {
        self.indexes
            .enter(self.base, self.size(), header, self.index_interval);
        self.buffer.extend_from_slice(bytes);
        self.next = header.next_offset();
        match self.buffer.len() >= BUFFER_BYTES {
            true => self.write(),
            false => Ok(()),
        }
    }

    fn write(&mut self) -> Result<()> {
        self.file
            .write_all_at(self.written, &self.buffer)
            .during("write", &self.path)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes all of it and makes that durable.
    pub fn finish(&mut self, context: &Context) -> Result<()> {
        self.write()?;
        if knock_out::is_out(Rule::SyncCleaned) {
            return Ok(());
        }
        context.health.check_disk()?;
        self.file.sync_data().during("sync", &self.path)
    }

    /// Writes its indexes, durably, too.
    pub fn finish_indexes(&mut self, context: &Context) -> Result<()> {
        self.indexes.enter_time(self.base);
        self.indexes.offset.flush(&*context.storage)?;
        self.indexes.time.flush(&*context.storage)?;
        for path in [self.indexes.offset.path(), self.indexes.time.path()] {
            let file = context.storage.open(path, OpenMode::Write);
            let file = file.during("open", path)?;
            file.sync_data().during("sync", path)?;
        }
        Ok(())
    }

    /// Takes the files away. What can't be removed is taken away by the next opening, or overwritten.
    pub fn discard(self, context: &Context) {
        let indexes = [self.indexes.offset.path(), self.indexes.time.path()];
        for path in [self.path.as_path()].into_iter().chain(indexes) {
            let _ = context.storage.remove_file(path);
        }
    }

    /// Says, from the next sync of the folder on, that it counts in the place of what it was made of, all of which may go.
    pub fn move_to_swap(&mut self, context: &Context) -> Result<()> {
        self.rename(context, file_name::swap(self.base, self.next))
    }

    /// Gives it the names of a segment, in the place of the one that had them.
    pub fn move_to_log(&mut self, context: &Context) -> Result<()> {
        self.rename(context, file_name::log(self.base))
    }

    fn rename(&mut self, context: &Context, name: String) -> Result<()> {
        let to = self.folder.join(name);
        context
            .storage
            .rename(&self.path, &to)
            .during("rename", &self.path)?;
        self.path = to;
        Ok(())
    }

    /// The segment that it is now; its index files get their names, too.
    pub fn into_segment(mut self, context: &Context, capacity: u64) -> Arc<Segment> {
        let segment = Segment::new(&self.folder, self.base, self.written, capacity);
        let storage = &*context.storage;
        let name = |kind: SegmentFile| self.folder.join(kind.name(self.base));
        let moved = self
            .indexes
            .offset
            .move_to(storage, name(SegmentFile::OffsetIndex))
            .and_then(|()| {
                self.indexes
                    .time
                    .move_to(storage, name(SegmentFile::TimeIndex))
            });
        // Else they are made again when they are needed: those that are there do not fit.
        if moved.is_ok() {
            *lock(&segment.indexes) = Some(self.indexes);
        }
        Arc::new(segment)
    }
}

impl std::fmt::Debug for CleanedSegment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CleanedSegment")
            .field("path", &self.path)
            .finish()
    }
}
