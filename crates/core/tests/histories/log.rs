//! The log as all polls and answers together have it: one value at an offset, one offset of a value, in the order of
//! the sends.

use std::collections::HashMap;

use super::checker::{Anomaly, Found};
use super::events::*;
use super::transactions::Transactions;

#[derive(Default)]
pub struct Log {
    /// The first value that was seen at each offset.
    pub places: [Vec<Option<u64>>; PLACES],
    /// Where each value was seen first.
    of: HashMap<u64, (Place, u64)>,
}

impl Log {
    pub fn see(&mut self, read: Read, found: &mut Found) {
        let log = &mut self.places[read.place];
        let index = read.offset as usize;
        if log.len() <= index {
            log.resize(index + 1, None);
        }
        let known = *log[index].get_or_insert(read.value);
        if known != read.value {
            found.add(Anomaly::InconsistentOffset, || format!("{read:?}: {known}"));
            return;
        }
        let here = (read.place, read.offset);
        let first = *self.of.entry(read.value).or_insert(here);
        if first != here {
            found.add(Anomaly::Duplicate, || {
                format!("{read:?}: also at {first:?}")
            });
        }
    }

    /// Whether the records of a transaction follow each other, and transactions each other as time has it.
    pub fn order(&self, transactions: &Transactions, found: &mut Found) {
        for transaction in &transactions.all {
            let mut last: [Option<u64>; PLACES] = [None; PLACES];
            for (place, value) in &transaction.begun.sends {
                let Some((at, offset)) = self.of.get(value).copied() else {
                    continue;
                };
                if at != *place {
                    continue;
                }
                match last[at].replace(offset) {
                    Some(before) if offset < before => {
                        found.add(Anomaly::NonmonotonicSend, || format!("{transaction:?}"));
                    }
                    Some(before) if offset != before + 1 => {
                        found.add(Anomaly::SkippedSend, || format!("{transaction:?}"));
                    }
                    _ => {}
                }
            }
        }
        for (place, values) in self.places.iter().enumerate() {
            // The earliest end among all that is behind.
            let mut ended = (usize::MAX, 0);
            for value in values.iter().rev().flatten() {
                let Some(transaction) = transactions.of(*value).map(|n| &transactions.all[n])
                else {
                    continue;
                };
                if transaction.commit.is_some_and(|called| called > ended.0) {
                    found.add(Anomaly::NonmonotonicSend, || {
                        format!("{place}: {value} before {}", ended.1)
                    });
                }
                if let Some(end) = transaction.end.filter(|end| *end < ended.0) {
                    ended = (end, *value);
                }
            }
        }
    }
}
