//! Frames of the journal, Tidelog's own: what one sync makes durable, for any number of partitions. A frame begins
//! on a page of 4096 bytes and is padded with zeros to a whole number of them, so that a write touches no page of
//! the frame before it. Header of 32 bytes: magic `TJRN`, CRC-32C of all behind it, frame length u32 (with the
//! header, without the padding), format version u32, incarnation u32, sequence number u64, number of entries u32.
//! Entries follow, each with its kind u8, the length u32 of what follows, topic id (16 bytes) and partition u32. A
//! *batch* (kind 1) goes on with the base offset u64 of its segment, the position u64 in it, and the record batch. An
//! *extent* (2), whose bytes are in the segment only, has the header of its batch (61 bytes) in the batch's place. A
//! *release* (3) ends there: from here on the partition's records go round the journal.

use crate::batch::HEADER_LEN as BATCH_HEADER_LEN;
use crate::bytes::{array, put, u32_at, u64_at};
use crate::crc::crc32c;
use crate::error::FormatError;

/// Frames begin at multiples of this and fill whole pages.
pub const PAGE: usize = 4096;
/// Bytes before the first entry.
pub const HEADER_LEN: usize = 32;
/// The version that is written, and the newest that is read.
pub const VERSION: u32 = 1;

const MAGIC: &[u8; 4] = b"TJRN";
const CHECKED_FROM: usize = 8;
const ENTRY_HEAD: usize = 5;
const PARTITION_LEN: usize = 20;
const PLACE_LEN: usize = PARTITION_LEN + 16;
const BATCH: u8 = 1;
const EXTENT: u8 = 2;
const RELEASE: u8 = 3;
const WHAT: &str = "a journal frame";

/// Bytes of an entry beside the batch that it holds.
pub const ENTRY_OVERHEAD: usize = ENTRY_HEAD + PLACE_LEN;
/// Bytes of the entry of an extent.
pub const EXTENT_ENTRY_LEN: usize = ENTRY_OVERHEAD + BATCH_HEADER_LEN;
/// Bytes of the entry of a release.
pub const RELEASE_ENTRY_LEN: usize = ENTRY_HEAD + PARTITION_LEN;

/// The whole pages that a frame of this length fills.
pub fn padded(len: usize) -> usize {
    len.next_multiple_of(PAGE)
}

/// A partition, whatever the name of its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct PartitionId {
    /// Its topic.
    pub topic_id: [u8; 16],
    /// Its number.
    pub partition: u32,
}

/// Where a batch lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The partition.
    pub partition: PartitionId,
    /// Base offset of the segment.
    pub segment: u64,
    /// The batch's position in it, in bytes.
    pub position: u64,
}

/// What a frame says of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A record batch, whole.
    Batch {
        /// Its place.
        place: Place,
        /// Its bytes.
        batch: &'a [u8],
    },
    /// A record batch that is in its segment only.
    Extent {
        /// Its place.
        place: Place,
        /// The first bytes of the batch, which hold its offset, its length and its checksum.
        header: &'a [u8; BATCH_HEADER_LEN],
    },
    /// From here on the partition's records are not in the journal.
    Release {
        /// The partition.
        partition: PartitionId,
    },
}

/// Puts entries together to a frame.
#[derive(Debug, Default)]
pub struct FrameBuilder {
    bytes: Vec<u8>,
    count: u32,
}

impl FrameBuilder {
    /// A frame that is put together in this memory.
    pub fn with_buffer(mut bytes: Vec<u8>) -> FrameBuilder {
        bytes.clear();
        FrameBuilder { bytes, count: 0 }
    }

    /// Bytes of the frame so far, without padding.
    pub fn len(&self) -> usize {
        self.bytes.len().max(HEADER_LEN)
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Enters a batch.
    pub fn push_batch(&mut self, place: &Place, batch: &[u8]) {
        self.head(BATCH, PLACE_LEN + batch.len(), &place.partition);
        self.place(place);
        self.bytes.extend_from_slice(batch);
    }

    /// Enters a batch that is in its segment only.
    pub fn push_extent(&mut self, place: &Place, header: &[u8; BATCH_HEADER_LEN]) {
        self.head(EXTENT, PLACE_LEN + BATCH_HEADER_LEN, &place.partition);
        self.place(place);
        self.bytes.extend_from_slice(header);
    }

    /// Enters that a partition goes round the journal from here on.
    pub fn push_release(&mut self, partition: &PartitionId) {
        self.head(RELEASE, PARTITION_LEN, partition);
    }

    fn head(&mut self, kind: u8, len: usize, partition: &PartitionId) {
        if self.bytes.is_empty() {
            self.bytes.resize(HEADER_LEN, 0);
        }
        self.count += 1;
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&(len as u32).to_be_bytes());
        self.bytes.extend_from_slice(&partition.topic_id);
        self.bytes
            .extend_from_slice(&partition.partition.to_be_bytes());
    }

    fn place(&mut self, place: &Place) {
        self.bytes.extend_from_slice(&place.segment.to_be_bytes());
        self.bytes.extend_from_slice(&place.position.to_be_bytes());
    }

