//! Names in a partition's folder, and of the folders: a segment's files are named by its base offset in 20
//! digits, a partition's folder by its topic and number.

use crate::topic_name;

/// The files that belong to a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SegmentFile {
    /// The record batches.
    Log,
    /// The offset index.
    OffsetIndex,
    /// The time index.
    TimeIndex,
    /// The state of producers.
    Snapshot,
    /// The index of aborted transactions.
    TransactionIndex,
}

impl SegmentFile {
    /// All of them.
    pub const ALL: [SegmentFile; 5] = [
        SegmentFile::Log,
        SegmentFile::OffsetIndex,
        SegmentFile::TimeIndex,
        SegmentFile::Snapshot,
        SegmentFile::TransactionIndex,
    ];

    /// What follows the digits.
    pub fn extension(self) -> &'static str {
        match self {
            SegmentFile::Log => ".log",
            SegmentFile::OffsetIndex => ".index",
            SegmentFile::TimeIndex => ".timeindex",
            SegmentFile::Snapshot => ".snapshot",
            SegmentFile::TransactionIndex => ".txnindex",
        }
    }

    /// The name of this file of the segment with a base offset.
    pub fn name(self, base_offset: u64) -> String {
        format!("{base_offset:020}{}", self.extension())
    }
}

/// The name of a segment's record batches.
pub fn log(base_offset: u64) -> String {
    SegmentFile::Log.name(base_offset)
}

/// The base offset in the name of a file of record batches; `None` for every other name.
pub fn parse_log(name: &str) -> Option<u64> {
    match parse(name)? {
        (base_offset, SegmentFile::Log) => Some(base_offset),
        _ => None,
    }
}

/// The base offset and the kind of a segment's file; `None` for a name that is not exactly of this form, or
/// whose number is no offset.
pub fn parse(name: &str) -> Option<(u64, SegmentFile)> {
    let (base_offset, extension) = name.split_at_checked(20)?;
    let kind = SegmentFile::ALL
        .into_iter()
        .find(|kind| kind.extension() == extension)?;
    Some((digits(base_offset)?, kind))
}

/// What follows the name of a file that compaction has not finished; an opening takes such files away.
pub const CLEANED: &str = ".cleaned";
const SWAP: &str = ".swap";
const COMPACTED: &str = ".compacted";

/// The name of record batches that take the place of all segments from base offset `base` to before `next`.
pub fn swap(base: u64, next: u64) -> String {
    format!("{base:020}-{next:020}{SWAP}")
}

/// The base offset, and the one that follows, in a name of [`swap`]; `None` for every other name.
pub fn parse_swap(name: &str) -> Option<(u64, u64)> {
    let (base, next) = name.strip_suffix(SWAP)?.split_once('-')?;
    let (base, next) = (digits(base)?, digits(next)?);
    (base < next).then_some((base, next))
}

/// The name of the empty file that says up to where a partition is compacted.
pub fn compacted(upto: u64) -> String {
    format!("{upto:020}{COMPACTED}")
}

/// The offset in a name of [`compacted`]; `None` for every other name.
pub fn parse_compacted(name: &str) -> Option<u64> {
    digits(name.strip_suffix(COMPACTED)?)
}

/// An offset in exactly 20 digits.
fn digits(text: &str) -> Option<u64> {
    let all = text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    let offset = text.parse().ok().filter(|_| all)?;
    (offset < i64::MAX as u64).then_some(offset)
}

/// The name of a partition's folder.
pub fn partition_folder(topic: &str, partition: u32) -> String {
    format!("{topic}-{partition}")
}

/// The topic and number of a partition's folder; `None` for a name that is not exactly of this form.
pub fn parse_partition_folder(name: &str) -> Option<(&str, u32)> {
    let (topic, digits) = name.rsplit_once('-')?;
    let partition: u32 = digits.parse().ok()?;
    // No sign, no zeros in front: one folder, one name.
    let exact = partition <= i32::MAX as u32
        && digits.len() == digit_count(partition)
        && !digits.starts_with('+');
    (exact && topic_name::validate(topic).is_ok()).then_some((topic, partition))
}

fn digit_count(number: u32) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_segments() {
        assert_eq!(log(0), "00000000000000000000.log");
        assert_eq!(
            SegmentFile::Snapshot.name(4711),
            "00000000000000004711.snapshot"
        );
        assert_eq!(
            parse("00000000000000004711.timeindex"),
            Some((4711, SegmentFile::TimeIndex))
        );
        assert_eq!(
            parse_log("09223372036854775806.log"),
            Some(i64::MAX as u64 - 1)
        );
        for bad in [
            "09223372036854775807.log",
            "99999999999999999999.log",
            "0.log",
            "000000000000000000000.log",
            "00000000000000000000.LOG",
            "00000000000000000000.log.deleted",
            "00000000000000000000.index",
            "+0000000000000000000.log",
            "0000000000000000000é.log",
            "00000000000000000000",
            "",
        ] {
            assert_eq!(parse_log(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_of_partition_folders() {
        assert_eq!(parse_partition_folder("orders-0"), Some(("orders", 0)));
        assert_eq!(
            parse_partition_folder("a-b-2147483647"),
            Some(("a-b", i32::MAX as u32))
        );
        assert_eq!(parse_partition_folder("--1"), Some(("-", 1)));
        for bad in [
            "orders",
            "orders-",
            "-0",
            "orders-00",
            "orders-01",
            "orders-+1",
            "orders-2147483648",
            "..-0",
            "orders-1.deleted",
            "a b-0",
            "orders-0-delete",
            "journal",
            "",
        ] {
            assert_eq!(parse_partition_folder(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_of_compaction() {
        assert_eq!(
            swap(0, 4711),
            "00000000000000000000-00000000000000004711.swap"
        );
        for bad in [
            "00000000000000004711-00000000000000004711.swap",
            "00000000000000000000-4711.swap",
            "00000000000000000000.swap",
            "00000000000000000000-99999999999999999999.swap",
        ] {
            assert_eq!(parse_swap(bad), None, "{bad}");
        }
        assert_eq!(compacted(7), "00000000000000000007.compacted");
        for bad in [
            "7.compacted",
            "+0000000000000000007.compacted",
            ".compacted",
        ] {
            assert_eq!(parse_compacted(bad), None, "{bad}");
        }
        assert_eq!(parse(&swap(0, 1)), None);
        assert_eq!(parse(&compacted(0)), None);
    }

    proptest! {
        #[test]
        fn compaction_round_trip(base in 0..i64::MAX as u64 - 1, count in 1..1000u64) {
            let next = (base + count).min(i64::MAX as u64 - 1);
            prop_assert_eq!(parse_swap(&swap(base, next)), Some((base, next)));
            prop_assert_eq!(parse_compacted(&compacted(base)), Some(base));
        }

        #[test]
        fn round_trip(base in 0..i64::MAX as u64, topic in "[a-zA-Z0-9._-]{3,40}", partition in 0..=i32::MAX as u32) {
            for kind in SegmentFile::ALL {
                prop_assert_eq!(parse(&kind.name(base)), Some((base, kind)));
            }
            let folder = partition_folder(&topic, partition);
            prop_assert_eq!(parse_partition_folder(&folder), Some((topic.as_str(), partition)));
        }

        #[test]
        fn any_text(name in ".{0,40}") {
            if let Some((base, kind)) = parse(&name) {
                prop_assert_eq!(kind.name(base), name.clone());
            }
            if let Some((topic, partition)) = parse_partition_folder(&name) {
                prop_assert_eq!(partition_folder(topic, partition), name.clone());
            }
        }
    }
}
