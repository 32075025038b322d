//! The layout in which records cross into and out of JavaScript, stated once; TypeScript's constants are
//! compared with these. Numbers are little-endian, as on every machine that Tidelog runs on.
//!
//! In, a row of [`PACKED_ROW_LEN`] bytes a record: f64 timestamp in ms (NaN: none given), u32 partition, i32 key
//! length (-1: null), i32 value length (-1: null), u32 header count. The bytes hold of each record its key,
//! its value, and of each header u32 name length, i32 value length (-1: null), name in UTF-8, value.
//!
//! Out, a row of [`RecordRow::LEN`] bytes a record: f64 timestamp, f64 offset (NaN: no record), u32 key position, i32
//! key length, u32 value position, i32 value length, u32 headers position, u32 header count. Positions point
//! into bytes that come along; headers are there in the encoding of Kafka's records.

use crate::builder::BatchBuilder;
use crate::error::FormatError;
use crate::record::Record;

/// Bytes of a record's row on the way in.
pub const PACKED_ROW_LEN: usize = 24;
/// Where the fields of that row are.
pub mod packed_row {
    /// f64.
    pub const TIMESTAMP: usize = 0;
    /// u32.
    pub const PARTITION: usize = 8;
    /// i32.
    pub const KEY_LENGTH: usize = 12;
    /// i32.
    pub const VALUE_LENGTH: usize = 16;
    /// u32.
    pub const HEADER_COUNT: usize = 20;
}

/// Where the fields of a record's row on the way out are.
pub mod record_row {
    /// f64.
    pub const TIMESTAMP: usize = 0;
    /// f64.
    pub const OFFSET: usize = 8;
    /// u32.
    pub const KEY_POSITION: usize = 16;
    /// i32.
    pub const KEY_LENGTH: usize = 20;
    /// u32.
    pub const VALUE_POSITION: usize = 24;
    /// i32.
    pub const VALUE_LENGTH: usize = 28;
    /// u32.
    pub const HEADERS_POSITION: usize = 32;
    /// u32.
    pub const HEADER_COUNT: usize = 36;
}

/// Integers up to here are exact in an f64.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// Records on their way in.
#[derive(Debug, Clone, Copy)]
pub struct PackedRecords<'a> {
    table: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> PackedRecords<'a> {
    /// The records of a table and its bytes, which [`PackedRecords::iter`] checks.
    ///
    /// # Errors
    /// [`FormatError::Leftover`] if the table does not end with a row.
    pub fn new(table: &'a [u8], bytes: &'a [u8]) -> Result<PackedRecords<'a>, FormatError> {
        match table.len() % PACKED_ROW_LEN {
            0 => Ok(PackedRecords { table, bytes }),
            extra => Err(FormatError::Leftover {
                what: "the last row",
                extra,
            }),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len() / PACKED_ROW_LEN
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The records, each checked. After an error comes nothing. The last one is an error if bytes follow it.
    pub fn iter(&self) -> PackedIter<'a> {
        PackedIter {
            table: self.table,
            bytes: self.bytes,
            at: 0,
        }
    }
}

impl<'a> IntoIterator for PackedRecords<'a> {
    type Item = Result<PackedRecord<'a>, FormatError>;
    type IntoIter = PackedIter<'a>;

    fn into_iter(self) -> PackedIter<'a> {
        self.iter()
    }
}

/// A record on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedRecord<'a> {
    /// Where it goes.
    pub partition: u32,
    /// Its time in ms, if one was given.
    pub timestamp: Option<i64>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    header_count: u32,
    /// Exactly the encoded headers, checked.
    headers: &'a [u8],
}

impl<'a> PackedRecord<'a> {
    /// Its headers, in order.
    pub fn headers(&self) -> PackedHeaders<'a> {
        PackedHeaders {
            bytes: self.headers,
            left: self.header_count,
        }
    }

    /// Whether it has headers.
    #[inline]
    pub fn has_headers(&self) -> bool {
        self.header_count > 0
    }

    /// Bytes that it adds to a batch, at most.
    pub fn size_upper_bound(&self) -> usize {
        let content = self
            .headers
            .len()
            .saturating_sub(self.header_count as usize * HEADER_LENGTHS);
        let (key, value) = (
            self.key.map_or(0, <[u8]>::len),
            self.value.map_or(0, <[u8]>::len),
        );
        BatchBuilder::record_size_upper_bound(key, value, self.header_count as usize, content)
    }
}

