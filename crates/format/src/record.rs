//! One record of a batch: length, attributes, times and offsets relative to the batch's, key, value and
//! headers. All of it points into the record section; nothing is copied.

use std::ops::Range;

use crate::error::FormatError;
use crate::varint::{decode_i32_at, decode_i64_at};

/// A record as it is in a record section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset in the partition.
    pub offset: u64,
    /// Its time in ms: the producer's, or that of the append of its batch.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Headers<'a>,
    /// Its first byte, which is that of its length, in the record section.
    pub position: usize,
    /// Bytes of the whole record, its length included.
    pub len: usize,
    key_position: u32,
    value_position: u32,
    headers_position: u32,
}

/// What the batch says about its records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context {
    pub base_offset: u64,
    pub base_timestamp: i64,
    /// Takes the place of every record's own time.
    pub append_time: Option<i64>,
    pub last_offset_delta: u32,
}

impl<'a> Record<'a> {
    /// Where the key is in the record section.
    pub fn key_range(&self) -> Option<Range<usize>> {
        self.key.map(|key| range(self.key_position, key.len()))
    }

    /// Where the value is in the record section.
    pub fn value_range(&self) -> Option<Range<usize>> {
        self.value
            .map(|value| range(self.value_position, value.len()))
    }

    /// The first byte of the first header in the record section; the end of the record if it has none.
    pub fn headers_position(&self) -> usize {
        self.headers_position as usize
    }

    /// Decodes the record at a position, and gives its offset delta with it.
    #[inline(always)]
    pub(crate) fn parse_at(
        section: &'a [u8],
        position: usize,
        context: &Context,
    ) -> Result<(Record<'a>, u32), FormatError> {
        let Some((length, start)) = decode_i32_at(section, position) else {
            return Err(varint("record length", position));
        };
        // Up to the end of this record: no field reaches beyond it.
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| start.checked_add(length));
        let Some(bytes) = end.and_then(|end| section.get(..end)) else {
            return Err(bad_length("record length", length, section.len() - start));
        };
        // The attributes of a record have no meaning.
        let Some((timestamp_delta, at)) = decode_i64_at(bytes, start + 1) else {
            return Err(varint("timestamp delta", start + 1));
        };
        let Some((offset_delta, at)) = decode_i32_at(bytes, at) else {
            return Err(varint("offset delta", at));
        };
        if offset_delta < 0 || offset_delta as u32 > context.last_offset_delta {
            return Err(out_of_range(
                "offset delta",
                offset_delta,
                i64::from(context.last_offset_delta),
            ));
        }
        let (key, key_position, at) = field(bytes, at, "key length")?;
        let (value, value_position, at) = field(bytes, at, "value length")?;
        let Some((header_count, at)) = decode_i32_at(bytes, at) else {
            return Err(varint("header count", at));
        };
        let headers = match header_count {
            0 => Headers::default(),
            count => Headers::check(bytes, at, count)?,
        };
        let used = at + headers.bytes.len();
        if used != bytes.len() {
            return Err(leftover(position, bytes.len() - position, used - position));
        }
        let timestamp = match context.append_time {
            None => context.base_timestamp.wrapping_add(timestamp_delta),
            Some(time) => time,
        };
        let record = Record {
            offset: context.base_offset + u64::from(offset_delta as u32),
            timestamp,
            key,
            value,
            headers,
            position,
            len: bytes.len() - position,
            key_position: key_position as u32,
            value_position: value_position as u32,
            headers_position: at as u32,
        };
        Ok((record, offset_delta as u32))
    }
}

/// The headers of a record, in order; a name may occur more than once. Kafka says that names are UTF-8 and does not
/// check it: a broker stores any bytes, and its clients replace what they can't read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Headers<'a> {
    /// All headers as encoded, and nothing else: checked when they were read.
    bytes: &'a [u8],
    count: u32,
}

