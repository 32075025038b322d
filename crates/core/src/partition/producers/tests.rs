//! Every answer of the table of sequence numbers over a small domain, against a plain model which knows all batches that
//! were ever stored; the same where numbers begin anew; and the bounds of what is remembered.

use tidelog_format::batch::Attributes;

use super::*;

/// With the bit of ids that belong to a name, and without.
const NAMED: i64 = 1 << 32 | 1 << 31 | 3;
const SESSION: i64 = 1 << 32 | 3;
const OTHER_EPOCH_RECORDS: i64 = 4;
const DAY_MS: i64 = 24 * 3600 * 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Append,
    Original(u64),
    StoredSomewhere,
    Fenced,
    Gap(i32),
    Overlap,
    Unknown,
}

/// A batch of the model: its numbers never begin anew.
#[derive(Debug, Clone, Copy)]
struct Stored {
    epoch: i16,
    first: i64,
    last: i64,
    offset: u64,
}

/// What one producer stored, all of it, and the epoch it is in if anything is known of it.
#[derive(Debug, Default)]
struct Model {
    epoch: Option<i16>,
    stored: Vec<Stored>,
    end: u64,
    forgotten: bool,
}

impl Model {
    fn store(&mut self, epoch: i16, first: i64, last: i64) -> Stored {
        let batch = Stored {
            epoch,
            first,
            last,
            offset: self.end,
        };
        self.end += (last - first + 1) as u64;
        self.epoch = Some(epoch);
        self.stored.push(batch);
        batch
    }

    /// The table, row by row.
    fn answer(&self, named: bool, epoch: i16, first: i64, last: i64) -> Answer {
        let Some(known) = self.epoch else {
            return match (first, named, self.forgotten) {
                (0, true, _) | (0, false, false) => Answer::Append,
                (_, true, _) => Answer::Gap(0),
                (_, false, _) => Answer::Unknown,
            };
        };
        if epoch < known {
            return Answer::Fenced;
        }
        if epoch > known {
            // That the epoch is registered was checked before.
            return if first == 0 {
                Answer::Append
            } else {
                Answer::Gap(0)
            };
        }
        let of_epoch: Vec<&Stored> = self.stored.iter().filter(|b| b.epoch == epoch).collect();
        let end = of_epoch.iter().map(|b| b.last + 1).max().unwrap_or(0);
        let remembered = of_epoch.iter().rev().take(5);
        for batch in remembered {
            if (batch.first, batch.last) == (first, last) {
                return Answer::Original(batch.offset);
            }
        }
        if last < end {
            Answer::StoredSomewhere
        } else if first < end {
            Answer::Overlap
        } else if first == end {
            Answer::Append
        } else {
            Answer::Gap(number(end))
        }
    }
}

/// As it is stored: 31 bits.
fn number(sequence: i64) -> i32 {
    (sequence % (1 << 31)) as i32
}

fn header(id: i64, epoch: i16, first: i64, last: i64, offset: u64) -> BatchHeader {
    BatchHeader {
        base_offset: offset,
        batch_length: 60,
        leader_epoch: 1,
        magic: 2,
        crc: 0,
        attributes: Attributes(0),
        last_offset_delta: (last - first) as u32,
        base_timestamp: 0,
        max_timestamp: 0,
        producer_id: id,
        producer_epoch: epoch,
        base_sequence: number(first),
        record_count: (last - first + 1) as u32,
    }
}

fn answer(producers: &Producers, header: &BatchHeader) -> Answer {
    let last = u64::from(header.last_offset_delta);
    match producers.judge(header, Claim::Foreign, "t", 0) {
        Ok(Verdict::Append) => Answer::Append,
        Ok(Verdict::Duplicate(original)) => {
            assert!(original.duplicate);
            assert_eq!(original.last_offset, original.base_offset + last);
            Answer::Original(original.base_offset)
        }
        Err(Error::DuplicateSequence { .. }) => Answer::StoredSomewhere,
        Err(Error::ProducerFenced { .. }) => Answer::Fenced,
        Err(Error::OutOfOrderSequence {
            expected, given, ..
        }) => {
            assert_eq!(given, header.base_sequence);
            Answer::Gap(expected)
        }
        Err(Error::SequenceOverlap { .. }) => Answer::Overlap,
        Err(Error::UnknownProducer { .. }) => Answer::Unknown,
        Err(error) => panic!("{error}"),
    }
}

