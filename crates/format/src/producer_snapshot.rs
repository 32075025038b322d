//! A partition's `.snapshot` file: what it knows of its producers at the offset that the file is named by. It begins as
//! Kafka's own (`ProducerStateManager`): version i16 (1), CRC-32C u32 of everything behind it to the end of the file,
//! count i32, and of each producer id i64, epoch i16, last sequence i32, offset of its last record i64, offsets from
//! its last batch's first record to that one i32, time i64, coordinator epoch i32 (-1), first offset of its open transaction i64
//! (-1). Kafka's reader stops there. Behind it stands what a window of more than one batch needs: magic `TIDEPRDS`,
//! version u16 (1), incarnation u32, largest forgotten id i64, and of each producer, in the same order, flags u8 (1 kept), number
//! of batches u8, and of each batch first and last sequence i32, base offset u64, append time i64.

use crate::crc::crc32c;
use crate::error::FormatError;
use crate::fields::Fields;
use crate::sequence;

const WHAT: &str = "a producer snapshot";
const KAFKA_VERSION: i16 = 1;
const MAGIC: &[u8; 8] = b"TIDEPRDS";
const VERSION: u16 = 1;
const CHECKED_FROM: usize = 6;
const ENTRY_LEN: usize = 46;
const KEPT: u8 = 1;

/// A batch that is remembered to answer a retry of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequencedBatch {
    /// Sequence number of its first record.
    pub first_sequence: i32,
    /// Sequence number of its last record.
    pub last_sequence: i32,
    /// Offset of its first record.
    pub base_offset: u64,
    /// The time of its append in ms where the topic uses that, else -1.
    pub timestamp: i64,
}

/// One producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerEntry {
    /// Its id.
    pub producer_id: i64,
    /// The epoch of its last batch.
    pub epoch: i16,
    /// The last sequence number: everything up to it is in the log.
    pub last_sequence: i32,
    /// When it was last heard of, in ms.
    pub last_timestamp: i64,
    /// Whether it is never forgotten.
    pub kept: bool,
    /// Its last batches, the newest last; at most 255.
    pub window: Vec<SequencedBatch>,
}

/// All producers of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerSnapshot {
    /// The life of the store in which it was written.
    pub incarnation: u32,
    /// The largest id that was forgotten, or -1.
    pub forgotten: i64,
    /// The producers.
    pub producers: Vec<ProducerEntry>,
}

