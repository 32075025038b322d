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

/// Each rule, with a story that misses it; when stories have changed since, another is looked for, which takes up to 50,000.
/// Some rules are the second guard of others and are taken away with them.
#[test]
#[allow(
    clippy::print_stdout,
    reason = "counts and seeds are what a long run is for"
)]
fn every_rule_that_is_taken_away_is_missed() {
    let seeds = number("TIDELOG_SIMULATION_SEEDS", 50_000).max(50_000);
    let mut unnoticed = Vec::new();
    let one = |rule| Rules {
        out: vec![rule],
        ..Rules::default()
    };
    let knock_outs = [
        (
            "frames of an earlier life count",
            82,
            Rules {
                out: vec![Rule::Salt, Rule::Sequence],
                ..Rules::default()
            },
        ),
        ("extents are not checked", 11, one(Rule::CheckExtents)),
        (
            "extents are not synced in the round",
            12,
            one(Rule::SyncExtents),
        ),
        ("tails beyond the frames are kept", 0, one(Rule::CutTails)),
        (
            "what was cut stays on the disk",
            12,
            Rules {
                out: vec![Rule::RemoveTails, Rule::CheckEpochs],
                ..Rules::default()
            },
        ),
        (
            "recovery does not sync segments",
            2,
            one(Rule::SyncRecovered),
        ),
        (
            "recovery does not sync folders",
            25,
            one(Rule::SyncRecoveredFolders),
        ),
        (
            "files are recycled before a checkpoint",
            6,
            one(Rule::RecycleAfterCheckpoint),
        ),
        (
            "files are recycled before the slot is synced",
            469,
            one(Rule::RecycleAfterSlot),
        ),
        (
            "sends are acknowledged before the sync",
            0,
            Rules {
                acknowledge_early: true,
                ..Rules::default()
            },
        ),
        (
            "checkpoints do not sync segments",
            9,
            one(Rule::SyncSegments),
        ),
        ("checkpoints do not sync folders", 3, one(Rule::SyncFolders)),
        ("ends are noted one by one", 16, one(Rule::NoteAtOnce)),
        ("a group is split over two frames", 1, one(Rule::OneFrame)),
        (
            "the checkpoint that was read is not synced",
            40083,
            one(Rule::SyncCheckpointRead),
        ),
        (
            "segments are unlinked above the recovery point",
            18,
            one(Rule::UnlinkAfterCheckpoint),
        ),
        ("caches are not dropped", 5394, one(Rule::DropCaches)),
        (
            "a failed sync is not final",
            72,
            one(Rule::FirstFailureIsFinal),
        ),
        (
            "a topic joins the journal without a checkpoint",
            373,
            one(Rule::CheckpointBeforeJournal),
        ),
        (
            "retries are answered before their originals are durable",
            40,
            one(Rule::RetryAfterOriginal),
        ),
        (
            "offsets are committed before their records are durable",
            66,
            one(Rule::SyncBeforeOffsets),
        ),
        (
            "compaction goes into what a recovery begins in",
            16,
            one(Rule::CleanBelowRecovery),
        ),
        (
            "compaction does not sync what replaces segments",
            2,
            one(Rule::SyncCleaned),
        ),
        (
            "compaction takes segments before what replaces them is durable",
            115166,
            one(Rule::SwapInOrder),
        ),
        (
            "compaction takes tombstones at once",
            11,
            one(Rule::KeepTombstones),
        ),
    ];
    let only = std::env::var("TIDELOG_SIMULATION_RULES").unwrap_or_default();
    for (name, seed, rules) in knock_outs
        .into_iter()
        .filter(|(name, ..)| name.contains(&only))
    {
        let (_, known) = tell(seed, 1, &rules, |_| false);
        let (told, found) = match known.is_empty() {
            true => tell(0, seeds, &rules, |found| !found.is_empty()),
            false => (1, known),
        };
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
