//! Encodes records into a batch. The sizes of a record are computed first, then it is written in one pass
//! into the bytes that become the batch, behind room for the header.

use crate::batch::{Attributes, HEADER_LEN, NewHeader, Sequenced, TimestampType, write_header};
use crate::compression::Compression;
use crate::error::FormatError;
use crate::limits::{MAX_BATCH_BYTES, MAX_HEADER_BYTES, MAX_HEADERS, MAX_KEY_BYTES};
use crate::varint::{MAX_I32_LEN, MAX_I64_LEN, encoded_len_i32, encoded_len_i64, put_i64};

/// Bytes that a record takes beside its key, value and headers, at most: length, attributes, timestamp
/// delta, offset delta, lengths of key and value, header count.
const MAX_RECORD_OVERHEAD: usize = 5 * MAX_I32_LEN + 1 + MAX_I64_LEN;
/// Room of a fresh builder.
const FIRST_CAPACITY: usize = 4 << 10;

/// Collects records and makes batches of them, one after another.
#[derive(Debug)]
pub struct BatchBuilder {
    attributes: Attributes,
    compression: Compression,
    /// Room for the header, the records so far up to `used`, then bytes of no meaning: room that is
    /// initialized once and not record by record.
    buffer: Vec<u8>,
    used: usize,
    record_count: u32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchBuilder {
    /// A builder without records.
    pub fn new(compression: Compression, timestamp_type: TimestampType) -> BatchBuilder {
        BatchBuilder::with_buffer(compression, timestamp_type, Vec::new())
    }

    /// As [`BatchBuilder::new`], with memory to build the first batch in: that of a batch that is no longer
    /// needed saves growing to its size again. What it holds does not matter.
    pub fn with_buffer(
        compression: Compression,
        timestamp_type: TimestampType,
        buffer: Vec<u8>,
    ) -> BatchBuilder {
        BatchBuilder {
            attributes: Attributes::new(compression, timestamp_type),
            compression,
            buffer,
            used: HEADER_LEN,
            record_count: 0,
            base_timestamp: 0,
            max_timestamp: i64::MIN,
        }
    }

    /// Adds a record with a time in ms, of any sign. Nothing is changed on an error.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`] for a key over [`MAX_KEY_BYTES`], headers over [`MAX_HEADER_BYTES`], and a record that
    /// takes the batch over [`MAX_BATCH_BYTES`], all before compression; [`FormatError::TooMany`] for more than
    /// [`MAX_HEADERS`]; [`FormatError::UnsteadyHeaders`].
    #[inline]
    pub fn append<'h>(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)> + Clone,
    ) -> Result<(), FormatError> {
        let (header_count, headers_len) = measure_headers(headers.clone())?;
        let key_len = key.map_or(0, <[u8]>::len);
        if key_len > MAX_KEY_BYTES {
            return Err(FormatError::TooLarge {
                what: "a record key",
                size: key_len,
                limit: MAX_KEY_BYTES,
            });
        }
        let value_len = value.map_or(0, <[u8]>::len);
        if value_len > MAX_BATCH_BYTES {
            return Err(self.over_limit(value_len));
        }
        let base_timestamp = if self.record_count == 0 {
            timestamp
        } else {
            self.base_timestamp
        };
        // Wraps around, and back when it is read, as it does in Kafka.
        let timestamp_delta = timestamp.wrapping_sub(base_timestamp);
        let offset_delta = self.record_count as i32;
        let key_number = key.map_or(-1, |_| key_len as i32);
        let value_number = value.map_or(-1, |_| value_len as i32);
        let body = 1
            + encoded_len_i64(timestamp_delta)
            + encoded_len_i32(offset_delta)
            + encoded_len_i32(key_number)
            + key_len
            + encoded_len_i32(value_number)
            + value_len
            + encoded_len_i32(header_count)
            + headers_len;
        let size = encoded_len_i32(body as i32) + body;
        let end = self.used + size;
        if end > MAX_BATCH_BYTES {
            return Err(self.over_limit(size));
        }
        if end > self.buffer.len() {
            self.grow(end);
        }
        let mut out = Writer {
            room: self.buffer.get_mut(self.used..end).unwrap_or_default(),
            at: 0,
        };
        let written = (|| {
            out.number(body as i64)?;
            out.bytes(&[0])?;
            out.number(timestamp_delta)?;
            out.number(i64::from(offset_delta))?;
            out.number(i64::from(key_number))?;
            out.bytes(key.unwrap_or_default())?;
            out.number(i64::from(value_number))?;
            out.bytes(value.unwrap_or_default())?;
            out.number(i64::from(header_count))?;
            if header_count > 0 {
                out.headers(headers)?;
            }
            (out.at == size).then_some(())
        })();
        if written.is_none() {
            return Err(FormatError::UnsteadyHeaders);
        }
        self.used = end;
        self.record_count += 1;
        self.base_timestamp = base_timestamp;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        Ok(())
    }

    /// Bytes that a record adds to [`BatchBuilder::size`], at most. `header_bytes` is the sum of the lengths
    /// of names and values.
    pub fn record_size_upper_bound(
        key_len: usize,
        value_len: usize,
        header_count: usize,
        header_bytes: usize,
    ) -> usize {
        (MAX_RECORD_OVERHEAD + 2 * MAX_I32_LEN * header_count)
            .saturating_add(key_len)
            .saturating_add(value_len)
            .saturating_add(header_bytes)
    }

