//! Passes against a plain list of records, with the clock in the test's hand.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tidelog_format::batch::{Batch, BatchHeader, Sequenced, TimestampType};
use tidelog_format::builder::BatchBuilder;
use tidelog_format::compression::Compression;
use tidelog_io::{CrashKind, SimulatedStorage, Storage};

use super::Pass;
use crate::config::{
    CleanupPolicy, CompactionConfig, CompactionOptions, Durability, OpenOptions, TopicConfig,
};
use crate::engine::Engine;
use crate::error::Result;
use crate::partition::{Appended, Log, Terms};
use crate::sync::{lock, read};

const ROOT: &str = "/data";
const DELETE_RETENTION_MS: u64 = 1000;
const PRODUCERS: usize = 3;

/// A record as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sent {
    key: Option<u8>,
    value: Option<u32>,
    timestamp: i64,
}

#[derive(Debug, Clone)]
enum Step {
    /// Records of a producer, or of nobody.
    Append(Option<usize>, Vec<(Option<u8>, bool)>),
    Checkpoint,
    /// After so many ms.
    Clean(u64),
    DeleteRecords(u8),
    Close,
    Kill,
    LosePower,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let record = (proptest::option::weighted(0.95, 0..5u8), any::<bool>());
    let step = prop_oneof![
        12 => (proptest::option::of(0..PRODUCERS), proptest::collection::vec(record, 1..6))
            .prop_map(|(producer, records)| Step::Append(producer, records)),
        4 => Just(Step::Checkpoint),
        5 => (0..900u64).prop_map(Step::Clean),
        1 => any::<u8>().prop_map(Step::DeleteRecords),
        1 => Just(Step::Close),
        1 => Just(Step::Kill),
        1 => Just(Step::LosePower),
    ];
    proptest::collection::vec(step, 1..90)
}

/// A batch with its offset.
type LastBatch = (Vec<u8>, u64);

struct Story {
    disk: SimulatedStorage,
    engine: Arc<Engine>,
    now: i64,
    sent: Vec<Sent>,
    /// What is known to be there, by offset; all of it at first.
    there: Vec<bool>,
    /// When each tombstone was first below what was cleaned.
    seen: HashMap<u64, i64>,
    log_start: u64,
    durable: usize,
    /// The last batch of each producer, with its offset, and the next sequence number.
    producers: Vec<(i64, i32, Option<LastBatch>)>,
    compression: Compression,
    config: TopicConfig,
    options: CompactionOptions,
}

fn open(disk: &SimulatedStorage) -> Arc<Engine> {
    let storage: Arc<dyn Storage> = Arc::new(disk.process());
    let options = OpenOptions {
        storage,
        durability: Durability::Buffered,
        ..OpenOptions::default()
    };
    Arc::new(Engine::open(PathBuf::from(ROOT), options).unwrap())
}

impl Story {
    fn new(compression: Compression, segment_bytes: u64) -> Story {
        let disk = SimulatedStorage::new();
        disk.create_dir(Path::new(ROOT)).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let engine = open(&disk);
        let config = TopicConfig {
            cleanup: CleanupPolicy::Compact,
            compaction: CompactionConfig {
                delete_retention_ms: DELETE_RETENTION_MS,
                ..CompactionConfig::default()
            },
            segment_bytes,
            index_interval_bytes: 256,
            ..TopicConfig::default()
        };
        engine.create_topic("t", config.clone()).unwrap();
        let producer = |_| (engine.context.producer_ids.new_session().unwrap(), 0, None);
        Story {
            now: 1_700_000_000_000,
            sent: Vec::new(),
            there: Vec::new(),
            seen: HashMap::new(),
            log_start: 0,
            durable: 0,
            producers: (0..PRODUCERS).map(producer).collect(),
            compression,
            config,
            options: CompactionOptions {
                bytes_per_second: u64::MAX,
                ..CompactionOptions::default()
            },
            disk,
            engine,
        }
    }

    fn log(&self) -> Arc<Log> {
        let topic = self.engine.open_topic("t").unwrap();
        Arc::clone(&read(&topic.logs)[0])
    }

