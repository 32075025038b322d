//! One slot of the store's `checkpoint` file: magic `TIDECKPT`, format version u32, body length u32, body,
//! CRC-32C of all before it. The checksum's place does not depend on the version, so that damage is not
//! taken for a newer version. Body of version 1: generation u64, incarnation u32, clean u8, count u32, and of
//! each partition topic id (16 bytes), partition u32, log start u64, recovery point u64 (an offset), base
//! offset u64 of its segment, position u64 in it.

use crate::bytes::{array, u32_at, u64_at};
use crate::crc::crc32c;

const MAGIC: &[u8; 8] = b"TIDECKPT";
const BODY_AT: usize = 16;
const FIXED_LEN: usize = 17;
const MARK_LEN: usize = 52;
const CRC_LEN: usize = 4;
/// The version that is written, and the newest that is read.
pub const VERSION: u32 = 1;

/// What a slot holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// The slot with the larger one is the newer.
    pub generation: u64,
    /// Counts the lives of the store.
    pub incarnation: u32,
    /// Whether the store was closed in order.
    pub clean: bool,
    /// Of each partition, where recovery may begin.
    pub partitions: Vec<PartitionMark>,
}

/// Where one partition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartitionMark {
    /// Its topic.
    pub topic_id: [u8; 16],
    /// Its number.
    pub partition: u32,
    /// Its first offset.
    pub log_start: u64,
    /// Everything below this offset is durable.
    pub recovery_point: u64,
    /// Base offset of the segment that the recovery point is in.
    pub recovery_segment: u64,
    /// The recovery point's position in that segment, in bytes.
    pub recovery_position: u64,
}

/// Why a slot can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It was never written, or is not a checkpoint.
    #[error("the slot holds no checkpoint")]
    Missing,
    /// It ends before the checkpoint does.
    #[error("the checkpoint needs {needed} bytes, {available} are there")]
    TooShort {
        /// Bytes that it needs.
        needed: u64,
        /// Bytes that are there.
        available: u64,
    },
    /// It was damaged, or not wholly written.
    #[error("the checkpoint's CRC-32C is {computed:08x}, but {stored:08x} is stored")]
    Checksum {
        /// The checksum that is stored.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// It is whole, but of a version that is not known here.
    #[error("the checkpoint has version {found}; the newest known is {supported}")]
    UnknownVersion {
        /// Its version.
        found: u32,
        /// The newest known.
        supported: u32,
    },
    /// It is whole, but makes no sense.
    #[error("the checkpoint's {field} is {value}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
}

impl Checkpoint {
    /// The encoded slot.
    pub fn encode(&self) -> Vec<u8> {
        let body_len = FIXED_LEN + self.partitions.len() * MARK_LEN;
        let mut bytes = Vec::with_capacity(BODY_AT + body_len + CRC_LEN);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&(body_len as u32).to_be_bytes());
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(&self.incarnation.to_be_bytes());
        bytes.push(u8::from(self.clean));
        bytes.extend_from_slice(&(self.partitions.len() as u32).to_be_bytes());
        for mark in &self.partitions {
            bytes.extend_from_slice(&mark.topic_id);
            bytes.extend_from_slice(&mark.partition.to_be_bytes());
            for number in [
                mark.log_start,
                mark.recovery_point,
                mark.recovery_segment,
                mark.recovery_position,
            ] {
                bytes.extend_from_slice(&number.to_be_bytes());
            }
        }
        let crc = crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// Reads a slot. Bytes behind the checkpoint are not looked at.
    ///
    /// # Errors
    /// See [`CheckpointError`].
    pub fn decode(slot: &[u8]) -> Result<Checkpoint, CheckpointError> {
        if !slot.starts_with(MAGIC) {
            return Err(CheckpointError::Missing);
        }
        let short = |needed| CheckpointError::TooShort {
            needed,
            available: slot.len() as u64,
        };
        if slot.len() < BODY_AT {
            return Err(short(BODY_AT as u64));
        }
        let needed = BODY_AT as u64 + u64::from(u32_at(slot, 12)) + CRC_LEN as u64;
        let Some(bytes) = usize::try_from(needed)
            .ok()
            .and_then(|needed| slot.get(..needed))
        else {
            return Err(short(needed));
        };
        let (checked, crc) = bytes.split_at(bytes.len() - CRC_LEN);
        let (stored, computed) = (u32_at(crc, 0), crc32c(checked));
        if stored != computed {
            return Err(CheckpointError::Checksum { stored, computed });
        }
        let found = u32_at(slot, 8);
        if found != VERSION {
            return Err(CheckpointError::UnknownVersion {
                found,
                supported: VERSION,
            });
        }
        decode_body(checked.get(BODY_AT..).unwrap_or_default())
    }
}