    /// Records so far.
    pub fn record_count(&self) -> u32 {
        self.record_count
    }

    /// Bytes of the batch so far: its header and its records, not compressed.
    pub fn size(&self) -> usize {
        self.used
    }

    /// Whether there is no record yet.
    pub fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// The encoded batch, with base offset 0, leader epoch -1 and no producer id. The builder is empty
    /// afterwards, also on an error, and ready for the next batch. Like Kafka, it keeps compressed what
    /// compression did not make smaller.
    ///
    /// # Errors
    /// [`FormatError::NoRecords`], [`FormatError::Compression`]; [`FormatError::TooLarge`] if compression took the batch over
    /// [`MAX_BATCH_BYTES`].
    pub fn finish(&mut self) -> Result<Vec<u8>, FormatError> {
        self.finish_for(Sequenced::NONE)
    }

    /// As [`BatchBuilder::finish`], for an idempotent producer.
    ///
    /// # Errors
    /// See [`BatchBuilder::finish`].
    pub fn finish_for(&mut self, producer: Sequenced) -> Result<Vec<u8>, FormatError> {
        self.finish_within(producer, MAX_BATCH_BYTES)
    }

    /// As [`BatchBuilder::finish_for`], of a batch that may have `limit` bytes: where compression takes it over that, and it
    /// fits as it is, it is not compressed.
    ///
    /// # Errors
    /// See [`BatchBuilder::finish`]. A batch that is over the limit either way is no error here.
    pub fn finish_within(
        &mut self,
        producer: Sequenced,
        limit: usize,
    ) -> Result<Vec<u8>, FormatError> {
        if self.record_count == 0 {
            return Err(FormatError::NoRecords);
        }
        let mut header = NewHeader {
            attributes: self.attributes,
            last_offset_delta: self.record_count - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            record_count: self.record_count,
            producer,
        };
        let used = self.used;
        self.used = HEADER_LEN;
        self.record_count = 0;
        self.max_timestamp = i64::MIN;
        let mut batch = if self.compression == Compression::None {
            let mut batch = std::mem::take(&mut self.buffer);
            batch.truncate(used);
            batch
        } else {
            let records = self.buffer.get(HEADER_LEN..used).unwrap_or_default();
            let mut batch = Vec::with_capacity(HEADER_LEN + records.len() / 2);
            batch.resize(HEADER_LEN, 0);
            self.compression.compress(records, &mut batch)?;
            if batch.len() > limit && used <= limit {
                header.attributes =
                    Attributes::new(Compression::None, self.attributes.timestamp_type());
                batch.truncate(HEADER_LEN);
                batch.extend_from_slice(records);
            }
            batch
        };
        if batch.len() > MAX_BATCH_BYTES {
            return Err(FormatError::TooLarge {
                what: "a compressed record batch",
                size: batch.len(),
                limit: MAX_BATCH_BYTES,
            });
        }
        write_header(&mut batch, &header);
        Ok(batch)
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, end: usize) {
        let len = (self.buffer.len() * 2).clamp(end.max(FIRST_CAPACITY), MAX_BATCH_BYTES.max(end));
        self.buffer.resize(len, 0);
    }

    #[cold]
    fn over_limit(&self, size: usize) -> FormatError {
        let what = if self.is_empty() {
            "a record"
        } else {
            "a record batch"
        };
        FormatError::TooLarge {
            what,
            size: self.used.saturating_add(size),
            limit: MAX_BATCH_BYTES,
        }
    }
}

/// Their count and the bytes that they take encoded.
#[inline]
fn measure_headers<'h>(
    headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>,
) -> Result<(i32, usize), FormatError> {
    let (mut count, mut content, mut len) = (0usize, 0usize, 0usize);
    for (name, value) in headers {
        count += 1;
        content = content
            .saturating_add(name.len())
            .saturating_add(value.map_or(0, <[u8]>::len));
        if count > MAX_HEADERS {
            return Err(FormatError::TooMany {
                what: "headers",
                count,
                limit: MAX_HEADERS,
            });
        }
        if content > MAX_HEADER_BYTES {
            return Err(FormatError::TooLarge {
                what: "record headers",
                size: content,
                limit: MAX_HEADER_BYTES,
            });
        }
        len += encoded_len_i32(name.len() as i32)
            + encoded_len_i32(value.map_or(-1, |value| value.len() as i32));
    }
    Ok((count as i32, content + len))
}

/// Writes into room of a size known before.
struct Writer<'a> {
    room: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    #[inline(always)]
    fn number(&mut self, value: i64) -> Option<()> {
        self.at = put_i64(self.room, self.at, value)?;
        Some(())
    }

    #[inline(always)]
    fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.at + bytes.len();
        self.room.get_mut(self.at..end)?.copy_from_slice(bytes);
        self.at = end;
        Some(())
    }

    #[inline(never)]
    fn headers<'h>(
        &mut self,
        headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>,
    ) -> Option<()> {
        for (name, value) in headers {
            self.number(name.len() as i64)?;
            self.bytes(name.as_bytes())?;
            self.number(value.map_or(-1, |value| value.len() as i64))?;
            self.bytes(value.unwrap_or_default())?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
