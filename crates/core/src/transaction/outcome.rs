//! What became of a transaction, also after a crash: the last epochs of each transactional id are on record.

use tidelog_format::transaction_state::TransactionEpoch;

use super::{TransactionNumber, TransactionRun};
use crate::coordinator::check_name;
use crate::coordinator::names::Name;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::partition::TRANSACTION_STATE;
use crate::produce::Run;

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionOutcome {
    /// All of it is in the log. Where is known of the last transaction of an id.
    Committed(Option<Vec<TransactionRun>>),
    /// Nothing of it is in the log, and nothing will be.
    NotCommitted,
    /// Nothing of it is in the log, but its producer may still commit it. Initialize the id to fence it, and ask
    /// again.
    Open,
}

/// Looks a transaction up. What it answers is durable. Blocks for the disk.
pub(crate) fn outcome(
    engine: &Engine,
    id: &str,
    asked: TransactionNumber,
) -> Result<TransactionOutcome> {
    check_name("transactional id", id)?;
    let unknown = || Error::UnknownOutcome {
        id: id.to_owned(),
        number: asked.number,
    };
    if engine.topic_id(TRANSACTION_STATE).is_none() {
        return Err(unknown());
    }
    let known = engine
        .coordinator
        .with_names(engine, |names| Ok(names.transactional(id).cloned()))?
        .ok_or_else(unknown)?;
    // What is in the table was appended, but may not be durable yet.
    engine.context.journal.flush()?;
    let epoch = known
        .value
        .history
        .iter()
        .find(|epoch| (epoch.producer_id, epoch.epoch) == (asked.producer_id, asked.epoch))
        .ok_or_else(unknown)?;
    match was_committed(epoch, asked.number) {
        None => Err(unknown()),
        Some(true) => Ok(TransactionOutcome::Committed(runs(engine, &known, &asked))),
        Some(false) if asked.number > epoch.committed && is_current(&known, epoch) => {
            Ok(TransactionOutcome::Open)
        }
        Some(false) => Ok(TransactionOutcome::NotCommitted),
    }
}

fn is_current(known: &Name, epoch: &TransactionEpoch) -> bool {
    (known.value.producer_id, known.value.epoch) == (epoch.producer_id, epoch.epoch)
}

/// Whether the transaction of this number was committed, as far as it is on record.
fn was_committed(epoch: &TransactionEpoch, number: u64) -> Option<bool> {
    if number >= epoch.committed {
        return Some(number == epoch.committed && number > 0);
    }
    match epoch.committed - 1 - number {
        back @ 0..64 => Some(epoch.before >> back & 1 == 1),
        _ => None,
    }
}

/// Where the records of the last commit are, in topics that are still there.
fn runs(engine: &Engine, known: &Name, asked: &TransactionNumber) -> Option<Vec<TransactionRun>> {
    let last = known
        .value
        .history
        .iter()
        .find(|epoch| epoch.committed > 0)?;
    let is_last = (last.producer_id, last.epoch, last.committed)
        == (asked.producer_id, asked.epoch, asked.number);
    if !is_last {
        return None;
    }
    let runs = known.value.runs.iter().filter_map(|run| {
        Some(TransactionRun {
            topic: engine.topic_name(&run.topic_id)?,
            run: Run {
                partition: run.partition,
                base_offset: run.base_offset,
                count: run.count,
                timestamp: run.timestamp,
            },
        })
    });
    Some(runs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sixty_four_numbers_are_known() {
        let epoch = TransactionEpoch {
            producer_id: 1,
            epoch: 0,
            committed: 100,
            before: 0b101,
        };
        let expect = [
            (101, Some(false)),
            (100, Some(true)),
            (99, Some(true)),
            (98, Some(false)),
            (97, Some(true)),
            (36, Some(false)),
            (35, None),
            (0, None),
        ];
        for (number, known) in expect {
            assert_eq!(was_committed(&epoch, number), known, "{number}");
        }
        let none = TransactionEpoch {
            committed: 0,
            before: 0,
            ..epoch
        };
        assert_eq!(was_committed(&none, 0), Some(false));
        assert_eq!(was_committed(&none, 1), Some(false));
    }
}
