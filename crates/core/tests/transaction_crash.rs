//! A commit that is cut short at every change of the disk, by a kill, a loss of power or an error: over one, two and
//! three partitions, with and without consumed offsets. What is found in the next life is all of it or nothing, the
//! same in every partition, in the offsets and in the outcome that can be asked for; and a retry does the rest.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;

use support::sending::*;
use support::*;
use tidelog::io::{CrashKind, FaultKind, SimulatedStorage, Storage};
use tidelog::{
    Durability, Store, Topic, TopicConfig, TransactionNumber, TransactionOptions,
    TransactionOutcome, TransactionalProducer,
};

const ROOT: &str = "/data";
const INPUTS: u64 = 3;

fn life(disk: &SimulatedStorage) -> Arc<dyn Storage> {
    Arc::new(disk.process())
}

fn open(disk: &SimulatedStorage) -> tidelog::Result<Store> {
    Store::open(ROOT, options(&life(disk), Durability::Fsync))
}

fn producer(store: &Store) -> tidelog::Result<TransactionalProducer> {
    store.transactional_producer("copy", TransactionOptions::default())
}

/// A store in which one transaction was committed and offset 1 with it, and which was closed.
fn prepared(outputs: u32) -> SimulatedStorage {
    let disk = SimulatedStorage::new();
    let store = open(&disk).unwrap();
    let config = |partitions| TopicConfig {
        partitions,
        // Every transaction begins another segment.
        segment_bytes: 1024,
        index_interval_bytes: 64,
        ..TopicConfig::default()
    };
    let inputs = store.create_topic("in", config(1)).unwrap();
    let out = store.create_topic("out", config(outputs)).unwrap();
    let lane = store.producer_lane();
    for n in 0..INPUTS {
        produce(&lane, &inputs, &[(0, &value(n, 700))]);
    }
    let first = producer(&store).unwrap();
    let number = first.begin().unwrap();
    gather(&first, number, (&inputs, &out), 0, true).unwrap();
    commit(&first, number.number).unwrap();
    store.close().unwrap();
    disk
}

/// Puts input `n` into all outputs, and the offset behind it into the transaction.
fn gather(
    producer: &TransactionalProducer,
    number: TransactionNumber,
    (inputs, out): (&Topic, &Topic),
    n: u64,
    with_offsets: bool,
) -> tidelog::Result<()> {
    let value = value(n, 700);
    let records: Vec<(u32, &[u8])> = (0..out.partition_count())
        .map(|partition| (partition, value.as_slice()))
        .collect();
    send(producer, number.number, out, &records)?;
    if with_offsets {
        let offsets = vec![offset_commit(inputs, 0, n + 1)];
        producer.send_offsets(number.number, "copiers", offsets)?;
    }
    Ok(())
}

/// How many transactions each output holds, which must be the same for all, and the committed offset.
fn found(store: &Store, context: &str) -> (usize, u64) {
    let damaged = &store.recovery().damaged;
    assert!(damaged.is_empty(), "{context}: {damaged:?}");
    let out = store.open_topic("out").unwrap();
    let mut counts = Vec::new();
    for number in 0..out.partition_count() {
        let records = read_all(&out.partition(number).unwrap()).unwrap();
        for (n, (offset, found)) in records.iter().enumerate() {
            assert_eq!(
                (*offset, found),
                (n as u64, &value(n as u64, 700)),
                "{context}"
            );
        }
        counts.push(records.len());
    }
    assert!(
        counts.iter().all(|count| *count == counts[0]),
        "{context}: {counts:?}"
    );
    let offsets = store.committed_offsets("copiers").unwrap();
    (
        counts[0],
        offsets.first().map_or(0, |committed| committed.offset),
    )
}

/// What the commit was told, if it came to an end.
type Told = Option<tidelog::Result<()>>;

/// Commits input 1 on a disk that has something in store.
fn attempt(disk: &SimulatedStorage, with_offsets: bool) -> (Option<TransactionNumber>, Told) {
    let Ok(store) = open(disk) else {
        return (None, None);
    };
    let outcome = (|| {
        let (inputs, out) = (store.open_topic("in")?, store.open_topic("out")?);
        let copy = producer(&store)?;
        let number = copy.begin()?;
        gather(&copy, number, (&inputs, &out), 1, with_offsets)?;
        Ok((number, commit(&copy, number.number).map(|_| ())))
    })();
    drop(store);
    match outcome {
        Ok((number, told)) => (Some(number), Some(told)),
        Err::<_, tidelog::Error>(_) => (None, None),
    }
}

