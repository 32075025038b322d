//! The real engine over the simulated disk: crashed at every write and sync of a script, killed or without
//! power, opened again, compared with what was acknowledged. Seeds are printed by the assertions; the long
//! form is `TIDELOG_CRASH_SEEDS=2000 cargo test --release -p tidelog --test crash`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use support::*;
use tidelog::io::{CrashKind, FaultKind, OpenMode, SimulatedStorage, Storage};
use tidelog::{Durability, Store, TopicConfig};

const ROOT: &str = "/data";

/// What the script was told before the crash, by topic and partition.
#[derive(Default)]
struct Told {
    /// Values in the order in which they were appended, acknowledged or not.
    sent: BTreeMap<(&'static str, u32), Vec<Vec<u8>>>,
    /// How many of these were acknowledged, by their topic's promise.
    acknowledged: BTreeMap<(&'static str, u32), usize>,
    /// The highest log start that was acknowledged, and the highest asked for.
    starts: BTreeMap<(&'static str, u32), (u64, u64)>,
}

fn config(durability: Durability) -> TopicConfig {
    TopicConfig {
        partitions: 2,
        durability: Some(durability),
        // Small, so that the script rolls several times.
        segment_bytes: 1500,
        index_interval_bytes: 256,
        ..TopicConfig::default()
    }
}

/// Appends to four partitions, deletes records, and closes in the end; stops at the first error. What it leaves open is
/// to be killed.
fn script(
    storage: &Arc<dyn Storage>,
    told: &mut Told,
    seed: u64,
) -> (Option<Store>, tidelog::Result<()>) {
    let store = match Store::open(ROOT, options(storage, Durability::Fsync)) {
        Ok(store) => store,
        Err(error) => return (None, Err(error)),
    };
    let ended = go_on(&store, told, seed);
    (Some(store), ended)
}

fn go_on(store: &Store, told: &mut Told, seed: u64) -> tidelog::Result<()> {
    let mut partitions = Vec::new();
    for (name, durability) in [("safe", Durability::Fsync), ("fast", Durability::Buffered)] {
        let topic = match store.open_topic(name) {
            Ok(topic) => topic,
            Err(_) => store.create_topic(name, config(durability))?,
        };
        for number in 0..2 {
            partitions.push((name, number, topic.partition(number)?));
        }
    }
    let mut random = seed;
    for round in 0..24_u64 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let (name, number, partition) = &partitions[(random >> 33) as usize % partitions.len()];
        let key = (*name, *number);
        let sent = told.sent.entry(key).or_default();
        let count = 1 + (random >> 40) % 4;
        let values: Vec<_> = (0..count)
            .map(|n| value(seed << 32 | round << 8 | n, 60))
            .collect();
        sent.extend(values.iter().cloned());
        partition.append(batch(&values))?;
        told.acknowledged.insert(key, sent.len());
        if round % 9 == 8 {
            let before = partition.high_watermark() / 2;
            let start = told.starts.entry(key).or_default();
            start.1 = start.1.max(before);
            partition.delete_records(before)?;
            start.0 = start.0.max(before);
        }
    }
    store.close()
}

/// Opens the store after the crash and checks every promise that it was told of.
fn check(storage: &Arc<dyn Storage>, told: &Told, power_lost: bool, context: &str) {
    let store = match Store::open(ROOT, options(storage, Durability::Fsync)) {
        Ok(store) => store,
        Err(error) => panic!("{context}: does not open: {error}"),
    };
    assert!(
        store.recovery().damaged.is_empty(),
        "{context}: {:?}",
        store.recovery().damaged
    );
    for ((name, number), sent) in &told.sent {
        let key = (*name, *number);
        let acknowledged = told.acknowledged.get(&key).copied().unwrap_or(0);
        let partition = store.open_topic(name).unwrap().partition(*number).unwrap();
        let records =
            read_all(&partition).unwrap_or_else(|error| panic!("{context}: {key:?}: {error}"));
        let start = partition.log_start_offset();
        let (durable, asked) = told.starts.get(&key).copied().unwrap_or_default();
        assert!(
            start >= durable && start <= asked,
            "{context}: {key:?} starts at {start}, not {durable}..={asked}"
        );
        for (n, (offset, value)) in records.iter().enumerate() {
            assert_eq!(*offset, start + n as u64, "{context}: {key:?} has a hole");
            assert_eq!(
                value, &sent[*offset as usize],
                "{context}: {key:?} offset {offset} is another record"
            );
        }
        let end = partition.high_watermark() as usize;
        let promised = *name == "safe" || !power_lost;
        assert!(
            !promised || end >= acknowledged,
            "{context}: {key:?} lost {end}..{acknowledged} of acknowledged"
        );
        // It goes on where it ended.
        let appended = partition.append(batch(&[value(7, 20)])).unwrap();
        assert_eq!(appended.base_offset as usize, end, "{context}: {key:?}");
    }
    store.close().unwrap();
}

fn seeds() -> u64 {
    std::env::var("TIDELOG_CRASH_SEEDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(3)
}

/// One life of the machine: what happens in it fails for good with the next crash.
fn life(disk: &SimulatedStorage) -> Arc<dyn Storage> {
    Arc::new(disk.process())
}

#[test]
fn acknowledged_records_survive_a_crash_at_every_change_of_the_disk() {
    let mut crashes = 0;
    for seed in 0..seeds() {
        for kind in [CrashKind::Kill, CrashKind::PowerLoss] {
            for change in 1.. {
                let disk = SimulatedStorage::new();
                let mut told = Told::default();
                disk.crash_at_change(change);
                let (left, ended) = script(&life(&disk), &mut told, seed);
                let context = format!("seed {seed}, change {change}, {kind:?}");
                let whole = ended.is_ok() && !disk.is_down();
                disk.crash(kind, seed * 1_000_003 + change);
                left.into_iter().for_each(bury);
                check(&life(&disk), &told, kind == CrashKind::PowerLoss, &context);
                if whole {
                    break;
                }
                crashes += 1;
            }
        }
    }
    assert!(crashes > 100, "{crashes}");
}

#[test]
fn recovery_may_crash_anywhere_and_be_run_again() {
    let mut stories = 0;
    for seed in 0..seeds() {
        let disk = SimulatedStorage::new();
        let mut told = Told::default();
        disk.crash_at_change(140 + seed * 17 % 60);
        let (left, ended) = script(&life(&disk), &mut told, seed);
        disk.crash(CrashKind::PowerLoss, seed);
        left.into_iter().for_each(bury);
        if ended.is_ok() {
            continue;
        }
        stories += 1;
        for change in 1.. {
            let disk = disk.duplicate();
            disk.crash_at_change(disk.counters().changes + change);
            let opened = Store::open(ROOT, options(&life(&disk), Durability::Fsync))
                .and_then(|store| store.close());
            if opened.is_ok() && !disk.is_down() {
                break;
            }
            disk.crash(CrashKind::PowerLoss, seed * 31 + change);
            check(
                &life(&disk),
                &told,
                true,
                &format!("seed {seed}, recovery crashed at change {change}"),
            );
        }
    }
    assert!(stories > 0);
}

#[test]
fn an_error_of_any_call_is_reported_and_loses_nothing_that_was_acknowledged() {
    for kind in [
        FaultKind::Eio,
        FaultKind::NoSpace,
        FaultKind::ShortWrite(40),
        FaultKind::LateEio,
    ] {
        for call in 1.. {
            let disk = SimulatedStorage::new();
            let mut told = Told::default();
            disk.fail_at(call, kind);
            let (left, ended) = script(&life(&disk), &mut told, 7);
            let reached = disk.counters().calls >= call;
            disk.crash(CrashKind::PowerLoss, call);
            left.into_iter().for_each(bury);
            check(
                &life(&disk),
                &told,
                true,
                &format!("call {call} fails with {kind:?}: {ended:?}"),
            );
            if !reached {
                break;
            }
        }
    }
}

/// A deletion is killed at any change of the disk, and the power goes at any change of the opening that finishes it.
#[test]
fn a_deleted_topic_does_not_come_back_without_its_files() {
    let one = || batch(&[value(1, 60)]);
    let mut stories = 0;
    let disk = SimulatedStorage::new();
    let store = Store::open(ROOT, options(&life(&disk), Durability::Fsync)).unwrap();
    let topic = store
        .create_topic("gone", config(Durability::Fsync))
        .unwrap();
    for number in 0..2 {
        topic.partition(number).unwrap().append(one()).unwrap();
    }
    store.close().unwrap();
    for deletion in 1.. {
        let disk = disk.duplicate();
        let store = Store::open(ROOT, options(&life(&disk), Durability::Fsync)).unwrap();
        disk.crash_at_change(disk.counters().changes + deletion);
        // It is answered once the topic is gone for good; its files may still be there.
        let whole = store.delete_topic("gone").is_ok() && !disk.is_down();
        disk.crash(CrashKind::Kill, deletion);
        bury(store);
        for opening in 1.. {
            let disk = disk.duplicate();
            disk.crash_at_change(disk.counters().changes + opening);
            let store = Store::open(ROOT, options(&life(&disk), Durability::Fsync));
            let opened = store.is_ok() && !disk.is_down();
            for seed in 0..4 {
                let disk = disk.duplicate();
                disk.crash(CrashKind::PowerLoss, seed);
                let context = format!("deletion to {deletion}, opening to {opening}, seed {seed}");
                check_deleted(&disk, &context);
                stories += 1;
            }
            disk.crash(CrashKind::Kill, opening);
            store.into_iter().for_each(bury);
            if opened {
                break;
            }
        }
        if whole {
            break;
        }
    }
    assert!(stories > 500, "{stories}");
}

/// The topic is there with its records, or it is gone and its name is free.
fn check_deleted(disk: &SimulatedStorage, context: &str) {
    let store = Store::open(ROOT, options(&life(disk), Durability::Fsync))
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    let damaged = &store.recovery().damaged;
    assert!(damaged.is_empty(), "{context}: {damaged:?}");
    match store.open_topic("gone") {
        Ok(topic) => {
            for number in 0..2 {
                let records = read_all(&topic.partition(number).unwrap()).unwrap();
                assert_eq!(records, [(0, value(1, 60))], "{context}");
            }
        }
        Err(_) => {
            let again = store.create_topic("gone", config(Durability::Fsync));
            again
                .map(drop)
                .unwrap_or_else(|error| panic!("{context}: {error}"));
        }
    }
    disk.crash(CrashKind::Kill, 0);
    bury(store);
}

#[test]
fn an_empty_segment_that_was_given_up_does_not_hide_what_the_one_before_it_holds() {
    for durability in [Durability::Fsync, Durability::Buffered] {
        for closes in [true, false] {
            let disk = SimulatedStorage::new();
            let store = Store::open(ROOT, options(&life(&disk), durability)).unwrap();
            let topic = store.create_topic("one", config(durability)).unwrap();
            let partition = topic.partition(0).unwrap();
            let values: Vec<_> = (0..6).map(|n| value(n, 60)).collect();
            for value in values.chunks(1) {
                partition.append(batch(value)).unwrap();
            }
            partition.delete_records(3).unwrap();
            if closes {
                store.close().unwrap();
            }
            // The segment was to begin here, and its making failed: the log went on in the one before it.
            let path = segment_path(std::path::Path::new(ROOT), "one", 0, 3);
            disk.open(&path, OpenMode::CreateNew).unwrap();
            disk.crash(CrashKind::Kill, 0);
            bury(store);
            let store = Store::open(ROOT, options(&life(&disk), durability)).unwrap();
            let damaged = &store.recovery().damaged;
            assert!(damaged.is_empty(), "{durability}, {closes}: {damaged:?}");
            let partition = store.open_topic("one").unwrap().partition(0).unwrap();
            let expected: Vec<_> = (3..6).map(|n| (n, value(n, 60))).collect();
            assert_eq!(read_all(&partition).unwrap(), expected);
            store.close().unwrap();
        }
    }
}
