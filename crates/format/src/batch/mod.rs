//! Kafka's record batch, version 2: the header, the checks, and the few changes made to encoded batches.
//! A [`BatchHeader`] is what bytes say; a [`Batch`] is bytes whose checksum holds.

mod clean;
mod edit;
mod header;
mod records;

pub use clean::{BatchCleaner, emptied_batch};
pub(crate) use edit::{NewHeader, write_header};
pub use edit::{Sequenced, empty_batch, set_log_append_time, set_max_timestamp, set_placement};
pub use header::{Attributes, BatchHeader, TimestampType};
pub use records::Records;

use crate::compression::Compression;
use crate::crc::crc32c;
use crate::error::FormatError;
use crate::limits::MAX_BATCH_BYTES;

/// Bytes of a batch header.
pub const HEADER_LEN: usize = 61;
/// Bytes of the base offset and length in front, which the length does not count.
pub const LOG_OVERHEAD: usize = 12;
/// The only version of the format that is read and written.
pub const MAGIC: i8 = 2;

/// Where the fields of the header are.
pub(crate) mod at {
    pub const BASE_OFFSET: usize = 0;
    pub const LENGTH: usize = 8;
    pub const LEADER_EPOCH: usize = 12;
    pub const MAGIC: usize = 16;
    pub const CRC: usize = 17;
    /// Where the bytes under the checksum begin; they reach to the end of the batch.
    pub const ATTRIBUTES: usize = 21;
    pub const LAST_OFFSET_DELTA: usize = 23;
    pub const BASE_TIMESTAMP: usize = 27;
    pub const MAX_TIMESTAMP: usize = 35;
    pub const PRODUCER_ID: usize = 43;
    pub const PRODUCER_EPOCH: usize = 51;
    pub const BASE_SEQUENCE: usize = 53;
    pub const RECORD_COUNT: usize = 57;
}

/// An encoded batch that is whole and whose checksum holds. Its records are decoded on demand.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Checks the batch at the beginning of `bytes`: its header and its checksum. Bytes behind it are not
    /// looked at. The base offset, length, leader epoch and magic are outside of the checksum.
    ///
    /// # Errors
    /// Those of [`BatchHeader::parse`]; [`FormatError::TooShort`] if the batch is not whole;
    /// [`FormatError::Checksum`].
    pub fn check(bytes: &'a [u8]) -> Result<Batch<'a>, FormatError> {
        let header = BatchHeader::parse(bytes)?;
        let bytes = bytes.get(..header.size()).ok_or(FormatError::TooShort {
            what: "a batch",
            needed: header.size(),
            available: bytes.len(),
        })?;
        let computed = crc32c(bytes.get(at::ATTRIBUTES..).unwrap_or_default());
        if computed != header.crc {
            return Err(FormatError::Checksum {
                what: "a batch",
                stored: header.crc,
                computed,
            });
        }
        Ok(Batch { header, bytes })
    }

    /// Its header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch, without what followed it.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The record section as stored, which may be compressed.
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(HEADER_LEN..).unwrap_or_default()
    }

    /// Its records. A compressed section is decompressed into `scratch`, which is cleared first, at most
    /// [`MAX_BATCH_BYTES`] of it.
    ///
    /// # Errors
    /// [`FormatError::UnknownCompression`] and those of [`Compression::decompress`].
    pub fn records<'s>(&self, scratch: &'s mut Vec<u8>) -> Result<Records<'s>, FormatError>
    where
        'a: 's,
    {
        Ok(Records::new(self.section(scratch)?, &self.header))
    }

    /// Its record section, which is what [`Record::position`](crate::Record::position) counts in. A compressed one is
    /// decompressed into `scratch`, which is cleared first, at most [`MAX_BATCH_BYTES`] of it.
    ///
    /// # Errors
    /// Those of [`Batch::records`].
    pub fn section<'s>(&self, scratch: &'s mut Vec<u8>) -> Result<&'s [u8], FormatError>
    where
        'a: 's,
    {
        let compression = self.header.attributes.compression()?;
        // A batch that lost all its records in cleaning may keep its compression.
        if compression == Compression::None || self.payload().is_empty() {
            return Ok(self.payload());
        }
        scratch.clear();
        compression.decompress(self.payload(), scratch, MAX_BATCH_BYTES)?;
        Ok(scratch)
    }
}

#[cfg(test)]
mod tests;
