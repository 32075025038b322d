//! Reading: whole batches from an offset on, below the high watermark, every byte checked before it is
//! handed out. No lock is held while bytes are read.

use std::io;
use std::sync::Arc;

use tidelog_format::FormatError;
use tidelog_format::batch::{Batch, BatchHeader, HEADER_LEN, Records};
use tidelog_format::compression::Compression;
use tidelog_format::limits::MAX_BATCH_BYTES;
use tidelog_format::packed::RecordRow;

use super::Log;
use crate::error::{Error, IoContext, Result};
use crate::record_buffer::RecordBuffer;
use crate::segment::{OpenFiles, Place, Segment};
use crate::sync::atomic::Ordering;

/// Where a read ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadResult {
    /// The offset to read on from.
    pub next: u64,
}

/// Room for so many bytes at a place of a buffer. What the buffer held there from the read before is written
/// over: clearing it first would cost as much as copying the batch.
pub(super) fn room(buffer: &mut Vec<u8>, at: usize, len: usize) -> &mut [u8] {
    if buffer.len() < at + len {
        buffer.resize(at + len, 0);
    }
    buffer.get_mut(at..at + len).unwrap_or_default()
}

/// How often a reader beside a writer begins anew, and how often while the folder stays as it is: what does not fit then is
/// damage.
const ATTEMPTS: usize = 200;
const UNCHANGED: usize = 3;