impl ProducerSnapshot {
    /// The file's content.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.producers.len() * (ENTRY_LEN + 128));
        out.extend_from_slice(&KAFKA_VERSION.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(self.producers.len() as i32).to_be_bytes());
        for producer in &self.producers {
            let newest = producer.window.last();
            let delta = newest.map_or(0, SequencedBatch::offset_delta);
            let last_offset =
                newest.map_or(-1, |batch| batch.base_offset as i64 + i64::from(delta));
            out.extend_from_slice(&producer.producer_id.to_be_bytes());
            out.extend_from_slice(&producer.epoch.to_be_bytes());
            out.extend_from_slice(&producer.last_sequence.to_be_bytes());
            out.extend_from_slice(&last_offset.to_be_bytes());
            out.extend_from_slice(&delta.to_be_bytes());
            out.extend_from_slice(&producer.last_timestamp.to_be_bytes());
            out.extend_from_slice(&(-1i32).to_be_bytes());
            out.extend_from_slice(&(-1i64).to_be_bytes());
        }
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&self.incarnation.to_be_bytes());
        out.extend_from_slice(&self.forgotten.to_be_bytes());
        for producer in &self.producers {
            out.push(if producer.kept { KEPT } else { 0 });
            out.push(producer.window.len() as u8);
            for batch in &producer.window {
                out.extend_from_slice(&batch.first_sequence.to_be_bytes());
                out.extend_from_slice(&batch.last_sequence.to_be_bytes());
                out.extend_from_slice(&batch.base_offset.to_be_bytes());
                out.extend_from_slice(&batch.timestamp.to_be_bytes());
            }
        }
        let crc = crc32c(out.get(CHECKED_FROM..).unwrap_or_default());
        crate::bytes::put(&mut out, 2, crc.to_be_bytes());
        out
    }

    /// Reads a file. One that Kafka wrote has a window of one batch each.
    ///
    /// # Errors
    /// [`FormatError::TooShort`], [`FormatError::Checksum`], [`FormatError::OutOfRange`], [`FormatError::Magic`],
    /// [`FormatError::Leftover`].
    pub fn decode(bytes: &[u8]) -> Result<ProducerSnapshot, FormatError> {
        let mut fields = Fields::new(WHAT, bytes);
        let version = fields.i16()?;
        let stored = fields.u32()?;
        let computed = crc32c(bytes.get(CHECKED_FROM..).unwrap_or_default());
        if stored != computed {
            return Err(FormatError::Checksum {
                what: WHAT,
                stored,
                computed,
            });
        }
        if version != KAFKA_VERSION {
            return Err(known(i64::from(version), i64::from(KAFKA_VERSION)));
        }
        let count = fields.i32()?;
        let fits = usize::try_from(count)
            .ok()
            .filter(|count| count.saturating_mul(ENTRY_LEN) <= fields.left());
        let count = fits.ok_or_else(|| fields.bad_length(i64::from(count)))?;
        let producers = (0..count)
            .map(|_| entry(&mut fields))
            .collect::<Result<_, _>>()?;
        let mut snapshot = ProducerSnapshot {
            incarnation: 0,
            forgotten: -1,
            producers,
        };
        if fields.left() > 0 {
            snapshot.read_ours(fields)?;
        }
        Ok(snapshot)
    }

    fn read_ours(&mut self, mut fields: Fields<'_>) -> Result<(), FormatError> {
        if fields.take(MAGIC.len())? != MAGIC {
            return Err(FormatError::Magic { what: WHAT });
        }
        let version = fields.u16()?;
        if version != VERSION {
            return Err(known(i64::from(version), i64::from(VERSION)));
        }
        self.incarnation = fields.u32()?;
        self.forgotten = fields.i64()?;
        for producer in &mut self.producers {
            producer.kept = fields.u8()? & KEPT != 0;
            producer.window = (0..fields.u8()?)
                .map(|_| {
                    Ok(SequencedBatch {
                        first_sequence: fields.i32()?,
                        last_sequence: fields.i32()?,
                        base_offset: fields.u64()?,
                        timestamp: fields.i64()?,
                    })
                })
                .collect::<Result<_, FormatError>>()?;
        }
        match fields.left() {
            0 => Ok(()),
            extra => Err(FormatError::Leftover { what: WHAT, extra }),
        }
    }
}

impl SequencedBatch {
    /// Offsets from its first record to its last one.
    fn offset_delta(&self) -> i32 {
        (i64::from(self.last_sequence) - i64::from(self.first_sequence)).rem_euclid(1 << 31) as i32
    }
}

fn known(value: i64, version: i64) -> FormatError {
    FormatError::OutOfRange {
        field: "the producer snapshot's version",
        value,
        min: version,
        max: version,
    }
}

