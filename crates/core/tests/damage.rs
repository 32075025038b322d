//! Every byte of a segment cut off, every bit of one flipped: what is served is a prefix of what was written
//! or a clear error; never a wrong record, never a panic.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::sync::Arc;

use support::*;
use tidelog::io::{CrashKind, OpenMode, SimulatedStorage, Storage};
use tidelog::{Compression, Durability, Error, Store, TopicConfig};

const ROOT: &str = "/data";

type Written = (Arc<dyn Storage>, Vec<(u64, Vec<u8>)>);

fn written(batches: u64, per_batch: u64, len: usize) -> Written {
    let storage: Arc<dyn Storage> = Arc::new(SimulatedStorage::new());
    let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
    let partition = topic(&store, "t", TopicConfig::default())
        .partition(0)
        .unwrap();
    let mut expected = Vec::new();
    for b in 0..batches {
        let values: Vec<_> = (0..per_batch)
            .map(|n| value(b * per_batch + n, len))
            .collect();
        expected.extend(
            values
                .iter()
                .enumerate()
                .map(|(n, v)| (b * per_batch + n as u64, v.clone())),
        );
        partition
            .append(batch_at(
                EPOCH_MS + b as i64 * 10,
                Compression::None,
                &values,
            ))
            .unwrap();
    }
    store.close().unwrap();
    (storage, expected)
}

#[test]
fn a_segment_cut_at_any_byte_gives_its_longest_valid_prefix_and_says_what_is_missing() {
    let (storage, expected) = written(64, 3, 40);
    let path = segment_path(Path::new(ROOT), "t", 0, 0);
    let whole = content(&*storage, &path);
    let batch_len = whole.len() / 64;
    assert_eq!(
        whole.len() % 64,
        0,
        "all batches have one size, so that the valid prefix is known"
    );
    for cut in 0..whole.len() {
        set_content(&*storage, &path, &whole[..cut]);
        let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
        let partition = store.open_topic("t").unwrap().partition(0).unwrap();
        let left = (cut / batch_len) * 3;
        let read = read_all(&partition).unwrap();
        assert_eq!(read, expected[..left], "cut at byte {cut}");
        // All of it was durable, so less of it is damage and not a torn tail: nothing may be appended over it.
        let damaged = &store.recovery().damaged;
        assert!(
            matches!(damaged[..], [Error::Corruption { .. }]),
            "cut at byte {cut}: {damaged:?}"
        );
        assert_eq!(
            partition.append(batch(&[value(0, 8)])).unwrap_err().code(),
            "ERR_TIDELOG_CORRUPTION"
        );
        store.close().unwrap();
        if cut % 97 == 0 {
            let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
            let partition = store.open_topic("t").unwrap().partition(0).unwrap();
            assert_eq!(
                read_all(&partition).unwrap(),
                read,
                "a second opening finds the same; cut at byte {cut}"
            );
            assert_eq!(store.recovery().damaged.len(), 1);
            store.close().unwrap();
        }
        set_content(&*storage, &path, &whole);
    }
}

#[test]
fn a_flip_of_any_bit_of_64_kib_is_noticed_or_changes_nothing_that_is_served() {
    let (storage, expected) = written(40, 16, 90);
    let path = segment_path(Path::new(ROOT), "t", 0, 0);
    let whole = content(&*storage, &path);
    assert!(whole.len() >= 64 << 10, "{} bytes", whole.len());
    let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
    let partition = store.open_topic("t").unwrap().partition(0).unwrap();
    let file = storage.open(&path, OpenMode::Write).unwrap();
    let (mut noticed, mut harmless) = (0_u64, 0_u64);
    let mut bytes = Vec::new();
    for at in 0..64 << 10 {
        for bit in 0..8 {
            file.write_all_at(at as u64, &[whole[at] ^ (1 << bit)])
                .unwrap();
            match partition.read(0, whole.len(), &mut bytes) {
                Err(Error::Corruption { .. }) => noticed += 1,
                Err(other) => panic!("byte {at} bit {bit}: {other}"),
                Ok(_) => {
                    // Only the leader epoch may differ: it is nobody's record.
                    let differs: Vec<usize> = (0..whole.len())
                        .filter(|i| bytes[*i] != whole[*i])
                        .collect();
                    assert_eq!(differs, [at], "byte {at} bit {bit}");
                    harmless += 1;
                }
            }
        }
        file.write_all_at(at as u64, &[whole[at]]).unwrap();
    }
    assert_eq!(read_all(&partition).unwrap(), expected);
    assert_eq!(noticed + harmless, 524_288);
    // Four bytes of leader epoch a batch, and nothing else, are free to change.
    let batch_len = whole.len() / 40;
    let epochs_in_range = (0..40).filter(|b| b * batch_len + 16 <= 64 << 10).count() as u64;
    assert_eq!(harmless, epochs_in_range * 32);
    store.close().unwrap();
}

