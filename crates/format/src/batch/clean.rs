//! What compaction makes of a batch: the records that stay, at the offsets and times they had, and every range of offsets
//! still held by a batch. As Kafka's cleaner leaves them (`MemoryRecords.filterTo`, KIP-534).

use super::edit::{NewHeader, Sequenced, write_header};
use super::header::{Attributes, BatchHeader};
use super::{HEADER_LEN, TimestampType, set_placement};
use crate::compression::Compression;
use crate::error::FormatError;
use crate::limits::MAX_BATCH_BYTES;
use crate::record::Record;
use crate::varint::{MAX_I32_LEN, MAX_I64_LEN, decode_i32, decode_i64_at, put_i64};

/// Gathers the records of one batch that stay, and makes a batch of them.
#[derive(Debug, Default)]
pub struct BatchCleaner {
    /// Records of the section, encoded anew.
    section: Vec<u8>,
    count: u32,
    max_timestamp: i64,
    base_timestamp: i64,
    sets_horizon: bool,
}

impl BatchCleaner {
    /// Begins with another batch. `delete_horizon` is the time in ms from which its tombstones may go, if that is to be
    /// on record now.
    pub fn begin(&mut self, header: &BatchHeader, delete_horizon: Option<i64>) {
        self.section.clear();
        self.count = 0;
        self.max_timestamp = -1;
        self.base_timestamp = delete_horizon.unwrap_or(header.base_timestamp);
        self.sets_horizon = delete_horizon.is_some();
    }

    /// Keeps a record of the decompressed `section` of the batch with this header.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`] if the batch would get larger than [`MAX_BATCH_BYTES`].
    pub fn keep(
        &mut self,
        section: &[u8],
        header: &BatchHeader,
        record: &Record<'_>,
    ) -> Result<(), FormatError> {
        let bytes = section
            .get(record.position..record.position + record.len)
            .unwrap_or_default();
        if self.base_timestamp == header.base_timestamp {
            self.section.extend_from_slice(bytes);
        } else {
            self.keep_rebased(bytes, header)?;
        }
        self.count += 1;
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        if HEADER_LEN + self.section.len() > MAX_BATCH_BYTES {
            return Err(FormatError::TooLarge {
                what: "a cleaned record batch",
                size: HEADER_LEN + self.section.len(),
                limit: MAX_BATCH_BYTES,
            });
        }
        Ok(())
    }

    /// Writes a record anew whose time is relative to another one now.
    fn keep_rebased(&mut self, bytes: &[u8], header: &BatchHeader) -> Result<(), FormatError> {
        let broken = || FormatError::Varint {
            field: "record",
            position: 0,
        };
        let (_, start) = decode_i32(bytes).ok_or_else(broken)?;
        let (delta, rest) = decode_i64_at(bytes, start + 1).ok_or_else(broken)?;
        let time = header.base_timestamp.wrapping_add(delta);
        let mut number = [0; MAX_I64_LEN];
        let delta_len =
            put_i64(&mut number, 0, time.wrapping_sub(self.base_timestamp)).ok_or_else(broken)?;
        let rest = bytes.get(rest..).unwrap_or_default();
        let mut length = [0; MAX_I32_LEN];
        let body = (1 + delta_len + rest.len()) as i64;
        let length_len = put_i64(&mut length, 0, body).ok_or_else(broken)?;
        self.section
            .extend_from_slice(length.get(..length_len).unwrap_or_default());
        self.section
            .extend_from_slice(bytes.get(start..=start).unwrap_or_default());
        self.section
            .extend_from_slice(number.get(..delta_len).unwrap_or_default());
        self.section.extend_from_slice(rest);
        Ok(())
    }

    /// Records that were kept.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Puts a batch of what was kept behind `out`: with the offsets, the producer, the compression and the leader epoch of
    /// the one with this header.
    ///
    /// # Errors
    /// [`FormatError::Compression`], and [`FormatError::TooLarge`] if compression took the batch over
    /// [`MAX_BATCH_BYTES`]. `out` is as it was then.
    pub fn finish(&mut self, header: &BatchHeader, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let start = out.len();
        let finished = self.write(header, out);
        if finished.is_err() {
            out.truncate(start);
        }
        finished
    }

    fn write(&self, header: &BatchHeader, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let start = out.len();
        out.resize(start + HEADER_LEN, 0);
        match header.attributes.compression()? {
            Compression::None => out.extend_from_slice(&self.section),
            compression => compression.compress(&self.section, out)?,
        }
        let size = out.len() - start;
        if size > MAX_BATCH_BYTES {
            return Err(FormatError::TooLarge {
                what: "a cleaned record batch",
                size,
                limit: MAX_BATCH_BYTES,
            });
        }
        let append_time = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
        let batch = out.get_mut(start..).unwrap_or_default();
        write_header(
            batch,
            &NewHeader {
                attributes: match self.sets_horizon {
                    true => header.attributes.with_delete_horizon(),
                    false => header.attributes,
                },
                last_offset_delta: header.last_offset_delta,
                base_timestamp: self.base_timestamp,
                max_timestamp: match append_time {
                    true => header.max_timestamp,
                    false => self.max_timestamp,
                },
                record_count: self.count,
                producer: Sequenced::of(header),
            },
        );
        set_placement(batch, header.base_offset, header.leader_epoch)
    }
}

/// The batch with this header without its records, as it stays in a log for the sake of its producer's sequence numbers.
///
/// # Errors
/// [`FormatError::OutOfRange`]; none for a header that was parsed.
pub fn emptied_batch(header: &BatchHeader) -> Result<Vec<u8>, FormatError> {
    let mut batch = vec![0; HEADER_LEN];
    let attributes = Attributes::new(Compression::None, header.attributes.timestamp_type());
    write_header(
        &mut batch,
        &NewHeader {
            attributes,
            last_offset_delta: header.last_offset_delta,
            base_timestamp: -1,
            max_timestamp: header.max_timestamp,
            record_count: 0,
            producer: Sequenced::of(header),
        },
    );
    set_placement(&mut batch, header.base_offset, header.leader_epoch)?;
    Ok(batch)
}

#[cfg(test)]
mod tests;