impl<'a> Headers<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The value of the last header of this name, as in Kafka: none if there is none, or if it has none.
    pub fn last(&self, name: &str) -> Option<&'a [u8]> {
        let (mut found, mut at) = (None, 0);
        for _ in 0..self.count {
            let (other, value, behind) = pair(self.bytes, at)?;
            if other == name.as_bytes() {
                found = value;
            }
            at = behind;
        }
        found
    }

    /// Names and values, in order.
    pub fn iter(&self) -> HeaderIter<'a> {
        HeaderIter {
            bytes: self.bytes,
            at: 0,
            left: self.count,
        }
    }

    #[inline(never)]
    fn check(bytes: &'a [u8], start: usize, count: i32) -> Result<Headers<'a>, FormatError> {
        // Two bytes are the least a header has.
        let most = (bytes.len() - start) / 2;
        let count = match u32::try_from(count) {
            Ok(count) if count as usize <= most => count,
            _ => return Err(out_of_range("header count", count, most as i64)),
        };
        let mut at = start;
        for _ in 0..count {
            let (name, _, behind) = field(bytes, at, "header name length")?;
            if name.is_none() {
                return Err(bad_length("header name length", -1, bytes.len() - behind));
            }
            (_, _, at) = field(bytes, behind, "header value length")?;
        }
        Ok(Headers {
            bytes: bytes.get(start..at).unwrap_or_default(),
            count,
        })
    }
}

impl<'a> IntoIterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);
    type IntoIter = HeaderIter<'a>;

    fn into_iter(self) -> HeaderIter<'a> {
        self.iter()
    }
}

/// Names and values of headers, from [`Headers::iter`].
#[derive(Debug, Clone)]
pub struct HeaderIter<'a> {
    bytes: &'a [u8],
    at: usize,
    left: u32,
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (name, value, at) = pair(self.bytes, self.at)?;
        self.at = at;
        Some((name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for HeaderIter<'_> {}

/// A header's name and value, and the place behind them.
type Pair<'a> = (&'a [u8], Option<&'a [u8]>, usize);

/// The name and value of a header of bytes that were checked when their record was read.
#[inline(always)]
fn pair(bytes: &[u8], at: usize) -> Option<Pair<'_>> {
    let (name, _, at) = field(bytes, at, "header name length").ok()?;
    let (value, _, at) = field(bytes, at, "header value length").ok()?;
    Some((name?, value, at))
}

/// A length of -1 for null, or a length and as many bytes; with their position and the place behind them.
type Field<'a> = (Option<&'a [u8]>, usize, usize);

#[inline(always)]
fn field<'a>(bytes: &'a [u8], at: usize, name: &'static str) -> Result<Field<'a>, FormatError> {
    let Some((length, start)) = decode_i32_at(bytes, at) else {
        return Err(varint(name, at));
    };
    if length == -1 {
        return Ok((None, start, start));
    }
    let end = start.wrapping_add(length as u32 as usize);
    match bytes.get(start..end) {
        Some(content) if length >= 0 => Ok((Some(content), start, end)),
        _ => Err(bad_length(name, length, bytes.len() - start)),
    }
}

fn range(start: u32, len: usize) -> Range<usize> {
    start as usize..start as usize + len
}

#[cold]
fn varint(field: &'static str, position: usize) -> FormatError {
    FormatError::Varint { field, position }
}

#[cold]
fn bad_length(field: &'static str, length: i32, left: usize) -> FormatError {
    FormatError::OutOfRange {
        field,
        value: i64::from(length),
        min: -1,
        max: left as i64,
    }
}

#[cold]
fn out_of_range(field: &'static str, value: i32, max: i64) -> FormatError {
    FormatError::OutOfRange {
        field,
        value: i64::from(value),
        min: 0,
        max,
    }
}

#[cold]
fn leftover(position: usize, len: usize, used: usize) -> FormatError {
    FormatError::RecordLength {
        position,
        len,
        used,
    }
}
