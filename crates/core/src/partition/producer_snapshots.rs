//! A partition's state of producers on disk: `<offset>.snapshot` files. Derived, as indexes are: the newest that holds
//! and fits the log is read when the state is first needed, and the batches behind it are looked through; what does not
//! hold is passed over. Written when much has come, at an orderly close, and before segments are unlinked, so that the
//! log never loses what it has promised of its producers.

use std::path::PathBuf;
use std::sync::Arc;

use tidelog_format::file_name::{self, SegmentFile};
use tidelog_format::producer_snapshot::ProducerSnapshot;
use tidelog_io::OpenMode;

use super::placement::{Writer, now_ms};
use super::producers::Producers;
use super::{Log, OwnFiles};
use crate::error::{Error, IoContext, Result};
use crate::segment::{Damage, Expect, Scanner, Segment};
use crate::sync::lock;

/// Files that are kept: the newest, and one to fall back on.
const KEPT: usize = 2;
/// A larger file is none of ours.
const SNAPSHOT_MAX: u64 = 1 << 30;

impl Log {
    /// What is known of producers, read from the disk if that is the first question. The lock is held by the caller.
    pub(super) fn producers<'a>(
        self: &Arc<Self>,
        writer: &'a mut Writer,
    ) -> Result<&'a mut Producers> {
        if writer.producers.is_none() {
            writer.producers = Some(self.load_producers()?);
        }
        Ok(writer.producers.get_or_insert_with(Producers::new))
    }

    /// The last sequence number of a producer in this epoch. May wait for the disk.
    pub fn last_sequence(self: &Arc<Self>, producer_id: i64, epoch: i16) -> Result<Option<i32>> {
        self.check()?;
        let mut writer = lock(&self.writer);
        Ok(self
            .producers(&mut writer)?
            .last_sequence(producer_id, epoch))
    }

    fn load_producers(self: &Arc<Self>) -> Result<Producers> {
        for offset in self.snapshots()? {
            let Some(snapshot) = self.read_snapshot(offset)? else {
                continue;
            };
            let mut producers = Producers::restore(&snapshot);
            let oldest_epoch_after = i32::try_from(snapshot.incarnation).unwrap_or(i32::MAX);
            if self.look_through(offset, Some(oldest_epoch_after), &mut producers)? {
                return Ok(producers);
            }
        }
        let mut producers = Producers::new();
        self.look_through(0, None, &mut producers)?;
        Ok(producers)
    }

    /// Adds the batches from `offset` on. False if what was known up to there is not of this log: the batch that ends
    /// there is of a later life than `incarnation`, so what it was known of had been cut off.
    fn look_through(
        self: &Arc<Self>,
        offset: u64,
        incarnation: Option<i32>,
        producers: &mut Producers,
    ) -> Result<bool> {
        let (context, end, now) = (self.context(), self.log_end(), now_ms());
        let interval = self.topic().config().index_interval_bytes;
        let segments = self.segments();
        let first = segments
            .partition_point(|segment| segment.base() < offset.max(1))
            .saturating_sub(1);
        // A batch below the log start may be gone, and was durable when the snapshot was made.
        let mut fits = incarnation.is_none() || offset <= self.log_start();
        for segment in segments.iter().skip(first) {
            let files = segment.files(context)?;
            let from = match offset.checked_sub(1) {
                Some(before) if before >= segment.base() => {
                    segment.locate(context, &files, before, interval)?
                }
                _ => crate::segment::Place {
                    position: 0,
                    offset: segment.base(),
                },
            };
            let expect = Expect {
                offset: from.offset,
                epoch_min: i32::MIN,
                epoch_max: context.incarnation,
            };
            let mut scanner =
                Scanner::new(files.log(), from.position, segment.size(), expect, true);
            while let Some(found) = scanner
                .next()
                .map_err(|damage| self.damaged(segment, damage))?
            {
                let header = &found.header;
                // Compaction may have made one batch of it and of those behind it that are of the same life.
                if header.base_offset < offset && header.next_offset() >= offset {
                    fits = incarnation.is_none_or(|life| header.leader_epoch <= life);
                }
                if header.base_offset >= offset && header.base_offset < end {
                    if !fits {
                        return Ok(false);
                    }
                    producers.note(header, now);
                }
            }
        }
        Ok(fits)
    }

    fn damaged(&self, segment: &Segment, damage: Damage) -> Error {
        Error::Corruption {
            topic: self.topic().name.clone(),
            partition: self.number(),
            file: segment.path().to_owned(),
            position: damage.position,
            offset: damage.offset,
            reason: damage.reason,
        }
    }

    /// The offsets of the snapshots that are not ahead of the log, the newest first.
    fn snapshots(&self) -> Result<Vec<u64>> {
        let (storage, folder) = (&self.context().storage, self.folder());
        let mut offsets: Vec<u64> = storage
            .read_dir(folder)
            .during("list", folder)?
            .iter()
            .filter_map(|entry| match file_name::parse(&entry.name)? {
                (offset, SegmentFile::Snapshot) => Some(offset),
                _ => None,
            })
            .filter(|offset| *offset <= self.log_end())
            .collect();
        offsets.sort_unstable_by(|a, b| b.cmp(a));
        Ok(offsets)
    }

    fn snapshot_path(&self, offset: u64) -> PathBuf {
        self.folder().join(SegmentFile::Snapshot.name(offset))
    }

    /// A snapshot; `None` if it does not hold.
    fn read_snapshot(&self, offset: u64) -> Result<Option<ProducerSnapshot>> {
        let path = self.snapshot_path(offset);
        let storage = &self.context().storage;
        let file = storage.open(&path, OpenMode::Read).during("open", &path)?;
        let len = file.len().during("measure", &path)?;
        if len > SNAPSHOT_MAX {
            return Ok(None);
        }
        let mut bytes = vec![0; len as usize];
        // Damage is passed over, but not what may be read the next time: the log may not hold what it tells of any more.
        file.read_exact_at(0, &mut bytes).during("read", &path)?;
        Ok(ProducerSnapshot::decode(&bytes).ok())
    }

    /// Writes the state of producers out, if at least so many bytes of theirs have come since the last time. What it
    /// tells of is durable before the file is. Blocks for the disk.
    pub fn save_producers(&self, unsaved_min: u64, sync: impl Fn() -> Result<()>) -> Result<()> {
        let files = self.own_files()?;
        self.save_producers_as(&files, unsaved_min, sync)
    }

    fn save_producers_as(
        &self,
        _files: &OwnFiles<'_>,
        unsaved_min: u64,
        sync: impl Fn() -> Result<()>,
    ) -> Result<()> {
        let (offset, snapshot) = {
            let mut writer = lock(&self.writer);
            let Some(producers) = &mut writer.producers else {
                return Ok(());
            };
            if producers.unsaved < unsaved_min.max(1) {
                return Ok(());
            }
            producers.forget_expired(now_ms());
            producers.unsaved = 0;
            let snapshot = producers.snapshot(self.context().incarnation);
            (self.log_end(), snapshot)
        };
        let written = sync().and_then(|()| self.write_snapshot(offset, &snapshot.encode()));
        if written.is_err()
            && let Some(producers) = &mut lock(&self.writer).producers
        {
            producers.unsaved = producers.unsaved.max(unsaved_min).max(1);
        }
        written
    }

    /// Has what unlinking segments below `start` takes away in a snapshot. Blocks for the disk.
    pub(super) fn save_producers_below(
        self: &Arc<Self>,
        files: &OwnFiles<'_>,
        start: u64,
    ) -> Result<()> {
        if self
            .snapshots()?
            .first()
            .is_some_and(|newest| *newest >= start)
        {
            return Ok(());
        }
        {
            let mut writer = lock(&self.writer);
            let producers = self.producers(&mut writer)?;
            if producers.is_empty() {
                return Ok(());
            }
            producers.unsaved = producers.unsaved.max(1);
        }
        self.save_producers_as(files, 1, || self.sync())
    }

    fn write_snapshot(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let (context, path) = (self.context(), self.snapshot_path(offset));
        let new = path.with_extension("snapshot.tmp");
        let storage = &context.storage;
        // Before the name changes: a lack of handles is told while nothing has happened yet.
        let folder = storage
            .open_dir(self.folder())
            .during("open", self.folder())?;
        let file = storage
            .open(&new, OpenMode::Create)
            .during("create", &new)?;
        file.set_len(0).during("shorten", &new)?;
        file.write_all_at(0, bytes).during("write", &new)?;
        file.sync_all().during("sync", &new)?;
        storage.rename(&new, &path).during("rename", &new)?;
        folder.sync().during("sync", self.folder())?;
        for old in self.snapshots()?.into_iter().skip(KEPT) {
            let path = self.snapshot_path(old);
            storage.remove_file(&path).during("remove", &path)?;
        }
        Ok(())
    }

    /// Takes snapshots away that are ahead of a log which an unclean end made shorter.
    pub(super) fn drop_snapshots_ahead(&self) -> Result<()> {
        let (context, folder) = (self.context(), self.folder());
        let entries = context.storage.read_dir(folder).during("list", folder)?;
        let mut dropped = false;
        for entry in entries {
            if let Some((offset, SegmentFile::Snapshot)) = file_name::parse(&entry.name)
                && offset > self.log_end()
            {
                let path = folder.join(&entry.name);
                context.storage.remove_file(&path).during("remove", &path)?;
                dropped = true;
            }
        }
        match dropped {
            true => context.sync_dir(folder),
            false => Ok(()),
        }
    }
}
