//! The real engine over a simulated disk, one step at a time: appends and retries, groups of appends, committed offsets,
//! the phases of a journal round and those of a checkpoint follow one another in an order that a seed decides, and the disk
//! fails, or the machine dies, in the middle of any of them. What waits for the journal has a thread for as long as it
//! waits, and the rounds are done meanwhile; nothing else runs beside a step, so a seed tells the same story every time.
//!
//! `TIDELOG_SIMULATION_SEEDS=1000000 cargo test --release -p tidelog --lib simulation` is the long form;
//! `TIDELOG_SIMULATION_FIRST` is the first seed, to tell one story again, and `TIDELOG_SIMULATION_ALOUD` prints it;
//! `TIDELOG_SIMULATION_RULES` names a part of the rules that are taken away.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod oracle;
mod random;
mod steps;
mod story;

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::knock_out::{self, Rule};
use crate::sync::lock;
use oracle::{Violation, violation};
use story::{Rules, Story};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(default, |text| text.parse().unwrap())
}

/// Tells the stories of seeds on all processors, until `enough` says so.
fn tell(
    first: u64,
    seeds: u64,
    rules: &Rules,
    enough: impl Fn(&Found) -> bool + Sync,
) -> (u64, Found) {
    let (next, told) = (AtomicU64::new(0), AtomicU64::new(0));
    let found = Mutex::new(Found::new());
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                knock_out::take_out(&rules.out);
                loop {
                    let seed = first + next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds || enough(&lock(&found)) {
                        return;
                    }
                    told.fetch_add(1, Ordering::Relaxed);
                    let told = catch_unwind(|| Story::new(seed, rules).tell());
                    let panicked = |_| violation("panic", "see above");
                    if let Err(Violation { kind, what }) = told.unwrap_or_else(panicked) {
                        lock(&found).entry(kind).or_default().push((seed, what));
                    }
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.values_mut().for_each(|seeds| seeds.sort());
    (told.into_inner(), found)
}

/// Seeds with what went wrong, by kind.
type Found = BTreeMap<&'static str, Vec<(u64, String)>>;

#[test]
#[allow(
    clippy::print_stdout,
    reason = "counts and seeds are what a long run is for"
)]
fn no_story_breaks_a_promise() {
    let first = number("TIDELOG_SIMULATION_FIRST", 0);
    let seeds = number("TIDELOG_SIMULATION_SEEDS", 10_000);
    let begun = std::time::Instant::now();
    let rules = Rules {
        aloud: std::env::var("TIDELOG_SIMULATION_ALOUD").is_ok(),
        ..Rules::default()
    };
    let (told, found) = tell(first, seeds, &rules, |found| found.len() > 3);
    let first_of_each: Vec<_> = found
        .iter()
        .map(|(kind, seeds)| (kind, seeds.len(), &seeds[0]))
        .collect();
    println!(
        "{told} stories from seed {first} on in {:?}: {} violations",
        begun.elapsed(),
        found.values().map(Vec::len).sum::<usize>()
    );
    assert!(found.is_empty(), "{first_of_each:#?}");
}

/// Each rule, with what its absence does first; some are the second guard of others and are taken away with them.
#[test]
#[allow(
    clippy::print_stdout,
    reason = "counts and seeds are what a long run is for"
)]
fn every_rule_that_is_taken_away_is_missed() {
    let seeds = number("TIDELOG_SIMULATION_SEEDS", 50_000);
    if seeds < 50_000 {
        println!("not asked: the rarest take up to 50,000 stories to be missed");
        return;
    }
    let mut unnoticed = Vec::new();
    let one = |rule| Rules {
        out: vec![rule],
        ..Rules::default()
    };
    let knock_outs = [
        (
            "frames of an earlier life count",
            Rules {
                out: vec![Rule::Salt, Rule::Sequence],
                ..Rules::default()
            },
        ),
        ("extents are not checked", one(Rule::CheckExtents)),
        (
            "extents are not synced in the round",
            one(Rule::SyncExtents),
        ),
        ("tails beyond the frames are kept", one(Rule::CutTails)),
        (
            "what was cut stays on the disk",
            Rules {
                out: vec![Rule::RemoveTails, Rule::CheckEpochs],
                ..Rules::default()
            },
        ),
        ("recovery does not sync segments", one(Rule::SyncRecovered)),
        (
            "recovery does not sync folders",
            one(Rule::SyncRecoveredFolders),
        ),
        (
            "files are recycled before a checkpoint",
            one(Rule::RecycleAfterCheckpoint),
        ),
        (
            "files are recycled before the slot is synced",
            one(Rule::RecycleAfterSlot),
        ),
        (
            "sends are acknowledged before the sync",
            Rules {
                acknowledge_early: true,
                ..Rules::default()
            },
        ),
        ("checkpoints do not sync segments", one(Rule::SyncSegments)),
        ("checkpoints do not sync folders", one(Rule::SyncFolders)),
        ("ends are noted one by one", one(Rule::NoteAtOnce)),
        ("a group is split over two frames", one(Rule::OneFrame)),
        (
            "the checkpoint that was read is not synced",
            one(Rule::SyncCheckpointRead),
        ),
        (
            "segments are unlinked above the recovery point",
            one(Rule::UnlinkAfterCheckpoint),
        ),
        ("caches are not dropped", one(Rule::DropCaches)),
        ("a failed sync is not final", one(Rule::FirstFailureIsFinal)),
        (
            "a topic joins the journal without a checkpoint",
            one(Rule::CheckpointBeforeJournal),
        ),
        (
            "retries are answered before their originals are durable",
            one(Rule::RetryAfterOriginal),
        ),
        (
            "offsets are committed before their records are durable",
            one(Rule::SyncBeforeOffsets),
        ),
        (
            "compaction goes into what a recovery begins in",
            one(Rule::CleanBelowRecovery),
        ),
        (
            "compaction does not sync what replaces segments",
            one(Rule::SyncCleaned),
        ),
        (
            "compaction takes segments before what replaces them is durable",
            one(Rule::SwapInOrder),
        ),
        (
            "compaction takes tombstones at once",
            one(Rule::KeepTombstones),
        ),
    ];
    let only = std::env::var("TIDELOG_SIMULATION_RULES").unwrap_or_default();
    for (name, rules) in knock_outs
        .into_iter()
        .filter(|(name, _)| name.contains(&only))
    {
        let (told, found) = tell(0, seeds, &rules, |found| !found.is_empty());
        match found.iter().next() {
            Some((kind, seeds)) => println!("{name}: {kind}, seed {}", seeds[0].0),
            None => {
                println!("{name}: unnoticed in {told} stories");
                unnoticed.push(name);
            }
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}
