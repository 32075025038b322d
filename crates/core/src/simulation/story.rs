//! One seed's story: a few lives of a store, each ending with a close, a kill or a loss of power.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tidelog_format::batch::Batch;
use tidelog_io::{CrashKind, FaultKind, SimulatedStorage, Storage};

use super::oracle::{Checked, End, Exists, Key, Oracle, key_of, violation};
use super::random::Random;
use super::steps::finish;
use crate::config::{Durability, OpenOptions};
use crate::coordinator::offsets::CommittedOffset;
use crate::engine::{CheckpointRun, Engine};
use crate::error::Result;
use crate::journal::{JournalOptions, Round};
use crate::knock_out::Rule;
use crate::partition::{Appended, Committed, Log};
use crate::sync::{lock, read};

const ROOT: &str = "/data";
/// Topics with their partitions.
pub(super) const TOPICS: [(&str, u32, Durability); 3] = [
    ("a", 2, Durability::Fsync),
    ("b", 1, Durability::Fsync),
    ("c", 1, Durability::Buffered),
];

/// The partitions whose topics are compacted.
pub(super) const COMPACTED: [Key; 2] = [("b", 0), ("c", 0)];

/// The partitions of which one group commits offsets, and its name.
pub(super) const SOURCES: [Key; 2] = [("c", 0), ("b", 0)];
pub(super) const GROUP: &str = "g";

/// The rules that a story is told by.
#[derive(Default)]
pub(super) struct Rules {
    pub out: Vec<Rule>,
    pub acknowledge_early: bool,
    /// Prints what happens.
    pub aloud: bool,
}

pub(super) struct Story<'a> {
    pub rules: &'a Rules,
    pub random: Random,
    pub disk: SimulatedStorage,
    pub oracle: Oracle,
    pub topics: BTreeMap<&'static str, Exists>,
    pub options: OpenOptions,
    pub next_record: u64,
    /// How often, of a hundred steps, a checkpoint goes on.
    pub checkpoints: u64,
    /// The newest batches of producers in each partition, as many as are remembered of one producer.
    pub sent: BTreeMap<Key, VecDeque<Sent>>,
    /// A slot of the checkpoint was written, but not synced, when the machine went down.
    pub slot_is_cached: bool,
}

/// A batch with a producer's sequence numbers.
pub(super) struct Sent {
    pub batch: Vec<u8>,
    pub offsets: Range<u64>,
}

/// A checkpoint under way, with the ends that it noted, of which log, and whether everything is synced.
type Checkpointing<'e> = (CheckpointRun<'e>, Vec<(Key, u64, usize)>, bool);

type Answers = Arc<Mutex<Vec<(usize, Result<Appended>)>>>;

/// What is under way in a life.
pub(super) struct Life<'e> {
    pub engine: &'e Arc<Engine>,
    pub checkpoint: Option<Checkpointing<'e>>,
    pub round: Option<(Round, u8)>,
    pub answers: Answers,
    /// Commits of offsets that are done, by partition and number.
    pub committed: Arc<Mutex<Vec<(Key, u64)>>>,
    /// The id that batches of this life are sent under, and what comes next in each log.
    pub producer_id: i64,
    pub sequences: HashMap<u64, i32>,
}

