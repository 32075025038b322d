//! Entries of Kafka's offset index (`.index`): for a batch every few KiB, its last offset and the position
//! of its first byte. Entries rise in both.

use crate::bytes::u32_at;

/// Bytes of an entry.
pub const ENTRY_LEN: usize = 8;

/// Where a batch is in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetEntry {
    /// The batch's last offset, from the segment's base offset on.
    pub relative_offset: u32,
    /// The batch's first byte in the segment.
    pub position: u32,
}

impl OffsetEntry {
    /// Bytes of an entry.
    pub const LEN: usize = ENTRY_LEN;

    /// Reads the entry at the beginning of the bytes; `None` if they are fewer than an entry's, or hold a
    /// number that Kafka, which has these signed, would take for a negative one.
    pub fn decode(bytes: &[u8]) -> Option<OffsetEntry> {
        bytes.first_chunk::<ENTRY_LEN>()?;
        let entry = OffsetEntry {
            relative_offset: u32_at(bytes, 0),
            position: u32_at(bytes, 4),
        };
        (entry.relative_offset | entry.position <= i32::MAX as u32).then_some(entry)
    }

    /// The encoded entry.
    pub fn encode(&self) -> [u8; ENTRY_LEN] {
        let ([a, b, c, d], [e, f, g, h]) = (
            self.relative_offset.to_be_bytes(),
            self.position.to_be_bytes(),
        );
        [a, b, c, d, e, f, g, h]
    }
}

/// The last of `len` entries, by binary search, that does not lie behind an offset: the batch that holds the
/// offset is the one it names or a later one. An entry that can't be read ends the search as one that lies
/// behind it, so what comes out is a hint to be compared with the log.
pub fn find(
    len: usize,
    entry: impl Fn(usize) -> Option<OffsetEntry>,
    relative_offset: u32,
) -> Option<OffsetEntry> {
    find_last(len, entry, |entry| entry.relative_offset <= relative_offset)
}

/// The last of the entries for which `before` holds; it holds for none after the first for which it does not.
pub(crate) fn find_last<E: Copy>(
    len: usize,
    entry: impl Fn(usize) -> Option<E>,
    before: impl Fn(&E) -> bool,
) -> Option<E> {
    let (mut low, mut high, mut found) = (0, len, None);
    while low < high {
        let middle = low + (high - low) / 2;
        match entry(middle) {
            Some(entry) if before(&entry) => {
                found = Some(entry);
                low = middle + 1;
            }
            _ => high = middle,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fixed_bytes() {
        let entry = OffsetEntry {
            relative_offset: 0x0102_0304,
            position: 0x0a0b_0c0d,
        };
        let bytes = [1, 2, 3, 4, 0x0a, 0x0b, 0x0c, 0x0d];
        assert_eq!(entry.encode(), bytes);
        assert_eq!(OffsetEntry::decode(&bytes), Some(entry));
        assert_eq!(OffsetEntry::decode(&bytes[..7]), None);
        assert_eq!(OffsetEntry::decode(&[0x80, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(OffsetEntry::decode(&[0, 0, 0, 0, 0xff, 0, 0, 0]), None);
        assert!(OffsetEntry::decode(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]).is_some());
    }

    proptest! {
        #[test]
        fn finds_what_a_walk_finds(gaps in proptest::collection::vec(1u32..50, 0..60), wanted in 0u32..2000) {
            let mut offset = 0;
            let entries: Vec<OffsetEntry> = gaps
                .iter()
                .enumerate()
                .map(|(i, gap)| {
                    offset += gap;
                    OffsetEntry { relative_offset: offset, position: i as u32 }
                })
                .collect();
            let walked = entries.iter().rev().find(|entry| entry.relative_offset <= wanted).copied();
            prop_assert_eq!(find(entries.len(), |i| entries.get(i).copied(), wanted), walked);
        }

        #[test]
        fn entries_in_any_order_or_missing_end_the_search(
            entries in proptest::collection::vec(any::<Option<(u32, u32)>>(), 0..40),
            len in 0usize..80,
            wanted: u32,
        ) {
            let at = |i: usize| {
                let (relative_offset, position) = (*entries.get(i)?)?;
                Some(OffsetEntry { relative_offset, position })
            };
            if let Some(entry) = find(len, at, wanted) {
                prop_assert!(entry.relative_offset <= wanted);
            }
        }

        #[test]
        fn round_trip(bytes: [u8; 8]) {
            if let Some(entry) = OffsetEntry::decode(&bytes) {
                prop_assert_eq!(entry.encode(), bytes);
            } else {
                prop_assert!(bytes[0] | bytes[4] >= 0x80);
            }
        }
    }
}
