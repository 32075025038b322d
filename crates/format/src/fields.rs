//! Reading and writing the fields of Kafka's own records, one after the other: fixed numbers, strings with a length in
//! front, and the tagged fields of flexible versions (KIP-482), of which unknown ones are skipped.

use crate::error::FormatError;

/// Bytes that are read from the front.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// `what` is being read, for errors.
    pub fn new(what: &'static str, bytes: &'a [u8]) -> Fields<'a> {
        Fields { what, rest: bytes }
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], FormatError> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(FormatError::TooShort {
                what: self.what,
                needed: count,
                available: self.rest.len(),
            });
        };
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let taken = self.take(N)?;
        Ok(taken.first_chunk::<N>().copied().unwrap_or([0; N]))
    }

    pub fn u8(&mut self) -> Result<u8, FormatError> {
        self.array().map(u8::from_be_bytes)
    }

    pub fn i8(&mut self) -> Result<i8, FormatError> {
        self.array().map(i8::from_be_bytes)
    }

    pub fn i16(&mut self) -> Result<i16, FormatError> {
        self.array().map(i16::from_be_bytes)
    }

    pub fn u16(&mut self) -> Result<u16, FormatError> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Result<i32, FormatError> {
        self.array().map(i32::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, FormatError> {
        self.array().map(i64::from_be_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_be_bytes)
    }

    pub fn uuid(&mut self) -> Result<[u8; 16], FormatError> {
        self.array()
    }

    /// A number without a sign, 7 bits a byte, low ones first.
    pub fn uvarint(&mut self) -> Result<u32, FormatError> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| self.bad_varint());
            }
        }
        Err(self.bad_varint())
    }

    fn bad_varint(&self) -> FormatError {
        FormatError::Varint {
            field: self.what,
            position: 0,
        }
    }

    /// A string with an i16 length.
    pub fn string(&mut self) -> Result<String, FormatError> {
        let len = self.i16()?;
        let len = usize::try_from(len).map_err(|_| self.bad_length(i64::from(len)))?;
        self.text(len)
    }

    /// A string with a compact length: one more than it has bytes.
    pub fn compact_string(&mut self) -> Result<String, FormatError> {
        let len = self.compact_len()?;
        self.text(len)
    }

    /// A compact length, which is one more than it says; 0 is null, for which nothing is here.
    pub fn compact_len(&mut self) -> Result<usize, FormatError> {
        let len = self.uvarint()?;
        match len.checked_sub(1) {
            Some(len) => Ok(len as usize),
            None => Err(self.bad_length(-1)),
        }
    }

    fn text(&mut self, len: usize) -> Result<String, FormatError> {
        let what = self.what;
        let bytes = self.take(len)?;
        let text = std::str::from_utf8(bytes).map_err(|_| FormatError::Utf8 {
            field: what,
            position: 0,
        })?;
        Ok(text.to_owned())
    }

    pub fn bad_length(&self, value: i64) -> FormatError {
        FormatError::OutOfRange {
            field: self.what,
            value,
            min: 0,
            max: i64::from(i32::MAX),
        }
    }

    /// A number that must not be negative.
    pub fn offset(&mut self) -> Result<u64, FormatError> {
        let value = self.i64()?;
        u64::try_from(value).map_err(|_| FormatError::OutOfRange {
            field: self.what,
            value,
            min: 0,
            max: i64::MAX,
        })
    }

    /// Tagged fields, each given to `visit`; those that it does not know are skipped.
    pub fn tagged(
        &mut self,
        mut visit: impl FnMut(u32, Fields<'a>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        for _ in 0..self.uvarint()? {
            let tag = self.uvarint()?;
            let len = self.uvarint()? as usize;
            let bytes = self.take(len)?;
            visit(tag, Fields::new(self.what, bytes))?;
        }
        Ok(())
    }

    /// A version that is known here.
    pub fn version(&mut self, newest: i16) -> Result<i16, FormatError> {
        let version = self.i16()?;
        if (0..=newest).contains(&version) {
            return Ok(version);
        }
        Err(FormatError::OutOfRange {
            field: self.what,
            value: i64::from(version),
            min: 0,
            max: i64::from(newest),
        })
    }
}

/// Appends a number without a sign, 7 bits a byte, low ones first.
pub(crate) fn put_uvarint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a string with an i16 length.
pub(crate) fn put_string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as i16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Appends a string with a compact length.
pub(crate) fn put_compact_string(out: &mut Vec<u8>, text: &str) {
    put_uvarint(out, text.len() as u32 + 1);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a tagged field.
pub(crate) fn put_tagged(out: &mut Vec<u8>, tag: u32, value: &[u8]) {
    put_uvarint(out, tag);
    put_uvarint(out, value.len() as u32);
    out.extend_from_slice(value);
}
