//! What became of each transaction, from all that the history says of it.

use std::collections::HashMap;

use super::checker::{Anomaly, Found};
use super::events::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Committed,
    Failed,
    Unknown,
}

#[derive(Debug)]
pub struct Transaction {
    pub begun: Begun,
    /// When its commit was called.
    pub commit: Option<usize>,
    /// When it was told that it is over.
    pub end: Option<usize>,
    pub status: Status,
    /// Whether there was an answer to the one who called.
    answered: bool,
}

#[derive(Default)]
pub struct Transactions {
    pub all: Vec<Transaction>,
    by_number: HashMap<u64, usize>,
    by_value: HashMap<u64, usize>,
}

impl Transactions {
    pub fn new(history: &[Event], found: &mut Found) -> Transactions {
        let mut transactions = Transactions::default();
        // The newest epoch of each id that anybody began with.
        let mut epochs: HashMap<u64, (i64, i16)> = HashMap::new();
        let mut fenced = Vec::new();
        for (now, event) in history.iter().enumerate() {
            match event {
                Event::Begin(begun) => {
                    let epoch = (begun.producer_id, begun.epoch);
                    let newest = epochs.entry(begun.id).or_insert(epoch);
                    *newest = epoch.max(*newest);
                    transactions.enter(begun);
                }
                Event::Commit { transaction, .. } => {
                    let Some(known) = transactions.get(*transaction) else {
                        continue;
                    };
                    known.commit = Some(now);
                    known.status = Status::Unknown;
                    let begun = &known.begun;
                    if epochs[&begun.id] > (begun.producer_id, begun.epoch) {
                        fenced.push(*transaction);
                    }
                }
                Event::Ok { transaction, .. } => {
                    transactions.end(*transaction, now, Status::Committed)
                }
                Event::Fail { transaction } => transactions.end(*transaction, now, Status::Failed),
                Event::Outcome {
                    transaction,
                    committed,
                } => transactions.resolve(*transaction, now, *committed, found),
                _ => {}
            }
        }
        for transaction in fenced {
            if let Some(known) = transactions.get(transaction)
                && known.status == Status::Committed
            {
                found.add(Anomaly::FencedCommit, || format!("{known:?}"));
            }
        }
        transactions
    }

    fn enter(&mut self, begun: &Begun) {
        let index = self.all.len();
        self.by_number.insert(begun.transaction, index);
        for (_, value) in &begun.sends {
            self.by_value.insert(*value, index);
        }
        self.all.push(Transaction {
            begun: begun.clone(),
            commit: None,
            end: None,
            // Until its commit is called.
            status: Status::Failed,
            answered: false,
        });
    }

    fn get(&mut self, transaction: u64) -> Option<&mut Transaction> {
        let index = self.by_number.get(&transaction)?;
        self.all.get_mut(*index)
    }

    fn end(&mut self, transaction: u64, now: usize, status: Status) {
        if let Some(known) = self.get(transaction) {
            (known.status, known.end, known.answered) = (status, Some(now), true);
        }
    }

    /// An answer of a later life: it has to be in line with the one of the life itself.
    fn resolve(&mut self, transaction: u64, now: usize, committed: bool, found: &mut Found) {
        let Some(known) = self.get(transaction) else {
            return;
        };
        let said = match committed {
            true => Status::Committed,
            false => Status::Failed,
        };
        let never = committed && known.commit.is_none();
        if never || (known.answered && known.status != said) {
            found.add(Anomaly::WrongOutcome, || format!("{said:?}: {known:?}"));
        } else {
            (known.status, known.end) = (said, known.end.or(Some(now)));
        }
    }

    /// The transaction that sent a value.
    pub fn of(&self, value: u64) -> Option<usize> {
        self.by_value.get(&value).copied()
    }

    pub fn index(&self, transaction: u64) -> Option<usize> {
        self.by_number.get(&transaction).copied()
    }

    /// Where an answer says that the records of a transaction are.
    pub fn placed<'a>(
        &'a self,
        transaction: u64,
        placed: &'a [Placed],
    ) -> impl Iterator<Item = Read> + 'a {
        let begun = self.index(transaction).map(|index| &self.all[index].begun);
        placed.iter().flat_map(move |run| {
            let sends = begun.map_or(&[][..], |begun| &begun.sends);
            let here = sends.iter().filter(|(place, _)| *place == run.place);
            (run.base..run.base + run.count)
                .zip(here)
                .map(|(offset, (place, value))| Read {
                    place: *place,
                    offset,
                    value: *value,
                })
        })
    }
}
