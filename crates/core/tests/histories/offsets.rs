//! Committed offsets: what a fetch says was left by a transaction that was committed, and that no other one of the group
//! has come after for sure.

use std::collections::HashMap;

use super::checker::{Anomaly, Found};
use super::events::*;
use super::transactions::{Status, Transactions};

struct Commit {
    called: usize,
    /// When it was over; never, as far as is known.
    end: usize,
    committed: bool,
    offsets: [u64; PLACES],
}

#[derive(Default)]
pub struct GroupOffsets {
    /// In the order of the calls.
    by_group: HashMap<u64, Vec<Commit>>,
}

impl GroupOffsets {
    pub fn new(history: &[Event], transactions: &Transactions) -> GroupOffsets {
        let mut by_group: HashMap<u64, Vec<Commit>> = HashMap::new();
        for (called, event) in history.iter().enumerate() {
            let Event::Commit {
                transaction,
                group,
                offsets: Some(offsets),
            } = event
            else {
                continue;
            };
            let Some(index) = transactions.index(*transaction) else {
                continue;
            };
            let known = &transactions.all[index];
            if known.status == Status::Failed {
                continue;
            }
            by_group.entry(*group).or_default().push(Commit {
                called,
                end: known.end.unwrap_or(usize::MAX),
                committed: known.status == Status::Committed,
                offsets: *offsets,
            });
        }
        GroupOffsets { by_group }
    }

    /// Checks what was fetched from one moment to another.
    pub fn check(
        &self,
        group: u64,
        fetched: Option<[u64; PLACES]>,
        (since, until): (usize, usize),
        found: &mut Found,
    ) {
        /// How far back a commit is looked for that may not be overtaken yet: more than there are workers.
        const BACK: usize = 64;
        let commits = self.by_group.get(&group).map_or(&[][..], Vec::as_slice);
        let commits = &commits[..commits.partition_point(|commit| commit.called < until)];
        let mut over = commits.iter().rev().take(2 * BACK);
        // The latest call of those that were over before the fetch.
        let latest = over
            .find(|commit| commit.committed && commit.end < since)
            .map(|commit| commit.called);
        let may_be = commits
            .iter()
            .rev()
            .take(2 * BACK)
            .filter(|commit| latest.is_none_or(|latest| commit.end >= latest))
            .any(|commit| Some(commit.offsets) == fetched);
        let none_yet = latest.is_none() && fetched.is_none();
        if !may_be && !none_yet {
            found.add(Anomaly::StaleOffsets, || {
                let last = commits.last().map(|commit| commit.offsets);
                format!("group {group}: {fetched:?}; the last commit's are {last:?}")
            });
        }
    }
}
