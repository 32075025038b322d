//! What a partition has to answer to a producer's batch, by a plain list of what was stored of it.

use tidelog::{Appended, Error, Partition, Result};

use super::sending::sequenced;
use super::value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Appended(u64),
    Original(u64),
    StoredSomewhere,
    Fenced,
    Gap(i32),
    Overlap,
    Unknown,
    Conflict(u64),
}

pub fn answer(outcome: Result<Appended>) -> Answer {
    match outcome {
        Ok(appended) if appended.duplicate => Answer::Original(appended.base_offset),
        Ok(appended) => Answer::Appended(appended.base_offset),
        Err(Error::DuplicateSequence { .. }) => Answer::StoredSomewhere,
        Err(Error::ProducerFenced { .. }) => Answer::Fenced,
        Err(Error::OutOfOrderSequence { expected, .. }) => Answer::Gap(expected),
        Err(Error::SequenceOverlap { .. }) => Answer::Overlap,
        Err(Error::UnknownProducer { .. }) => Answer::Unknown,
        Err(Error::OffsetConflict { actual, .. }) => Answer::Conflict(actual),
        Err(error) => panic!("{error}"),
    }
}

/// What was stored of a producer in its epoch: first and last sequence, and base offset.
#[derive(Debug, Clone)]
pub struct Known {
    pub id: i64,
    pub epoch: i16,
    pub stored: Vec<(i32, i32, u64)>,
}

impl Known {
    pub fn new(id: i64, epoch: i16) -> Known {
        Known {
            id,
            epoch,
            stored: Vec::new(),
        }
    }

    pub fn next(&self) -> i32 {
        self.stored.last().map_or(0, |(_, last, _)| last + 1)
    }

    /// What is to be answered to these sequence numbers where the log ends at `end`.
    pub fn expected(&self, epoch: i16, first: i32, last: i32, end: u64) -> Answer {
        let next = self.next();
        let newest = self.stored.len().saturating_sub(5);
        let original = |(f, l, _): &&(i32, i32, u64)| (*f, *l) == (first, last);
        if epoch != self.epoch {
            return if epoch < self.epoch {
                Answer::Fenced
            } else {
                Answer::Unknown
            };
        }
        if let Some((_, _, offset)) = self.stored[newest..].iter().find(original) {
            return Answer::Original(*offset);
        }
        match () {
            () if last < next => Answer::StoredSomewhere,
            () if first < next => Answer::Overlap,
            () if first == next => Answer::Appended(end),
            // Of a session nothing at all is known before its first batch.
            () if self.stored.is_empty() && self.id & 1 << 31 == 0 => Answer::Unknown,
            () => Answer::Gap(next),
        }
    }

    /// The values that the records of these sequence numbers have.
    pub fn values(&self, first: i32, last: i32) -> Vec<Vec<u8>> {
        let number = |sequence: i32| (self.id as u64) << 16 | sequence as u64;
        (first..=last)
            .map(|sequence| value(number(sequence), 40))
            .collect()
    }

    /// The batch of these sequence numbers.
    pub fn batch(&self, epoch: i16, first: i32, last: i32) -> Vec<u8> {
        sequenced(self.id, epoch, first, &self.values(first, last))
    }
}

/// Sends and compares. Gives whether it was appended.
pub fn send_and_compare(
    partition: &Partition,
    known: &mut Known,
    epoch: i16,
    (first, last): (i32, i32),
    context: &str,
) -> bool {
    let end = partition.log_end_offset();
    let expected = known.expected(epoch, first, last, end);
    let got = answer(partition.append(known.batch(epoch, first, last)));
    assert_eq!(
        got, expected,
        "{context}: {epoch}, {first}..={last} of {known:?}"
    );
    if got != Answer::Appended(end) {
        assert_eq!(partition.log_end_offset(), end, "{context}");
        return false;
    }
    known.stored.push((first, last, end));
    true
}
