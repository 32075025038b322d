//! Changes to encoded batches: the place they get in a log, the time of their append, and what remains of
//! one whose records are all gone.

use super::header::{Attributes, BatchHeader, in_range};
use super::{HEADER_LEN, LOG_OVERHEAD, MAGIC, at};
use crate::bytes::{i16_at, put};
use crate::crc::crc32c;
use crate::error::FormatError;

/// Sets the base offset and the leader epoch of the batch at the beginning of the bytes. Both are outside of
/// its checksum.
///
/// # Errors
/// [`FormatError::TooShort`], and [`FormatError::OutOfRange`] if the offset after the last one would not fit; nothing is
/// changed then.
pub fn set_placement(
    batch: &mut [u8],
    base_offset: u64,
    leader_epoch: i32,
) -> Result<(), FormatError> {
    let header = BatchHeader::parse(batch)?;
    let largest = i64::MAX - 1 - i64::from(header.last_offset_delta);
    let base_offset = i64::try_from(base_offset).unwrap_or(i64::MAX);
    in_range("base offset", base_offset, 0, largest)?;
    put(batch, at::BASE_OFFSET, base_offset.to_be_bytes());
    put(batch, at::LEADER_EPOCH, leader_epoch.to_be_bytes());
    Ok(())
}

/// Gives all records of a whole batch the time of its append, in ms, and computes the checksum again.
///
/// # Errors
/// Those of [`BatchHeader::parse`], and [`FormatError::TooShort`] if the batch is not whole; nothing is changed then.
pub fn set_log_append_time(batch: &mut [u8], timestamp: i64) -> Result<(), FormatError> {
    let batch = whole(batch)?;
    let attributes = i16_at(batch, at::ATTRIBUTES) | Attributes::LOG_APPEND_TIME;
    put(batch, at::ATTRIBUTES, attributes.to_be_bytes());
    put(batch, at::MAX_TIMESTAMP, timestamp.to_be_bytes());
    seal(batch);
    Ok(())
}

/// The bytes of the batch that they begin with.
fn whole(bytes: &mut [u8]) -> Result<&mut [u8], FormatError> {
    let header = BatchHeader::parse(bytes)?;
    let available = bytes.len();
    bytes.get_mut(..header.size()).ok_or(FormatError::TooShort {
        what: "a batch",
        needed: header.size(),
        available,
    })
}

/// Sets the newest time that the header of a whole batch names, in ms, and computes the checksum again: a broker does
/// so where a client has set another one than that of its records.
///
/// # Errors
/// Those of [`BatchHeader::parse`], and [`FormatError::TooShort`] if the batch is not whole; nothing is changed then.
pub fn set_max_timestamp(batch: &mut [u8], timestamp: i64) -> Result<(), FormatError> {
    let batch = whole(batch)?;
    put(batch, at::MAX_TIMESTAMP, timestamp.to_be_bytes());
    seal(batch);
    Ok(())
}

/// A batch without records that keeps its range of offsets and a time in ms, as Kafka's cleaner leaves them.
///
/// # Errors
/// [`FormatError::OutOfRange`] if the last offset is below the base offset, more than `i32::MAX` above it, or the largest there is.
pub fn empty_batch(
    base_offset: u64,
    last_offset: u64,
    leader_epoch: i32,
    timestamp: i64,
) -> Result<Vec<u8>, FormatError> {
    let base = i64::try_from(base_offset).unwrap_or(i64::MAX);
    let last = i64::try_from(last_offset).unwrap_or(i64::MAX);
    in_range("base offset", base, 0, i64::MAX - 1)?;
    in_range(
        "last offset",
        last,
        base,
        base.saturating_add(i64::from(i32::MAX)).min(i64::MAX - 1),
    )?;
    let mut batch = vec![0; HEADER_LEN];
    let last_offset_delta = (last - base) as u32;
    // Kafka writes -1 for a base timestamp that nothing is relative to.
    write_header(
        &mut batch,
        &NewHeader {
            producer: Sequenced::NONE,
            attributes: Attributes::default(),
            last_offset_delta,
            base_timestamp: -1,
            max_timestamp: timestamp,
            record_count: 0,
        },
    );
    set_placement(&mut batch, base_offset, leader_epoch)?;
    Ok(batch)
}

/// Which batch of which producer it is: what a retry is recognized by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequenced {
    /// The producer's id, or -1.
    pub producer_id: i64,
    /// Its epoch, or -1.
    pub producer_epoch: i16,
    /// Its sequence number of the first record in the partition, or -1.
    pub base_sequence: i32,
}

impl Sequenced {
    /// Of a batch that is nobody's.
    pub const NONE: Sequenced = Sequenced {
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
    };

    /// Of the batch with this header.
    pub(crate) fn of(header: &BatchHeader) -> Sequenced {
        Sequenced {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
        }
    }
}

/// What the header of a fresh batch says, beside its size and checksum.
pub(crate) struct NewHeader {
    pub attributes: Attributes,
    pub last_offset_delta: u32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub record_count: u32,
    pub producer: Sequenced,
}

/// Writes the header of a batch, whose record section is in place, for base offset 0.
pub(crate) fn write_header(batch: &mut [u8], header: &NewHeader) {
    let length = batch.len().saturating_sub(LOG_OVERHEAD) as u32;
    put(batch, at::BASE_OFFSET, 0u64.to_be_bytes());
    put(batch, at::LENGTH, length.to_be_bytes());
    put(batch, at::LEADER_EPOCH, (-1i32).to_be_bytes());
    put(batch, at::MAGIC, MAGIC.to_be_bytes());
    put(batch, at::ATTRIBUTES, header.attributes.0.to_be_bytes());
    put(
        batch,
        at::LAST_OFFSET_DELTA,
        header.last_offset_delta.to_be_bytes(),
    );
    put(
        batch,
        at::BASE_TIMESTAMP,
        header.base_timestamp.to_be_bytes(),
    );
    put(batch, at::MAX_TIMESTAMP, header.max_timestamp.to_be_bytes());
    let producer = &header.producer;
    put(batch, at::PRODUCER_ID, producer.producer_id.to_be_bytes());
    put(
        batch,
        at::PRODUCER_EPOCH,
        producer.producer_epoch.to_be_bytes(),
    );
    put(
        batch,
        at::BASE_SEQUENCE,
        producer.base_sequence.to_be_bytes(),
    );
    put(batch, at::RECORD_COUNT, header.record_count.to_be_bytes());
    seal(batch);
}

fn seal(batch: &mut [u8]) {
    let crc = crc32c(batch.get(at::ATTRIBUTES..).unwrap_or_default());
    put(batch, at::CRC, crc.to_be_bytes());
}