/// The records of [`PackedRecords`].
#[derive(Debug, Clone)]
pub struct PackedIter<'a> {
    table: &'a [u8],
    bytes: &'a [u8],
    at: usize,
}

impl<'a> PackedIter<'a> {
    #[inline(always)]
    fn read(&mut self, row: &[u8; PACKED_ROW_LEN]) -> Result<PackedRecord<'a>, FormatError> {
        let timestamp = timestamp(f64::from_le_bytes(array(row, packed_row::TIMESTAMP)))?;
        let key = self.take(
            "a packed key",
            i32::from_le_bytes(array(row, packed_row::KEY_LENGTH)),
        )?;
        let value = self.take(
            "a packed value",
            i32::from_le_bytes(array(row, packed_row::VALUE_LENGTH)),
        )?;
        let header_count = u32::from_le_bytes(array(row, packed_row::HEADER_COUNT));
        let headers = if header_count == 0 {
            &[]
        } else {
            self.check_headers(header_count)?
        };
        let left = self.bytes.len() - self.at;
        if self.table.is_empty() && left > 0 {
            return Err(FormatError::Leftover {
                what: "the last packed record",
                extra: left,
            });
        }
        let partition = u32::from_le_bytes(array(row, packed_row::PARTITION));
        Ok(PackedRecord {
            partition,
            timestamp,
            key,
            value,
            header_count,
            headers,
        })
    }

    #[inline(always)]
    fn take(&mut self, what: &'static str, length: i32) -> Result<Option<&'a [u8]>, FormatError> {
        if length == -1 {
            return Ok(None);
        }
        let available = self.bytes.len() - self.at;
        let Ok(needed) = usize::try_from(length) else {
            let (value, max) = (i64::from(length), i64::from(i32::MAX));
            return Err(FormatError::OutOfRange {
                field: "packed length",
                value,
                min: -1,
                max,
            });
        };
        let taken = self.bytes.get(self.at..self.at + needed);
        let taken = taken.ok_or(FormatError::TooShort {
            what,
            needed,
            available,
        })?;
        self.at += needed;
        Ok(Some(taken))
    }

    #[cold]
    fn check_headers(&mut self, count: u32) -> Result<&'a [u8], FormatError> {
        let start = self.at;
        for _ in 0..count {
            let lengths = self
                .take("packed header lengths", HEADER_LENGTHS as i32)?
                .unwrap_or_default();
            let name_len = u32::from_le_bytes(array(lengths, 0));
            let position = self.at;
            let name = match i32::try_from(name_len) {
                Ok(len) => self.take("a packed header name", len)?.unwrap_or_default(),
                Err(_) => {
                    let (value, max) = (i64::from(name_len), i64::from(i32::MAX));
                    return Err(FormatError::OutOfRange {
                        field: "packed header name length",
                        value,
                        min: 0,
                        max,
                    });
                }
            };
            if std::str::from_utf8(name).is_err() {
                return Err(FormatError::Utf8 {
                    field: "header name",
                    position,
                });
            }
            self.take(
                "a packed header value",
                i32::from_le_bytes(array(lengths, 4)),
            )?;
        }
        Ok(self.bytes.get(start..self.at).unwrap_or_default())
    }
}

impl<'a> Iterator for PackedIter<'a> {
    type Item = Result<PackedRecord<'a>, FormatError>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let (row, rest) = self.table.split_first_chunk::<PACKED_ROW_LEN>()?;
        self.table = rest;
        let record = self.read(row);
        if record.is_err() {
            self.table = &[];
        }
        Some(record)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let rows = self.table.len() / PACKED_ROW_LEN;
        (rows.min(1), Some(rows))
    }
}

/// Bytes of a header's two lengths.
const HEADER_LENGTHS: usize = 8;

/// The headers of a [`PackedRecord`].
#[derive(Debug, Clone)]
pub struct PackedHeaders<'a> {
    bytes: &'a [u8],
    left: u32,
}