fn decode_body(body: &[u8]) -> Result<Checkpoint, CheckpointError> {
    let Some((fixed, marks)) = body.split_first_chunk::<FIXED_LEN>() else {
        return Err(CheckpointError::Invalid {
            field: "body length",
            value: body.len() as u64,
        });
    };
    let clean = match fixed[12] {
        0 => false,
        1 => true,
        other => {
            return Err(CheckpointError::Invalid {
                field: "clean mark",
                value: u64::from(other),
            });
        }
    };
    let count = u32_at(fixed, 13);
    if marks.len() as u64 != u64::from(count) * MARK_LEN as u64 {
        return Err(CheckpointError::Invalid {
            field: "partition count",
            value: u64::from(count),
        });
    }
    let partitions = marks
        .chunks_exact(MARK_LEN)
        .map(|mark| PartitionMark {
            topic_id: array(mark, 0).unwrap_or_default(),
            partition: u32_at(mark, 16),
            log_start: u64_at(mark, 20),
            recovery_point: u64_at(mark, 28),
            recovery_segment: u64_at(mark, 36),
            recovery_position: u64_at(mark, 44),
        })
        .collect();
    Ok(Checkpoint {
        generation: u64_at(fixed, 0),
        incarnation: u32_at(fixed, 8),
        clean,
        partitions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn example() -> Checkpoint {
        let mark = PartitionMark {
            topic_id: *b"0123456789abcdef",
            partition: 2,
            log_start: 3,
            recovery_point: 4,
            recovery_segment: 5,
            recovery_position: 6,
        };
        Checkpoint {
            generation: 0x0102_0304_0506_0708,
            incarnation: 7,
            clean: true,
            partitions: vec![mark],
        }
    }

    #[test]
    fn fixed_bytes() {
        #[rustfmt::skip]
        let bytes = [
            b'T', b'I', b'D', b'E', b'C', b'K', b'P', b'T',
            0, 0, 0, 1,
            0, 0, 0, 69,
            1, 2, 3, 4, 5, 6, 7, 8,
            0, 0, 0, 7,
            1,
            0, 0, 0, 1,
            b'0', b'1', b'2', b'3', b'4', b'5', b'6', b'7', b'8', b'9', b'a', b'b', b'c', b'd', b'e', b'f',
            0, 0, 0, 2,
            0, 0, 0, 0, 0, 0, 0, 3,
            0, 0, 0, 0, 0, 0, 0, 4,
            0, 0, 0, 0, 0, 0, 0, 5,
            0, 0, 0, 0, 0, 0, 0, 6,
            0xcd, 0x88, 0xf6, 0x24,
        ];
        assert_eq!(example().encode(), bytes);
        assert_eq!(Checkpoint::decode(&bytes), Ok(example()));
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut bytes = example().encode();
        bytes[11] = 2;
        assert!(matches!(
            Checkpoint::decode(&bytes),
            Err(CheckpointError::Checksum { .. })
        ));
        let end = bytes.len() - 4;
        let crc = crc32c(&bytes[..end]);
        bytes[end..].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(
            Checkpoint::decode(&bytes),
            Err(CheckpointError::UnknownVersion {
                found: 2,
                supported: 1
            })
        );
    }

    #[test]
    fn a_whole_slot_that_makes_no_sense_is_refused() {
        for (at, value, field) in [
            (28, 2, "clean mark"),
            (32, 2, "partition count"),
            (32, 0, "partition count"),
        ] {
            let mut bytes = example().encode();
            bytes[at] = value;
            let end = bytes.len() - 4;
            let crc = crc32c(&bytes[..end]);
            bytes[end..].copy_from_slice(&crc.to_be_bytes());
            assert_eq!(
                Checkpoint::decode(&bytes),
                Err(CheckpointError::Invalid {
                    field,
                    value: u64::from(value)
                })
            );
        }
    }

    #[test]
    fn an_empty_slot_is_missing() {
        assert_eq!(Checkpoint::decode(&[]), Err(CheckpointError::Missing));
        assert_eq!(
            Checkpoint::decode(&[0; 4096]),
            Err(CheckpointError::Missing)
        );
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_found() {
        let bytes = example().encode();
        for len in 0..bytes.len() {
            assert!(Checkpoint::decode(&bytes[..len]).is_err(), "cut to {len}");
        }
        let slot: Vec<u8> = bytes.iter().copied().chain([0; 100]).collect();
        for bit in 0..bytes.len() * 8 {
            let mut bad = slot.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let error = Checkpoint::decode(&bad).unwrap_err();
            assert!(
                !matches!(error, CheckpointError::UnknownVersion { .. }),
                "bit {bit}"
            );
        }
    }

    fn mark() -> impl Strategy<Value = PartitionMark> {
        any::<([u8; 16], u32, u64, u64, u64, u64)>().prop_map(
            |(
                topic_id,
                partition,
                log_start,
                recovery_point,
                recovery_segment,
                recovery_position,
            )| PartitionMark {
                topic_id,
                partition,
                log_start,
                recovery_point,
                recovery_segment,
                recovery_position,
            },
        )
    }

    proptest! {
        #[test]
        fn round_trip(
            generation: u64,
            incarnation: u32,
            clean: bool,
            partitions in proptest::collection::vec(mark(), 0..20),
            tail: Vec<u8>,
        ) {
            let checkpoint = Checkpoint { generation, incarnation, clean, partitions };
            let mut slot = checkpoint.encode();
            slot.extend(tail);
            prop_assert_eq!(Checkpoint::decode(&slot), Ok(checkpoint));
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut slot = MAGIC.to_vec();
            slot.extend(bytes);
            prop_assert!(Checkpoint::decode(&slot).is_err());
        }

        #[test]
        fn any_body_under_a_right_checksum(version in 0u32..3, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut slot = MAGIC.to_vec();
            slot.extend(version.to_be_bytes());
            slot.extend((body.len() as u32).to_be_bytes());
            slot.extend(body);
            slot.extend(crc32c(&slot).to_be_bytes());
            let _ = Checkpoint::decode(&slot);
        }
    }
}