#[test]
fn a_flip_in_an_index_never_changes_what_is_found() {
    let (storage, expected) = written(60, 4, 400);
    let root = Path::new(ROOT);
    for extension in ["index", "timeindex"] {
        let path = segment_path(root, "t", 0, 0).with_extension(extension);
        let whole = content(&*storage, &path);
        assert!(whole.len() > 100, "{extension}: {} bytes", whole.len());
        for at in 0..whole.len() {
            for bit in [0, 3, 7] {
                let mut bad = whole.clone();
                bad[at] ^= 1 << bit;
                set_content(&*storage, &path, &bad);
                let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
                let partition = store.open_topic("t").unwrap().partition(0).unwrap();
                for offset in [0, 1, 77, 130, 239] {
                    let read = read_from(&partition, offset).unwrap();
                    assert_eq!(
                        read,
                        expected[offset as usize..],
                        "{extension} byte {at} bit {bit}"
                    );
                }
                // The batches are 10 ms apart, their records one.
                let times = [(0, 0), (3, 3), (4, 4), (311, 125), (314, 128), (593, 239)];
                for (ms, offset) in times {
                    let found = partition.offset_for_time(EPOCH_MS + ms).unwrap();
                    let found = found.map(|(offset, _)| offset);
                    assert_eq!(found, Some(offset), "{extension} byte {at} bit {bit}");
                }
                assert_eq!(partition.offset_for_time(EPOCH_MS + 594).unwrap(), None);
                store.close().unwrap();
            }
        }
        set_content(&*storage, &path, &whole);
    }
}

#[test]
fn a_missing_segment_is_damage_where_it_was_durable_and_a_torn_tail_where_it_was_not() {
    for (missing, durable) in [(0, true), (1, true), (2, true), (3, false), (4, false)] {
        let disk = SimulatedStorage::new();
        let storage: Arc<dyn Storage> = Arc::new(disk.process());
        let store = Store::open(ROOT, options(&storage, Durability::Buffered)).unwrap();
        let config = TopicConfig {
            segment_bytes: 1024,
            ..TopicConfig::default()
        };
        let partition = topic(&store, "t", config).partition(0).unwrap();
        for n in 0..30 {
            partition.append(batch(&[value(n, 150)])).unwrap();
            if n == 10 {
                // Its checkpoint notes a recovery point in the third segment.
                partition.sync().unwrap();
                partition.delete_records(0).unwrap();
            }
        }
        disk.crash(CrashKind::Kill, 1);
        bury(store);
        let storage: Arc<dyn Storage> = Arc::new(disk.process());
        let folder = Path::new(ROOT).join("t-0");
        let logs: Vec<_> = storage.read_dir(&folder).unwrap();
        let logs: Vec<_> = logs.iter().filter(|e| e.name.ends_with(".log")).collect();
        let base: u64 = logs[missing].name[..20].parse().unwrap();
        storage
            .remove_file(&folder.join(&logs[missing].name))
            .unwrap();

        let store = Store::open(ROOT, options(&storage, Durability::Buffered)).unwrap();
        let partition = store.open_topic("t").unwrap().partition(0).unwrap();
        let damaged = !store.recovery().damaged.is_empty();
        match missing {
            // Sealed long before the recovery point: found by whoever reads there.
            0 => assert!(damaged && partition.append(batch(&[value(0, 8)])).is_err()),
            1 => {
                assert!(!damaged);
                assert_eq!(
                    read_all(&partition).unwrap_err().code(),
                    "ERR_TIDELOG_CORRUPTION"
                );
            }
            _ => {
                assert_eq!(damaged, durable, "{missing}");
                assert_eq!(
                    read_all(&partition).unwrap().len() as u64,
                    base,
                    "{missing}"
                );
                assert_eq!(partition.append(batch(&[value(0, 8)])).is_ok(), !durable);
            }
        }
        store.close().unwrap();
    }
}
