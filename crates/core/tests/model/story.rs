//! Does each step to the store and to the reference, and compares everything that a program can see.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::sample::Index;
use tidelog::format::batch::TimestampType;
use tidelog::format::builder::BatchBuilder;
use tidelog::{Compression, Condition, Error, RecordBuffer, TopicChange};

use super::reference::{Log, Record, Reference, Who};
use super::steps::{At, Step};
use super::subject::{Disk, End, Subject, beside, place, rows};
use crate::support::sending::*;
use crate::support::sequences::*;
use crate::support::value;

pub(super) const GROUPS: [&str; 2] = ["billing", "shipping"];
/// What a producer id has that is kept for ever.
const KEPT: i64 = 1 << 31;

pub struct Story {
    pub(super) subject: Subject,
    pub(super) reference: Reference,
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

    pub(super) fn log(&self, at: At) -> &Log {
        &self.reference.logs[at]
    }

    fn all_durable(&mut self) {
        for log in &mut self.reference.logs {
            log.durable = log.end();
        }
    }

    /// So many values that are nowhere else.
    pub(super) fn values(&mut self, count: u8) -> Vec<Vec<u8>> {
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

    pub(super) fn compare_from(&self, at: At, from: u64, max_bytes: usize) {
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

pub(super) fn packed_for(at: At, values: &[Vec<u8>]) -> Vec<(u32, &[u8])> {
    values
        .iter()
        .map(|value| (place(at).1, value.as_slice()))
        .collect()
}

fn of_values(values: &[Vec<u8>]) -> Vec<Record> {
    values.iter().map(|value| Record::of_value(value)).collect()
}

fn assert_same(found: &Record, expected: &Record) {
    let timed = Record {
        time: expected.time.or(found.time),
        ..expected.clone()
    };
    assert_eq!(*found, timed);
}
