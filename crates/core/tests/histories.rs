//! Histories of transactions: eight workers in a process that is killed again and again tell all they do, and what they
//! were told is checked for everything that may not be, as Jepsen does it for Kafka.
//!
//! `TIDELOG_HISTORY_TRANSACTIONS` says how many transactions there are (20,000), `TIDELOG_HISTORY_KILLS` how many times the
//! process is killed, `TIDELOG_HISTORY_SEED` repeats the choices of a run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    missing_docs,
    reason = "a test fails by panicking, and says what it did"
)]

mod support;

#[path = "histories/checker.rs"]
mod checker;
#[path = "histories/cycles.rs"]
mod cycles;
#[path = "histories/editing.rs"]
mod editing;
#[path = "histories/events.rs"]
mod events;
#[path = "histories/good.rs"]
mod good;
#[path = "histories/lives.rs"]
mod lives;
#[path = "histories/log.rs"]
mod log;
#[path = "histories/offsets.rs"]
mod offsets;
#[path = "histories/places.rs"]
mod places;
#[path = "histories/seeded.rs"]
mod seeded;
#[path = "histories/transactions.rs"]
mod transactions;
#[path = "histories/workload.rs"]
mod workload;

use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use events::*;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// What the process does that is killed. It is a test only to be found by name, and passes when it is not that process.
#[test]
fn a_life_of_the_store() {
    let Ok(work) = std::env::var(lives::WORK) else {
        return;
    };
    support::children::end_with_any_panic();
    let folder = std::env::var(lives::FOLDER).unwrap();
    let numbers: Vec<u64> = work.split(' ').map(|n| n.parse().unwrap()).collect();
    workload::live(Path::new(&folder), numbers[0], numbers[1], numbers[2]);
}

#[test]
fn transactions_leave_no_anomaly_behind() {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number("TIDELOG_HISTORY_SEED", clock.as_nanos() as u64 >> 10);
    let count = number("TIDELOG_HISTORY_TRANSACTIONS", 20_000);
    let kills = number(
        "TIDELOG_HISTORY_KILLS",
        if count > 100_000 { 16 } else { 8 },
    );
    eprintln!("TIDELOG_HISTORY_SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let history = lives::history(folder.path(), seed, count, kills);
    let lived = begun.elapsed();
    let found = checker::check(&history);
    let tally = |is: fn(&Event) -> bool| history.iter().filter(|event| is(event)).count();
    eprintln!(
        "{} transactions: {} committed, {} aborted or fenced, {} outcomes asked for, {} of them committed; {} polls, {} \
         fetches, {kills} kills; {:.1} s and {:.1} s to check",
        tally(|e| matches!(e, Event::Begin(_))),
        tally(|e| matches!(e, Event::Ok { .. })),
        tally(|e| matches!(e, Event::Fail { .. })),
        tally(|e| matches!(e, Event::Outcome { .. })),
        tally(|e| matches!(e, Event::Outcome { committed, .. } if *committed)),
        tally(|e| matches!(e, Event::Polled(_))),
        tally(|e| matches!(e, Event::Fetched { .. })),
        lived.as_secs_f64(),
        (begun.elapsed() - lived).as_secs_f64(),
    );
    assert!(found.0.is_empty(), "seed {seed}: {:#?}", found.0);
}
