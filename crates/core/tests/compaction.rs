//! Compaction through the crate's own API: crashed at every change of the disk, with every call failing once, on a full disk,
//! beside readers and writers in other threads and in another process, and against deletions. What every key has in the end
//! is the same before and after, whatever happens in between.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test fails by panicking, and counts are to be seen"
)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use support::*;
use tidelog::format::batch::Batch;
use tidelog::format::builder::BatchBuilder;
use tidelog::format::published;
use tidelog::inspect::verify_store;
use tidelog::io::{CrashKind, FaultKind, OpenMode, SimulatedStorage, Storage};
use tidelog::{
    CleanupPolicy, CompactionConfig, CompactionOptions, Compression, Durability, Error,
    OpenOptions, Partition, RecordBuffer, Store, TimestampType, Topic, TopicChange, TopicConfig,
};

const ROOT: &str = "/data";

/// Records by offset: key and value.
type Records = BTreeMap<u64, (u8, Option<u64>)>;

fn config() -> TopicConfig {
    TopicConfig {
        durability: Some(Durability::Buffered),
        cleanup: CleanupPolicy::Compact,
        compaction: CompactionConfig {
            // Not by itself.
            min_dirty_ratio: 1.0,
            ..CompactionConfig::default()
        },
        segment_bytes: 1024,
        index_interval_bytes: 256,
        ..TopicConfig::default()
    }
}

/// Nothing happens by the clock.
fn quiet(storage: &Arc<dyn Storage>) -> OpenOptions {
    let day = Duration::from_secs(86_400);
    OpenOptions {
        maintenance_interval: day,
        checkpoint_interval: day,
        compaction: CompactionOptions {
            interval: day,
            bytes_per_second: u64::MAX,
            ..CompactionOptions::default()
        },
        ..options(storage, Durability::Buffered)
    }
}