/// Kafka's part of a producer.
fn entry(fields: &mut Fields<'_>) -> Result<ProducerEntry, FormatError> {
    let (producer_id, epoch, last_sequence) = (fields.i64()?, fields.i16()?, fields.i32()?);
    let (last_offset, delta, last_timestamp) = (fields.i64()?, fields.i32()?, fields.i64()?);
    let (_coordinator_epoch, _first_of_transaction) = (fields.i32()?, fields.i64()?);
    let base_offset = last_offset
        .checked_sub(i64::from(delta))
        .and_then(|base| u64::try_from(base).ok());
    let window = match (base_offset, u32::try_from(delta)) {
        (Some(base_offset), Ok(delta)) if last_offset >= 0 => vec![SequencedBatch {
            first_sequence: sequence::advance(last_sequence, (1u32 << 31) - (delta & i32::MAX as u32)),
            last_sequence,
            base_offset,
            timestamp: -1,
        }],
        _ => Vec::new(),
    };
    Ok(ProducerEntry {
        producer_id,
        epoch,
        last_sequence,
        last_timestamp,
        kept: false,
        window,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn snapshot() -> ProducerSnapshot {
        ProducerSnapshot {
            incarnation: 3,
            forgotten: -1,
            producers: vec![ProducerEntry {
                producer_id: 258,
                epoch: 1,
                last_sequence: 4,
                last_timestamp: 9,
                kept: true,
                window: vec![
                    SequencedBatch {
                        first_sequence: 0,
                        last_sequence: 2,
                        base_offset: 10,
                        timestamp: -1,
                    },
                    SequencedBatch {
                        first_sequence: 3,
                        last_sequence: 4,
                        base_offset: 20,
                        timestamp: 8,
                    },
                ],
            }],
        }
    }

    #[test]
    fn fixed_bytes() {
        let bytes = snapshot().encode();
        let mut expected = b"\0\x01\xa5\xa5\xa5\xa5\0\0\0\x01".to_vec();
        expected.extend_from_slice(b"\0\0\0\0\0\0\x01\x02\0\x01\0\0\0\x04");
        expected.extend_from_slice(b"\0\0\0\0\0\0\0\x15\0\0\0\x01\0\0\0\0\0\0\0\x09");
        expected.extend_from_slice(&[0xff; 12]);
        expected.extend_from_slice(b"TIDEPRDS\0\x01\0\0\0\x03");
        expected.extend_from_slice(&[0xff; 8]);
        expected.extend_from_slice(b"\x01\x02");
        expected.extend_from_slice(b"\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x0a");
        expected.extend_from_slice(&[0xff; 8]);
        expected.extend_from_slice(b"\0\0\0\x03\0\0\0\x04\0\0\0\0\0\0\0\x14\0\0\0\0\0\0\0\x08");
        let crc = crc32c(&expected[CHECKED_FROM..]);
        expected[2..6].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_file_of_kafkas_has_windows_of_one_batch() {
        let mut bytes = snapshot().encode();
        bytes.truncate(CHECKED_FROM + 4 + ENTRY_LEN);
        let crc = crc32c(&bytes[CHECKED_FROM..]);
        bytes[2..6].copy_from_slice(&crc.to_be_bytes());
        let read = ProducerSnapshot::decode(&bytes).unwrap();
        let producer = &read.producers[0];
        assert_eq!((read.incarnation, read.forgotten), (0, -1));
        assert_eq!(
            producer.window,
            [SequencedBatch {
                timestamp: -1,
                ..snapshot().producers[0].window[1]
            }]
        );
        assert!(!producer.kept);
    }

    #[test]
    fn a_window_may_go_round() {
        let mut around = snapshot();
        around.producers[0].last_sequence = 1;
        around.producers[0].window = vec![SequencedBatch {
            first_sequence: i32::MAX,
            last_sequence: 1,
            base_offset: 7,
            timestamp: -1,
        }];
        let mut bytes = around.encode();
        assert_eq!(ProducerSnapshot::decode(&bytes), Ok(around.clone()));
        bytes.truncate(CHECKED_FROM + 4 + ENTRY_LEN);
        let crc = crc32c(&bytes[CHECKED_FROM..]);
        bytes[2..6].copy_from_slice(&crc.to_be_bytes());
        let read = ProducerSnapshot::decode(&bytes).unwrap();
        assert_eq!(read.producers[0].window, around.producers[0].window);
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_found() {
        let bytes = snapshot().encode();
        for len in 0..bytes.len() {
            assert!(ProducerSnapshot::decode(&bytes[..len]).is_err(), "{len}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(ProducerSnapshot::decode(&flipped).is_err(), "{bit}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(ids in proptest::collection::vec((any::<i64>(), any::<i16>(), 0..i32::MAX, any::<bool>(), 0usize..6), 0..20)) {
            let producers = ids.into_iter().map(|(producer_id, epoch, last_sequence, kept, len)| ProducerEntry {
                producer_id, epoch, last_sequence, last_timestamp: 1, kept,
                window: (0..len).map(|n| SequencedBatch {
                    first_sequence: n as i32, last_sequence: n as i32 + 1, base_offset: n as u64, timestamp: -1,
                }).collect(),
            }).collect();
            let snapshot = ProducerSnapshot { incarnation: 7, forgotten: 5, producers };
            prop_assert_eq!(ProducerSnapshot::decode(&snapshot.encode()), Ok(snapshot));
        }

        #[test]
        fn any_bytes_under_a_right_checksum(mut bytes in proptest::collection::vec(any::<u8>(), 6..200)) {
            bytes[..2].copy_from_slice(&[0, 1]);
            let crc = crc32c(&bytes[CHECKED_FROM..]);
            bytes[2..6].copy_from_slice(&crc.to_be_bytes());
            let _ = ProducerSnapshot::decode(&bytes);
        }
    }
}