    /// The frame, padded to whole pages.
    pub fn finish(self, sequence: u64, incarnation: u32) -> Vec<u8> {
        let mut bytes = self.bytes;
        bytes.resize(bytes.len().max(HEADER_LEN), 0);
        let len = bytes.len() as u32;
        put(&mut bytes, 0, *MAGIC);
        put(&mut bytes, 8, len.to_be_bytes());
        put(&mut bytes, 12, VERSION.to_be_bytes());
        put(&mut bytes, 16, incarnation.to_be_bytes());
        put(&mut bytes, 20, sequence.to_be_bytes());
        put(&mut bytes, 28, self.count.to_be_bytes());
        let crc = crc32c(bytes.get(CHECKED_FROM..).unwrap_or_default());
        put(&mut bytes, 4, crc.to_be_bytes());
        bytes.resize(padded(bytes.len()), 0);
        bytes
    }
}

/// What the first bytes of a page say of the frame that may begin there. Not checked: the checksum covers the whole
/// frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes of the frame, without padding.
    pub len: u32,
    /// Which life of the store wrote it.
    pub incarnation: u32,
    /// Its number; frames count on from one to the next.
    pub sequence: u64,
    /// How many entries it has; none in the one that begins a life.
    pub entries: u32,
}

impl FrameHeader {
    /// Reads the header; `None` where no frame begins.
    pub fn parse(bytes: &[u8]) -> Option<FrameHeader> {
        if !bytes.starts_with(MAGIC) || bytes.len() < HEADER_LEN {
            return None;
        }
        let len = u32_at(bytes, 8);
        (len as usize >= HEADER_LEN).then(|| FrameHeader {
            len,
            incarnation: u32_at(bytes, 16),
            sequence: u64_at(bytes, 20),
            entries: u32_at(bytes, 28),
        })
    }
}

/// A frame whose checksum holds.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Checks the frame that the bytes begin with.
    ///
    /// # Errors
    /// [`FormatError::Magic`], [`FormatError::TooShort`], [`FormatError::Checksum`], and [`FormatError::OutOfRange`]
    /// for a version that is not known here.
    pub fn check(bytes: &'a [u8]) -> Result<Frame<'a>, FormatError> {
        let header = FrameHeader::parse(bytes).ok_or(FormatError::Magic { what: WHAT })?;
        let Some(frame) = bytes.get(..header.len as usize) else {
            return Err(FormatError::TooShort {
                what: WHAT,
                needed: header.len as usize,
                available: bytes.len(),
            });
        };
        let stored = u32_at(frame, 4);
        let computed = crc32c(frame.get(CHECKED_FROM..).unwrap_or_default());
        if stored != computed {
            return Err(FormatError::Checksum {
                what: WHAT,
                stored,
                computed,
            });
        }
        let version = u32_at(frame, 12);
        if version != VERSION {
            return Err(not_one_of("the journal's version", version, VERSION));
        }
        Ok(Frame { bytes: frame })
    }

    /// Its number.
    pub fn sequence(&self) -> u64 {
        u64_at(self.bytes, 20)
    }

    /// Which life of the store wrote it.
    pub fn incarnation(&self) -> u32 {
        u32_at(self.bytes, 16)
    }

    /// Its entries in order.
    pub fn entries(&self) -> Entries<'a> {
        Entries {
            rest: self.bytes.get(HEADER_LEN..).unwrap_or_default(),
            left: u32_at(self.bytes, 28),
        }
    }
}

fn not_one_of(field: &'static str, value: u32, max: u32) -> FormatError {
    FormatError::OutOfRange {
        field,
        value: i64::from(value),
        min: 1,
        max: i64::from(max),
    }
}

/// The entries of a frame.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return (!self.rest.is_empty()).then(|| {
                let extra = std::mem::take(&mut self.rest).len();
                Err(FormatError::Leftover { what: WHAT, extra })
            });
        }
        self.left -= 1;
        let entry = self.read();
        if entry.is_err() {
            (self.left, self.rest) = (0, &[]);
        }
        Some(entry)
    }
}

