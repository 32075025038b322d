//! The fields of Kafka's messages, which its internal topics hold, one behind the other. A version begins
//! them. In its flexible versions lengths are variable-length numbers, one larger than what they count (0: null),
//! and tagged fields end each structure: their count, then of each tag, length and bytes, tags rising.

use crate::bytes::array;
use crate::error::FormatError;
use crate::varint;

/// Most bytes of a text that Kafka reads, in whatever version.
pub(crate) const MAX_TEXT_LEN: usize = i16::MAX as usize;

/// Reads fields. Every error names the field.
pub(crate) struct Fields<'a> {
    what: &'static str,
    bytes: &'a [u8],
    at: usize,
}

macro_rules! number {
    ($name:ident, $type:ty) => {
        pub fn $name(&mut self) -> Result<$type, FormatError> {
            let bytes = self.take(size_of::<$type>())?;
            Ok(array(bytes, 0).map_or(0, <$type>::from_be_bytes))
        }
    };
}

impl<'a> Fields<'a> {
    pub fn new(what: &'static str, bytes: &'a [u8]) -> Fields<'a> {
        Fields { what, bytes, at: 0 }
    }

    number!(u8, u8);
    number!(i8, i8);
    number!(i16, i16);
    number!(u16, u16);
    number!(i32, i32);
    number!(u32, u32);
    number!(i64, i64);
    number!(u64, u64);

    /// The bytes that have not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub fn take(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let Some(taken) = self.rest().get(..len) else {
            return Err(FormatError::TooShort {
                what: self.what,
                needed: self.at.saturating_add(len),
                available: self.bytes.len(),
            });
        };
        self.at += len;
        Ok(taken)
    }

    pub fn id(&mut self) -> Result<[u8; 16], FormatError> {
        Ok(array(self.take(16)?, 0).unwrap_or_default())
    }

    /// A number of 64 bits that can't be negative.
    pub fn offset(&mut self, field: &'static str) -> Result<u64, FormatError> {
        Ok(in_range(field, self.i64()?, 0, i64::MAX)? as u64)
    }

    /// A number of 32 bits that can't be negative.
    pub fn index(&mut self, field: &'static str) -> Result<u32, FormatError> {
        let value = i64::from(self.i32()?);
        Ok(in_range(field, value, 0, i64::from(i32::MAX))? as u32)
    }

    /// The version, 0 to `newest`.
    pub fn version(&mut self, field: &'static str, newest: i16) -> Result<i16, FormatError> {
        let version = self.i16()?;
        in_range(field, i64::from(version), 0, i64::from(newest))?;
        Ok(version)
    }

    /// How many elements an array has, `None` if it is null. To be believed only as far as they are there.
    pub fn count(
        &mut self,
        field: &'static str,
        flexible: bool,
    ) -> Result<Option<u32>, FormatError> {
        if flexible {
            return Ok(self.varint(field)?.checked_sub(1));
        }
        let count = i64::from(self.i32()?);
        let count = in_range(field, count, -1, i64::from(i32::MAX))?;
        Ok(u32::try_from(count).ok())
    }

    /// Text that can't be null.
    pub fn text(&mut self, field: &'static str, flexible: bool) -> Result<&'a str, FormatError> {
        let len = if flexible {
            i64::from(self.varint(field)?) - 1
        } else {
            i64::from(self.i16()?)
        };
        let len = in_range(field, len, 0, MAX_TEXT_LEN as i64)? as usize;
        let position = self.at;
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes).map_err(|_| FormatError::Utf8 { field, position })
    }

    /// Gives each tagged field at the end of a structure.
    pub fn tagged(
        &mut self,
        mut each: impl FnMut(u32, Fields<'a>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        let count = self.varint("number of tagged fields")?;
        let mut lowest = 0;
        for _ in 0..count {
            let tag = self.varint("tag")?;
            in_range("tag", i64::from(tag), lowest, i64::from(u32::MAX))?;
            lowest = i64::from(tag) + 1;
            let len = self.varint("length of a tagged field")?;
            let bytes = self.take(usize::try_from(len).unwrap_or(usize::MAX))?;
            each(tag, Fields::new("a tagged field", bytes))?;
        }
        Ok(())
    }

    pub fn skip_tagged(&mut self) -> Result<(), FormatError> {
        self.tagged(|_, _| Ok(()))
    }

    /// That nothing is left.
    pub fn end(&self) -> Result<(), FormatError> {
        match self.rest().len() {
            0 => Ok(()),
            extra => Err(FormatError::Leftover {
                what: self.what,
                extra,
            }),
        }
    }

    fn varint(&mut self, field: &'static str) -> Result<u32, FormatError> {
        let position = self.at;
        let found = varint::decode_u32_at(self.bytes, position);
        let (value, end) = found.ok_or(FormatError::Varint { field, position })?;
        self.at = end;
        Ok(value)
    }
}