    fn append(&mut self, producer: Option<usize>, records: &[(Option<u8>, bool)]) {
        let mut builder = BatchBuilder::new(self.compression, TimestampType::CreateTime);
        for (key, has_value) in records {
            let value = has_value.then_some(self.sent.len() as u32);
            let key_bytes = key.map(|key| vec![key; 1 + key as usize]);
            let value_bytes = value.map(|value| value.to_be_bytes().repeat(3));
            let timestamp = self.now + self.sent.len() as i64 % 7;
            let (key_bytes, value_bytes) = (key_bytes.as_deref(), value_bytes.as_deref());
            builder
                .append(timestamp, key_bytes, value_bytes, std::iter::empty())
                .unwrap();
            self.sent.push(Sent {
                key: *key,
                value,
                timestamp,
            });
            self.there.push(true);
        }
        let base = self.sent.len() - records.len();
        let sequenced = producer.map_or(Sequenced::NONE, |number| {
            let (producer_id, base_sequence, _) = self.producers[number];
            Sequenced {
                producer_id,
                producer_epoch: 0,
                base_sequence,
            }
        });
        let batch = builder.finish_for(sequenced).unwrap();
        let appended = append(&self.log(), batch.clone()).unwrap();
        assert!(!appended.duplicate);
        assert_eq!(appended.base_offset, base as u64);
        if let Some(number) = producer {
            let (_, sequence, last) = &mut self.producers[number];
            *sequence += records.len() as i32;
            *last = Some((batch, base as u64));
        }
    }

    fn clean(&mut self, after: u64) {
        self.now += after as i64;
        let log = self.log();
        let (cleaned, start) = (log.compacted(), self.log_start);
        let report = Pass::new(&log, &self.config, &self.options, self.now).run();
        report.unwrap();
        self.check();
        let upto = log.compacted();
        assert!(upto >= cleaned, "{upto} after {cleaned}");
        for offset in cleaned.max(start)..upto {
            if self.sent[offset as usize].value.is_none() {
                self.seen.entry(offset).or_insert(self.now);
            }
        }
        // None of a key is there twice.
        let mut keys = HashMap::new();
        for offset in self.log_start..upto {
            if let Some(key) = self.sent[offset as usize].key
                && self.there[offset as usize]
            {
                assert_eq!(keys.insert(key, offset), None, "key {key} at {offset}");
            }
        }
    }

    /// Compares all that is found with all that was sent.
    fn check(&mut self) {
        let log = self.log();
        assert_eq!(log.log_start(), self.log_start);
        assert_eq!(log.log_end() as usize, self.sent.len());
        let found = records(&log).unwrap();
        for offset in self.log_start..log.log_end() {
            let (index, sent) = (offset as usize, &self.sent[offset as usize]);
            let Some(record) = found.get(&offset) else {
                let shadowed = sent.key.is_some()
                    && self.sent[index + 1..]
                        .iter()
                        .any(|later| later.key == sent.key);
                let expired = self
                    .seen
                    .get(&offset)
                    .is_some_and(|seen| seen + DELETE_RETENTION_MS as i64 <= self.now);
                assert!(
                    sent.key.is_some() && (shadowed || (sent.value.is_none() && expired)),
                    "{offset} is gone: {sent:?}"
                );
                self.there[index] = false;
                continue;
            };
            assert_eq!(record, sent, "{offset}");
            assert!(self.there[index], "{offset} came back");
        }
        let fold = |records: &mut dyn Iterator<Item = &Sent>| {
            let mut fold = BTreeMap::new();
            for record in records {
                match record.value {
                    Some(value) => fold.insert(record.key, value),
                    None => fold.remove(&record.key),
                };
            }
            fold
        };
        let all = &self.sent[self.log_start as usize..];
        assert_eq!(
            fold(&mut found.values().filter(|record| record.key.is_some())),
            fold(&mut all.iter().filter(|record| record.key.is_some()))
        );
        self.check_times(&log, &found);
    }

