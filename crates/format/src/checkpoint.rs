//! One slot of the store's `checkpoint` file: magic `TIDECKPT`, format version u32, body length u32, body,
//! CRC-32C of all before it. The checksum's place does not depend on the version, so that damage is not
//! taken for a newer version. Body of version 3: generation u64, incarnation u32, flags u8 (1 closed in order, 2 topics
//! without a setting of their own are journaled), journal frame u64, number u32 of the journal file and position u64 in it
//! behind that frame, count u32, and of each partition topic id (16 bytes), partition u32, log start u64, recovery point
//! u64 (an offset), base offset u64 of its segment, position u64 in it, flags u8 (1 journaled, 2 damaged). Behind them
//! count u32, and of each journal file that is durable its number u32 and length u64. Version 2 lacks these files. Version 1
//! had no journal: its body lacks the three fields of it, too, and the flags of partitions.

use crate::bytes::{array, u32_at, u64_at};
use crate::crc::crc32c;

const MAGIC: &[u8; 8] = b"TIDECKPT";
const BODY_AT: usize = 16;
const FIXED_LEN: usize = 37;
const MARK_LEN: usize = 53;
const FIXED_LEN_1: usize = 17;
const MARK_LEN_1: usize = 52;
const CLEAN: u8 = 1;
const JOURNALED: u8 = 2;
const MARK_JOURNALED: u8 = 1;
const MARK_DAMAGED: u8 = 2;
const JOURNAL_FILE_LEN: usize = 12;
const CRC_LEN: usize = 4;
/// The version that is written, and the newest that is read.
pub const VERSION: u32 = 3;

/// What a slot holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// The slot with the larger one is the newer.
    pub generation: u64,
    /// Counts the lives of the store.
    pub incarnation: u32,
    /// Whether the store was closed in order.
    pub clean: bool,
    /// Whether topics without a durability of their own went through the journal.
    pub journaled: bool,
    /// The last frame of the journal that the recovery points cover.
    pub frame: u64,
    /// The journal file that this frame is in.
    pub journal_file: u32,
    /// Where the frame ends in it, and the next one begins if it is in the same file.
    pub journal_position: u64,
    /// The journal's files that are durable. Where there are any, the frame that is named stays in the journal until the
    /// next one is durable.
    pub journal_files: Vec<JournalFileMark>,
    /// Of each partition, where recovery may begin.
    pub partitions: Vec<PartitionMark>,
}

/// One file of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JournalFileMark {
    /// Its number.
    pub number: u32,
    /// Its length in bytes: it only grows.
    pub len: u64,
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
    /// Whether its records went through the journal, whose frames then tell exactly where it ends.
    pub journaled: bool,
    /// Whether it was found damaged below its recovery point: all of it is to be checked.
    pub damaged: bool,
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
        let body_len = FIXED_LEN
            + self.partitions.len() * MARK_LEN
            + 4
            + self.journal_files.len() * JOURNAL_FILE_LEN;
        let mut bytes = Vec::with_capacity(BODY_AT + body_len + CRC_LEN);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&(body_len as u32).to_be_bytes());
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(&self.incarnation.to_be_bytes());
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        bytes.push(flag(self.clean, CLEAN) | flag(self.journaled, JOURNALED));
        bytes.extend_from_slice(&self.frame.to_be_bytes());
        bytes.extend_from_slice(&self.journal_file.to_be_bytes());
        bytes.extend_from_slice(&self.journal_position.to_be_bytes());
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
            bytes.push(flag(mark.journaled, MARK_JOURNALED) | flag(mark.damaged, MARK_DAMAGED));
        }
        bytes.extend_from_slice(&(self.journal_files.len() as u32).to_be_bytes());
        for file in &self.journal_files {
            bytes.extend_from_slice(&file.number.to_be_bytes());
            bytes.extend_from_slice(&file.len.to_be_bytes());
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
        let body = checked.get(BODY_AT..).unwrap_or_default();
        match found {
            1 => decode_body::<FIXED_LEN_1, MARK_LEN_1>(body, false),
            2 => decode_body::<FIXED_LEN, MARK_LEN>(body, false),
            VERSION => decode_body::<FIXED_LEN, MARK_LEN>(body, true),
            found => Err(CheckpointError::UnknownVersion {
                found,
                supported: VERSION,
            }),
        }
    }
}