impl<'a> Iterator for PackedHeaders<'a> {
    type Item = (&'a str, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        // Nothing here can fail: the same bytes were checked when the record was read.
        let (lengths, rest) = self.bytes.split_first_chunk::<HEADER_LENGTHS>()?;
        let (name, rest) = rest.split_at_checked(u32::from_le_bytes(array(lengths, 0)) as usize)?;
        let (value, rest) = match usize::try_from(i32::from_le_bytes(array(lengths, 4))) {
            Ok(length) => rest
                .split_at_checked(length)
                .map(|(value, rest)| (Some(value), rest))?,
            Err(_) => (None, rest),
        };
        self.bytes = rest;
        Some((std::str::from_utf8(name).ok()?, value))
    }
}

#[inline(always)]
fn timestamp(given: f64) -> Result<Option<i64>, FormatError> {
    let ms = given as i64;
    if ms as f64 == given && given.abs() <= MAX_SAFE {
        return Ok(Some(ms));
    }
    if given.is_nan() {
        return Ok(None);
    }
    Err(bad_timestamp(given))
}

#[cold]
#[inline(never)]
fn bad_timestamp(given: f64) -> FormatError {
    FormatError::Timestamp {
        value: given.to_string(),
    }
}

/// `N` bytes at `at`; zeros if they are not there, for callers that have checked.
#[inline]
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    crate::bytes::array(bytes, at).unwrap_or([0; N])
}

/// A record's row on the way out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecordRow {
    /// In ms.
    pub timestamp: f64,
    /// NaN where there is no record.
    pub offset: f64,
    /// The key's first byte; 0 for null.
    pub key_position: u32,
    /// The key's bytes; -1 for null.
    pub key_length: i32,
    /// The value's first byte; 0 for null.
    pub value_position: u32,
    /// The value's bytes; -1 for null.
    pub value_length: i32,
    /// The first header's first byte.
    pub headers_position: u32,
    /// How many headers there are.
    pub header_count: u32,
}

impl RecordRow {
    /// Bytes of a row.
    pub const LEN: usize = 40;

    /// The row of a record whose record section begins at `section` of the bytes that go along. Those are
    /// fewer than 4 GiB.
    #[inline]
    pub fn of(record: &Record<'_>, section: usize) -> RecordRow {
        RecordRow::at(record, section + record.position)
    }

    /// The row of a record that was taken out of its section, and begins at `position` of the bytes that go along.
    #[inline]
    pub fn at(record: &Record<'_>, position: usize) -> RecordRow {
        let moved = |place: usize| (position + (place - record.position)) as u32;
        let place = |range: Option<std::ops::Range<usize>>| match range {
            Some(range) => (moved(range.start), range.len() as i32),
            None => (0, -1),
        };
        let (key_position, key_length) = place(record.key_range());
        let (value_position, value_length) = place(record.value_range());
        RecordRow {
            timestamp: record.timestamp as f64,
            offset: record.offset as f64,
            key_position,
            key_length,
            value_position,
            value_length,
            headers_position: moved(record.headers_position()),
            header_count: record.headers.len() as u32,
        }
    }

    /// The row of a record that is not there.
    pub fn missing() -> RecordRow {
        RecordRow {
            timestamp: f64::NAN,
            offset: f64::NAN,
            key_position: 0,
            key_length: -1,
            value_position: 0,
            value_length: -1,
            headers_position: 0,
            header_count: 0,
        }
    }

    /// Appends the row.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut row = [0; RecordRow::LEN];
        crate::bytes::put(
            &mut row,
            record_row::TIMESTAMP,
            self.timestamp.to_le_bytes(),
        );
        crate::bytes::put(&mut row, record_row::OFFSET, self.offset.to_le_bytes());
        crate::bytes::put(
            &mut row,
            record_row::KEY_POSITION,
            self.key_position.to_le_bytes(),
        );
        crate::bytes::put(
            &mut row,
            record_row::KEY_LENGTH,
            self.key_length.to_le_bytes(),
        );
        crate::bytes::put(
            &mut row,
            record_row::VALUE_POSITION,
            self.value_position.to_le_bytes(),
        );
        crate::bytes::put(
            &mut row,
            record_row::VALUE_LENGTH,
            self.value_length.to_le_bytes(),
        );
        crate::bytes::put(
            &mut row,
            record_row::HEADERS_POSITION,
            self.headers_position.to_le_bytes(),
        );
        crate::bytes::put(
            &mut row,
            record_row::HEADER_COUNT,
            self.header_count.to_le_bytes(),
        );
        out.extend_from_slice(&row);
    }
}

#[cfg(test)]
mod tests;
