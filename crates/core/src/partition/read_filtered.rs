//! Reading what a filter keeps. Batches are checked and looked through in the buffer's working memory; only records that
//! are kept are copied on.

use tidelog_format::FormatError;
use tidelog_format::batch::{BatchHeader, HEADER_LEN, Records};
use tidelog_format::compression::Compression;
use tidelog_format::limits::MAX_BATCH_BYTES;
use tidelog_format::packed::RecordRow;

use super::Log;
use super::read::room;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::record_buffer::RecordBuffer;
use crate::segment::{OpenFiles, Place, Segment};

/// A read ends behind the batch with which it has looked through so many bytes, whatever it keeps of them: that takes
/// one thread a few milliseconds.
const SCAN_BYTES: usize = 8 << 20;

impl Log {
    /// Decodes the records from `offset` on that a filter keeps into `out`, cleared first, until they are about
    /// `max_bytes` or a bounded number of bytes was looked through.
    pub fn read_filtered(
        &self,
        offset: u64,
        max_bytes: usize,
        filter: &Filter,
        out: &mut RecordBuffer,
    ) -> Result<()> {
        out.clear();
        let mut sieve = Sieve {
            filter,
            from: offset,
            out,
            scanned: 0,
        };
        let (mut behind, mut bytes) = (offset, 0);
        let next = self.walk(offset, |log, files, segment, place, header| {
            let kept = sieve.out.bytes.len();
            if behind > offset && (kept >= max_bytes || sieve.scanned >= SCAN_BYTES) {
                return Ok(false);
            }
            sieve.pass(log, files, segment, place, header)?;
            behind = header.next_offset();
            bytes += header.size() as u64;
            Ok(true)
        });
        self.count_read(u64::from(out.count), bytes);
        out.log_start = self.log_start();
        out.high_watermark = self.high_watermark();
        out.next = match next {
            Ok(next) => next,
            // What lies before the damage is good; the next read begins at the damage and reports it.
            Err(Error::Corruption { .. }) if behind > offset => behind,
            Err(error) => return Err(error),
        };
        Ok(())
    }
}

/// What a read puts batches through.
struct Sieve<'a> {
    filter: &'a Filter,
    /// Records before this offset are not asked for.
    from: u64,
    out: &'a mut RecordBuffer,
    /// Bytes that were looked through: those read, or those decompressed if they were more.
    scanned: usize,
}

impl Sieve<'_> {
    /// Adds what the filter keeps of a batch; nothing where the batch is damaged.
    fn pass(
        &mut self,
        log: &Log,
        files: &OpenFiles,
        segment: &Segment,
        place: Place,
        header: &BatchHeader,
    ) -> Result<()> {
        let damage = |error: FormatError| log.corruption(segment, place, error.to_string());
        let compression = header.attributes.compression().map_err(damage)?;
        let (topic, partition) = (&log.topic().name, log.number());
        let size = header.size();
        self.scanned += size;
        let RecordBuffer { bytes, scratch, .. } = &mut *self.out;
        // It is checked in any case: a header that is damaged must not hide records.
        if compression == Compression::None {
            log.fetch(files, segment, place, room(scratch, 0, size))?;
            if self.filter.may_keep(topic, partition, header) {
                self.keep(HEADER_LEN..size, header, topic, partition)
                    .map_err(damage)?;
            }
            return Ok(());
        }
        // Its bytes lie behind those of the records kept until they are decompressed.
        let kept = bytes.len();
        let fetched = log.fetch(files, segment, place, room(bytes, kept, size));
        scratch.clear();
        let decompressed = match fetched {
            Ok(()) if self.filter.may_keep(topic, partition, header) => {
                let section = bytes.get(kept + HEADER_LEN..).unwrap_or_default();
                compression
                    .decompress(section, scratch, MAX_BATCH_BYTES)
                    .map(|_| true)
                    .map_err(damage)
            }
            fetched => fetched.map(|()| false),
        };
        bytes.truncate(kept);
        if decompressed? {
            let len = scratch.len();
            self.scanned += len.saturating_sub(size);
            self.keep(0..len, header, topic, partition)
                .map_err(damage)?;
        }
        Ok(())
    }

    /// Adds what the filter keeps of the record section that lies in the scratch.
    fn keep(
        &mut self,
        section: std::ops::Range<usize>,
        header: &BatchHeader,
        topic: &str,
        partition: u32,
    ) -> std::result::Result<(), FormatError> {
        let RecordBuffer {
            bytes,
            table,
            count,
            scratch,
            ..
        } = &mut *self.out;
        let before = (bytes.len(), table.len(), *count);
        let section = scratch.get(section).unwrap_or_default();
        let evaluation = self.filter.evaluation(topic, partition);
        for record in Records::new(section, header) {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    bytes.truncate(before.0);
                    table.truncate(before.1);
                    *count = before.2;
                    return Err(error);
                }
            };
            if record.offset < self.from || !evaluation.keeps(&record) {
                continue;
            }
            RecordRow::at(&record, bytes.len()).write(table);
            *count += 1;
            let end = record.position + record.len;
            bytes.extend_from_slice(section.get(record.position..end).unwrap_or_default());
        }
        Ok(())
    }
}
