//! The lives of one store: a process works on it until it is killed; then all of it is read, and the transactions whose
//! end is not known are asked for.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use tidelog::{TransactionNumber, TransactionOutcome};

use super::events::*;
use super::places::Places;
use super::workload::WORKERS;
use crate::support::children::was_killed;
use crate::support::choices::Choices;

pub const FOLDER: &str = "TIDELOG_HISTORY_FOLDER";
pub const WORK: &str = "TIDELOG_HISTORY_WORK";

/// The history of a store that is killed this many times.
pub fn history(folder: &Path, seed: u64, transactions: u64, kills: u64) -> Vec<Event> {
    let mut choices = Choices::new(seed);
    let (mut history, mut done) = (Vec::new(), 0);
    for life in 1..=kills + 1 {
        let left = transactions.saturating_sub(done).max(1);
        let lives = kills + 1 - (life - 1);
        let planned = match lives {
            1 => left,
            _ => left / lives / 2 + choices.below(left / lives + 1),
        };
        let (mut child, output) =
            start(folder, seed, life, if lives == 1 { left } else { 1 << 30 });
        let pause = Duration::from_micros(choices.below(3000));
        let before = history.len();
        done += follow(&mut child, output, &mut history, lives > 1, planned, pause);
        let status = child.wait().unwrap();
        let ended = match lives {
            1 => status.success(),
            _ => was_killed(status),
        };
        assert!(ended, "life {life}: {status}");
        history.push(Event::Crash);
        after_life(folder, before, &mut history);
    }
    history
}

fn start(
    folder: &Path,
    seed: u64,
    life: u64,
    transactions: u64,
) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["a_life_of_the_store", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .env(WORK, format!("{seed} {life} {transactions}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::with_capacity(1 << 20, child.stdout.take().unwrap());
    (child, output)
}

/// Notes what the process tells, and kills it after so many transactions. Returns how many were begun.
fn follow(
    child: &mut Child,
    mut output: BufReader<ChildStdout>,
    history: &mut Vec<Event>,
    kill: bool,
    planned: u64,
    pause: Duration,
) -> u64 {
    let (mut line, mut begun) = (String::new(), 0);
    while output.read_line(&mut line).unwrap() > 0 {
        // The last line may be cut short.
        let event = Event::parse(&line).filter(|_| line.ends_with('\n'));
        line.clear();
        let Some(event) = event else { continue };
        if let Event::Begin(_) = event {
            begun += 1;
            if kill && begun == planned.max(1) {
                std::thread::sleep(pause);
                child.kill().unwrap();
            }
        }
        history.push(event);
    }
    begun
}

/// Reads everything, and has the outcomes that are not known.
fn after_life(folder: &Path, before: usize, history: &mut Vec<Event>) {
    let places = Places::open(folder);
    let mut open: HashMap<u64, Begun> = HashMap::new();
    for event in &history[before..] {
        match event {
            Event::Begin(begun) => drop(open.insert(begun.transaction, begun.clone())),
            Event::Ok { transaction, .. } | Event::Fail { transaction } => {
                open.remove(transaction);
            }
            _ => {}
        }
    }
    // Whoever was killed can not go on, as far as the store is told.
    (0..WORKERS).for_each(|id| drop(places.producer(id)));
    for begun in open.into_values() {
        let number = TransactionNumber {
            producer_id: begun.producer_id,
            epoch: begun.epoch,
            number: begun.number,
        };
        let id = format!("id-{}", begun.id);
        let outcome = places.store.transaction_outcome(&id, number).unwrap();
        assert_ne!(outcome, TransactionOutcome::Open);
        history.push(Event::Outcome {
            transaction: begun.transaction,
            committed: matches!(outcome, TransactionOutcome::Committed(_)),
        });
    }
    history.push(Event::Invoke { worker: READER });
    let mut polled = places.poll(READER, [0; PLACES]);
    polled.jumped = true;
    history.push(Event::Polled(polled));
    for group in 0..GROUPS {
        history.push(Event::Invoke { worker: READER });
        history.push(Event::Fetched {
            worker: READER,
            group,
            offsets: places.fetch(group),
        });
    }
    places.store.close().unwrap();
}