    /// The time index leads to what a search from the beginning does.
    fn check_times(&self, log: &Arc<Log>, found: &BTreeMap<u64, Sent>) {
        let times: Vec<i64> = found.values().map(|record| record.timestamp).collect();
        for time in times.iter().step_by(5).flat_map(|time| [*time, time + 1]) {
            let first = found
                .iter()
                .find(|(_, record)| record.timestamp >= time)
                .map(|(offset, record)| (*offset, record.timestamp));
            assert_eq!(log.offset_for_time(time).unwrap(), first, "{time}");
        }
    }

    /// What is sent again is known, whatever was cleaned.
    fn retry(&mut self) {
        for (number, (_, _, last)) in self.producers.clone().into_iter().enumerate() {
            let Some((batch, offset)) = last else {
                continue;
            };
            let appended = append(&self.log(), batch).unwrap();
            assert!(appended.duplicate, "producer {number}");
            assert_eq!(appended.base_offset, offset);
        }
    }

    fn end(&mut self, step: &Step) {
        match step {
            Step::Close => self.engine.shut_down().unwrap(),
            Step::Kill => self.disk.crash(CrashKind::Kill, 1),
            _ => self.disk.crash(CrashKind::PowerLoss, self.now as u64),
        }
        self.engine = open(&self.disk);
        assert!(self.engine.recovery.damaged.is_empty(), "{step:?}");
        let held = self.log().log_end() as usize;
        match step {
            Step::Close | Step::Kill => assert_eq!(held, self.sent.len()),
            _ => assert!(held >= self.durable, "{held} of {}", self.durable),
        }
        self.sent.truncate(held);
        self.there.truncate(held);
        self.seen.retain(|offset, _| *offset < held as u64);
        for (id, sequence, last) in &mut self.producers {
            // What was cut off may be sent again as if for the first time: its producer begins anew here.
            if last
                .as_ref()
                .is_some_and(|(_, offset)| *offset >= held as u64)
            {
                *id = self.engine.context.producer_ids.new_session().unwrap();
                (*sequence, *last) = (0, None);
            }
        }
        self.durable = held;
        self.check();
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Append(producer, records) => self.append(*producer, records),
            Step::Checkpoint => {
                self.engine.checkpoint(false).unwrap();
                self.durable = self.sent.len();
            }
            Step::Clean(after) => self.clean(*after),
            Step::DeleteRecords(part) => {
                let log = self.log();
                let span = log.high_watermark() - log.log_start();
                self.log_start = log
                    .raise_start(log.log_start() + span * u64::from(*part) / 1000)
                    .unwrap();
                self.engine.checkpoint(false).unwrap();
                self.durable = self.sent.len();
                log.unlink_below_start().unwrap();
                self.check();
            }
            end => {
                self.end(end);
                self.retry();
            }
        }
    }
}

fn append(log: &Arc<Log>, mut batch: Vec<u8>) -> Result<Appended> {
    let header = BatchHeader::parse(&batch).unwrap();
    let answer = Arc::new(Mutex::new(None));
    let told = Arc::clone(&answer);
    let done = Box::new(move |appended| *lock(&told) = Some(appended));
    log.append(&mut batch, &header, Terms::FOREIGN, done);
    let appended = lock(&answer).take();
    appended.unwrap()
}

fn records(log: &Arc<Log>) -> Result<BTreeMap<u64, Sent>> {
    let (mut offset, mut found) = (log.log_start(), BTreeMap::new());
    let (mut bytes, mut scratch) = (Vec::new(), Vec::new());
    while offset < log.high_watermark() {
        let next = log.read(offset, 300, &mut bytes)?.next;
        assert!(next > offset);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let batch = Batch::check(rest).unwrap();
            for record in batch.records(&mut scratch).unwrap() {
                let record = record.unwrap();
                if record.offset >= log.log_start() {
                    let sent = Sent {
                        key: record.key.map(|key| key[0]),
                        value: record
                            .value
                            .map(|value| u32::from_be_bytes(*value.first_chunk().unwrap())),
                        timestamp: record.timestamp,
                    };
                    assert_eq!(found.insert(record.offset, sent), None);
                }
            }
            rest = &rest[batch.bytes().len()..];
        }
        offset = next;
    }
    Ok(found)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("TIDELOG_COMPACTION_CASES").map_or(200, |text| text.parse().unwrap())
    ))]

    #[test]
    fn only_what_is_hidden_goes(
        steps in steps(),
        codec in 0..5i16,
        segment_bytes in 1024..6000u64,
    ) {
        let mut story = Story::new(Compression::from_id(codec).unwrap(), segment_bytes);
        for step in &steps {
            story.step(step);
        }
        story.clean(0);
        story.step(&Step::Close);
        story.engine.shut_down().unwrap();
    }
}