/// The value, if it is within its range.
pub(crate) fn in_range(
    field: &'static str,
    value: i64,
    min: i64,
    max: i64,
) -> Result<i64, FormatError> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(FormatError::OutOfRange {
        field,
        value,
        min,
        max,
    })
}

/// Appends text, cut where it would be too long for Kafka: its callers have their own, smaller limits.
pub(crate) fn put_text(text: &str, flexible: bool, out: &mut Vec<u8>) {
    let mut len = text.len().min(MAX_TEXT_LEN);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    if flexible {
        varint::encode_u32(len as u32 + 1, out);
    } else {
        out.extend_from_slice(&(len as i16).to_be_bytes());
    }
    out.extend_from_slice(text.as_bytes().get(..len).unwrap_or_default());
}

/// Appends tagged fields, whose tags must rise.
pub(crate) fn put_tagged(fields: &[(u32, Vec<u8>)], out: &mut Vec<u8>) {
    varint::encode_u32(fields.len() as u32, out);
    for (tag, bytes) in fields {
        varint::encode_u32(*tag, out);
        varint::encode_u32(bytes.len() as u32, out);
        out.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_skipped_and_must_rise() {
        let mut bytes = Vec::new();
        put_tagged(
            &[(0, vec![1]), (9000, vec![]), (u32::MAX, vec![2, 3])],
            &mut bytes,
        );
        let mut found = Vec::new();
        let mut fields = Fields::new("a test", &bytes);
        fields
            .tagged(|tag, field| {
                found.push((tag, field.rest().to_vec()));
                Ok(())
            })
            .unwrap();
        assert_eq!(
            found,
            [(0, vec![1]), (9000, vec![]), (u32::MAX, vec![2, 3])]
        );
        assert_eq!(fields.end(), Ok(()));

        for twice in [[5, 5], [5, 4]] {
            let mut bytes = Vec::new();
            put_tagged(&twice.map(|tag| (tag, vec![])), &mut bytes);
            assert!(matches!(
                Fields::new("a test", &bytes).skip_tagged(),
                Err(FormatError::OutOfRange { field: "tag", .. })
            ));
        }
    }

    #[test]
    fn a_count_of_4_billion_tags_ends_with_the_bytes() {
        assert!(matches!(
            Fields::new("a test", &[0xff, 0xff, 0xff, 0xff, 0x0f]).skip_tagged(),
            Err(FormatError::Varint { .. })
        ));
        assert!(matches!(
            Fields::new("a test", &[1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]).skip_tagged(),
            Err(FormatError::TooShort { .. })
        ));
    }

    #[test]
    fn text_that_is_too_long_is_cut_between_characters() {
        let text = format!("a{}", "ä".repeat(20_000));
        for flexible in [false, true] {
            let mut bytes = Vec::new();
            put_text(&text, flexible, &mut bytes);
            let mut fields = Fields::new("a test", &bytes);
            let cut = fields.text("text", flexible).unwrap();
            assert_eq!(cut, &text[..MAX_TEXT_LEN]);
            assert_eq!(fields.end(), Ok(()));
            bytes.clear();
            put_text(&text[1..], flexible, &mut bytes);
            let cut = Fields::new("a test", &bytes).text("text", flexible);
            assert_eq!(cut.unwrap().len(), MAX_TEXT_LEN - 1);
        }
    }

    #[test]
    fn null_and_endless_text_is_refused() {
        for (bytes, flexible) in [
            (&[0xff, 0xff][..], false),
            (&[0x80, 0x00], false),
            (&[0x00], true),
            (&[0x81, 0x80, 0x02], true),
        ] {
            assert!(matches!(
                Fields::new("a test", bytes).text("text", flexible),
                Err(FormatError::OutOfRange { field: "text", .. })
            ));
        }
        assert!(matches!(
            Fields::new("a test", &[0, 1, 0xff]).text("text", false),
            Err(FormatError::Utf8 { position: 2, .. })
        ));
    }
}