/// All ways to divide `len` records into batches, as the lengths of these.
fn divisions(len: i64) -> Vec<Vec<i64>> {
    if len == 0 {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for first in 1..=len {
        for mut rest in divisions(len - first) {
            rest.insert(0, first);
            all.push(rest);
        }
    }
    all
}

/// As a snapshot brings it back.
fn restored(producers: &Producers) -> Producers {
    let snapshot = producers.snapshot(1);
    let read = ProducerSnapshot::decode(&snapshot.encode()).unwrap();
    assert_eq!(read, snapshot);
    let restored = Producers::restore(&read);
    assert_eq!(restored.snapshot(1), snapshot);
    assert_eq!(restored.sessions, producers.sessions);
    restored
}

/// Asks for all batches with these first and last numbers, of epochs 0 to 2. Gives how many.
fn compare(producers: &Producers, model: &Model, id: i64, numbers: std::ops::Range<i64>) -> usize {
    let mut asked = 0;
    for epoch in 0..3 {
        for first in numbers.clone() {
            for last in first..numbers.end {
                let batch = header(id, epoch, first, last, 0);
                let expected = model.answer(is_kept(id), epoch, first, last);
                assert_eq!(
                    answer(producers, &batch),
                    expected,
                    "epoch {epoch}, {first}..={last} of {id:x} after {model:?}"
                );
                asked += 1;
            }
        }
    }
    asked
}

#[test]
fn every_answer_is_that_of_the_table() {
    let mut cases = 0;
    for id in [NAMED, SESSION] {
        for epoch in 0..3 {
            for len in 0..=8 {
                for division in divisions(len) {
                    let (mut producers, mut model) = (Producers::new(), Model::default());
                    let mut store = |model: &mut Model, epoch, first, last| {
                        let offset = model.store(epoch, first, last).offset;
                        producers.note(&header(id, epoch, first, last, offset), 7);
                    };
                    if epoch > 0 {
                        // An older epoch leaves nothing behind.
                        for first in 0..OTHER_EPOCH_RECORDS {
                            store(&mut model, epoch - 1, first, first);
                        }
                    }
                    let mut first = 0;
                    for batch in division {
                        store(&mut model, epoch, first, first + batch - 1);
                        first += batch;
                    }
                    if len == 0 {
                        // Its epoch is known, and nothing was stored in it.
                        let mut snapshot = Producers::new().snapshot(1);
                        snapshot.producers.push(ProducerEntry {
                            producer_id: id,
                            epoch,
                            last_sequence: -1,
                            last_timestamp: 7,
                            kept: is_kept(id),
                            window: vec![],
                        });
                        producers = Producers::restore(&snapshot);
                        model.epoch = Some(epoch);
                    }
                    cases += compare(&producers, &model, id, 0..10);
                    cases += compare(&restored(&producers), &model, id, 0..10);
                }
            }
        }
        // Nothing is known of it, or not any more.
        for forgotten in [false, true] {
            let mut producers = Producers::new();
            if forgotten {
                producers.forgotten = id;
            }
            let model = Model {
                forgotten,
                ..Model::default()
            };
            cases += compare(&producers, &model, id, 0..10);
            cases += compare(&restored(&producers), &model, id, 0..10);
        }
    }
    // 2 producers; 256 histories of 3 epochs, and 2 unknown ones; 3 epochs; 55 batches; written out and not.
    assert_eq!(cases, 2 * (256 * 3 + 2) * 3 * 55 * 2);
}

#[test]
fn the_table_holds_where_numbers_begin_anew() {
    let begin = i64::from(i32::MAX) - 3;
    let mut cases = 0;
    for id in [NAMED, SESSION] {
        for len in 0..=8 {
            for division in divisions(len) {
                let (mut producers, mut model) = (Producers::new(), Model::default());
                let mut first = 0;
                for batch in std::iter::once(begin).chain(division) {
                    let last = first + batch - 1;
                    let offset = model.store(0, first, last).offset;
                    producers.note(&header(id, 0, first, last, offset), 7);
                    first = last + 1;
                }
                for producers in [&producers, &restored(&producers)] {
                    for first in begin - 1..begin + 10 {
                        for last in first..begin + 10 {
                            let expected = model.answer(is_kept(id), 0, first, last);
                            let batch = header(id, 0, first, last, 0);
                            assert_eq!(
                                answer(producers, &batch),
                                expected,
                                "{first}..={last} after {model:?}"
                            );
                            cases += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(cases, 2 * 256 * 66 * 2);
}

/// Also when another producer is answered: each has its own numbers.
#[test]
fn producers_do_not_see_each_other() {
    let mut producers = Producers::new();
    let mut models = Vec::new();
    for n in 0..50_i64 {
        let mut model = Model {
            end: n as u64 * 1000,
            ..Model::default()
        };
        for first in 0..n {
            let offset = model.store(0, first, first).offset;
            producers.note(&header(SESSION + n, 0, first, first, offset), 7);
        }
        models.push(model);
    }
    let mut cases = 0;
    for (n, model) in models.iter().enumerate() {
        cases += compare(&producers, model, SESSION + n as i64, 0..10);
    }
    assert_eq!(cases, 50 * 3 * 55);
}

#[test]
fn sessions_beyond_the_limit_are_forgotten_for_good_and_names_never() {
    let mut producers = Producers::new();
    let session = |n: i64| 1 << 32 | n;
    let named = |n: i64| 1 << 32 | 1 << 31 | n;
    let begins = |producers: &Producers, id| answer(producers, &header(id, 0, 0, 0, 0));
    for n in 0..50 {
        producers.note(&header(named(n), 0, 0, 0, n as u64), 0);
    }
    let limit = SESSIONS_MAX as i64;
    for n in 0..limit {
        producers.note(&header(session(n), 0, 0, 0, 50 + n as u64), 10 + n);
    }
    assert_eq!(producers.sessions, SESSIONS_MAX);
    assert_eq!(producers.forgotten, -1);
    // One of the oldest is heard of again, so it is not among those that go.
    producers.note(&header(session(3), 0, 1, 1, 200_000), 10 + limit);
    producers.note(&header(session(limit), 0, 0, 0, 200_001), 10 + limit);
    assert_eq!(producers.sessions, SESSIONS_MAX + 1 - SESSIONS_MAX / 10);
    for producers in [&producers, &restored(&producers)] {
        for n in (0..=limit).filter(|n| *n != 3) {
            let gone = n <= limit / 10;
            let expected = match gone {
                true => Answer::Unknown,
                false if n == limit => Answer::Original(200_001),
                false => Answer::Original(50 + n as u64),
            };
            assert_eq!(begins(producers, session(n)), expected, "{n}");
            let next = answer(producers, &header(session(n), 0, 1, 1, 0));
            let expected = if gone {
                Answer::Unknown
            } else {
                Answer::Append
            };
            assert_eq!(next, expected, "{n}");
        }
        assert_eq!(begins(producers, session(3)), Answer::Original(53));
        for n in 0..50 {
            assert_eq!(begins(producers, named(n)), Answer::Original(n as u64));
        }
        // One that is newer than all that were forgotten begins as ever, and so does a new name.
        assert_eq!(begins(producers, session(limit + 1)), Answer::Append);
        assert_eq!(begins(producers, named(77)), Answer::Append);
        // The process's own producer, which knows its numbers, goes on.
        let own = producers.judge(&header(session(5), 0, 1, 1, 0), Claim::Session, "t", 0);
        assert!(matches!(own, Ok(Verdict::Append)));
    }
}

#[test]
fn sessions_expire_after_seven_days_without_a_batch_and_names_never() {
    let mut producers = Producers::new();
    producers.note(&header(NAMED, 0, 0, 4, 0), 0);
    producers.note(&header(SESSION, 0, 0, 4, 5), 0);
    producers.note(&header(SESSION + 1, 0, 0, 4, 10), DAY_MS);
    producers.forget_expired(7 * DAY_MS);
    assert_eq!((producers.sessions, producers.forgotten), (2, -1));
    producers.forget_expired(7 * DAY_MS + 1);
    assert_eq!((producers.sessions, producers.forgotten), (1, SESSION));
    let first = |producers: &Producers, id| answer(producers, &header(id, 0, 0, 4, 0));
    for producers in [&producers, &restored(&producers)] {
        assert_eq!(first(producers, SESSION), Answer::Unknown);
        assert_eq!(first(producers, SESSION + 1), Answer::Original(10));
        assert_eq!(first(producers, NAMED), Answer::Original(0));
    }
    producers.forget_expired(i64::MAX);
    assert_eq!((producers.sessions, producers.forgotten), (0, SESSION + 1));
    assert_eq!(first(&producers, NAMED), Answer::Original(0));
    assert_eq!(producers.last_sequence(NAMED, 0), Some(4));
}