/// The fields that version 1 does not have are read as zero from behind the end of what it has.
fn decode_body<const FIXED: usize, const MARK: usize>(
    body: &[u8],
    names_files: bool,
) -> Result<Checkpoint, CheckpointError> {
    let Some((fixed, rest)) = body.split_first_chunk::<FIXED>() else {
        return Err(CheckpointError::Invalid {
            field: "body length",
            value: body.len() as u64,
        });
    };
    let flags = fixed.get(12).copied().unwrap_or_default();
    let known = if FIXED == FIXED_LEN_1 {
        CLEAN
    } else {
        CLEAN | JOURNALED
    };
    if flags & !known != 0 {
        return Err(CheckpointError::Invalid {
            field: "flags",
            value: u64::from(flags),
        });
    }
    // The count comes last, whatever the version.
    let count = u32_at(fixed, FIXED - 4);
    let marks_len = u64::from(count) * MARK as u64;
    let marks = usize::try_from(marks_len)
        .ok()
        .and_then(|len| rest.split_at_checked(len))
        .filter(|(_, behind)| names_files || behind.is_empty());
    let Some((marks, behind)) = marks else {
        return Err(CheckpointError::Invalid {
            field: "partition count",
            value: u64::from(count),
        });
    };
    let journal_files = match names_files {
        true => decode_files(behind)?,
        false => Vec::new(),
    };
    let partitions = marks
        .chunks_exact(MARK)
        .map(|mark| (mark, mark.get(MARK_LEN_1).copied().unwrap_or_default()))
        .map(|(mark, flags)| PartitionMark {
            topic_id: array(mark, 0).unwrap_or_default(),
            partition: u32_at(mark, 16),
            log_start: u64_at(mark, 20),
            recovery_point: u64_at(mark, 28),
            recovery_segment: u64_at(mark, 36),
            recovery_position: u64_at(mark, 44),
            journaled: flags & MARK_JOURNALED != 0,
            damaged: flags & MARK_DAMAGED != 0,
        })
        .collect();
    let has_journal = FIXED == FIXED_LEN;
    let generation = u64_at(fixed, 0);
    let frame = if has_journal { u64_at(fixed, 13) } else { 0 };
    // Both are counted on from.
    for (field, value) in [("generation", generation), ("journal frame", frame)] {
        if value > i64::MAX as u64 {
            return Err(CheckpointError::Invalid { field, value });
        }
    }
    Ok(Checkpoint {
        generation,
        incarnation: u32_at(fixed, 8),
        clean: flags & CLEAN != 0,
        journaled: flags & JOURNALED != 0,
        frame,
        journal_file: if has_journal { u32_at(fixed, 21) } else { 0 },
        journal_position: if has_journal { u64_at(fixed, 25) } else { 0 },
        journal_files,
        partitions,
    })
}

