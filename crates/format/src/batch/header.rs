//! The 61-byte header of a batch and the meaning of its attributes.

use super::{HEADER_LEN, LOG_OVERHEAD, MAGIC, at};
use crate::bytes::{i16_at, i32_at, i64_at, u32_at};
use crate::compression::Compression;
use crate::error::FormatError;
use crate::limits::MAX_BATCH_BYTES;

/// Whose time a record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TimestampType {
    /// The producer's, a record each.
    #[default]
    CreateTime,
    /// That of the append, the same for a whole batch.
    LogAppendTime,
}

/// The attributes of a batch: bits 0-2 compression, 3 timestamp type, 4 transactional, 5 control, 6 delete
/// horizon. The others have no meaning and are kept as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Attributes(
    /// As encoded.
    pub i16,
);

impl Attributes {
    const COMPRESSION: i16 = 0b111;
    pub(crate) const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// Attributes of a plain batch.
    pub fn new(compression: Compression, timestamp_type: TimestampType) -> Attributes {
        let time = match timestamp_type {
            TimestampType::CreateTime => 0,
            TimestampType::LogAppendTime => Attributes::LOG_APPEND_TIME,
        };
        Attributes(compression.id() | time)
    }

    /// How the record section is compressed.
    ///
    /// # Errors
    /// [`FormatError::UnknownCompression`].
    pub fn compression(self) -> Result<Compression, FormatError> {
        Compression::from_id(self.0 & Attributes::COMPRESSION)
    }

    /// Whose time the records carry.
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & Attributes::LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & Attributes::TRANSACTIONAL != 0
    }

    /// Whether its records are for the log itself, such as the end of a transaction.
    pub fn is_control(self) -> bool {
        self.0 & Attributes::CONTROL != 0
    }

    /// Whether the base timestamp holds the time from which compaction may drop the batch's tombstones.
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Attributes::DELETE_HORIZON != 0
    }

    /// The same, of a batch whose base timestamp is that time.
    pub(crate) fn with_delete_horizon(self) -> Attributes {
        Attributes(self.0 | Attributes::DELETE_HORIZON)
    }
}

/// The header of a batch, its fields checked one by one and against each other, but not the checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record, even when compaction removed it.
    pub base_offset: u64,
    /// Bytes that follow this field.
    pub batch_length: u32,
    /// In Tidelog the incarnation of the store, -1 in a batch that was not appended yet.
    pub leader_epoch: i32,
    /// Version of the format: 2.
    pub magic: i8,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// See there.
    pub attributes: Attributes,
    /// Offset of the last record, from the base offset on.
    pub last_offset_delta: u32,
    /// The time in ms that the records' times are relative to.
    pub base_timestamp: i64,
    /// The largest time of a record in ms, or the time of the append.
    pub max_timestamp: i64,
    /// The idempotent producer, or -1.
    pub producer_id: i64,
    /// Its epoch, or -1.
    pub producer_epoch: i16,
    /// Its sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Number of records.
    pub record_count: u32,
}

impl BatchHeader {
    /// Reads the first 61 bytes. The rest of the batch need not be there.
    ///
    /// # Errors
    /// [`FormatError::TooShort`]; [`FormatError::OutOfRange`] for a magic other than 2, a length below a header's or
    /// over [`MAX_BATCH_BYTES`], a negative offset, delta or count, more records than offsets, and offsets of
    /// which one past the last would not fit.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, FormatError> {
        let available = bytes.len();
        let Some(bytes) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(FormatError::TooShort {
                what: "a batch header",
                needed: HEADER_LEN,
                available,
            });
        };
        let magic = bytes[at::MAGIC] as i8;
        in_range(
            "batch magic",
            i64::from(magic),
            i64::from(MAGIC),
            i64::from(MAGIC),
        )?;
        let length = i32_at(bytes, at::LENGTH);
        let (shortest, longest) = (HEADER_LEN - LOG_OVERHEAD, MAX_BATCH_BYTES - LOG_OVERHEAD);
        in_range(
            "batch length",
            i64::from(length),
            shortest as i64,
            longest as i64,
        )?;
        let last_offset_delta = i32_at(bytes, at::LAST_OFFSET_DELTA);
        in_range(
            "last offset delta",
            i64::from(last_offset_delta),
            0,
            i64::from(i32::MAX),
        )?;
        let base_offset = i64_at(bytes, at::BASE_OFFSET);
        // The offset after the last must be a valid one too.
        let largest = i64::MAX - 1 - i64::from(last_offset_delta);
        in_range("base offset", base_offset, 0, largest)?;
        let record_count = i32_at(bytes, at::RECORD_COUNT);
        in_range(
            "record count",
            i64::from(record_count),
            0,
            i64::from(last_offset_delta) + 1,
        )?;
        Ok(BatchHeader {
            base_offset: base_offset as u64,
            batch_length: length as u32,
            leader_epoch: i32_at(bytes, at::LEADER_EPOCH),
            magic,
            crc: u32_at(bytes, at::CRC),
            attributes: Attributes(i16_at(bytes, at::ATTRIBUTES)),
            last_offset_delta: last_offset_delta as u32,
            base_timestamp: i64_at(bytes, at::BASE_TIMESTAMP),
            max_timestamp: i64_at(bytes, at::MAX_TIMESTAMP),
            producer_id: i64_at(bytes, at::PRODUCER_ID),
            producer_epoch: i16_at(bytes, at::PRODUCER_EPOCH),
            base_sequence: i32_at(bytes, at::BASE_SEQUENCE),
            record_count: record_count as u32,
        })
    }

    /// The time in ms from which compaction may drop the batch's tombstones, once it is on record.
    pub fn delete_horizon(&self) -> Option<i64> {
        self.attributes
            .has_delete_horizon()
            .then_some(self.base_timestamp)
    }

    /// Bytes of the whole batch.
    #[inline]
    pub fn size(&self) -> usize {
        LOG_OVERHEAD + self.batch_length as usize
    }

    /// Offset of the last record, even when compaction removed it.
    #[inline]
    pub fn last_offset(&self) -> u64 {
        self.base_offset + u64::from(self.last_offset_delta)
    }

    /// Offset of the first record after the batch.
    #[inline]
    pub fn next_offset(&self) -> u64 {
        self.last_offset() + 1
    }
}

#[inline]
pub(super) fn in_range(
    field: &'static str,
    value: i64,
    min: i64,
    max: i64,
) -> Result<(), FormatError> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(FormatError::OutOfRange {
            field,
            value,
            min,
            max,
        })
    }
}