/// A story with a log that is worth cleaning.
fn dirty(records: usize, keys: u64) -> Story {
    let mut story = Story::new(Compression::None, 4096);
    for number in 0..records {
        let key = (number as u64 * 7 % keys) as u8;
        story.append(
            Some(number % PRODUCERS),
            &[(Some(key), number % 3 > 0), (Some(key), true)],
        );
    }
    story.step(&Step::Checkpoint);
    story
}

#[test]
fn keys_that_do_not_fit_in_memory_take_more_passes() {
    let mut story = dirty(600, 200);
    // 24 bytes a key.
    story.options.memory_bytes = 50 * 24;
    let mut passes = 0;
    let mut upto = story.log().compacted();
    loop {
        story.clean(1);
        let now = story.log().compacted();
        if now == upto {
            break;
        }
        (upto, passes) = (now, passes + 1);
    }
    assert!(passes > 5, "{passes}");
    let bytes = story.log().bytes();
    let mut whole = dirty(600, 200);
    whole.clean(1);
    assert_eq!(upto, whole.log().compacted());
    // Whoever saw a part of the keys at a time has removed the same records, and begins a batch anew here and there.
    assert!(bytes < whole.log().bytes() * 11 / 10, "{bytes}");
}

#[test]
fn another_pass_changes_nothing_but_the_number_of_segments() {
    let mut story = dirty(300, 5);
    let log = story.log();
    let mut passes = Vec::new();
    for _ in 0..4 {
        // As if what was noted of the pass before were lost.
        log.forget_compacted();
        story.clean(0);
        let segments: Vec<_> = log.segments().iter().map(Arc::as_ptr).collect();
        passes.push((segments, records(&log).unwrap()));
    }
    assert!(passes.windows(2).all(|pair| pair[0].1 == pair[1].1));
    assert_ne!(passes[0].0, passes[1].0);
    assert_eq!(passes[2].0, passes[3].0);
}

#[test]
fn segments_become_few() {
    let mut story = dirty(900, 4);
    let before = story.log().segments().len();
    story.clean(0);
    story.log().forget_compacted();
    story.clean(0);
    let after = story.log().segments().len();
    assert!(before > 15 && after <= 4, "{before} to {after}");
    // What was cleaned is what it was for whoever opens the store.
    story.step(&Step::Close);
    story.step(&Step::Kill);
}

#[test]
fn what_is_young_or_being_written_stays() {
    let mut story = dirty(300, 4);
    story.config.compaction.min_lag_ms = 10_000;
    story.clean(5);
    assert_eq!(story.log().compacted(), 0);
    story.clean(20_000);
    let upto = story.log().compacted();
    let segments = story.log().segments();
    let active = segments.last().unwrap().base();
    assert!(upto > 0 && upto <= active, "{upto} of {active}");
}

#[test]
fn the_state_of_producers_outlives_what_told_of_it() {
    let mut story = dirty(400, 3);
    story.clean(0);
    // Without a snapshot it is made again from the log alone, where emptied batches tell of it.
    story.disk.crash(CrashKind::Kill, 1);
    let folder = PathBuf::from(ROOT).join("t-0");
    for entry in story.disk.read_dir(&folder).unwrap() {
        if entry.name.ends_with(".snapshot") {
            story.disk.remove_file(&folder.join(entry.name)).unwrap();
        }
    }
    story.engine = open(&story.disk);
    story.check();
    story.retry();
}
