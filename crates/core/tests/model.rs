//! The whole core against plain lists of records: appends, retries, producers with and without names, transactions,
//! committed offsets, searches, retention, and lives that end with a close, a kill or a loss of power, in any order.
//! Everything that a program can see is compared after each step.
//!
//! The long form: `TIDELOG_MODEL_CASES=100000 TIDELOG_MODEL_STEPS=200 cargo test --release -p tidelog --test model`.
//! A case that fails is made as small as can be, printed, and kept in `model.proptest-regressions`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

#[path = "model/reference.rs"]
mod reference;
#[path = "model/steps.rs"]
mod steps;
#[path = "model/story.rs"]
mod story;
#[path = "model/subject.rs"]
mod subject;
mod support;
#[path = "model/transactions.rs"]
mod transactions;

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestRunner};
use reference::Record;
use steps::{Step, step};
use story::Story;
use subject::Disk;
use support::*;
use tidelog::io::{OneByteStorage, OsStorage, SimulatedStorage, Storage};
use tidelog::{Compression, OpenOptions, RecordBuffer, Store, TimestampType, TopicConfig};

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn run(cases: u32, steps: usize, disk: impl Fn() -> Disk) {
    let config = ProptestConfig {
        cases,
        max_shrink_iters: 3000,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource(
            "proptest-regressions",
        ))),
        source_file: Some(file!()),
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(
            &prop::collection::vec(step(), steps / 2..=steps),
            |steps: Vec<Step>| {
                Story::new(disk()).tell(&steps);
                Ok(())
            },
        )
        .unwrap();
}

fn real(storage: Arc<dyn Storage>) -> Disk {
    Disk::Real(storage, tempfile::tempdir().unwrap())
}

#[test]
fn behaves_as_plain_lists_through_kills_and_power_losses() {
    let steps = number("TIDELOG_MODEL_STEPS", 100) as usize;
    run(number("TIDELOG_MODEL_CASES", 2000), steps, || {
        Disk::Simulated(SimulatedStorage::new())
    });
}

#[test]
fn behaves_as_plain_lists_on_a_real_disk() {
    run(60, 60, || real(OpenOptions::default().storage));
}

#[test]
fn does_so_when_the_system_does_a_byte_a_call() {
    run(20, 20, || {
        real(Arc::new(OneByteStorage::new(Arc::new(OsStorage))))
    });
}

#[test]
fn log_append_time_is_given_by_the_append_and_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), OpenOptions::default()).unwrap();
    let config = TopicConfig {
        timestamp_type: TimestampType::LogAppendTime,
        ..TopicConfig::default()
    };
    let partition = store
        .create_topic("t", config)
        .unwrap()
        .partition(0)
        .unwrap();
    let mut last = 0;
    for n in 0..20 {
        let appended = partition
            .append(batch(&[value(n, 10), value(n, 10)]))
            .unwrap();
        assert!(appended.timestamp >= last && appended.timestamp > EPOCH_MS);
        last = appended.timestamp;
        let mut buffer = RecordBuffer::default();
        partition
            .read_records(appended.base_offset, 1, &mut buffer)
            .unwrap();
        let times: Vec<_> = subject::rows(&buffer)
            .into_iter()
            .map(|row| row.unwrap().1.time.unwrap())
            .collect();
        assert_eq!(times, [last, last]);
    }
    assert_eq!(partition.offset_for_time(last + 1).unwrap(), None);
    store.close().unwrap();
}

/// The newest time of a segment, by which it is searched and let go, is that of its index.
#[test]
fn indexes_that_recovery_made_again_outlive_the_power() {
    let record = |time, len| Record {
        time: Some(EPOCH_MS + time),
        ..Record::of_value(&vec![0; len])
    };
    for seed in 0..40 {
        Story::new(Disk::Simulated(SimulatedStorage::new())).tell(&[
            Step::Append(
                1,
                Compression::None,
                vec![record(309, 72), record(0, 69), record(0, 130)],
            ),
            Step::Append(1, Compression::None, vec![record(0, 0)]),
            // Of today, so in another segment.
            Step::Send(1, 1),
            Step::Kill(seed),
            Step::LosePower(seed),
            Step::Time(1, EPOCH_MS + 1),
        ]);
    }
}