fn disk() -> SimulatedStorage {
    let disk = SimulatedStorage::new();
    disk.create_dir(Path::new(ROOT)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn open(disk: &SimulatedStorage) -> tidelog::Result<Store> {
    let storage: Arc<dyn Storage> = Arc::new(disk.process());
    Store::open(ROOT, quiet(&storage))
}

/// A batch of records with these keys, whose values count from `number` on; every fifth is a tombstone.
fn keyed(number: u64, keys: &[u8]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    for (n, key) in keys.iter().enumerate() {
        let number = number + n as u64;
        let value = (!number.is_multiple_of(5)).then(|| value(number, 60));
        builder
            .append(
                EPOCH_MS,
                Some(&[*key]),
                value.as_deref(),
                std::iter::empty(),
            )
            .unwrap();
    }
    builder.finish().unwrap()
}

fn fill(partition: &Partition, batches: u64, keys: u64) {
    for _ in 0..batches {
        let number = partition.log_end_offset();
        let key = |n: u64| ((number + n) * 7 % keys) as u8;
        let batch = keyed(number, &[key(0), key(1), key(0)]);
        partition.append(batch).unwrap();
    }
}

fn records(partition: &Partition) -> tidelog::Result<Records> {
    let (mut offset, mut found) = (partition.log_start_offset(), Records::new());
    let start = offset;
    let (mut bytes, mut scratch) = (Vec::new(), Vec::new());
    loop {
        let next = partition.read(offset, 1 << 12, &mut bytes)?.next;
        if next == offset {
            return Ok(found);
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let batch = Batch::check(rest).unwrap();
            for record in batch.records(&mut scratch).unwrap() {
                let record = record.unwrap();
                let number = |value: &[u8]| u64::from_be_bytes(*value.first_chunk().unwrap());
                let content = (record.key.unwrap()[0], record.value.map(number));
                if record.offset >= start {
                    assert_eq!(found.insert(record.offset, content), None);
                }
            }
            rest = &rest[batch.bytes().len()..];
        }
        offset = next;
    }
}

/// The newest record of each key, with its offset: also tombstones, which stay for a day.
fn fold(records: &Records) -> BTreeMap<u8, (u64, Option<u64>)> {
    let newest = |(offset, (key, value)): (&u64, &(u8, Option<u64>))| (*key, (*offset, *value));
    records.iter().map(newest).collect()
}

/// What is found is what was there but for what is hidden.
fn check(found: &Records, before: &Records, context: &str) {
    assert_eq!(fold(found), fold(before), "{context}");
    for (offset, record) in found {
        assert_eq!(before.get(offset), Some(record), "{context}: {offset}");
    }
}

fn filled(disk: &SimulatedStorage, batches: u64) -> (Store, Topic, Records) {
    let store = open(disk).unwrap();
    let topic = topic(&store, "t", config());
    let partition = topic.partition(0).unwrap();
    fill(&partition, batches, 6);
    store.sync().unwrap();
    let before = records(&partition).unwrap();
    (store, topic, before)
}

fn files(disk: &SimulatedStorage, extension: &str) -> usize {
    let folder = PathBuf::from(ROOT).join("t-0");
    let entries = disk.read_dir(&folder).unwrap();
    let named = entries
        .iter()
        .filter(|entry| entry.name.ends_with(extension));
    named.count()
}

/// The changes of the disk that a compaction of this makes, with those before it.
fn changes(disk: &SimulatedStorage, batches: u64) -> (u64, u64) {
    let copy = disk.duplicate();
    let (store, topic, before) = filled(&copy, batches);
    let from = copy.counters().changes;
    let report = topic.compact().unwrap();
    assert!(
        report.records_removed > before.len() as u64 / 2,
        "{report:?}"
    );
    let to = copy.counters().changes;
    check(
        &records(&topic.partition(0).unwrap()).unwrap(),
        &before,
        "calm",
    );
    store.close().unwrap();
    (from, to)
}

#[test]
fn a_crash_at_any_change_of_the_disk_leaves_every_key_as_it_was() {
    let disk = disk();
    let (from, to) = changes(&disk, 40);
    let (mut crashes, mut nested, mut after) = (0, 0, 0);
    for change in 1..=to - from {
        for kind in [CrashKind::Kill, CrashKind::PowerLoss] {
            for seed in 0..3 {
                let copy = disk.duplicate();
                let (store, topic, before) = filled(&copy, 40);
                copy.crash_at_change(copy.counters().changes + change);
                let _ = topic.compact();
                let context = format!("{kind:?} at change {change} of {}, seed {seed}", to - from);
                // The store's other threads make some of the changes, sooner or later: the last may come after it.
                after += u32::from(!copy.is_down());
                copy.clear_plans();
                copy.crash(kind, seed);
                bury(store);
                crashes += 1;
                // Crashed again while it is opened, which is to lead to the same.
                if seed > 0 {
                    copy.crash_at_change(copy.counters().changes + seed * (1 + change % 7));
                    let opened = open(&copy);
                    if copy.is_down() {
                        nested += 1;
                        copy.crash(kind, seed + 9);
                    }
                    copy.clear_plans();
                    if let Ok(store) = opened {
                        bury(store);
                        copy.crash(kind, seed + 10);
                    }
                }
                let store = open(&copy).unwrap();
                assert_eq!(store.recovery().damaged.len(), 0, "{context}");
                let topic = store.open_topic("t").unwrap();
                let partition = topic.partition(0).unwrap();
                assert_eq!(
                    (partition.log_start_offset(), partition.log_end_offset()),
                    (0, before.len() as u64),
                    "{context}"
                );
                check(&records(&partition).unwrap(), &before, &context);
                assert_eq!((files(&copy, ".swap"), files(&copy, ".cleaned")), (0, 0));
                // It goes on, and can be compacted.
                fill(&partition, 5, 6);
                let before = records(&partition).unwrap();
                topic.compact().unwrap();
                check(&records(&partition).unwrap(), &before, &context);
                store.close().unwrap();
                let report = verify_store(
                    &(Arc::new(copy.clone()) as Arc<dyn Storage>),
                    Path::new(ROOT),
                    |_, _| true,
                )
                .unwrap();
                assert_eq!(report.problems.len(), 0, "{context}: {:?}", report.problems);
            }
        }
    }
    println!("{crashes} crashes, {nested} of them twice, {after} after it was done");
    assert!(crashes > 300 && nested > 50, "{crashes}, {nested}");
    assert!(after < crashes / 10, "{after} of {crashes}");
}

#[test]
fn any_call_of_the_disk_may_fail_once() {
    let disk = disk();
    let (from, to) = {
        let copy = disk.duplicate();
        let (store, topic, _) = filled(&copy, 40);
        let from = copy.counters().calls;
        topic.compact().unwrap();
        let to = copy.counters().calls;
        store.close().unwrap();
        (from, to)
    };
    let (mut failed, mut poisoned) = (0, 0);
    for call in 1..=to - from {
        for kind in [
            FaultKind::Eio,
            FaultKind::NoSpace,
            FaultKind::ShortWrite(10),
            FaultKind::LateEio,
        ] {
            let copy = disk.duplicate();
            let (store, topic, before) = filled(&copy, 40);
            copy.fail_at(copy.counters().calls + call, kind);
            let answer = topic.compact();
            // The store's other threads make some of the calls, sooner or later: the last may come after it.
            copy.clear_plans();
            let context = format!("{kind:?} at call {call} of {}: {answer:?}", to - from);
            let partition = topic.partition(0).unwrap();
            // Readers never notice.
            check(&records(&partition).unwrap(), &before, &context);
            failed += u32::from(answer.is_err());
            let ends_writing = answer.as_ref().is_err_and(|error| error.indefinite());
            poisoned += u32::from(ends_writing);
            let mut before = before;
            if !ends_writing {
                fill(&partition, 1, 6);
                before = records(&partition).unwrap();
                // What failed in passing is done the next time, unless the next opening has to finish it.
                topic.compact().unwrap();
                check(&records(&partition).unwrap(), &before, &context);
                store.close().unwrap();
            } else {
                bury(store);
                copy.crash(CrashKind::Kill, call);
            }
            let store = open(&copy).unwrap();
            assert_eq!(store.recovery().damaged.len(), 0, "{context}");
            let topic = store.open_topic("t").unwrap();
            check(
                &records(&topic.partition(0).unwrap()).unwrap(),
                &before,
                &context,
            );
            store.close().unwrap();
        }
    }
    println!("{failed} failed, {poisoned} of them for good");
    assert!(failed > 100, "{failed}");
}

#[test]
fn a_full_disk_is_told_and_nothing_is_lost() {
    let disk = disk();
    let (store, topic, before) = filled(&disk, 60);
    let partition = topic.partition(0).unwrap();
    let used = disk.used();
    let mut refused = 0;
    for room in (0..4000).step_by(100) {
        disk.set_capacity(used + room);
        match topic.compact() {
            Ok(_) => break,
            Err(Error::StorageFull { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
        check(&records(&partition).unwrap(), &before, "full");
        assert_eq!(files(&disk, ".cleaned"), 0);
    }
    assert!(refused > 0);
    let failure = || {
        topic.describe().unwrap().partitions[0]
            .compaction_failure
            .clone()
    };
    disk.set_capacity(used);
    assert!(topic.compact().is_err() && failure().is_some());
    disk.set_capacity(u64::MAX);
    topic.compact().unwrap();
    assert_eq!(failure(), None);
    check(&records(&partition).unwrap(), &before, "room again");
    let held = records(&partition).unwrap().len();
    assert!(held < before.len() / 2, "{held} of {}", before.len());
    store.close().unwrap();
}

#[test]
fn who_reads_and_who_writes_is_not_disturbed() {
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions {
        durability: Durability::Buffered,
        checkpoint_interval: Duration::from_millis(5),
        compaction: CompactionOptions {
            interval: Duration::from_millis(2),
            bytes_per_second: u64::MAX,
            ..CompactionOptions::default()
        },
        // Few, so that files are closed and opened again and again.
        open_segments: 4,
        ..OpenOptions::default()
    };
    let store = Store::open(folder.path(), options.clone()).unwrap();
    let config = TopicConfig {
        compaction: CompactionConfig {
            min_dirty_ratio: 0.1,
            ..CompactionConfig::default()
        },
        segment_bytes: 2048,
        ..config()
    };
    let topic = store.create_topic("t", config).unwrap();
    let partition = topic.partition(0).unwrap();
    fill(&partition, 1, 6);
    let follower_options = OpenOptions {
        read_only: true,
        create: false,
        ..options.clone()
    };
    let done = AtomicBool::new(false);
    let (reads, points, followed) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                // A key's record may be hidden only by one that is there.
                let upto = partition.high_watermark();
                let found = records(&partition).unwrap();
                let newest = fold(&found);
                for number in upto.saturating_sub(6)..upto {
                    let key = ((number / 3 * 3 + number % 3 % 2) * 7 % 6) as u8;
                    assert!(newest[&key].0 >= number, "{number}");
                }
                reads += 1;
            }
            reads
        });
        let pointer = scope.spawn(|| {
            let (mut points, mut out) = (0u64, RecordBuffer::default());
            while !done.load(Ordering::Relaxed) {
                let end = partition.high_watermark();
                let wanted: Vec<_> = (0..20).map(|n| (0, (points * 13 + n * 7) % end)).collect();
                topic.get(&wanted, &mut out).unwrap();
                assert!(partition.offset_for_time(EPOCH_MS).unwrap().is_some());
                points += 1;
            }
            points
        });
        let follower = scope.spawn(|| {
            let storage_of_its_own = follower_options.clone();
            let storage: Arc<dyn Storage> = Arc::new(tidelog::io::OsStorage);
            let beside = Store::open(
                folder.path(),
                OpenOptions {
                    storage,
                    ..storage_of_its_own
                },
            )
            .unwrap();
            let partition = beside.open_topic("t").unwrap().partition(0).unwrap();
            let mut followed = 0;
            while !done.load(Ordering::Relaxed) {
                // Of what it was told, newer records may have hidden all.
                records(&partition).unwrap();
                followed += 1;
            }
            let begun = Instant::now();
            while fold(&records(&partition).unwrap()).len() < 4 {
                assert!(begun.elapsed() < Duration::from_secs(20));
            }
            beside.close().unwrap();
            followed
        });
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(4) {
            fill(&partition, 5, 6);
            std::thread::sleep(Duration::from_micros(200));
        }
        done.store(true, Ordering::Relaxed);
        (
            reader.join().unwrap(),
            pointer.join().unwrap(),
            follower.join().unwrap(),
        )
    });
    // However far the cleaner has come under the load: it goes on.
    let report = topic.compact().unwrap();
    println!("{report:?}");
    let (held, sent) = (
        records(&partition).unwrap().len() as u64,
        partition.log_end_offset(),
    );
    println!("{sent} sent, {held} held, {reads} reads, {points} point reads, {followed} beside");
    assert!(held < sent / 4, "{held} of {sent}");
    assert!(reads > 10 && points > 10 && followed > 3);
    store.close().unwrap();
    let report = verify_store(
        &(Arc::new(tidelog::io::OsStorage) as Arc<dyn Storage>),
        folder.path(),
        |_, _| true,
    )
    .unwrap();
    assert_eq!(report.problems.len(), 0, "{:?}", report.problems);
}

