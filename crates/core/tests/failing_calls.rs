//! A script of every kind of call, with one call of the disk failing: each in turn, in four ways. What was said of each
//! step is held against what is found after the process was killed, and after the power went: acknowledged is there,
//! definitely failed is not, unknown may be, and nothing is acknowledged once the store has said that it is poisoned.

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
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use support::*;
use tidelog::io::{CallKind, CrashKind, FaultKind, SimulatedStorage, Storage};
use tidelog::{
    Durability, Error, JournalOptions, OpenOptions, Result, Store, TopicChange, TopicConfig,
};

const ROOT: &str = "/data";
const TOPICS: [(&str, Durability, u32); 4] = [
    ("fast", Durability::Buffered, 1),
    ("gone", Durability::Fsync, 1),
    ("safe", Durability::Fsync, 2),
    ("turns", Durability::Fsync, 1),
];

/// What was said of the sends to a partition.
#[derive(Default)]
struct Sends {
    acknowledged: Vec<Vec<u8>>,
    /// How many of these survive the power, too.
    durable: usize,
    /// Their outcome is unknown, in order.
    unknown: Vec<Vec<u8>>,
    failed: Vec<Vec<u8>>,
    /// The log start that was acknowledged, and the highest asked for.
    start: (u64, u64),
}

/// What is known of a topic being there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum There {
    Yes,
    No,
    Unknown,
}

#[derive(Default)]
struct Told {
    sends: BTreeMap<(&'static str, u32), Sends>,
    there: BTreeMap<&'static str, There>,
    poisoned: bool,
    /// What was told, in order.
    errors: Vec<Error>,
    context: String,
}

impl Told {
    /// Notes an answer, and that nothing succeeds any more once the store is poisoned.
    fn note<T>(&mut self, step: &str, answer: &Result<T>) {
        match answer {
            Ok(_) => assert!(!self.poisoned, "{}: {step} after a poisoning", self.context),
            Err(error) => {
                self.poisoned |= error.indefinite();
                self.errors.push(error.clone());
            }
        }
    }

    /// What is told, and latched, goes by what the call was that failed, and only then by the error that it had.
    fn check_told(&self, kind: FaultKind, hit: CallKind) {
        let context = &self.context;
        let shortage = match kind {
            FaultKind::NoHandles => Some("ERR_TIDELOG_TOO_MANY_OPEN_FILES"),
            FaultKind::NoSpace | FaultKind::Quota => Some("ERR_TIDELOG_STORAGE_FULL"),
            _ => None,
        };
        for (n, error) in self.errors.iter().enumerate() {
            let poisoned = error.code() == "ERR_TIDELOG_POISONED";
            assert_eq!(error.indefinite(), poisoned, "{context}: {error}");
            if let Some(code) = shortage
                && !poisoned
                && n == 0
            {
                // What can't be read is told as damage, whatever keeps it from being read.
                let unread = hit == CallKind::Look && error.code() == "ERR_TIDELOG_CORRUPTION";
                assert!(error.code() == code || unread, "{context}: {error}");
                assert!(error.retriable() || unread, "{context}: {error}");
            }
        }
        match hit {
            CallKind::Sync => {
                let first = self.errors.first();
                assert!(
                    first.is_none_or(Error::indefinite),
                    "{context}: a sync failed, told was {first:?}"
                );
            }
            // A round of the journal waits for handles. Any other failure on its way is final: its frame is written.
            CallKind::Look if kind == FaultKind::NoHandles => assert!(
                !self.poisoned,
                "{context}: nothing was synced, told was {:?}",
                self.errors.first()
            ),
            _ => {}
        }
    }

    fn send(&mut self, store: &Store, name: &'static str, number: u32, len: usize, id: u64) {
        let Ok(topic) = store.open_topic(name) else {
            return;
        };
        let partition = topic.partition(number).unwrap();
        let values = vec![value(id << 8, len), value(id << 8 | 1, 50)];
        let durability = topic.config().durability;
        let before = partition.log_end_offset();
        let answer = partition.append(batch(&values));
        self.note("a send", &answer);
        let context = &self.context;
        let sends = self.sends.entry((name, number)).or_default();
        match answer {
            Ok(appended) => {
                assert_eq!(appended.base_offset, before, "{context}");
                assert_eq!(before as usize, sends.acknowledged.len(), "{context}");
                sends.acknowledged.extend(values);
                if durability == Some(Durability::Fsync) {
                    sends.durable = sends.acknowledged.len();
                }
            }
            Err(error) if error.indefinite() => sends.unknown.extend(values),
            Err(_) => sends.failed.extend(values),
        }
    }

