//! Does each step to the store and to the reference, and compares everything that a program can see.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::sample::Index;
use tidelog::format::batch::TimestampType;
use tidelog::format::builder::BatchBuilder;
use tidelog::{
    Compression, Condition, Error, RecordBuffer, TopicChange, TransactionOutcome,
    TransactionalProducer,
};

use super::reference::{Fate, Log, Open, Record, Reference, Run, Transaction, Who};
use super::steps::{At, Step, Transact};
use super::subject::{Disk, End, Subject, beside, place, rows};
use crate::support::sending::*;
use crate::support::sequences::*;
use crate::support::value;

const GROUPS: [&str; 2] = ["billing", "shipping"];
const IDS: [&str; 2] = ["x", "y"];
/// What a producer id has that is kept for ever.
const KEPT: i64 = 1 << 31;

pub struct Story {
    subject: Subject,
    reference: Reference,
    next_value: u64,
}

pub fn encode(compression: Compression, records: &[Record]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(compression, TimestampType::CreateTime);
    for r in records {
        let headers = r
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()));
        builder
            .append(
                r.time.unwrap(),
                r.key.as_deref(),
                r.value.as_deref(),
                headers,
            )
            .unwrap();
    }
    builder.finish().unwrap()
}

impl Story {
    pub fn new(disk: Disk) -> Story {
        Story {
            subject: Subject::new(disk),
            reference: Reference::default(),
            next_value: 0,
        }
    }