impl<'a> Entries<'a> {
    fn read(&mut self) -> Result<Entry<'a>, FormatError> {
        let short = |available: usize| FormatError::TooShort {
            what: "an entry of a journal frame",
            needed: ENTRY_HEAD + PARTITION_LEN,
            available,
        };
        let Some((head, rest)) = self.rest.split_first_chunk::<ENTRY_HEAD>() else {
            return Err(short(self.rest.len()));
        };
        let len = u32_at(head, 1) as usize;
        let Some((body, rest)) = rest.split_at_checked(len) else {
            return Err(short(rest.len()));
        };
        self.rest = rest;
        let Some(topic_id) = array(body, 0).filter(|_| body.len() >= PARTITION_LEN) else {
            return Err(short(body.len()));
        };
        let partition = PartitionId {
            topic_id,
            partition: u32_at(body, 16),
        };
        let place = || Place {
            partition,
            segment: u64_at(body, PARTITION_LEN),
            position: u64_at(body, PARTITION_LEN + 8),
        };
        match (head[0], body.get(PLACE_LEN..)) {
            (BATCH, Some(batch)) => Ok(Entry::Batch {
                place: place(),
                batch,
            }),
            (EXTENT, Some(bytes)) => match bytes.first_chunk() {
                Some(header) if bytes.len() == BATCH_HEADER_LEN => Ok(Entry::Extent {
                    place: place(),
                    header,
                }),
                _ => Err(short(body.len())),
            },
            (RELEASE, _) if body.len() == PARTITION_LEN => Ok(Entry::Release { partition }),
            (kind, _) => Err(not_one_of(
                "the kind of a journal entry",
                u32::from(kind),
                u32::from(RELEASE),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(number: u64) -> Place {
        Place {
            partition: PartitionId {
                topic_id: *b"0123456789abcdef",
                partition: number as u32,
            },
            segment: number * 3,
            position: number * 7,
        }
    }

    fn example() -> Vec<u8> {
        let mut frame = FrameBuilder::default();
        frame.push_batch(&place(1), b"batch");
        frame.push_extent(&place(2), &[7; BATCH_HEADER_LEN]);
        frame.push_release(&place(3).partition);
        frame.finish(0x0102_0304_0506_0708, 9)
    }

    #[test]
    fn fixed_bytes() {
        let mut frame = FrameBuilder::default();
        frame.push_batch(&place(1), b"batch");
        assert_eq!(frame.len(), HEADER_LEN + ENTRY_OVERHEAD + 5);
        let bytes = frame.finish(0x0102_0304_0506_0708, 9);
        #[rustfmt::skip]
        let expected = [
            b'T', b'J', b'R', b'N',
            0x95, 0x5f, 0x8e, 0xd2,
            0, 0, 0, 78,
            0, 0, 0, 1,
            0, 0, 0, 9,
            1, 2, 3, 4, 5, 6, 7, 8,
            0, 0, 0, 1,
            1,
            0, 0, 0, 41,
            b'0', b'1', b'2', b'3', b'4', b'5', b'6', b'7', b'8', b'9', b'a', b'b', b'c', b'd', b'e', b'f',
            0, 0, 0, 1,
            0, 0, 0, 0, 0, 0, 0, 3,
            0, 0, 0, 0, 0, 0, 0, 7,
            b'b', b'a', b't', b'c', b'h',
        ];
        assert_eq!(bytes[..expected.len()], expected);
        assert_eq!(bytes.len(), PAGE);
        assert!(bytes[expected.len()..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn entries_come_back_in_order() {
        let bytes = example();
        let frame = Frame::check(&bytes).unwrap();
        assert_eq!(
            (frame.sequence(), frame.incarnation()),
            (0x0102_0304_0506_0708, 9)
        );
        let entries: Vec<_> = frame.entries().collect::<Result<_, _>>().unwrap();
        assert_eq!(
            entries,
            [
                Entry::Batch {
                    place: place(1),
                    batch: b"batch"
                },
                Entry::Extent {
                    place: place(2),
                    header: &[7; BATCH_HEADER_LEN]
                },
                Entry::Release {
                    partition: place(3).partition
                },
            ]
        );
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_found() {
        let bytes = example();
        let len = FrameHeader::parse(&bytes).unwrap().len as usize;
        for cut in 0..len {
            assert!(Frame::check(&bytes[..cut]).is_err(), "cut to {cut}");
        }
        for bit in 0..len * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Frame::check(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_frame_without_entries_is_one() {
        let bytes = FrameBuilder::default().finish(1, 2);
        assert_eq!(Frame::check(&bytes).unwrap().entries().count(), 0);
        assert!(Frame::check(&[0; PAGE]).is_err());
    }

    proptest! {
        #[test]
        fn round_trip(batches in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..5000), 0..8), sequence: u64, incarnation: u32) {
            let mut frame = FrameBuilder::default();
            for (n, batch) in batches.iter().enumerate() {
                frame.push_batch(&place(n as u64), batch);
            }
            let len = frame.len();
            let bytes = frame.finish(sequence, incarnation);
            prop_assert_eq!(bytes.len(), padded(len));
            let frame = Frame::check(&bytes).unwrap();
            for (n, (entry, batch)) in frame.entries().zip(&batches).enumerate() {
                prop_assert_eq!(entry, Ok(Entry::Batch { place: place(n as u64), batch }));
            }
            prop_assert_eq!(frame.entries().count(), batches.len());
        }

        #[test]
        fn any_entries_under_a_right_checksum(count in 0_u32..5, body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = FrameBuilder::default().finish(1, 1);
            bytes.truncate(HEADER_LEN);
            bytes.extend(&body);
            let len = bytes.len() as u32;
            put(&mut bytes, 8, len.to_be_bytes());
            put(&mut bytes, 28, count.to_be_bytes());
            let crc = crc32c(&bytes[CHECKED_FROM..]);
            put(&mut bytes, 4, crc.to_be_bytes());
            let frame = Frame::check(&bytes).unwrap();
            prop_assert!(frame.entries().count() <= count as usize + 1);
        }
    }
}
