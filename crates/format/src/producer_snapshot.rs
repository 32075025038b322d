//! The file `<offset>.snapshot` of a partition: what is known of each producer before that offset. It begins
//! as Kafka's own, version 1, whose readers do not look behind the entries and check the CRC to the file's end:
//! version i16, CRC-32C u32 of all behind it, count of entries i32, and of each: producer id i64, epoch i16, last
//! sequence i32, last offset i64 (-1: none), its delta from the batch's first i32, last timestamp i64, coordinator
//! epoch i32 (-1), first offset of the open transaction i64 (-1). Tidelog's trailer follows: magic `TIDEPRDS`,
//! version u16, incarnation u32, forgotten i64, and of each entry: flags u8 (1: kept), count u8, and so many batches,
//! oldest first: first sequence i32, last sequence i32, base offset i64, timestamp i64.

use crate::bytes::put;
use crate::crc::crc32c;
use crate::error::FormatError;
use crate::fields::{Fields, in_range};
use crate::sequence;

const WHAT: &str = "a producer snapshot";
const VERSION: i16 = 1;
const CRC_AT: usize = 2;
const ENTRIES_AT: usize = 6;
const ENTRY_LEN: usize = 46;
const MAGIC: &[u8; 8] = b"TIDEPRDS";
const TRAILER_VERSION: u16 = 1;
const KEPT: u8 = 1;
const BATCH_LEN: usize = 24;

/// Most batches in a producer's window; when it has more, the oldest are left out.
pub const MAX_WINDOW: usize = u8::MAX as usize;

/// A batch that a producer has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequencedBatch {
    /// Sequence number of its first record.
    pub first_sequence: i32,
    /// Sequence number of its last record.
    pub last_sequence: i32,
    /// Offset of its first record.
    pub base_offset: u64,
    /// When it was appended, in milliseconds, where the topic's records bear that time; else -1.
    pub timestamp: i64,
}

/// What is known of a producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerEntry {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// Sequence number of its last record; -1: it has written none in this epoch.
    pub last_sequence: i32,
    /// Timestamp of its last batch in milliseconds, from which its state expires.
    pub last_timestamp: i64,
    /// Whether it has a name: its state never expires.
    pub kept: bool,
    /// Its last batches, oldest first: none to [`MAX_WINDOW`].
    pub window: Vec<SequencedBatch>,
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerSnapshot {
    /// Which life of the store wrote this; 0 if it was not Tidelog.
    pub incarnation: u32,
    /// The largest producer id whose state was dropped; -1: none.
    pub forgotten: i64,
    /// The producers.
    pub producers: Vec<ProducerEntry>,
}