    pub fn tell(mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
            self.compare();
        }
        self.subject.verify();
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Append(at, compression, records) => self.append(*at, *compression, records),
            Step::Send(at, count) => self.send(*at, *count),
            Step::SendNamed(at, count) => self.send_named(*at, *count),
            Step::SendIf(at, delta, expect) => self.send_if(*at, *delta, *expect),
            Step::TakeName => self.take_name(),
            Step::Sequenced(who, at, epoch, delta, count) => {
                self.sequenced(*who, *at, *epoch, *delta, *count);
            }
            Step::Again(who, at, back) => self.again(*who, *at, *back),
            Step::Initialize => self.initialize(),
            Step::Transaction(id, step) => self.transact(*id, step),
            Step::Outcome(index) => self.outcome(index),
            Step::CommitOffset(group, at, index) => self.commit_offset(*group, *at, index),
            Step::DeleteGroup(group) => {
                let name = GROUPS[usize::from(*group)];
                self.subject.store.delete_group(name).unwrap();
                self.reference
                    .offsets
                    .retain(|(other, _), _| other != group);
            }
            Step::ReadFrom(at, index, max_bytes) => {
                let Log { start, .. } = &self.log(*at);
                let span = (self.log(*at).end() - start) as usize;
                self.compare_from(*at, start + index.index(span + 1) as u64, *max_bytes);
            }
            Step::Get(at, index) => self.get(*at, index),
            Step::Time(at, time) => self.time(*at, *time),
            Step::DeleteBefore(at, index) => self.delete_before(*at, index),
            Step::Retain(at) => self.retain(*at),
            Step::Recreate(at) => {
                self.subject.recreate(*at);
                self.reference.recreate(beside(*at));
            }
            Step::Sync => {
                self.subject.store.sync().unwrap();
                self.all_durable();
            }
            Step::Reopen => self.live_again(End::Closed),
            Step::Kill(seed) => self.live_again(End::Killed(*seed)),
            Step::LosePower(seed) => self.live_again(End::PowerLost(*seed)),
        }
    }

    fn log(&self, at: At) -> &Log {
        &self.reference.logs[at]
    }

    fn all_durable(&mut self) {
        for log in &mut self.reference.logs {
            log.durable = log.end();
        }
    }

    /// So many values that are nowhere else.
    fn values(&mut self, count: u8) -> Vec<Vec<u8>> {
        let first = self.next_value;
        self.next_value += u64::from(count);
        (first..self.next_value).map(|n| value(n, 40)).collect()
    }

    /// These records are at the end of the log now.
    fn appended(&mut self, at: At, base_offset: u64, records: Vec<Record>) {
        let log = &mut self.reference.logs[at];
        assert_eq!(base_offset, log.end());
        log.records.extend(records);
        if at < 2 {
            log.durable = log.end();
        }
        self.compare_from(at, base_offset, 1 << 20);
    }

    fn append(&mut self, at: At, compression: Compression, records: &[Record]) {
        let batch = encode(compression, records);
        let appended = self.subject.partition(at).append(batch).unwrap();
        let count = appended.last_offset + 1 - appended.base_offset;
        assert_eq!(count, records.len() as u64);
        self.appended(at, appended.base_offset, records.to_vec());
    }

    fn send(&mut self, at: At, count: u8) {
        let values = self.values(count);
        let lane = &self.subject.session;
        let outcome = produce(lane, self.subject.topic(at), &packed_for(at, &values));
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        assert_eq!(outcome.runs.len(), 1);
        self.appended(at, outcome.runs[0].base_offset, of_values(&values));
    }

    /// The name is opened, unless this life has it open.
    fn name(&mut self) {
        if self.subject.named.is_none() {
            let lane = self.subject.store.named_producer_lane("importer").unwrap();
            self.subject.named = Some(lane);
        }
    }

    fn known_name(&mut self, at: At) -> &mut Known {
        let producers = &mut self.reference.logs[at].producers;
        producers
            .entry(Who::Name)
            .or_insert_with(|| Known::new(KEPT, 0))
    }

    fn send_named(&mut self, at: At, count: u8) {
        self.name();
        let values = self.values(count);
        let lane = self.subject.named.as_ref().unwrap();
        let topic = self.subject.topic(at);
        let outcome = produce(lane, topic, &packed_for(at, &values));
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        let last = lane.last_sequence(topic, place(at).1).unwrap();
        let base_offset = outcome.runs[0].base_offset;
        let known = self.known_name(at);
        let (first, next) = (known.next(), known.next() + i32::from(count));
        known.stored.push((first, next - 1, base_offset));
        assert_eq!(last, Some(next - 1));
        self.appended(at, base_offset, of_values(&values));
    }

    fn send_if(&mut self, at: At, delta: i32, expect: Option<i8>) {
        self.name();
        let end = self.log(at).end();
        let expect_offset = expect.and_then(|delta| end.checked_add_signed(i64::from(delta)));
        let value = self.values(1).remove(0);
        let known = self.known_name(at);
        let sequence = (known.next() + delta).max(0);
        let mut expected = known.expected(0, sequence, sequence, end);
        if expected == Answer::Appended(end) && expect_offset.is_some_and(|offset| offset != end) {
            expected = Answer::Conflict(end);
        }
        let condition = Condition {
            expect_offset,
            sequence: Some(sequence),
        };
        let lane = self.subject.named.as_ref().unwrap();
        let record = (place(at).1, value.as_slice());
        let got = answer(produce_if(lane, self.subject.topic(at), record, condition));
        assert_eq!(got, expected, "{sequence} of {:?}", self.log(at).producers);
        if got == Answer::Appended(end) {
            self.known_name(at).stored.push((sequence, sequence, end));
            self.appended(at, end, of_values(&[value]));
        }
    }

    fn take_name(&mut self) {
        let fenced = self.subject.named.take();
        self.name();
        if let Some(lane) = fenced {
            let outcome = produce(&lane, self.subject.topic(0), &[(0, b"zombie")]);
            assert!(outcome.runs.is_empty());
            assert!(matches!(outcome.error, Some(Error::ProducerFenced { .. })));
        }
    }

    /// What is known of one who encodes elsewhere. The last of them has an id that is kept.
    fn known(&mut self, who: u8, at: At) -> &mut Known {
        let store = &self.subject.store;
        let id = *self.subject.ids[usize::from(who)].get_or_insert_with(|| {
            let kept = (who == 2).then_some("shop");
            store.init_producer_id(kept).unwrap()
        });
        let producers = &mut self.reference.logs[at].producers;
        producers
            .entry(Who::Elsewhere(who))
            .or_insert_with(|| Known::new(id.producer_id, id.epoch))
    }

    fn sequenced(&mut self, who: u8, at: At, epoch: i16, delta: i32, count: i32) {
        let known = self.known(who, at);
        let epoch = if who == 2 {
            (known.epoch + epoch).max(0)
        } else {
            0
        };
        let first = (known.next() + delta).max(0);
        self.send_sequenced(who, at, epoch, (first, first + count - 1));
    }

    fn again(&mut self, who: u8, at: At, back: u8) {
        let known = self.known(who, at);
        let (epoch, stored) = (known.epoch, &known.stored);
        let Some(index) = stored.len().checked_sub(1 + usize::from(back)) else {
            return;
        };
        let (first, last, _) = stored[index];
        self.send_sequenced(who, at, epoch, (first, last));
    }

    fn send_sequenced(&mut self, who: u8, at: At, epoch: i16, batch: (i32, i32)) {
        let (partition, end) = (self.subject.partition(at), self.log(at).end());
        let known = self.known(who, at);
        if send_and_compare(&partition, known, epoch, batch, "encoded elsewhere") {
            let records = known
                .values(batch.0, batch.1)
                .into_iter()
                .map(|value| Record {
                    time: Some(crate::support::EPOCH_MS),
                    ..Record::of_value(&value)
                });
            let records = records.collect();
            self.appended(at, end, records);
        }
    }

    fn initialize(&mut self) {
        let before = self.subject.ids[2];
        let id = self.subject.store.init_producer_id(Some("shop")).unwrap();
        if let Some(before) = before {
            assert_eq!(
                (id.producer_id, id.epoch),
                (before.producer_id, before.epoch + 1)
            );
        }
        self.subject.ids[2] = Some(id);
        for log in &mut self.reference.logs {
            let known = Known::new(id.producer_id, id.epoch);
            log.producers.insert(Who::Elsewhere(2), known);
        }
    }

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

    fn transact(&mut self, id: u8, step: &Transact) {
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

    fn outcome(&mut self, index: &Index) {
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

    fn commit_offset(&mut self, group: u8, at: At, index: &Index) {
        let end = self.log(at).end();
        let offset = index.index(end as usize + 2) as u64;
        let (name, topic) = (GROUPS[usize::from(group)], self.subject.topic(at));
        let committed = commit_offset(&self.subject.store, name, topic, place(at).1, offset);
        if offset > end {
            assert!(matches!(committed, Err(Error::OffsetOutOfRange { .. })));
            return;
        }
        committed.unwrap();
        self.reference.commit_offset(group, at, offset);
    }

    fn get(&mut self, at: At, index: &Index) {
        let log = self.log(at);
        let (end, offset) = (log.end(), index.index(log.records.len() + 2) as u64);
        let (number, mut buffer) = (place(at).1, RecordBuffer::default());
        let wanted = [(number, offset), (number, end)];
        self.subject.topic(at).get(&wanted, &mut buffer).unwrap();
        let got = rows(&buffer);
        assert!(got[1].is_none());
        let there = offset >= log.start && offset < end;
        assert_eq!(got[0].is_some(), there);
        if let Some((found, record)) = &got[0] {
            assert_eq!(*found, offset);
            assert_same(record, &log.records[offset as usize]);
        }
    }

    fn time(&mut self, at: At, time: i64) {
        let log = self.log(at);
        let record = |offset: &u64| &log.records[*offset as usize];
        // Those that were stamped by the clock are later than what is asked for.
        let first = (log.start..log.end()).find(|o| record(o).time.is_none_or(|t| t >= time));
        let found = self.subject.partition(at).offset_for_time(time).unwrap();
        assert_eq!(found.map(|(offset, _)| offset), first);
        if let Some((offset, found)) = found {
            assert_eq!(found, record(&offset).time.unwrap_or(found));
        }
    }

    fn delete_before(&mut self, at: At, index: &Index) {
        let log = &mut self.reference.logs[at];
        let before = index.index(log.records.len() + 2) as u64;
        let deleted = self.subject.partition(at).delete_records(before);
        if before > log.end() {
            assert!(matches!(deleted, Err(Error::OffsetOutOfRange { .. })));
            return;
        }
        log.start = log.start.max(before);
        assert_eq!(deleted.unwrap(), log.start);
    }

    fn retain(&mut self, at: At) {
        const KEPT: u64 = 2000;
        let topic = self.subject.topic(at);
        let retain = |bytes| TopicChange {
            retention_bytes: Some(bytes),
            ..TopicChange::default()
        };
        let bytes = || -> Vec<u64> {
            let partitions = topic.describe().unwrap().partitions;
            partitions.iter().map(|partition| partition.bytes).collect()
        };
        let before = bytes();
        topic.alter(&retain(Some(KEPT))).unwrap();
        // What is in excess goes by whole segments, of which a batch may make one that is larger.
        let began = Instant::now();
        while bytes().iter().any(|bytes| *bytes > KEPT + 8000) {
            assert!(began.elapsed() < Duration::from_secs(60), "{:?}", bytes());
            std::thread::sleep(Duration::from_millis(1));
        }
        topic.alter(&retain(None)).unwrap();
        // A round that had begun before that may still be under way.
        self.subject.store.sync().unwrap();
        for (beside, before) in beside(at).iter().zip(before) {
            let partition = self.subject.partition(*beside);
            let (start, left) = (partition.log_start_offset(), topic_bytes(&bytes(), *beside));
            let log = &mut self.reference.logs[*beside];
            assert!(start >= log.start && start <= log.end());
            assert!(start == log.start || left >= KEPT.min(before));
            log.start = start;
        }
        self.all_durable();
    }

    fn live_again(&mut self, end: End) {
        let end = self.subject.live_again(end);
        self.reference.end_of_life();
        if let End::PowerLost(_) = end {
            let left = self.subject.partition(2).high_watermark();
            let log = &mut self.reference.logs[2];
            assert!(
                (log.durable.max(log.start)..=log.end()).contains(&left),
                "{left}, not {} to {}",
                log.durable,
                log.end()
            );
            log.records.truncate(left as usize);
        }
        // A recovery makes durable what it serves.
        self.all_durable();
        for at in 0..3 {
            self.compare_from(at, self.log(at).start, 1 << 16);
        }
    }

    fn compare_from(&self, at: At, from: u64, max_bytes: usize) {
        let log = self.log(at);
        let found = self.subject.read(at, from, max_bytes);
        let offsets: Vec<u64> = found.iter().map(|(offset, _)| *offset).collect();
        assert_eq!(offsets, (from..log.end()).collect::<Vec<_>>());
        for (offset, record) in &found {
            assert_same(record, &log.records[*offset as usize]);
        }
    }

    fn compare(&self) {
        for at in 0..3 {
            let (partition, log) = (self.subject.partition(at), self.log(at));
            assert_eq!(partition.log_start_offset(), log.start);
            assert_eq!(partition.high_watermark(), log.end());
            assert_eq!(partition.log_end_offset(), log.end());
        }
        let store = &self.subject.store;
        let mut groups = Vec::new();
        for (group, name) in GROUPS.iter().enumerate() {
            let found: BTreeMap<_, _> = store
                .committed_offsets(name)
                .unwrap()
                .into_iter()
                .map(|committed| {
                    let at = (0..3)
                        .find(|at| place(*at) == (committed.topic.as_str(), committed.partition));
                    ((group as u8, at.unwrap()), committed.offset)
                })
                .collect();
            let expected: BTreeMap<_, _> = self
                .reference
                .offsets
                .iter()
                .filter(|((of, _), _)| usize::from(*of) == group)
                .map(|(key, offset)| (*key, *offset))
                .collect();
            assert_eq!(found, expected);
            if !expected.is_empty() {
                groups.push((*name).to_owned());
            }
        }
        assert_eq!(store.groups().unwrap(), groups);
    }
}

fn topic_bytes(bytes: &[u64], at: At) -> u64 {
    bytes[place(at).1 as usize]
}

fn packed_for(at: At, values: &[Vec<u8>]) -> Vec<(u32, &[u8])> {
    values
        .iter()
        .map(|value| (place(at).1, value.as_slice()))
        .collect()
}

fn of_values(values: &[Vec<u8>]) -> Vec<Record> {
    values.iter().map(|value| Record::of_value(value)).collect()
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

fn assert_same(found: &Record, expected: &Record) {
    let timed = Record {
        time: expected.time.or(found.time),
        ..expected.clone()
    };
    assert_eq!(*found, timed);
}
