//! Exactly once, from log to log: records are copied by transactions that commit the offsets of their inputs, in a
//! process that is killed again and again, while a twin goes on with what was taken over from it. Each output is there
//! once, in the order of its key. Without the transaction, or with offsets beside it, it is not.
//!
//! `TIDELOG_COPY_SEED` repeats the choices of a run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    missing_docs,
    reason = "a test fails by panicking, and says what it did"
)]

mod support;

#[path = "exactly_once/copier.rs"]
mod copier;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use copier::{INPUTS, MODES, Mode, OUTPUTS, key_of};
use support::children::was_killed;
use support::choices::Choices;
use support::read_all;
use support::sending::produce;
use tidelog::{OpenOptions, Store, TopicConfig};

const FOLDER: &str = "TIDELOG_COPY_FOLDER";
const WORK: &str = "TIDELOG_COPY_WORK";
const KEYS: u32 = 100;

/// What the process does that is killed. It is a test only to be found by name, and passes when it is not that process.
#[test]
fn a_life_of_the_copier() {
    let Ok(work) = std::env::var(WORK) else {
        return;
    };
    support::children::end_with_any_panic();
    let folder = std::env::var(FOLDER).unwrap();
    let numbers: Vec<u64> = work.split(' ').map(|n| n.parse().unwrap()).collect();
    let mode = MODES[numbers[0] as usize];
    copier::live(Path::new(&folder), mode, numbers[1], numbers[2] as usize);
}

/// How often things were told, and what became of the outputs.
#[derive(Debug, Default)]
struct Copied {
    kills: u64,
    told: BTreeMap<String, u64>,
    duplicates: u64,
    losses: u64,
    out_of_order: u64,
}

fn copy(mode: Mode, inputs: u64, batch: u64, kills: u64) -> Copied {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = std::env::var("TIDELOG_COPY_SEED")
        .map_or(clock.as_nanos() as u64 >> 10, |seed| seed.parse().unwrap());
    eprintln!("{mode:?}: TIDELOG_COPY_SEED={seed}");
    let begun = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), inputs);
    let (mut choices, mut copied) = (Choices::new(seed), Copied::default());
    for life in 0..=kills {
        let kill = life < kills;
        let commits = 1 + choices.below(3);
        let pause = Duration::from_micros(1000 + choices.below(2000));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["a_life_of_the_copier", "--exact", "--nocapture"])
            .env(FOLDER, folder.path())
            .env(
                WORK,
                format!("{} {} {batch}", mode as u8, seed ^ (life << 40)),
            )
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut seen = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if !["commit", "zombie", "raced"]
                .iter()
                .any(|word| line.starts_with(word))
            {
                continue;
            }
            seen += u64::from(line == "commit");
            *copied.told.entry(line).or_default() += 1;
            if kill && seen == commits {
                std::thread::sleep(pause);
                child.kill().unwrap();
            }
        }
        let status = child.wait().unwrap();
        copied.kills += u64::from(was_killed(status));
        if status.success() {
            // It may have been done just before it would have been killed.
            break;
        }
        assert!(kill && was_killed(status), "life {life}: {status}");
    }
    judge(folder.path(), inputs, &mut copied);
    eprintln!(
        "{mode:?}: {copied:?}, {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    copied
}

/// Input n is number n / KEYS of key n % KEYS.
fn fill(folder: &Path, inputs: u64) {
    let store = Store::open(folder, OpenOptions::default()).unwrap();
    let config = |partitions| TopicConfig {
        partitions,
        ..TopicConfig::default()
    };
    let input = store.create_topic("input", config(INPUTS)).unwrap();
    store.create_topic("output", config(OUTPUTS)).unwrap();
    let lane = store.producer_lane();
    let values: Vec<_> = (0..inputs)
        .map(|n| {
            let key = (n % u64::from(KEYS)) as u32;
            let number = n / u64::from(KEYS);
            (
                key % INPUTS,
                [&key.to_be_bytes()[..], &number.to_be_bytes()].concat(),
            )
        })
        .collect();
    for some in values.chunks(1000) {
        let records: Vec<_> = some.iter().map(|(p, value)| (*p, &value[..])).collect();
        assert!(produce(&lane, &input, &records).error.is_none());
    }
    store.close().unwrap();
}

fn judge(folder: &Path, inputs: u64, copied: &mut Copied) {
    let store = Store::open(folder, OpenOptions::default()).unwrap();
    let output = store.open_topic("output").unwrap();
    let mut by_key: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for partition in 0..OUTPUTS {
        for (_, value) in read_all(&output.partition(partition).unwrap()).unwrap() {
            let key = key_of(&value);
            assert_eq!(key % OUTPUTS, partition);
            let number = u64::from_be_bytes(value[4..].try_into().unwrap());
            by_key.entry(key).or_default().push(number);
        }
    }
    let per_key = inputs / u64::from(KEYS);
    for key in 0..KEYS {
        let mut numbers = by_key.remove(&key).unwrap_or_default();
        let turned = numbers.windows(2).filter(|pair| pair[0] > pair[1]);
        copied.out_of_order += turned.count() as u64;
        let all = numbers.len() as u64;
        numbers.sort_unstable();
        numbers.dedup();
        assert!(numbers.last().is_none_or(|last| *last < per_key));
        copied.duplicates += all - numbers.len() as u64;
        copied.losses += per_key - numbers.len() as u64;
    }
    assert!(by_key.is_empty());
    store.close().unwrap();
}

#[test]
fn each_input_is_copied_once_through_twenty_kills() {
    let copied = copy(Mode::Together, 100_000, 750, 20);
    let told = |line| copied.told.get(line).copied().unwrap_or(0);
    assert_eq!(
        (copied.duplicates, copied.losses, copied.out_of_order),
        (0, 0, 0)
    );
    assert!(copied.kills >= 15);
    assert_eq!(told("zombie accepted"), 0);
    assert!(told("zombie fenced") > 0);
}

#[test]
fn sends_without_a_transaction_are_copied_twice() {
    assert!(copy(Mode::Plain, 20_000, 100, 12).duplicates > 0);
}

#[test]
fn offsets_committed_after_the_transaction_copy_twice() {
    assert!(copy(Mode::OffsetsAfter, 20_000, 100, 12).duplicates > 0);
}

#[test]
fn offsets_committed_before_the_transaction_lose() {
    assert!(copy(Mode::OffsetsBefore, 20_000, 100, 12).losses > 0);
}