#[test]
fn a_topic_that_is_deleted_meanwhile_leaves_its_successor_alone() {
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions {
        durability: Durability::Buffered,
        ..OpenOptions::default()
    };
    let store = Store::open(folder.path(), options).unwrap();
    for round in 0..30 {
        let topic = store.create_topic("t", config()).unwrap();
        fill(&topic.partition(0).unwrap(), 60, 6);
        std::thread::scope(|scope| {
            let compacting = scope.spawn(|| topic.compact());
            std::thread::sleep(Duration::from_micros(300 * round));
            store.delete_topic("t").unwrap();
            let new = store.create_topic("t", config()).unwrap();
            fill(&new.partition(0).unwrap(), 20, 6);
            match compacting.join().unwrap() {
                Ok(_) | Err(Error::TopicDeleted { .. } | Error::Io { .. }) => {}
                Err(other) => panic!("round {round}: {other}"),
            }
            let partition = new.partition(0).unwrap();
            assert_eq!(records(&partition).unwrap().len(), 60, "round {round}");
            new.compact().unwrap();
            assert_eq!(fold(&records(&partition).unwrap()).len(), 4);
        });
        store.delete_topic("t").unwrap();
    }
    store.close().unwrap();
}

#[test]
fn a_reader_that_lags_reads_past_a_compacted_batch_that_reaches_beyond_the_end_it_knows() {
    let disk = disk();
    let (store, topic, _) = filled(&disk, 40);
    topic.compact().unwrap();
    store.close().unwrap();
    let path = Path::new(ROOT).join("t-0/published");
    let file = disk.open(&path, OpenMode::Write).unwrap();
    let mut bytes = [0; published::LEN];
    file.read_exact_at(0, &mut bytes).unwrap();
    let ends = published::Published::decode(&bytes).unwrap();
    let mut beyond = 0;
    for high_watermark in 1..ends.high_watermark {
        let told = published::Published {
            high_watermark,
            ..ends
        };
        file.write_all_at(0, &told.encode()).unwrap();
        let options = OpenOptions {
            storage: Arc::new(disk.process()),
            read_only: true,
            create: false,
            ..OpenOptions::default()
        };
        let reader = Store::open(ROOT, options).unwrap();
        let partition = reader.open_topic("t").unwrap().partition(0).unwrap();
        records(&partition).unwrap();
        beyond += u64::from(partition.high_watermark() > high_watermark);
        reader.close().unwrap();
    }
    assert!(beyond > 0);
}