impl ProducerSnapshot {
    /// The whole file.
    pub fn encode(&self) -> Vec<u8> {
        let window = |entry: &ProducerEntry| entry.window.len().min(MAX_WINDOW);
        let batches: usize = self.producers.iter().map(window).sum();
        let mut bytes = Vec::with_capacity(
            ENTRIES_AT + 26 + self.producers.len() * (ENTRY_LEN + 2) + batches * BATCH_LEN,
        );
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&(self.producers.len() as u32).to_be_bytes());
        for entry in &self.producers {
            let (last_offset, delta) = entry.newest();
            bytes.extend_from_slice(&entry.producer_id.to_be_bytes());
            bytes.extend_from_slice(&entry.epoch.to_be_bytes());
            bytes.extend_from_slice(&entry.last_sequence.to_be_bytes());
            bytes.extend_from_slice(&last_offset.to_be_bytes());
            bytes.extend_from_slice(&delta.to_be_bytes());
            bytes.extend_from_slice(&entry.last_timestamp.to_be_bytes());
            bytes.extend_from_slice(&(-1i32).to_be_bytes());
            bytes.extend_from_slice(&(-1i64).to_be_bytes());
        }
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&TRAILER_VERSION.to_be_bytes());
        bytes.extend_from_slice(&self.incarnation.to_be_bytes());
        bytes.extend_from_slice(&self.forgotten.to_be_bytes());
        for entry in &self.producers {
            let left_out = entry.window.len() - window(entry);
            bytes.push(if entry.kept { KEPT } else { 0 });
            bytes.push(window(entry) as u8);
            for batch in entry.window.iter().skip(left_out) {
                bytes.extend_from_slice(&batch.first_sequence.to_be_bytes());
                bytes.extend_from_slice(&batch.last_sequence.to_be_bytes());
                bytes.extend_from_slice(&batch.base_offset.to_be_bytes());
                bytes.extend_from_slice(&batch.timestamp.to_be_bytes());
            }
        }
        let crc = crc32c(bytes.get(ENTRIES_AT..).unwrap_or_default());
        put(&mut bytes, CRC_AT, crc.to_be_bytes());
        bytes
    }

    /// Reads the file. One without the trailer is Kafka's: each window is then the one batch that the file
    /// tells of, without a timestamp, as it does not say which kind it is.
    ///
    /// # Errors
    /// [`FormatError::TooShort`], [`FormatError::OutOfRange`], [`FormatError::Checksum`], [`FormatError::Magic`],
    /// [`FormatError::Leftover`].
    pub fn decode(bytes: &[u8]) -> Result<ProducerSnapshot, FormatError> {
        let mut fields = Fields::new(WHAT, bytes);
        let version = i64::from(fields.i16()?);
        let only = i64::from(VERSION);
        in_range("producer snapshot version", version, only, only)?;
        let stored = fields.u32()?;
        let computed = crc32c(fields.rest());
        if stored != computed {
            return Err(FormatError::Checksum {
                what: WHAT,
                stored,
                computed,
            });
        }
        let count = fields.index("producer count")? as usize;
        let mut entries = Fields::new(WHAT, fields.take(count.saturating_mul(ENTRY_LEN))?);
        let mut snapshot = ProducerSnapshot {
            incarnation: 0,
            forgotten: -1,
            producers: Vec::with_capacity(count),
        };
        for _ in 0..count {
            snapshot.producers.push(entry(&mut entries)?);
        }
        if !fields.rest().is_empty() {
            snapshot.read_trailer(&mut fields)?;
        }
        fields.end()?;
        Ok(snapshot)
    }

    fn read_trailer(&mut self, fields: &mut Fields<'_>) -> Result<(), FormatError> {
        if fields.take(MAGIC.len())? != MAGIC {
            return Err(FormatError::Magic {
                what: "a producer snapshot's trailer",
            });
        }
        let version = i64::from(fields.u16()?);
        let only = i64::from(TRAILER_VERSION);
        in_range("producer snapshot trailer version", version, only, only)?;
        self.incarnation = fields.u32()?;
        self.forgotten = in_range("forgotten producer id", fields.i64()?, -1, i64::MAX)?;
        for entry in &mut self.producers {
            let flags = fields.u8()?;
            in_range("producer flags", i64::from(flags), 0, i64::from(KEPT))?;
            entry.kept = flags & KEPT != 0;
            let count = usize::from(fields.u8()?);
            let mut batches = Fields::new(WHAT, fields.take(count * BATCH_LEN)?);
            entry.window = Vec::with_capacity(count);
            for _ in 0..count {
                entry.window.push(SequencedBatch {
                    first_sequence: batches.index("first sequence")? as i32,
                    last_sequence: batches.index("last sequence")? as i32,
                    base_offset: batches.offset("base offset")?,
                    timestamp: batches.i64()?,
                });
            }
        }
        Ok(())
    }
}

impl ProducerEntry {
    /// The last offset of the newest batch, and how far that is from its first; -1 and 0 where there is none.
    fn newest(&self) -> (i64, i32) {
        let newest = self.window.last().and_then(|batch| {
            let delta = sequence::distance(batch.first_sequence, batch.last_sequence);
            let base = i64::try_from(batch.base_offset).ok()?;
            Some((base.checked_add(delta)?, delta as i32))
        });
        newest.unwrap_or((-1, 0))
    }
}