/// Opens what a crash left, compares it with what was told, and does what is missing.
fn check(
    disk: &SimulatedStorage,
    (number, told): &(Option<TransactionNumber>, Told),
    with_offsets: bool,
    context: &str,
) -> usize {
    let store = open(disk).unwrap_or_else(|error| panic!("{context}: {error}"));
    let (count, offset) = found(&store, context);
    assert!((1..=2).contains(&count), "{context}: {count}");
    let expected = if with_offsets { count as u64 } else { 1 };
    assert_eq!(offset, expected, "{context}: the offset");
    match told {
        Some(Ok(())) => assert_eq!(count, 2, "{context}: acknowledged"),
        Some(Err(error)) if !error.indefinite() => assert_eq!(count, 1, "{context}: {error}"),
        _ => {}
    }
    let copy = producer(&store).unwrap();
    if let Some(number) = number {
        let outcome = store.transaction_outcome("copy", *number).unwrap();
        let committed = matches!(outcome, TransactionOutcome::Committed(_));
        assert_eq!(committed, count == 2, "{context}: {outcome:?}");
    }
    if count == 1 {
        let (inputs, out) = (
            store.open_topic("in").unwrap(),
            store.open_topic("out").unwrap(),
        );
        let number = copy.begin().unwrap();
        gather(&copy, number, (&inputs, &out), 1, with_offsets).unwrap();
        commit(&copy, number.number).unwrap();
    }
    assert_eq!(found(&store, context).0, 2, "{context}");
    store.close().unwrap();
    let store = open(disk).unwrap();
    assert_eq!(found(&store, context).0, 2, "{context}: in a life more");
    store.close().unwrap();
    count
}

fn seeds() -> u64 {
    std::env::var("TIDELOG_CRASH_SEEDS").map_or(2, |seeds| seeds.parse().unwrap())
}

#[test]
fn a_commit_cut_short_at_any_change_is_whole_or_absent() {
    let (mut cases, mut whole) = (0, 0);
    for outputs in 1..=3 {
        for with_offsets in [false, true] {
            let disk = prepared(outputs);
            // Where opening ends and the transaction begins does not matter: every change is tried.
            for change in 1.. {
                let disk = disk.duplicate();
                disk.crash_at_change(disk.counters().changes + change);
                let attempted = attempt(&disk, with_offsets);
                let survived = !disk.is_down();
                for kind in [CrashKind::Kill, CrashKind::PowerLoss] {
                    for seed in 0..seeds() {
                        let disk = disk.duplicate();
                        disk.crash(kind, seed);
                        let context =
                            format!("{outputs} outputs, change {change}, {kind:?}, seed {seed}");
                        whole += check(&disk, &attempted, with_offsets, &context) - 1;
                        cases += 1;
                    }
                }
                if survived {
                    break;
                }
            }
        }
    }
    println!("{cases} commits cut short, {whole} of them whole");
    assert!(
        cases > 252 && whole > 0 && whole < cases,
        "{cases}, {whole}"
    );
}

#[test]
fn a_commit_that_meets_an_error_is_whole_or_absent() {
    let mut cases = 0;
    for outputs in 1..=3 {
        let disk = prepared(outputs);
        for kind in [
            FaultKind::Eio,
            FaultKind::NoSpace,
            FaultKind::ShortWrite(20),
            FaultKind::LateEio,
        ] {
            for call in 1.. {
                let disk = disk.duplicate();
                let last = disk.counters().calls + call;
                disk.fail_at(last, kind);
                let attempted = attempt(&disk, true);
                let met = disk.counters().calls >= last;
                for kind in [CrashKind::Kill, CrashKind::PowerLoss] {
                    let disk = disk.duplicate();
                    disk.crash(kind, call);
                    let context = format!("{outputs} outputs, call {call} fails, {kind:?}");
                    check(&disk, &attempted, true, &context);
                    cases += 1;
                }
                if !met {
                    break;
                }
            }
        }
    }
    println!("{cases} commits that met an error");
    assert!(cases > 252, "{cases}");
}
