//! The checker of histories, after Jepsen's for Kafka (jepsen/tests/kafka.clj): its anomalies as far as they apply to a
//! log in which a transaction is one append to all of its partitions, and those that only such a log can have.

use std::collections::{BTreeMap, HashMap};

use super::cycles;
use super::events::*;
use super::log::Log;
use super::offsets::GroupOffsets;
use super::transactions::{Status, Transactions};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anomaly {
    /// G1a: a record of a transaction that was not committed.
    AbortedRead,
    /// G1b: some records of a transaction in a partition, and not the others.
    IntermediateRead,
    /// G0: transactions follow each other in a circle.
    WriteCycle,
    /// G1c: transactions follow or have read each other in a circle.
    CircularInformationFlow,
    /// Committed, and not there.
    LostWrite,
    /// There twice.
    Duplicate,
    /// Two values were seen at an offset, or a value elsewhere than its producer was told.
    InconsistentOffset,
    /// A poll went back.
    NonmonotonicPoll,
    /// A poll left records out.
    SkippedPoll,
    /// Records are not in the order in which they were sent.
    NonmonotonicSend,
    /// Records of others are between those of a transaction.
    SkippedSend,
    /// A record was seen before its commit was called.
    PrecommittedRead,
    /// Some partitions' records of a transaction in a poll of all of them, and not the others'.
    FracturedPoll,
    /// A poll does not see what was committed before it began.
    StalePoll,
    /// A part of a transaction is in the log for good.
    HalfTransaction,
    /// Committed offsets that no transaction can have left so.
    StaleOffsets,
    /// What is said of a transaction later is not what was said first.
    WrongOutcome,
    /// A commit of an epoch that was over.
    FencedCommit,
    /// A value that nobody sent, or elsewhere than it was sent to.
    UnknownValue,
}

/// What was found, with an example of each.
#[derive(Debug, Default)]
pub struct Found(pub BTreeMap<Anomaly, (u64, String)>);

impl Found {
    pub fn add(&mut self, anomaly: Anomaly, detail: impl FnOnce() -> String) {
        self.0.entry(anomaly).or_insert_with(|| (0, detail())).0 += 1;
    }

    pub fn has(&self, anomaly: Anomaly) -> bool {
        self.0.contains_key(&anomaly)
    }
}

/// What a worker's consumer was told last.
struct Consumer {
    ends: [u64; PLACES],
    /// Since when it waits for an answer, and what was acknowledged by then.
    invoked: (usize, [u64; PLACES]),
}

pub fn check(history: &[Event]) -> Found {
    let mut found = Found::default();
    let transactions = Transactions::new(history, &mut found);
    let offsets = GroupOffsets::new(history, &transactions);
    let mut log = Log::default();
    let mut consumers: HashMap<u64, Consumer> = HashMap::new();
    let mut acknowledged = [0; PLACES];
    for (now, event) in history.iter().enumerate() {
        match event {
            Event::Invoke { worker } => {
                let invoked = (now, acknowledged);
                let ends = [0; PLACES];
                consumers
                    .entry(*worker)
                    .or_insert(Consumer { ends, invoked })
                    .invoked = invoked;
            }
            Event::Ok {
                transaction,
                placed,
            } => {
                for placed in placed {
                    let end = &mut acknowledged[placed.place];
                    *end = (*end).max(placed.base + placed.count);
                }
                for read in transactions.placed(*transaction, placed) {
                    log.see(read, &mut found);
                }
            }
            Event::Polled(polled) => {
                let Some(consumer) = consumers.get_mut(&polled.worker) else {
                    continue;
                };
                continuity(polled, consumer, &mut found);
                consumer.ends = polled.ends;
                contents(polled, now, &transactions, &mut log, &mut found);
            }
            Event::Fetched {
                worker,
                group,
                offsets: fetched,
            } => {
                let since = consumers.get(worker).map_or(now, |c| c.invoked.0);
                offsets.check(*group, *fetched, (since, now), &mut found);
            }
            _ => {}
        }
    }
    log.order(&transactions, &mut found);
    cycles::check(history, &transactions, &log, &mut found);
    found
}

/// Whether a poll goes on where the one before ended, without a gap, up to what was acknowledged.
fn continuity(polled: &Polled, consumer: &Consumer, found: &mut Found) {
    let worker = polled.worker;
    let mut next = match polled.jumped {
        true => polled.from,
        false => consumer.ends,
    };
    for read in &polled.records {
        let expected = &mut next[read.place];
        let place = || format!("worker {worker}: {read:?}, not offset {expected}");
        if read.offset > *expected {
            found.add(Anomaly::SkippedPoll, place);
        } else if read.offset < *expected {
            found.add(Anomaly::NonmonotonicPoll, place);
        }
        *expected = read.offset + 1;
    }
    for (place, seen) in next.into_iter().enumerate() {
        let end = polled.ends[place];
        if seen < end {
            found.add(Anomaly::SkippedPoll, || {
                format!("worker {worker}: {place} up to {seen}, not {end}")
            });
        }
        let acknowledged = consumer.invoked.1[place];
        if end < acknowledged {
            found.add(Anomaly::StalePoll, || {
                format!("worker {worker}: {place} up to {end}, not {acknowledged}")
            });
        }
    }
}

/// Whether a poll shows whole transactions that are committed, and everything if it is a reader's.
fn contents(
    polled: &Polled,
    now: usize,
    transactions: &Transactions,
    log: &mut Log,
    found: &mut Found,
) {
    let mut seen: HashMap<usize, Vec<Place>> = HashMap::new();
    for read in &polled.records {
        log.see(*read, found);
        let Some(index) = transactions.of(read.value) else {
            found.add(Anomaly::UnknownValue, || format!("{read:?}"));
            continue;
        };
        let transaction = &transactions.all[index];
        let sent = (read.place, read.value);
        if !transaction.begun.sends.contains(&sent) {
            found.add(Anomaly::UnknownValue, || {
                format!("{read:?} of {transaction:?}")
            });
        }
        if transaction.status == Status::Failed {
            found.add(Anomaly::AbortedRead, || {
                format!("{read:?} of {transaction:?}")
            });
        }
        if transaction.commit.is_none_or(|called| called > now) {
            found.add(Anomaly::PrecommittedRead, || {
                format!("{read:?} of {transaction:?}")
            });
        }
        seen.entry(index).or_default().push(read.place);
    }
    let reader = polled.worker == READER;
    for (index, places) in &seen {
        let transaction = &transactions.all[*index];
        let sends = &transaction.begun.sends;
        if places.len() >= sends.len() {
            continue;
        }
        let detail = || format!("{places:?} seen by {} of {transaction:?}", polled.worker);
        let partly = |place: &Place| {
            let sent = sends.iter().filter(|(to, _)| to == place).count();
            places.iter().filter(|seen| *seen == place).count() < sent
        };
        found.add(
            match reader {
                true => Anomaly::HalfTransaction,
                false if places.iter().any(partly) => Anomaly::IntermediateRead,
                false => Anomaly::FracturedPoll,
            },
            detail,
        );
    }
    if !reader {
        return;
    }
    for (index, transaction) in transactions.all.iter().enumerate() {
        let acknowledged = transaction.end.is_some_and(|end| end < now);
        if transaction.status == Status::Committed
            && acknowledged
            && seen.get(&index).map_or(0, Vec::len) < transaction.begun.sends.len()
        {
            found.add(Anomaly::LostWrite, || format!("{transaction:?}"));
        }
    }
}
