//! The journal of a killed store, cut at its bytes and flipped bit by bit: the last frame may be taken for one that a
//! crash tore, of any other the damage is reported, and frames that the checkpoint covers are nobody's. A sample in
//! its usual form; `TIDELOG_DAMAGE=all cargo test --release -p tidelog --test damage_journal` tries every bit.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use support::content;
use support::damage::{Case, Damage, Must, flips, one, sample, try_all};
use support::killed::{Ends, Killed, LiveFrame, Slots};
use tidelog::format::journal::{PAGE, padded};
use tidelog::io::Storage;

/// What has to come of a flip in this frame. Of the last one it shows only if readers were told of what it held.
fn flip_in(killed: &Killed, frame: &LiveFrame, told: bool) -> (Ends, Must) {
    let last = killed.frames.last().unwrap();
    match frame.sequence == last.sequence && !told {
        true => (frame.before.clone(), Must::NothingUnsaid),
        false => (Ends::new(), Must::BeReported),
    }
}

/// As if it had been killed before it told readers in other processes of anything.
fn untold(killed: &Killed) {
    for path in killed.files("published") {
        killed.disk.remove_file(&path).unwrap();
    }
}

#[test]
fn a_flip_of_any_bit_of_a_frame_is_reported_unless_nothing_follows_it() {
    for (slots, seed, told) in [
        (Slots::FirstOfLife, 1, false),
        (Slots::SecondOfLife, 2, false),
        (Slots::SecondOfLife, 3, true),
    ] {
        let killed = Killed::new(slots);
        if !told {
            untold(&killed);
        }
        let mut cases = Vec::new();
        for frame in &killed.frames {
            let (floor, must) = flip_in(&killed, frame, told);
            let bytes = frame.position..frame.position + frame.len;
            cases.extend(flips(bytes).map(|flip| one(&frame.path, flip, floor.clone(), must)));
        }
        let mut cases = sample(cases, 700, seed);
        // Of the last frame more than its share.
        let last = killed.frames.last().unwrap();
        let bytes = last.position..last.position + last.len;
        let more = flips(bytes)
            .map(|flip| one(&last.path, flip, last.before.clone(), Must::NothingUnsaid));
        cases.extend(sample(more.collect(), 150, seed));
        let tally = try_all(&killed, &format!("flips of frames, {slots:?}"), &cases);
        assert!(tally.of("reported") > 500);
        assert_eq!(tally.of("a torn tail") > 100, !told);
        assert_eq!(tally.of("harmless") + tally.of("refused"), 0);
    }
}

#[test]
fn a_flip_outside_of_the_frames_that_count_changes_nothing() {
    let killed = Killed::new(Slots::SecondOfLife);
    let mut cases = Vec::new();
    for path in killed.files(".journal") {
        let len = content(&killed.disk, &path).len() as u64;
        let live = |at: u64| {
            killed.frames.iter().any(|frame| {
                frame.path == path && (frame.position..frame.position + frame.len).contains(&at)
            })
        };
        for damage in flips(0..len) {
            if matches!(damage, Damage::Flip { at, .. } if !live(at)) {
                cases.push(one(&path, damage, Ends::new(), Must::Harmless));
            }
        }
    }
    try_all(&killed, "flips of the rest", &sample(cases, 300, 3));
}

#[test]
fn a_journal_cut_anywhere_keeps_the_frames_before_and_reports_those_that_others_follow() {
    let killed = Killed::new(Slots::SecondOfLife);
    untold(&killed);
    let mut cases = Vec::new();
    for path in killed.files(".journal") {
        let len = content(&killed.disk, &path).len() as u64;
        cases.extend((0..len).map(|cut| cut_at(&killed, &path, cut)));
    }
    let borders = |case: &Case| match case.damages[0] {
        Damage::Cut(at) => {
            let near = |border: u64| at.abs_diff(border) <= 2;
            near(at.next_multiple_of(PAGE as u64))
                || near(at - at % PAGE as u64)
                || killed
                    .frames
                    .iter()
                    .any(|frame| frame.path == case.path && near(frame.position + frame.len))
        }
        _ => false,
    };
    let (near, far): (Vec<_>, Vec<_>) = cases.into_iter().partition(borders);
    let mut cases = near;
    cases.extend(sample(far, 700, 4));
    let tally = try_all(&killed, "cuts of the journal", &cases);
    // How many of each depends on how many appends met in a frame.
    for outcome in ["reported", "a torn tail", "harmless"] {
        assert!(tally.of(outcome) > 0, "{outcome}");
    }
}

fn cut_at(killed: &Killed, path: &std::path::Path, cut: u64) -> Case {
    let here = |frame: &&LiveFrame| frame.path == path;
    let end = |frame: &LiveFrame| frame.position + padded(frame.len as usize) as u64;
    // Without its padding a frame may be taken for torn too.
    let Some(first) = killed
        .frames
        .iter()
        .filter(here)
        .find(|frame| end(frame) > cut)
    else {
        // A cut where the next frame would begin may have taken it.
        let live = |frame: &LiveFrame| frame.path == path;
        let ends = killed.frames.iter().filter(|frame| live(frame)).map(end);
        let next = ends.max().unwrap_or(0);
        let must = match cut < next + PAGE as u64 {
            true => Must::NothingUnsaid,
            false => Must::Harmless,
        };
        return one(path, Damage::Cut(cut), Ends::new(), must);
    };
    let gone = |frame: &LiveFrame| frame.path == path && frame.sequence >= first.sequence;
    let followed = killed
        .frames
        .iter()
        .any(|frame| !gone(frame) && frame.sequence > first.sequence);
    let cut_into = first.position + first.len > cut;
    let must = match followed && cut_into {
        true => Must::BeReported,
        false => Must::NothingUnsaid,
    };
    let floor = match followed {
        true => Ends::new(),
        false => first.before.clone(),
    };
    one(path, Damage::Cut(cut), floor, must)
}

#[test]
fn a_journal_that_ends_before_what_readers_were_told_of_is_reported() {
    let killed = Killed::new(Slots::SecondOfLife);
    let mut cases = Vec::new();
    for frame in &killed.frames {
        let zeros = Damage::Zeros(frame.position);
        cases.push(one(&frame.path, zeros, Ends::new(), Must::BeReported));
        let cut = Damage::Cut(frame.position);
        cases.push(one(&frame.path, cut, Ends::new(), Must::BeReported));
    }
    try_all(&killed, "journals that end early", &cases);
}

#[test]
fn a_journal_without_the_frame_that_the_checkpoint_names_is_reported() {
    for slots in [Slots::FirstOfLife, Slots::SecondOfLife] {
        let killed = Killed::new(slots);
        untold(&killed);
        let disk = killed.disk.duplicate();
        // All but one file, so that the damage is that of one file.
        let first = killed.frames[0].path.clone();
        let others = killed.files(".journal");
        for other in others.iter().filter(|other| **other != first) {
            let len = content(&disk, other).len();
            support::set_content(&killed.disk, other, &vec![0; len]);
        }
        let damages = [Damage::Cut(0), Damage::Zeros(0), Damage::Missing];
        let cases = damages.map(|damage| one(&first, damage, Ends::new(), Must::BeReported));
        try_all(&killed, &format!("no named frame, {slots:?}"), &cases);
    }
}
