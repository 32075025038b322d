//! Entries of Kafka's time index (`.timeindex`): the largest timestamp of the segment so far, and the last
//! offset of the batch that brought it. Timestamps rise strictly from entry to entry, offsets too.

use crate::bytes::{i64_at, u32_at};
use crate::offset_index::find_last;

/// Bytes of an entry.
pub const ENTRY_LEN: usize = 12;

/// A timestamp, and how far in the segment there is none larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeEntry {
    /// In ms.
    pub timestamp: i64,
    /// The last offset of the batch that it is from, from the segment's base offset on.
    pub relative_offset: u32,
}

impl TimeEntry {
    /// Bytes of an entry.
    pub const LEN: usize = ENTRY_LEN;

    /// Reads the entry at the beginning of the bytes; `None` if they are fewer than an entry's, or hold an
    /// offset that Kafka, which has it signed, would take for a negative one.
    pub fn decode(bytes: &[u8]) -> Option<TimeEntry> {
        bytes.first_chunk::<ENTRY_LEN>()?;
        let entry = TimeEntry {
            timestamp: i64_at(bytes, 0),
            relative_offset: u32_at(bytes, 8),
        };
        (entry.relative_offset <= i32::MAX as u32).then_some(entry)
    }

    /// The encoded entry.
    pub fn encode(&self) -> [u8; ENTRY_LEN] {
        let mut bytes = [0; ENTRY_LEN];
        crate::bytes::put(&mut bytes, 0, self.timestamp.to_be_bytes());
        crate::bytes::put(&mut bytes, 8, self.relative_offset.to_be_bytes());
        bytes
    }
}

/// The last of `len` entries, by binary search, with a timestamp below the one given: no record up to its
/// offset has that time or a later one. An entry that can't be read ends the search as one that is too late,
/// so what comes out is a hint to be compared with the log.
pub fn find_before(
    len: usize,
    entry: impl Fn(usize) -> Option<TimeEntry>,
    timestamp: i64,
) -> Option<TimeEntry> {
    find_last(len, entry, |entry| entry.timestamp < timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fixed_bytes() {
        let entry = TimeEntry {
            timestamp: 0x0102_0304_0506_0708,
            relative_offset: 0x0a0b_0c0d,
        };
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 0x0a, 0x0b, 0x0c, 0x0d];
        assert_eq!(entry.encode(), bytes);
        assert_eq!(TimeEntry::decode(&bytes), Some(entry));
        assert_eq!(TimeEntry::decode(&bytes[..11]), None);
        assert_eq!(
            TimeEntry::decode(&[0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0]),
            None
        );
        assert_eq!(TimeEntry::decode(&[0xff; 12]), None);
    }

    #[test]
    fn an_equal_timestamp_is_not_before() {
        let entries = [10, 20, 30].map(|timestamp| TimeEntry {
            timestamp,
            relative_offset: timestamp as u32,
        });
        let find =
            |timestamp| find_before(3, |i| entries.get(i).copied(), timestamp).map(|e| e.timestamp);
        assert_eq!(
            [10, 11, 20, 30, 31].map(find),
            [None, Some(10), Some(10), Some(20), Some(30)]
        );
    }

    proptest! {
        #[test]
        fn round_trip(bytes: [u8; 12]) {
            if let Some(entry) = TimeEntry::decode(&bytes) {
                prop_assert_eq!(entry.encode(), bytes);
            } else {
                prop_assert!(bytes[8] >= 0x80);
            }
        }
    }
}
