//! The small files of a killed store, cut at every byte and flipped bit by bit, and its segments too: the checkpoint's
//! slots, indexes, topics, the store's own description and what is told to other processes. Whatever can't be told
//! any more is an error; nothing that was acknowledged is missing without a word. A sample in its usual form;
//! `TIDELOG_DAMAGE=all cargo test --release -p tidelog --test damage_small_files` tries every bit.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::PathBuf;

use support::content;
use support::damage::{Case, Damage, Must, flips, one, root, sample, try_all};
use support::killed::{Ends, Killed, Slots, slots};

/// Every cut and every flip of these files.
fn all_of(killed: &Killed, files: &[PathBuf], must: Must) -> Vec<Case> {
    let mut cases = Vec::new();
    for path in files {
        let len = content(&killed.disk, path).len() as u64;
        assert!(len > 0, "{} is empty", path.display());
        let damages = (0..len).map(Damage::Cut).chain(flips(0..len));
        cases.extend(damages.map(|damage| one(path, damage, Ends::new(), must)));
    }
    cases
}

/// The used bytes of the slots, the newer one first.
fn used(killed: &Killed) -> Vec<std::ops::Range<u64>> {
    let used = |(at, checkpoint): (u64, tidelog::format::checkpoint::Checkpoint)| {
        at..at + checkpoint.encode().len() as u64
    };
    slots(&killed.disk).into_iter().map(used).collect()
}

#[test]
fn a_damaged_slot_of_the_checkpoint_never_takes_back_what_was_acknowledged() {
    for (slots, seed) in [(Slots::FirstOfLife, 1), (Slots::SecondOfLife, 2)] {
        let killed = Killed::new(slots);
        let path = root().join("checkpoint");
        let used = used(&killed);
        let cases = |range: &std::ops::Range<u64>, must| {
            let flips = flips(range.clone());
            let cases = flips.map(|flip| one(&path, flip, Ends::new(), must));
            sample(cases.collect(), 400, seed)
        };
        try_all(
            &killed,
            &format!("the newer slot, {slots:?}"),
            &cases(&used[0], Must::NothingUnsaid),
        );
        try_all(
            &killed,
            &format!("the older slot, {slots:?}"),
            &cases(&used[1], Must::Harmless),
        );
    }
}

#[test]
fn a_store_without_a_slot_that_holds_is_refused() {
    let killed = Killed::new(Slots::SecondOfLife);
    let path = root().join("checkpoint");
    let used = used(&killed);
    let second: Vec<_> = flips(used[1].clone()).collect();
    let cases = flips(used[0].clone()).enumerate().map(|(n, flip)| Case {
        damages: vec![flip, second[n % second.len()]],
        ..one(&path, flip, Ends::new(), Must::NothingUnsaid)
    });
    let cases = sample(cases.collect(), 300, 3);
    let tally = try_all(&killed, "both slots", &cases);
    assert_eq!(tally.of("refused"), cases.len());
}

#[test]
fn a_checkpoint_cut_anywhere_never_takes_back_what_was_acknowledged() {
    for (slots, seed) in [(Slots::FirstOfLife, 1), (Slots::SecondOfLife, 2)] {
        let killed = Killed::new(slots);
        let path = root().join("checkpoint");
        let len = content(&killed.disk, &path).len() as u64;
        let borders: Vec<u64> = used(&killed)
            .iter()
            .flat_map(|range| [range.start, range.end, 2 * range.end])
            .chain([len])
            .collect();
        let near = |cut: &u64| borders.iter().any(|border| cut.abs_diff(*border) <= 8);
        let (near, far): (Vec<u64>, Vec<u64>) = (0..len).partition(near);
        let cut = |at| one(&path, Damage::Cut(at), Ends::new(), Must::NothingUnsaid);
        let mut cases: Vec<_> = near.into_iter().map(cut).collect();
        cases.extend(sample(far.into_iter().map(cut).collect(), 300, seed));
        try_all(
            &killed,
            &format!("cuts of the checkpoint, {slots:?}"),
            &cases,
        );
    }
}

#[test]
fn damaged_indexes_find_everything_all_the_same() {
    let killed = Killed::new(Slots::SecondOfLife);
    let (_, newest) = slots(&killed.disk).swap_remove(0);
    // Recovery makes those of later segments anew.
    let sealed = |path: &PathBuf| {
        let base: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let points = newest.partitions.iter().map(|mark| mark.recovery_segment);
        base < points.min().unwrap()
    };
    for ending in [".index", ".timeindex"] {
        let mut files = killed.files(ending);
        files.retain(|path| !content(&killed.disk, path).is_empty());
        let (sealed, made_anew): (Vec<_>, Vec<_>) = files.into_iter().partition(sealed);
        assert!(
            !sealed.is_empty() && !made_anew.is_empty(),
            "{sealed:?} {made_anew:?}"
        );
        for (files, count) in [(sealed, 500), (made_anew, 200)] {
            let cases = all_of(&killed, &files, Must::Harmless);
            try_all(&killed, ending, &sample(cases, count, 4));
        }
    }
}

#[test]
fn damaged_topics_are_refused() {
    let killed = Killed::new(Slots::SecondOfLife);
    let files = [root().join("topics/safe"), root().join("topics/fast")];
    let cases = sample(all_of(&killed, &files, Must::NothingUnsaid), 800, 5);
    let tally = try_all(&killed, "topics", &cases);
    assert!(tally.of("refused") * 100 > cases.len() * 95);
}

#[test]
fn other_small_files_take_nothing_with_them() {
    let killed = Killed::new(Slots::SecondOfLife);
    let meta = [root().join("meta.properties")];
    let cases = all_of(&killed, &meta, Must::NothingUnsaid);
    try_all(&killed, "meta.properties", &sample(cases, 400, 6));
    for name in ["partition.metadata", "published"] {
        let cases = all_of(&killed, &killed.files(name), Must::Harmless);
        try_all(&killed, name, &sample(cases, 400, 7));
    }
}

#[test]
fn damaged_segments_are_mended_from_the_journal_or_reported() {
    let killed = Killed::new(Slots::SecondOfLife);
    let last = killed.frames.last().unwrap();
    let mut floor = last.before.clone();
    // What was not synced yet can't be told from what a crash tore.
    floor.insert(("fast", 0), killed.covered[&("fast", 0)]);
    let mut cases = all_of(&killed, &killed.files(".log"), Must::NothingUnsaid);
    for case in &mut cases {
        case.floor = floor.clone();
    }
    let tally = try_all(&killed, "segments", &sample(cases, 1200, 8));
    for outcome in ["reported", "a torn tail", "harmless"] {
        assert!(tally.of(outcome) > 50, "{outcome}");
    }
}