#[test]
fn records_without_a_key_are_refused_before_anything_is_written() {
    let disk = disk();
    let store = open(&disk).unwrap();
    let topic = topic(&store, "t", config());
    let partition = topic.partition(0).unwrap();
    let mut builder = BatchBuilder::new(Compression::Zstd, TimestampType::CreateTime);
    builder
        .append(EPOCH_MS, Some(b"k"), Some(b"v"), std::iter::empty())
        .unwrap();
    builder
        .append(EPOCH_MS, None, Some(b"v"), std::iter::empty())
        .unwrap();
    let batch = builder.finish().unwrap();
    match partition.append(batch.clone()) {
        Err(Error::InvalidRecord { index: 1, reason }) => assert!(reason.contains("key")),
        other => panic!("{other:?}"),
    }
    assert_eq!(partition.log_end_offset(), 0);
    // What a topic has of them before it is compacted stays.
    let change = |cleanup| TopicChange {
        cleanup: Some(cleanup),
        ..TopicChange::default()
    };
    topic.alter(&change(CleanupPolicy::Delete)).unwrap();
    assert!(matches!(
        topic.compact(),
        Err(Error::InvalidArgument { .. })
    ));
    partition.append(batch).unwrap();
    topic.alter(&change(CleanupPolicy::Compact)).unwrap();
    fill(&partition, 30, 3);
    topic.compact().unwrap();
    let mut out = RecordBuffer::default();
    partition.read_records(0, 1, &mut out).unwrap();
    assert_eq!(out.count, 2);
    let retention = TopicChange {
        retention_ms: Some(Some(1000)),
        ..TopicChange::default()
    };
    match topic.alter(&retention) {
        Err(Error::InvalidConfig { field, .. }) => assert_eq!(field, "retention.ms"),
        other => panic!("{other:?}"),
    }
    store.close().unwrap();
}

#[test]
fn damage_is_not_written_anew() {
    let disk = disk();
    let (store, _, before) = filled(&disk, 40);
    store.close().unwrap();
    let path = segment_path(Path::new(ROOT), "t", 0, 0);
    let mut bytes = content(&disk, &path);
    bytes[100] ^= 1;
    set_content(&disk, &path, &bytes);
    let store = open(&disk).unwrap();
    let topic = store.open_topic("t").unwrap();
    let failure = || {
        topic.describe().unwrap().partitions[0]
            .compaction_failure
            .clone()
    };
    assert_eq!(failure(), None);
    assert!(matches!(topic.compact(), Err(Error::Corruption { .. })));
    assert!(failure().unwrap().contains("00000000000000000000.log"));
    assert_eq!(content(&disk, &path), bytes);
    // Nothing else is cleaned before somebody has looked at it.
    assert_eq!(topic.compact().unwrap().records_removed, 0);
    assert!(failure().is_some(), "it is told for as long as it stands");
    assert_eq!(
        topic.partition(0).unwrap().log_end_offset(),
        before.len() as u64
    );
    store.close().unwrap();
}
