//! The steps of transactions: begun, filled, committed, aborted and taken over, and what became of them.

use proptest::sample::Index;
use tidelog::{Error, TransactionOutcome, TransactionalProducer};

use super::reference::{Fate, Log, Open, Run, Transaction};
use super::steps::{At, Transact};
use super::story::{GROUPS, Story, packed_for};
use super::subject::{Subject, place};
use crate::support::sending::*;

const IDS: [&str; 2] = ["x", "y"];

impl Story {
    /// The transactional producer of this life.
    fn producer(&mut self, id: u8) -> TransactionalProducer {
        if self.subject.held[usize::from(id)].producer.is_none() {
            self.take_over(id);
        }
        let held = &self.subject.held[usize::from(id)];
        held.producer.clone().unwrap()
    }

    fn take_over(&mut self, id: u8) {
        let name = IDS[usize::from(id)];
        let producer = self
            .subject
            .store
            .transactional_producer(name, Subject::options())
            .unwrap();
        let held = &mut self.subject.held[usize::from(id)];
        if let Some(fenced) = held.producer.replace(producer) {
            held.zombie = Some((fenced, held.begun.take()));
        }
        self.reference.give_up(id);
        let transactional = &mut self.reference.transactional[usize::from(id)];
        transactional.epochs += 1;
        transactional.last = None;
    }

    pub(super) fn transact(&mut self, id: u8, step: &Transact) {
        let producer = self.producer(id);
        let index = usize::from(id);
        let begun = self.subject.held[index].begun;
        let is_open = self.reference.transactional[index].open.is_some();
        match step {
            Transact::TakeOver => self.take_over(id),
            Transact::Begin if is_open => {
                let refused = producer.begin().unwrap_err();
                assert!(matches!(refused, Error::InvalidTransactionState { .. }));
            }
            Transact::Begin => {
                let number = producer.begin().unwrap();
                self.subject.held[index].begun = Some(number);
                let place = self.reference.transactions.len();
                let transactional = &mut self.reference.transactional[index];
                assert_eq!(number.epoch, transactional.epochs - 1);
                let producer_id = *transactional.producer_id.get_or_insert(number.producer_id);
                assert_eq!(number.producer_id, producer_id);
                transactional.open = Some(Open {
                    place,
                    ..Open::default()
                });
                self.reference.transactions.push(Transaction {
                    id,
                    number,
                    fate: Fate::Open,
                    runs: None,
                });
            }
            Transact::Send(at, count) => {
                let values = self.values(*count);
                let Some(number) = begun else { return };
                let topic = self.subject.topic(*at);
                let sent = send(&producer, number.number, topic, &packed_for(*at, &values));
                let transactional = &mut self.reference.transactional[index];
                match &mut transactional.open {
                    Some(open) if !open.broken && *at < 2 => {
                        sent.unwrap();
                        open.sends.push((*at, values));
                    }
                    Some(open) => {
                        sent.unwrap_err();
                        open.broken = true;
                    }
                    None => assert!(matches!(sent, Err(Error::InvalidTransactionState { .. }))),
                }
            }
            Transact::SendOffset(group, at, position) => {
                let Some(number) = begun else { return };
                let offset = position.index(self.log(*at).end() as usize + 2) as u64;
                let commit = offset_commit(self.subject.topic(*at), place(*at).1, offset);
                let name = GROUPS[usize::from(*group)];
                let sent = producer.send_offsets(number.number, name, vec![commit]);
                match &mut self.reference.transactional[index].open {
                    Some(open) if !open.broken => {
                        sent.unwrap();
                        open.offsets.insert((*group, *at), offset);
                    }
                    _ => drop(sent.unwrap_err()),
                }
            }
            Transact::Commit => self.commit(id, &producer),
            Transact::CommitAgain => {
                let Some(number) = begun else { return };
                let last = self.reference.transactional[index].last.clone();
                if let Some((_, runs)) = last.filter(|(last, _)| *last == number.number) {
                    let again = commit(&producer, number.number).unwrap();
                    assert_eq!(ats(&again), runs);
                }
            }
            Transact::Abort => {
                let Some(number) = begun else { return };
                let aborted = producer.abort(number.number);
                let place = |t: &Transaction| t.id == id && t.number == number;
                let fate = self
                    .reference
                    .transactions
                    .iter()
                    .find(|t| place(t))
                    .unwrap()
                    .fate;
                match fate {
                    Fate::Open | Fate::NotCommitted => aborted.unwrap(),
                    _ => assert!(matches!(
                        aborted,
                        Err(Error::InvalidTransactionState { .. })
                    )),
                }
                self.reference.give_up(id);
            }
            Transact::Zombie => {
                let Some((zombie, begun)) = &self.subject.held[index].zombie else {
                    return;
                };
                let fenced = |error| matches!(error, Some(Error::ProducerFenced { .. }));
                assert!(fenced(zombie.begin().err()));
                if let Some(number) = begun {
                    // Nothing of it is in the log, whatever it says to one that it has ended already.
                    let (number, before) = (number.number, self.ends());
                    if let Err(error) = commit(zombie, number) {
                        assert!(!error.indefinite(), "{error}");
                    }
                    assert_eq!(self.ends(), before);
                }
            }
        }
    }

