//! The store as plain lists: what it would be if nothing could fail.

use std::collections::BTreeMap;

use tidelog::TransactionNumber;

use super::steps::At;
use crate::support::sequences::Known;

/// A record as it should come back.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// `None` for one that gets the time of its sending.
    pub time: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    pub fn of_value(value: &[u8]) -> Record {
        Record {
            time: None,
            key: None,
            value: Some(value.to_vec()),
            headers: Vec::new(),
        }
    }
}

#[derive(Debug, Default)]
pub struct Log {
    /// All that were ever appended, those that were deleted too.
    pub records: Vec<Record>,
    pub start: u64,
    /// No loss of power leaves less.
    pub durable: u64,
    /// The name, and those who encode elsewhere, by their place.
    pub producers: BTreeMap<Who, Known>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Name,
    Elsewhere(u8),
}

impl Log {
    pub fn end(&self) -> u64 {
        self.records.len() as u64
    }
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Open,
    Committed,
    NotCommitted,
    /// It was committed with nothing in it.
    Empty,
}

#[derive(Debug)]
pub struct Transaction {
    pub id: u8,
    pub number: TransactionNumber,
    pub fate: Fate,
    /// Where its records are, as long as their topics are there.
    pub runs: Option<Vec<Run>>,
}

/// A transaction that is under way.
#[derive(Debug, Default)]
pub struct Open {
    /// Its place among all.
    pub place: usize,
    pub sends: Vec<(At, Vec<Vec<u8>>)>,
    pub offsets: BTreeMap<(u8, At), u64>,
    /// Something was refused: it can only be aborted.
    pub broken: bool,
    /// A topic of it is gone, which its commit will tell.
    pub doomed: bool,
}

/// Records with consecutive offsets: partition, base offset, count.
pub type Run = (At, u64, u32);

/// Of one transactional id.
#[derive(Debug, Default)]
pub struct Transactional {
    pub epochs: i16,
    pub producer_id: Option<i64>,
    pub open: Option<Open>,
    /// The last that was committed: its number and its runs.
    pub last: Option<(u64, Vec<Run>)>,
}

#[derive(Debug, Default)]
pub struct Reference {
    pub logs: [Log; 3],
    /// By group and partition.
    pub offsets: BTreeMap<(u8, At), u64>,
    pub transactional: [Transactional; 2],
    pub transactions: Vec<Transaction>,
}

impl Reference {
    /// The open transaction of an id comes to nothing.
    pub fn give_up(&mut self, id: u8) {
        if let Some(open) = self.transactional[usize::from(id)].open.take() {
            self.transactions[open.place].fate = Fate::NotCommitted;
        }
    }

    /// A life ended: transactions that were open are not committed.
    pub fn end_of_life(&mut self) {
        for id in 0..2 {
            self.give_up(id);
            self.transactional[usize::from(id)].last = None;
        }
    }

    /// Commits the open transaction, and gives its runs.
    pub fn commit(&mut self, id: u8) -> Vec<Run> {
        let Some(open) = self.transactional[usize::from(id)].open.take() else {
            return Vec::new();
        };
        let mut runs: BTreeMap<At, (u64, u32)> = BTreeMap::new();
        for (at, values) in &open.sends {
            let log = &mut self.logs[*at];
            let run = runs.entry(*at).or_insert((log.end(), 0));
            run.1 += values.len() as u32;
            log.records
                .extend(values.iter().map(|value| Record::of_value(value)));
            log.durable = log.end();
        }
        for ((group, at), offset) in &open.offsets {
            self.commit_offset(*group, *at, *offset);
        }
        let empty = open.sends.is_empty() && open.offsets.is_empty();
        let transaction = &mut self.transactions[open.place];
        transaction.fate = if empty { Fate::Empty } else { Fate::Committed };
        let runs: Vec<_> = runs
            .into_iter()
            .map(|(at, (base, count))| (at, base, count))
            .collect();
        transaction.runs = Some(runs.clone());
        self.transactional[usize::from(id)].last = Some((transaction.number.number, runs.clone()));
        runs
    }

    /// The records that an offset covers are durable before it.
    pub fn commit_offset(&mut self, group: u8, at: At, offset: u64) {
        self.offsets.insert((group, at), offset);
        let log = &mut self.logs[at];
        log.durable = log.durable.max(offset);
    }

    /// A topic is deleted, and made again.
    pub fn recreate(&mut self, ats: &[At]) {
        for at in ats {
            self.logs[*at] = Log::default();
        }
        self.offsets.retain(|(_, at), _| !ats.contains(at));
        for transactional in &mut self.transactional {
            if let Some(open) = &mut transactional.open {
                let lost = |at: &At| ats.contains(at);
                open.doomed |= open.sends.iter().any(|(at, _)| lost(at));
                open.doomed |= open.offsets.keys().any(|(_, at)| lost(at));
            }
            transactional.last = None;
        }
        for transaction in &mut self.transactions {
            transaction.runs = None;
        }
    }
}
