//! The records of a batch, one by one.

use super::header::{BatchHeader, TimestampType};
use crate::error::FormatError;
use crate::record::{Context, Record};

/// The records of a decompressed record section. Gives an error, and nothing after it, where a record does
/// not hold, offsets do not rise or leave the batch's range, or the section holds more or fewer records than
/// the header says.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    section: &'a [u8],
    context: Context,
    position: usize,
    seen: u32,
    expected: u32,
    /// The smallest offset delta that the next record may have.
    next_delta: u32,
    ended: bool,
}

impl<'a> Records<'a> {
    /// The records of a section that is already decompressed.
    pub fn new(section: &'a [u8], header: &BatchHeader) -> Records<'a> {
        Records {
            section,
            context: Context::of(header),
            position: 0,
            seen: 0,
            expected: header.record_count,
            next_delta: 0,
            ended: false,
        }
    }

    #[cold]
    fn end(&mut self) -> Option<Result<Record<'a>, FormatError>> {
        let extra = self.section.len().saturating_sub(self.position);
        let error = if self.ended {
            return None;
        } else if extra > 0 {
            FormatError::Leftover {
                what: "the last record of a batch",
                extra,
            }
        } else if self.seen < self.expected {
            FormatError::RecordCount {
                expected: self.expected,
                found: self.seen,
            }
        } else {
            self.ended = true;
            return None;
        };
        self.fail(error)
    }

    #[cold]
    fn fail(&mut self, error: FormatError) -> Option<Result<Record<'a>, FormatError>> {
        self.ended = true;
        Some(Err(error))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, FormatError>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || self.seen == self.expected || self.position >= self.section.len() {
            return self.end();
        }
        let (record, delta) = match Record::parse_at(self.section, self.position, &self.context) {
            Ok(parsed) => parsed,
            Err(error) => return self.fail(error),
        };
        if delta < self.next_delta {
            return self.fail(FormatError::OffsetOrder {
                delta,
                previous: self.next_delta - 1,
            });
        }
        self.next_delta = delta + 1;
        self.position = record.position + record.len;
        self.seen += 1;
        Some(Ok(record))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // The header's count is only a claim; one item more may be an error.
        (0, Some((self.expected - self.seen) as usize + 1))
    }
}

impl std::iter::FusedIterator for Records<'_> {}

impl Context {
    fn of(header: &BatchHeader) -> Context {
        let append_time = match header.attributes.timestamp_type() {
            TimestampType::CreateTime => None,
            TimestampType::LogAppendTime => Some(header.max_timestamp),
        };
        Context {
            base_offset: header.base_offset,
            base_timestamp: header.base_timestamp,
            append_time,
            last_offset_delta: header.last_offset_delta,
        }
    }
}

impl<'a> Record<'a> {
    /// Decodes the one record that `bytes` hold, out of the section of the batch with this header. Its
    /// positions count from the beginning of `bytes`.
    ///
    /// # Errors
    /// Any that [`Records`] gives, and [`FormatError::Leftover`].
    pub fn parse(bytes: &'a [u8], header: &BatchHeader) -> Result<Record<'a>, FormatError> {
        let (record, _) = Record::parse_at(bytes, 0, &Context::of(header))?;
        match bytes.len() - record.len {
            0 => Ok(record),
            extra => Err(FormatError::Leftover {
                what: "a record",
                extra,
            }),
        }
    }
}