/// An entry as Kafka has it.
fn entry(fields: &mut Fields<'_>) -> Result<ProducerEntry, FormatError> {
    let producer_id = in_range("producer id", fields.i64()?, 0, i64::MAX)?;
    let epoch = fields.i16()?;
    in_range("producer epoch", i64::from(epoch), -1, i64::from(i16::MAX))?;
    let last_sequence = fields.i32()?;
    let value = i64::from(last_sequence);
    in_range("last sequence", value, -1, i64::from(i32::MAX))?;
    let last_offset = fields.i64()?;
    let delta = i64::from(fields.i32()?);
    let last_timestamp = fields.i64()?;
    // The coordinator's epoch and the open transaction: what they are for, the log's markers tell.
    fields.take(12)?;
    let mut window = Vec::new();
    if last_offset >= 0 && last_sequence >= 0 {
        let delta = in_range("offset delta", delta, 0, last_offset)?;
        let before = sequence::distance(delta as i32, last_sequence);
        window.push(SequencedBatch {
            first_sequence: before as i32,
            last_sequence,
            base_offset: (last_offset - delta) as u64,
            timestamp: -1,
        });
    }
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

    fn example() -> ProducerSnapshot {
        let batch = |first_sequence, last_sequence, base_offset| SequencedBatch {
            first_sequence,
            last_sequence,
            base_offset,
            timestamp: 6,
        };
        ProducerSnapshot {
            incarnation: 7,
            forgotten: 8,
            producers: vec![
                ProducerEntry {
                    producer_id: 0x0000_0003_0000_0001,
                    epoch: 2,
                    last_sequence: 1,
                    last_timestamp: 5,
                    kept: true,
                    window: vec![batch(9, 9, 16), batch(i32::MAX, 1, 32)],
                },
                ProducerEntry {
                    producer_id: 4,
                    epoch: 0,
                    last_sequence: -1,
                    last_timestamp: -1,
                    kept: false,
                    window: vec![],
                },
            ],
        }
    }

    #[rustfmt::skip]
    const BYTES: [u8; 176] = [
        0, 1,
        0x52, 0xf2, 0xed, 0x3b,
        0, 0, 0, 2,

        0, 0, 0, 3, 0, 0, 0, 1,
        0, 2,
        0, 0, 0, 1,
        0, 0, 0, 0, 0, 0, 0, 34,
        0, 0, 0, 2,
        0, 0, 0, 0, 0, 0, 0, 5,
        255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255,

        0, 0, 0, 0, 0, 0, 0, 4,
        0, 0,
        255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255,
        0, 0, 0, 0,
        255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255,

        b'T', b'I', b'D', b'E', b'P', b'R', b'D', b'S',
        0, 1,
        0, 0, 0, 7,
        0, 0, 0, 0, 0, 0, 0, 8,

        1, 2,
        0, 0, 0, 9,
        0, 0, 0, 9,
        0, 0, 0, 0, 0, 0, 0, 16,
        0, 0, 0, 0, 0, 0, 0, 6,
        127, 255, 255, 255,
        0, 0, 0, 1,
        0, 0, 0, 0, 0, 0, 0, 32,
        0, 0, 0, 0, 0, 0, 0, 6,

        0, 0,
    ];
    const TRAILER_AT: usize = ENTRIES_AT + 4 + 2 * ENTRY_LEN;

    fn sealed(bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let crc = crc32c(&bytes[ENTRIES_AT..]);
        put(&mut bytes, CRC_AT, crc.to_be_bytes());
        bytes
    }

    #[test]
    fn fixed_bytes() {
        assert_eq!(example().encode(), BYTES);
        assert_eq!(ProducerSnapshot::decode(&BYTES), Ok(example()));
    }

    #[test]
    fn a_file_of_kafka_has_windows_of_one_batch() {
        let mut expected = example();
        (expected.incarnation, expected.forgotten) = (0, -1);
        let entry = &mut expected.producers[0];
        entry.kept = false;
        entry.window.remove(0);
        entry.window[0].timestamp = -1;
        let bytes = sealed(&BYTES[..TRAILER_AT]);
        assert_eq!(ProducerSnapshot::decode(&bytes), Ok(expected));
        let none = [0, 1, 0x48, 0x67, 0x4b, 0xc7, 0, 0, 0, 0];
        let decoded = ProducerSnapshot::decode(&none).unwrap();
        assert_eq!(decoded.producers, []);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (at, byte, field) in [
            (1, 2, "producer snapshot version"),
            (6, 0x80, "producer count"),
            (10, 0x80, "producer id"),
            (18, 0x80, "producer epoch"),
            (20, 0x80, "last sequence"),
            (TRAILER_AT + 9, 2, "producer snapshot trailer version"),
            (TRAILER_AT + 14, 0x80, "forgotten producer id"),
            (TRAILER_AT + 22, 2, "producer flags"),
            (TRAILER_AT + 24, 0x80, "first sequence"),
            (TRAILER_AT + 28, 0x80, "last sequence"),
            (TRAILER_AT + 32, 0x80, "base offset"),
        ] {
            let mut bad = BYTES;
            bad[at] = byte;
            assert!(
                matches!(
                    ProducerSnapshot::decode(&sealed(&bad)),
                    Err(FormatError::OutOfRange { field: found, .. }) if found == field
                ),
                "{field}"
            );
        }
        let mut bad = BYTES;
        bad[9] = 3;
        assert!(ProducerSnapshot::decode(&sealed(&bad)).is_err());
        // A count that no file has room for.
        bad[6..10].copy_from_slice(&[127, 255, 255, 255]);
        assert!(matches!(
            ProducerSnapshot::decode(&sealed(&bad)),
            Err(FormatError::TooShort { .. })
        ));
        for delta in [[0xff; 4], [0, 0, 0, 35]] {
            let mut bad = BYTES;
            bad[32..36].copy_from_slice(&delta);
            assert!(matches!(
                ProducerSnapshot::decode(&sealed(&bad[..TRAILER_AT])),
                Err(FormatError::OutOfRange {
                    field: "offset delta",
                    ..
                })
            ));
        }
        let mut bad = BYTES;
        bad[TRAILER_AT] = b't';
        assert!(matches!(
            ProducerSnapshot::decode(&sealed(&bad)),
            Err(FormatError::Magic { .. })
        ));
        let longer = sealed(&[&BYTES[..], &[0]].concat());
        assert!(matches!(
            ProducerSnapshot::decode(&longer),
            Err(FormatError::Leftover { extra: 1, .. })
        ));
    }

    #[test]
    fn a_window_that_is_too_long_loses_its_oldest() {
        let mut long = example();
        let window = &mut long.producers[0].window;
        *window = (0..300)
            .map(|n| SequencedBatch {
                first_sequence: n,
                last_sequence: n,
                base_offset: n as u64,
                timestamp: -1,
            })
            .collect();
        let decoded = ProducerSnapshot::decode(&long.encode()).unwrap();
        assert_eq!(decoded.producers[0].window, long.producers[0].window[45..]);
    }

    #[test]
    fn an_offset_that_kafka_can_not_hold_does_not_panic() {
        let mut bad = example();
        for base_offset in [u64::MAX, i64::MAX as u64] {
            bad.producers[0].window[1].base_offset = base_offset;
            assert_eq!(bad.producers[0].newest(), (-1, 0));
            let _ = ProducerSnapshot::decode(&bad.encode());
        }
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_found() {
        for len in 0..BYTES.len() {
            assert!(
                ProducerSnapshot::decode(&BYTES[..len]).is_err(),
                "cut to {len}"
            );
        }
        for bit in 0..BYTES.len() * 8 {
            let mut bad = BYTES;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(ProducerSnapshot::decode(&bad).is_err(), "bit {bit}");
        }
    }

    fn batch() -> impl Strategy<Value = SequencedBatch> {
        (
            0..=i32::MAX,
            0..=i32::MAX,
            0..=i64::MAX as u64,
            any::<i64>(),
        )
            .prop_map(|(first_sequence, last_sequence, base_offset, timestamp)| {
                SequencedBatch {
                    first_sequence,
                    last_sequence,
                    base_offset,
                    timestamp,
                }
            })
    }

    fn producer() -> impl Strategy<Value = ProducerEntry> {
        let window = proptest::collection::vec(batch(), 0..7);
        let numbers = (0..=i64::MAX, -1..=i16::MAX, -1..=i32::MAX);
        (numbers, any::<i64>(), any::<bool>(), window).prop_map(
            |((producer_id, epoch, last_sequence), last_timestamp, kept, window)| ProducerEntry {
                producer_id,
                epoch,
                last_sequence,
                last_timestamp,
                kept,
                window,
            },
        )
    }

    proptest! {
        #[test]
        fn round_trip(
            incarnation: u32,
            forgotten in -1..=i64::MAX,
            producers in proptest::collection::vec(producer(), 0..20),
        ) {
            let snapshot = ProducerSnapshot { incarnation, forgotten, producers };
            prop_assert_eq!(ProducerSnapshot::decode(&snapshot.encode()), Ok(snapshot));
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = ProducerSnapshot::decode(&bytes);
            let whole = [&[0, 1], bytes.as_slice()].concat();
            prop_assert!(ProducerSnapshot::decode(&whole).is_err());
        }

        #[test]
        fn any_entries_under_a_right_checksum(
            count in 0u8..4,
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            entries in proptest::collection::vec(0u8..3, 138),
        ) {
            let start = [0, 1, 0, 0, 0, 0, 0, 0, 0, count];
            let entries = &entries[..usize::from(count) * ENTRY_LEN];
            let trailer = [&MAGIC[..], &[0, 1], &bytes].concat();
            for bytes in [[&start[..], &bytes].concat(), [&start[..], entries, &trailer].concat()] {
                if let Ok(snapshot) = ProducerSnapshot::decode(&sealed(&bytes)) {
                    prop_assert_eq!(ProducerSnapshot::decode(&snapshot.encode()), Ok(snapshot));
                }
            }
        }
    }
}