    fn create(&mut self, store: &Store, name: &'static str, durability: Durability, count: u32) {
        let config = TopicConfig {
            partitions: count,
            durability: Some(durability),
            segment_bytes: 2500,
            index_interval_bytes: 256,
            ..TopicConfig::default()
        };
        let answer = store.create_topic(name, config);
        self.note("making a topic", &answer);
        let there = match answer {
            Ok(_) => There::Yes,
            Err(_) => There::Unknown,
        };
        self.there.insert(name, there);
    }
}

fn open(disk: &SimulatedStorage) -> Result<Store> {
    let storage: Arc<dyn Storage> = Arc::new(disk.process());
    let options = OpenOptions {
        journal: JournalOptions {
            file_bytes: 64 << 10,
            files: 2,
            frame_bytes: 16 << 10,
            extent_bytes: 1000,
        },
        checkpoint_interval: Duration::from_secs(3600),
        ..options(&storage, Durability::Fsync)
    };
    Store::open(ROOT, options)
}

/// Goes on whatever fails, as a program may. What it leaves open is to be killed.
fn script(disk: &SimulatedStorage, told: &mut Told, close: bool) -> Option<Store> {
    let opened = open(disk);
    told.note("opening", &opened);
    let store = opened.ok()?;
    for (name, durability, partitions) in TOPICS {
        told.create(&store, name, durability, partitions);
    }
    let durabilities = [Durability::Buffered, Durability::Fsync];
    for round in 0..72_u64 {
        let (name, _, partitions) = TOPICS[round as usize % TOPICS.len()];
        // Some are in their segment only.
        let len = if round % 5 == 4 { 1100 } else { 120 };
        told.send(&store, name, round as u32 / 4 % partitions, len, round);
        match round {
            9 | 25 | 53 => {
                let Ok(topic) = store.open_topic("safe") else {
                    continue;
                };
                let partition = topic.partition(0).unwrap();
                let before = partition.high_watermark() / 2;
                let sends = told.sends.entry(("safe", 0)).or_default();
                sends.start.1 = sends.start.1.max(before);
                let answer = partition.delete_records(before);
                if answer.is_ok() {
                    sends.start.0 = before;
                }
                told.note("deleting records", &answer);
            }
            14 | 30 | 46 | 62 => {
                let Ok(topic) = store.open_topic("turns") else {
                    continue;
                };
                let change = TopicChange {
                    durability: Some(durabilities[usize::from(round == 30 || round == 62)]),
                    ..TopicChange::default()
                };
                told.note("turning a topic", &topic.alter(&change));
            }
            20 | 57 => {
                let answer = store.sync();
                told.note("a sync", &answer);
                if answer.is_ok() {
                    for sends in told.sends.values_mut() {
                        sends.durable = sends.acknowledged.len();
                    }
                }
            }
            66 => {
                let answer = store.delete_topic("gone");
                told.note("deleting a topic", &answer);
                let there = match answer {
                    Ok(()) => There::No,
                    Err(_) => There::Unknown,
                };
                told.there.insert("gone", there);
            }
            _ => {}
        }
    }
    if disk.failed_calls().contains(&CallKind::Sync) {
        // Whoever was told of it, nothing is written any more.
        let answer = store.create_topic("late", TopicConfig::default());
        let error = answer.err();
        let final_error = error.as_ref().is_some_and(Error::indefinite);
        assert!(final_error, "{}: told was {error:?}", told.context);
        told.poisoned = true;
    }
    if close {
        let answer = store.close();
        told.note("closing", &answer);
        if answer.is_ok() {
            for sends in told.sends.values_mut() {
                sends.durable = sends.acknowledged.len();
            }
        }
    }
    Some(store)
}

fn check(disk: &SimulatedStorage, told: &Told, kind: CrashKind) {
    let context = format!("{}, then {kind:?}", told.context);
    let store = open(disk).unwrap_or_else(|error| panic!("{context}: does not open: {error}"));
    let damaged = &store.recovery().damaged;
    assert!(damaged.is_empty(), "{context}: {damaged:?}");
    for (name, there) in &told.there {
        let is = store.open_topic(name).is_ok();
        let expected = match there {
            There::Yes => is,
            There::No => !is,
            There::Unknown => true,
        };
        assert!(expected, "{context}: {name} there: {is}, told {there:?}");
    }
    for ((name, number), sends) in &told.sends {
        let Ok(topic) = store.open_topic(name) else {
            continue;
        };
        let partition = topic.partition(*number).unwrap();
        let start = partition.log_start_offset();
        let starts = sends.start.0..=sends.start.1;
        assert!(
            starts.contains(&start),
            "{context}: {name} starts at {start}"
        );
        let records = read_all(&partition).unwrap_or_else(|error| panic!("{context}: {error}"));
        let whole: Vec<_> = sends.acknowledged.iter().chain(&sends.unknown).collect();
        for (n, (offset, value)) in records.iter().enumerate() {
            assert_eq!(*offset, start + n as u64, "{context}: {name} has a hole");
            assert!(
                !sends.failed.contains(value),
                "{context}: {name} has a ghost"
            );
            let sent = whole.get(*offset as usize);
            assert_eq!(Some(&value), sent, "{context}: {name} at {offset}");
        }
        let end = partition.high_watermark() as usize;
        // What a failed sync took from the page cache is as gone as with the power.
        let kept = match kind == CrashKind::Kill && !told.poisoned {
            true => sends.acknowledged.len(),
            false => sends.durable,
        };
        assert!(
            end >= kept,
            "{context}: {name}-{number} ends at {end}, not {kept}"
        );
        let appended = partition.append(batch(&[value(1 << 60, 20)])).unwrap();
        assert_eq!(appended.base_offset as usize, end, "{context}");
    }
    store
        .close()
        .unwrap_or_else(|error| panic!("{context}: {error}"));
}

/// False once the script ends before this call.
fn one(call: u64, kind: FaultKind, poisonings: &AtomicU64) -> bool {
    let disk = SimulatedStorage::new();
    disk.fail_at(call, kind);
    let mut told = Told {
        context: format!("call {call} fails with {kind:?}"),
        ..Told::default()
    };
    let left = script(&disk, &mut told, call.is_multiple_of(2));
    poisonings.fetch_add(u64::from(told.poisoned), Ordering::Relaxed);
    let reached = disk.counters().calls >= call;
    if let [hit] = disk.failed_calls()[..] {
        told.check_told(kind, hit);
    }
    for crash in [CrashKind::Kill, CrashKind::PowerLoss] {
        let disk = disk.duplicate();
        disk.crash(crash, call);
        check(&disk, &told, crash);
    }
    disk.crash(CrashKind::Kill, call);
    left.into_iter().for_each(bury);
    reached
}

fn every_call_fails_with(kind: FaultKind) {
    let (next, last, poisonings) = (
        AtomicU64::new(1),
        AtomicU64::new(u64::MAX),
        AtomicU64::new(0),
    );
    let work = || {
        loop {
            let call = next.fetch_add(1, Ordering::Relaxed);
            if call > last.load(Ordering::Relaxed) {
                return;
            }
            if !one(call, kind, &poisonings) {
                last.fetch_min(call, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        // Joined, since a scope alone does not wait until they have freed what is their own.
        for thread in threads {
            thread.join().unwrap();
        }
    });
    let (last, poisonings) = (last.into_inner(), poisonings.into_inner());
    println!("{kind:?}: {last} calls, {poisonings} times poisoned");
    assert!(last > 480, "{last} calls");
    assert!(poisonings > 50, "{poisonings} times poisoned");
}

#[test]
fn a_call_that_fails() {
    every_call_fails_with(FaultKind::Eio);
}

#[test]
fn a_call_that_finds_no_space() {
    every_call_fails_with(FaultKind::NoSpace);
}

#[test]
fn a_call_that_is_over_the_quota() {
    every_call_fails_with(FaultKind::Quota);
}

#[test]
fn a_call_that_finds_no_handle() {
    every_call_fails_with(FaultKind::NoHandles);
}

#[test]
fn a_write_that_is_cut_short() {
    every_call_fails_with(FaultKind::ShortWrite(40));
}

#[test]
fn a_call_that_is_done_and_yet_fails() {
    every_call_fails_with(FaultKind::LateEio);
}
