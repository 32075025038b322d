//! What durability costs in the engine, and what the same disk gives without one: sends, groups, sizes of batches,
//! opening after a kill, opening what was closed, compaction. Each contestant takes its turn within a round, in slices, so that what
//! else the disk does meets all of them. Prints one JSON object a line; `npm run bench` makes tables of them.
//!
//! `durability CASE --folder DIR [--rounds N] [--quick] [--small]`

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    reason = "a program for measuring: it prints figures, and stops if it can't go on"
)]

mod compaction;
mod groups;
mod killed;
mod latencies;
mod open_clean;
mod page_cache;
mod recovery;
mod sends;
mod sizes;
mod turns;

use std::path::PathBuf;

use tidelog::Durability;

/// How much is measured, and where.
struct Setup {
    /// The disk below it is what is measured.
    folder: PathBuf,
    rounds: usize,
    /// So little that it shows only that everything runs.
    quick: bool,
    /// The clean store is of 1 GiB instead of 10, and an eighth is compacted.
    small: bool,
}

impl Setup {
    /// `full`, or a tiny part of it in a quick run.
    fn count(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}

const CASES: &str =
    "sends, groups, sizes, recovery-fsync, recovery-buffered, open-clean, compaction";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (case, rest) = arguments
        .split_first()
        .unwrap_or_else(|| panic!("name a case: {CASES}"));
    if case == killed::COMMAND {
        killed::fill_and_wait(rest);
    }
    let setup = setup(rest);
    match case.as_str() {
        "sends" => sends::measure(&setup),
        "groups" => groups::measure(&setup),
        "sizes" => sizes::measure(&setup),
        "recovery-fsync" => recovery::measure(&setup, Durability::Fsync),
        "recovery-buffered" => recovery::measure(&setup, Durability::Buffered),
        "open-clean" => open_clean::measure(&setup),
        "compaction" => compaction::measure(&setup),
        _ => panic!("there is no case {case}; there are {CASES}"),
    }
}

fn setup(arguments: &[String]) -> Setup {
    let mut setup = Setup {
        folder: std::env::temp_dir(),
        rounds: 3,
        quick: false,
        small: false,
    };
    let mut rest = arguments.iter();
    while let Some(option) = rest.next() {
        let mut value = || {
            rest.next()
                .unwrap_or_else(|| panic!("{option} needs a value"))
        };
        match option.as_str() {
            "--folder" => setup.folder = PathBuf::from(value()),
            "--rounds" => setup.rounds = value().parse().expect("a number of rounds"),
            "--quick" => setup.quick = true,
            "--small" => setup.small = true,
            _ => panic!("there is no option {option}"),
        }
    }
    setup
}