impl<'a> Story<'a> {
    pub fn new(seed: u64, rules: &'a Rules) -> Story<'a> {
        let mut random = Random::new(seed);
        let pages = random.between(3, 8);
        let options = OpenOptions {
            journal: JournalOptions {
                file_bytes: pages * 4096,
                files: random.between(2, 3) as usize,
                frame_bytes: random.between(1, 2) as usize * 4096,
                extent_bytes: [0, 150, 400, 2000][random.below(4) as usize],
            },
            durability: Durability::Fsync,
            ..OpenOptions::default()
        };
        let checkpoints = [1, 6, 18][random.below(3) as usize];
        Story {
            rules,
            checkpoints,
            slot_is_cached: false,
            sent: BTreeMap::new(),
            random,
            disk: SimulatedStorage::new(),
            oracle: Oracle::default(),
            topics: TOPICS
                .iter()
                .map(|(name, ..)| (*name, Exists::No))
                .collect(),
            options,
            next_record: 1,
        }
    }

    pub fn tell(mut self) -> Checked {
        self.disk
            .create_dir(&PathBuf::from(ROOT))
            .and_then(|()| self.disk.sync_dir(&PathBuf::from("/")))
            .or_else(|error| violation("the disk", error.to_string()))?;
        let lives = self.random.between(1, 4);
        let mut end = End::Closed;
        for _ in 0..lives {
            let (engine, how) = self.open(end)?;
            self.check(&engine, how)?;
            end = self.live(&engine)?;
        }
        let (engine, how) = self.open(end)?;
        self.check(&engine, how)
    }

    /// Opens the store, which may crash on the way. Gives how the worst of these lives ended.
    fn open(&mut self, mut end: End) -> Checked<(Arc<Engine>, End)> {
        for attempt in 0.. {
            let storage: Arc<dyn Storage> = Arc::new(self.disk.process());
            self.options.storage = storage;
            let cached = std::mem::take(&mut self.slot_is_cached);
            let crashes = attempt < 3 && self.random.percent(if cached { 70 } else { 35 });
            if crashes {
                let ahead = match self.random.percent(if cached { 80 } else { 10 }) {
                    // With the checkpoint that ends the opening written, but not synced.
                    true => self.changes_of_opening(),
                    false => self.random.between(1, 50),
                };
                self.disk
                    .crash_at_change(self.disk.counters().changes + ahead);
            }
            self.trace(|story| story.listing());
            match Engine::open(PathBuf::from(ROOT), self.options.clone()) {
                Ok(engine) if !self.disk.is_down() => {
                    self.disk.clear_plans();
                    self.trace(|_| format!("opened after {end:?}: {:?}", engine.recovery));
                    return Ok((Arc::new(engine), end));
                }
                Err(error) if !self.disk.is_down() => {
                    return violation("does not open", error.to_string());
                }
                _ => {}
            }
            if self.crash() == End::PowerLost {
                end = End::PowerLost;
            } else if end == End::Closed {
                end = End::Killed;
            }
        }
        unreachable!()
    }

    /// How many changes opening takes, by trying it on a copy.
    fn changes_of_opening(&self) -> u64 {
        let copy = self.disk.duplicate();
        let before = copy.counters().changes;
        let options = OpenOptions {
            storage: Arc::new(copy.process()),
            ..self.options.clone()
        };
        let _ = Engine::open(PathBuf::from(ROOT), options);
        (copy.counters().changes - before).max(1)
    }

    /// The segments that a crash left.
    fn listing(&self) -> String {
        let mut text = "step files".to_owned();
        for (name, partitions, _) in TOPICS {
            for number in 0..partitions {
                let folder = format!("{ROOT}/{name}-{number}");
                for entry in self
                    .disk
                    .read_dir(&PathBuf::from(&folder))
                    .unwrap_or_default()
                {
                    let suffixes = [".log", ".torn", ".snapshot", ".swap"];
                    if suffixes.iter().any(|suffix| entry.name.ends_with(suffix)) {
                        text += &format!(
                            " {name}-{number}/{}:{}",
                            entry.name.trim_start_matches('0'),
                            entry.len
                        );
                    }
                }
            }
        }
        text
    }

    fn crash(&mut self) -> End {
        let seed = self.random.next();
        if self.random.percent(60) {
            self.disk.crash(CrashKind::PowerLoss, seed);
            End::PowerLost
        } else {
            self.disk.crash(CrashKind::Kill, seed);
            End::Killed
        }
    }

    /// Compares everything with what was promised.
    fn check(&mut self, engine: &Engine, end: End) -> Checked {
        if let Some(damage) = engine.recovery.damaged.first() {
            return violation("damage", damage.to_string());
        }
        for (name, partitions, _) in TOPICS {
            let exists = self.topics[name];
            let topic = match (engine.open_topic(name), exists) {
                (Ok(topic), Exists::Yes | Exists::Maybe) => topic,
                (Err(_), Exists::No | Exists::Maybe) => {
                    self.forget(name);
                    self.topics.insert(name, Exists::No);
                    continue;
                }
                (Ok(_), Exists::No) => return violation("topic", format!("{name} came back")),
                (Err(error), Exists::Yes) => return violation("topic", error.to_string()),
            };
            self.topics.insert(name, Exists::Yes);
            for number in 0..partitions {
                let log = Arc::clone(&read(&topic.logs)[number as usize]);
                let records = records(&log).or_else(|error| {
                    violation("unreadable", format!("{name}-{number}: {error}"))
                })?;
                let ends = log.log_start()..log.high_watermark();
                self.oracle.found((name, number), ends, &records, end)?;
            }
        }
        self.oracle.groups_are_whole()?;
        self.oracle.settle();
        // What was cut off may be sent again, as if for the first time.
        for (key, sent) in &mut self.sent {
            let held = self.oracle.logs.get(key).map_or(0, |log| log.records.len());
            sent.retain(|sent| sent.offsets.end <= held as u64);
        }
        self.check_offsets(engine)
    }

    fn check_offsets(&mut self, engine: &Engine) -> Checked {
        if let Some(clamped) = engine.recovery.clamped_offsets.first() {
            return violation("offset beyond its log", format!("{clamped:?}"));
        }
        let committed = engine
            .coordinator
            .committed_offsets(engine, GROUP)
            .or_else(|error| violation("unreadable", format!("offsets: {error}")))?;
        for key in SOURCES {
            let is_of = |one: &&CommittedOffset| (one.topic.as_str(), one.partition) == key;
            let found = committed.iter().find(is_of).map(|one| one.offset);
            self.oracle.found_offset(key, found)?;
        }
        Ok(())
    }

    /// The topic is gone, with all that was promised of it.
    pub fn forget(&mut self, topic: &str) {
        self.oracle.forget(topic);
        self.sent.retain(|key, _| key.0 != topic);
    }

    fn live(&mut self, engine: &Arc<Engine>) -> Checked<End> {
        let mut life = Life {
            engine,
            checkpoint: None,
            round: None,
            answers: Answers::default(),
            committed: Arc::default(),
            producer_id: engine.context.producer_ids.new_session().unwrap_or(-1),
            sequences: HashMap::new(),
        };
        let counters = self.disk.counters();
        if self.random.percent(50) {
            let ahead = self.random.between(1, 150);
            self.disk.crash_at_change(counters.changes + ahead);
        }
        if self.random.percent(20) {
            let kind = [
                FaultKind::Eio,
                FaultKind::NoSpace,
                FaultKind::ShortWrite(40),
                FaultKind::LateEio,
            ][self.random.below(4) as usize];
            let ahead = self.random.between(1, 250);
            self.disk.fail_at(counters.calls + ahead, kind);
        }
        for _ in 0..self.random.between(5, 90) {
            let publishes = matches!(life.round, Some((_, 2)));
            self.step(&mut life);
            self.trace(|story| {
                let mut line = String::new();
                for key in story.oracle.logs.keys() {
                    if let Some(log) = story.log(engine, *key) {
                        let Committed { end, journaled } = log.committed();
                        let ends = [log.log_start(), end.offset, log.log_end(), end.segment];
                        line += &format!("{}-{} {ends:?} {journaled} ", key.0, key.1);
                    }
                }
                let [down, failed] = [story.disk.is_down(), story.oracle.failed];
                format!("down {down} failed {failed} {line}")
            });
            if self.disk.is_down() {
                break;
            }
            let failed = self.oracle.failed;
            for (append, answer) in std::mem::take(&mut *lock(&life.answers)) {
                self.oracle.answered(append, &answer)?;
                if failed && answer.is_ok() && !publishes {
                    return violation("acknowledged after a failed sync", "");
                }
            }
            self.hear_commits(&life);
            self.oracle.failed |= engine.context.health.check_disk().is_err();
        }
        if !self.disk.is_down() && self.random.percent(25) {
            life.checkpoint = None;
            if let Some((round, phase)) = life.round.take() {
                finish(round, phase, engine);
            }
            while let Some(round) = engine.context.journal.try_take() {
                round.run(&engine.context);
            }
            let closed = engine.shut_down();
            for (append, answer) in std::mem::take(&mut *lock(&life.answers)) {
                self.oracle.answered(append, &answer)?;
            }
            self.hear_commits(&life);
            self.oracle.failed |= engine.context.health.check_disk().is_err();
            if closed.is_ok() && !self.disk.is_down() {
                self.disk.clear_plans();
                return Ok(End::Closed);
            }
        }
        // What waits for a frame holds its log, and the log the journal: the dead engine would never be freed.
        let cause = "the process is gone".to_owned();
        let gone = crate::Error::Poisoned { cause };
        let under_way = life.round.take().map(|(round, _)| round);
        let mut round = under_way.or_else(|| engine.context.journal.try_take());
        while let Some(dead) = round {
            dead.fail(&engine.context, &gone);
            round = engine.context.journal.try_take();
        }
        // Whatever was acknowledged before the machine went down counts.
        for (append, answer) in std::mem::take(&mut *lock(&life.answers)) {
            self.oracle.answered(append, &answer)?;
        }
        self.hear_commits(&life);
        Ok(self.crash())
    }

    fn hear_commits(&mut self, life: &Life<'_>) {
        for (key, number) in std::mem::take(&mut *lock(&life.committed)) {
            self.oracle.committed(key, number);
        }
    }

    /// Says what happens, when one story is told again to find out why.
    #[allow(clippy::print_stdout, reason = "only when asked for")]
    pub fn trace(&self, what: impl Fn(&Self) -> String) {
        if self.rules.aloud {
            println!("{}", what(self));
        }
    }
}

/// The records of a log by offset: the numbers that their values begin with, or that a header holds if they have none.
fn records(log: &Arc<Log>) -> Result<BTreeMap<u64, u64>> {
    let (mut offset, mut found) = (log.log_start(), BTreeMap::new());
    let start = offset;
    let (mut bytes, mut scratch) = (Vec::new(), Vec::new());
    while offset < log.high_watermark() {
        let next = log.read(offset, 1 << 20, &mut bytes)?.next;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let batch = Batch::check(rest).unwrap();
            for record in batch.records(&mut scratch).unwrap() {
                let record = record.unwrap();
                if record.offset >= start {
                    let header = || record.headers.iter().next()?.1;
                    let number = record.value.or_else(header).unwrap();
                    let number = u64::from_be_bytes(*number.first_chunk().unwrap());
                    assert_eq!(record.key, Some(&[key_of(number)][..]));
                    found.insert(record.offset, number);
                }
            }
            rest = &rest[batch.bytes().len()..];
        }
        offset = next;
    }
    Ok(found)
}