/// Whether the cause may be that another process has put a segment in the place of some.
fn may_be_replaced(error: &Error) -> bool {
    match error {
        Error::Corruption { .. } => true,
        Error::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

impl Log {
    /// Puts whole batches into `out`, in place of what it held: from the one that holds `offset` on, at least
    /// one, and no more than `max_bytes` beside that.
    pub fn read(&self, offset: u64, max_bytes: usize, out: &mut Vec<u8>) -> Result<ReadResult> {
        let (mut used, mut records) = (0, 0);
        let next = self.walk(offset, |log, files, segment, place, header| {
            if used > 0 && used + header.size() > max_bytes {
                return Ok(false);
            }
            log.fetch(files, segment, place, room(out, used, header.size()))?;
            used += header.size();
            records += u64::from(header.record_count);
            Ok(true)
        });
        out.truncate(used);
        self.count_read(records, used as u64);
        Ok(ReadResult { next: next? })
    }

    /// Decodes records from `offset` on into `out`, cleared first: those of at least one batch, and of no
    /// more batches than fit in `max_bytes` beside that.
    pub fn read_records(
        &self,
        offset: u64,
        max_bytes: usize,
        out: &mut RecordBuffer,
    ) -> Result<()> {
        out.clear_rows();
        let (mut used, mut bytes) = (0, 0);
        let next = self.walk(offset, |log, files, segment, place, header| {
            if used > 0 && used + header.size() > max_bytes {
                return Ok(false);
            }
            log.fetch(
                files,
                segment,
                place,
                room(&mut out.bytes, used, header.size()),
            )?;
            used = log.decode(segment, place, header, offset, used, out)?;
            bytes += header.size() as u64;
            Ok(true)
        });
        out.bytes.truncate(used);
        self.count_read(u64::from(out.count), bytes);
        out.log_start = self.log_start();
        out.high_watermark = self.high_watermark();
        out.next = match next {
            Ok(next) => next,
            // What was decoded before the damage is good; the next read begins at the damage and reports it.
            Err(Error::Corruption {
                offset: damaged, ..
            }) if out.count > 0 => damaged,
            Err(error) => return Err(error),
        };
        Ok(())
    }

    pub(super) fn count_read(&self, records: u64, bytes: u64) {
        if bytes > 0 && !self.topic().is_internal() {
            self.context().metrics.read.add(records, bytes);
        }
    }

    /// Turns the batch at `start` of the buffer into rows, its records decompressed in its place if need be;
    /// gives where its bytes end.
    fn decode(
        &self,
        segment: &Segment,
        place: Place,
        header: &BatchHeader,
        from: u64,
        start: usize,
        out: &mut RecordBuffer,
    ) -> Result<usize> {
        let damage = |error: FormatError| self.corruption(segment, place, error.to_string());
        let compression = header.attributes.compression().map_err(damage)?;
        let (mut section, mut end) = (start + HEADER_LEN, start + header.size());
        if compression != Compression::None {
            out.scratch.clear();
            out.scratch
                .extend_from_slice(out.bytes.get(section..end).unwrap_or_default());
            out.bytes.truncate(start);
            compression
                .decompress(&out.scratch, &mut out.bytes, MAX_BATCH_BYTES)
                .map_err(damage)?;
            (section, end) = (start, out.bytes.len());
        }
        for record in Records::new(out.bytes.get(section..end).unwrap_or_default(), header) {
            let record = record.map_err(damage)?;
            if record.offset >= from {
                RecordRow::of(&record, section).write(&mut out.table);
                out.count += 1;
            }
        }
        Ok(end)
    }

    /// Calls `visit` for each batch that holds `offset` or follows, up to the high watermark, until it gives
    /// false; gives the offset to read on from.
    pub(super) fn walk(
        &self,
        offset: u64,
        mut visit: impl FnMut(&Log, &OpenFiles, &Arc<Segment>, Place, &BatchHeader) -> Result<bool>,
    ) -> Result<u64> {
        self.check()?;
        let end = self.high_watermark();
        if offset < self.log_start() || offset > end {
            return Err(self.out_of_range(offset));
        }
        let mut next = offset;
        self.beside_a_writer(|| self.walk_from(&mut next, end, &mut visit))?;
        if next > end {
            // Beside a writer a compacted batch may reach past the end that is known here. The writer's own is beyond it.
            self.log_end.fetch_max(next, Ordering::AcqRel);
            self.high_watermark.fetch_max(next, Ordering::AcqRel);
        }
        Ok(next)
    }

    /// Does some reading. Beside a writer in another process it is done again with segments that are opened anew: what the
    /// writer has replaced does not fit what is known of it.
    pub(crate) fn beside_a_writer<T>(&self, mut work: impl FnMut() -> Result<T>) -> Result<T> {
        let (mut attempts, mut unchanged) = (0, 0);
        loop {
            match work() {
                Err(error)
                    if self.context().read_only
                        && may_be_replaced(&error)
                        && attempts < ATTEMPTS
                        && unchanged < UNCHANGED =>
                {
                    attempts += 1;
                    unchanged = match self.reopen_segments()? {
                        true => 0,
                        false => unchanged + 1,
                    };
                }
                done => return done,
            }
        }
    }

    /// Moves `next` on behind each batch that `visit` took.
    fn walk_from(
        &self,
        next: &mut u64,
        end: u64,
        visit: &mut impl FnMut(&Log, &OpenFiles, &Arc<Segment>, Place, &BatchHeader) -> Result<bool>,
    ) -> Result<()> {
        let interval = self.topic().config().index_interval_bytes;
        let segments = self.segments();
        let mut index = segments.partition_point(|segment| segment.base() <= *next);
        while *next < end {
            let Some(segment) = index.checked_sub(1).and_then(|i| segments.get(i)) else {
                // Retention took the segment between the check above and the snapshot.
                return Err(self.without_a_segment(*next));
            };
            let found = self.files_of(segment).and_then(|files| {
                let place = segment.locate(self.context(), &files, *next, interval)?;
                Ok((files, place))
            });
            let (files, mut place) = match found {
                Ok(found) => found,
                Err(_) if *next < self.log_start() => return Err(self.out_of_range(*next)),
                // Of a topic that was just deleted the files are gone.
                Err(error) => return Err(self.check().err().unwrap_or(error)),
            };
            let size = segment.size();
            let files = files.in_a_row(size);
            while place.offset < end && place.position < size {
                let header = self.header(&files, segment, place, size)?;
                let after = Place {
                    position: place.position + header.size() as u64,
                    offset: header.next_offset(),
                };
                if after.offset > *next {
                    if !visit(self, &files, segment, place, &header)? {
                        segment.set_hint(place);
                        return Ok(());
                    }
                    *next = after.offset;
                }
                place = after;
            }
            segment.set_hint(place);
            if *next >= end {
                break;
            }
            match segments.get(index) {
                Some(following) if following.base() == place.offset => index += 1,
                _ => {
                    if let Some(damage) = self.damage() {
                        return Err(damage.clone());
                    }
                    return Err(self.corruption(
                        segment,
                        place,
                        "the file ends before the log does".to_owned(),
                    ));
                }
            }
        }
        Ok(())
    }

    /// The header at a place, compared with what has to stand there.
    pub(super) fn header(
        &self,
        files: &OpenFiles,
        segment: &Segment,
        place: Place,
        size: u64,
    ) -> Result<BatchHeader> {
        let header = segment
            .header_at(files.log(), place.position)
            .map_err(|error| self.unreadable(segment, place, error))?;
        if header.base_offset != place.offset {
            let reason = format!(
                "base offset {} where {} should follow",
                header.base_offset, place.offset
            );
            return Err(self.corruption(segment, place, reason));
        }
        if place.position + header.size() as u64 > size {
            let reason = format!(
                "a batch of {} bytes runs over the end at {size}",
                header.size()
            );
            return Err(self.corruption(segment, place, reason));
        }
        Ok(header)
    }

    /// Copies a batch out and checks the copy.
    pub(super) fn fetch(
        &self,
        files: &OpenFiles,
        segment: &Segment,
        place: Place,
        bytes: &mut [u8],
    ) -> Result<()> {
        files
            .log()
            .read_exact_at(place.position, bytes)
            .during("read", segment.path())
            .map_err(|error| self.unreadable(segment, place, error))?;
        Batch::check(bytes).map_err(|error| self.corruption(segment, place, error.to_string()))?;
        Ok(())
    }

    /// Why a batch can't be read, when the file is shorter than it was, something else stands there, or the disk fails.
    pub(crate) fn unreadable(&self, segment: &Segment, place: Place, error: Error) -> Error {
        match error {
            Error::InvalidBatch { reason } => self.corruption(segment, place, reason),
            Error::Io { source, .. } if source.kind() == io::ErrorKind::UnexpectedEof => {
                self.corruption(segment, place, format!("the file was cut: {source}"))
            }
            // A sector that the disk does not give. What lies before it is served, and other partitions are not concerned.
            Error::Io { source, .. } => {
                self.corruption(segment, place, format!("it can't be read: {source}"))
            }
            other => other,
        }
    }

    pub(crate) fn corruption(&self, segment: &Segment, place: Place, reason: String) -> Error {
        Error::Corruption {
            topic: self.topic().name.clone(),
            partition: self.number(),
            file: segment.path().to_owned(),
            position: place.position,
            offset: place.offset,
            reason,
        }
    }

    pub(crate) fn out_of_range(&self, offset: u64) -> Error {
        Error::OffsetOutOfRange {
            topic: self.topic().name.clone(),
            partition: self.number(),
            offset,
            log_start: self.log_start(),
            high_watermark: self.high_watermark(),
        }
    }

    /// One checked batch that holds `offset`, in place of what `bytes` held, with its place; for point reads.
    pub(crate) fn batch_of(
        &self,
        offset: u64,
        bytes: &mut Vec<u8>,
    ) -> Result<Option<(Arc<Segment>, Place)>> {
        let mut found = None;
        self.walk(offset, |log, files, segment, place, header| {
            if found.is_none() {
                log.fetch(files, segment, place, room(bytes, 0, header.size()))?;
                bytes.truncate(header.size());
                found = Some((Arc::clone(segment), place));
            }
            Ok(false)
        })?;
        Ok(found)
    }
}