    fn ends(&self) -> Vec<u64> {
        (0..3)
            .map(|at| self.subject.partition(at).log_end_offset())
            .collect()
    }

    fn commit(&mut self, id: u8, producer: &TransactionalProducer) {
        let index = usize::from(id);
        let Some(number) = self.subject.held[index].begun else {
            return;
        };
        let Some(open) = &self.reference.transactional[index].open else {
            return;
        };
        let beyond = open
            .offsets
            .iter()
            .any(|((_, at), offset)| *offset > self.log(*at).end());
        let refused = open.broken || open.doomed || beyond;
        let committed = commit(producer, number.number);
        if refused {
            let error = committed.unwrap_err();
            assert!(!error.indefinite(), "{error}");
            producer.abort(number.number).unwrap();
            self.reference.give_up(id);
            return;
        }
        let runs = committed.unwrap();
        let from = self.ends_of_reference();
        assert_eq!(ats(&runs), self.reference.commit(id));
        for (at, from) in from.into_iter().enumerate() {
            self.compare_from(at, from, 1 << 20);
        }
    }

    fn ends_of_reference(&self) -> Vec<u64> {
        self.reference.logs.iter().map(Log::end).collect()
    }

    pub(super) fn outcome(&mut self, index: &Index) {
        let transactions = &self.reference.transactions;
        if transactions.is_empty() {
            return;
        }
        let Transaction {
            id,
            number,
            fate,
            runs: known,
        } = index.get(transactions);
        let transactional = &self.reference.transactional[usize::from(*id)];
        let name = IDS[usize::from(*id)];
        let outcome = match self.subject.store.transaction_outcome(name, *number) {
            Ok(outcome) => outcome,
            Err(Error::UnknownOutcome { .. }) => {
                // The last five epochs are on record.
                assert!(
                    number.epoch + 5 < transactional.epochs,
                    "{number:?} {fate:?}"
                );
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let current = number.epoch + 1 == transactional.epochs;
        match fate {
            Fate::Open => assert_eq!(outcome, TransactionOutcome::Open),
            Fate::Committed => match outcome {
                TransactionOutcome::Committed(Some(runs)) => {
                    if let Some(known) = known {
                        assert_eq!(ats(&runs), *known);
                    }
                }
                TransactionOutcome::Committed(None) => {}
                other => panic!("{other:?}"),
            },
            // Its producer could still commit that number, if it were not aborted.
            Fate::NotCommitted | Fate::Empty if current => {
                assert!(!matches!(outcome, TransactionOutcome::Committed(_)));
            }
            Fate::NotCommitted | Fate::Empty => {
                assert_eq!(outcome, TransactionOutcome::NotCommitted);
            }
        }
    }
}

/// Runs by partition, base offset and count.
fn ats(runs: &[tidelog::TransactionRun]) -> Vec<Run> {
    let mut found: Vec<_> = runs
        .iter()
        .map(|run| (run.run.partition as At, run.run.base_offset, run.run.count))
        .collect();
    found.sort_unstable();
    found
}