fn decode_files(bytes: &[u8]) -> Result<Vec<JournalFileMark>, CheckpointError> {
    let invalid = |value| CheckpointError::Invalid {
        field: "count of journal files",
        value,
    };
    let Some((count, files)) = bytes.split_first_chunk::<4>() else {
        return Err(invalid(bytes.len() as u64));
    };
    let count = u64::from(u32_at(count, 0));
    if files.len() as u64 != count * JOURNAL_FILE_LEN as u64 {
        return Err(invalid(count));
    }
    let file = |bytes: &[u8]| JournalFileMark {
        number: u32_at(bytes, 0),
        len: u64_at(bytes, 4),
    };
    Ok(files.chunks_exact(JOURNAL_FILE_LEN).map(file).collect())
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
            journaled: true,
            damaged: false,
        };
        Checkpoint {
            generation: 0x0102_0304_0506_0708,
            incarnation: 7,
            clean: true,
            journaled: true,
            frame: 8,
            journal_file: 9,
            journal_position: 10,
            journal_files: vec![JournalFileMark { number: 9, len: 11 }],
            partitions: vec![mark],
        }
    }

    #[test]
    fn fixed_bytes() {
        #[rustfmt::skip]
        let bytes = [
            b'T', b'I', b'D', b'E', b'C', b'K', b'P', b'T',
            0, 0, 0, 3,
            0, 0, 0, 106,
            1, 2, 3, 4, 5, 6, 7, 8,
            0, 0, 0, 7,
            3,
            0, 0, 0, 0, 0, 0, 0, 8,
            0, 0, 0, 9,
            0, 0, 0, 0, 0, 0, 0, 10,
            0, 0, 0, 1,
            b'0', b'1', b'2', b'3', b'4', b'5', b'6', b'7', b'8', b'9', b'a', b'b', b'c', b'd', b'e', b'f',
            0, 0, 0, 2,
            0, 0, 0, 0, 0, 0, 0, 3,
            0, 0, 0, 0, 0, 0, 0, 4,
            0, 0, 0, 0, 0, 0, 0, 5,
            0, 0, 0, 0, 0, 0, 0, 6,
            1,
            0, 0, 0, 1,
            0, 0, 0, 9,
            0, 0, 0, 0, 0, 0, 0, 11,
            0xcf, 0x15, 0xfe, 0xb1,
        ];
        assert_eq!(example().encode(), bytes);
        assert_eq!(Checkpoint::decode(&bytes), Ok(example()));
    }

    #[test]
    fn a_slot_of_version_2_is_still_read() {
        #[rustfmt::skip]
        let bytes = [
            b'T', b'I', b'D', b'E', b'C', b'K', b'P', b'T',
            0, 0, 0, 2,
            0, 0, 0, 90,
            1, 2, 3, 4, 5, 6, 7, 8,
            0, 0, 0, 7,
            3,
            0, 0, 0, 0, 0, 0, 0, 8,
            0, 0, 0, 9,
            0, 0, 0, 0, 0, 0, 0, 10,
            0, 0, 0, 1,
            b'0', b'1', b'2', b'3', b'4', b'5', b'6', b'7', b'8', b'9', b'a', b'b', b'c', b'd', b'e', b'f',
            0, 0, 0, 2,
            0, 0, 0, 0, 0, 0, 0, 3,
            0, 0, 0, 0, 0, 0, 0, 4,
            0, 0, 0, 0, 0, 0, 0, 5,
            0, 0, 0, 0, 0, 0, 0, 6,
            1,
            0xde, 0x8b, 0x4c, 0x1d,
        ];
        let mut expected = example();
        expected.journal_files = Vec::new();
        assert_eq!(Checkpoint::decode(&bytes), Ok(expected));
    }

    #[test]
    fn a_slot_of_version_1_is_still_read() {
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
        let mut expected = example();
        (expected.journaled, expected.frame) = (false, 0);
        (expected.journal_file, expected.journal_position) = (0, 0);
        expected.journal_files = Vec::new();
        expected.partitions[0].journaled = false;
        assert_eq!(Checkpoint::decode(&bytes), Ok(expected));
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut bytes = example().encode();
        bytes[11] = 4;
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
                found: 4,
                supported: 3
            })
        );
    }

    #[test]
    fn a_whole_slot_that_makes_no_sense_is_refused() {
        for (at, value, field) in [
            (28, 4, "flags"),
            (52, 3, "partition count"),
            (109, 2, "count of journal files"),
            (109, 0, "count of journal files"),
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
        any::<([u8; 16], u32, u64, u64, u64, u64, bool, bool)>().prop_map(
            |(
                topic_id,
                partition,
                log_start,
                recovery_point,
                recovery_segment,
                recovery_position,
                journaled,
                damaged,
            )| PartitionMark {
                topic_id,
                partition,
                log_start,
                recovery_point,
                recovery_segment,
                recovery_position,
                journaled,
                damaged,
            },
        )
    }

    proptest! {
        #[test]
        fn round_trip(
            generation in 0..=i64::MAX as u64,
            incarnation: u32,
            clean: bool,
            journaled: bool,
            journal in (0..=i64::MAX as u64, any::<u32>(), any::<u64>()),
            files in proptest::collection::vec(any::<(u32, u64)>(), 0..5),
            partitions in proptest::collection::vec(mark(), 0..20),
            tail: Vec<u8>,
        ) {
            let (frame, journal_file, journal_position) = journal;
            let journal_files = files.into_iter().map(|(number, len)| JournalFileMark { number, len }).collect();
            let checkpoint = Checkpoint {
                generation, incarnation, clean, journaled, frame, journal_file, journal_position, journal_files, partitions,
            };
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
        fn any_body_under_a_right_checksum(version in 0u32..5, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut slot = MAGIC.to_vec();
            slot.extend(version.to_be_bytes());
            slot.extend((body.len() as u32).to_be_bytes());
            slot.extend(body);
            slot.extend(crc32c(&slot).to_be_bytes());
            let _ = Checkpoint::decode(&slot);
        }
    }
}
