//! One seed's story: a few lives of a store, each ending with a close, a kill or a loss of power.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tidelog_format::batch::{Batch, BatchHeader, TimestampType};
use tidelog_format::builder::BatchBuilder;
use tidelog_format::compression::Compression;
use tidelog_io::{CrashKind, FaultKind, SimulatedStorage, Storage};

use super::oracle::{Append, Checked, End, Exists, Key, Oracle, violation};
use super::random::Random;
use crate::config::{Durability, OpenOptions, TopicChange, TopicConfig};
use crate::engine::{CheckpointRun, Engine};
use crate::error::Result;
use crate::journal::{JournalOptions, Round};
use crate::knock_out::Rule;
use crate::partition::{Appended, Committed, Log, append_together};
use crate::sync::{lock, read};

const ROOT: &str = "/data";
/// Topics with their partitions.
const TOPICS: [(&str, u32, Durability); 3] = [
    ("a", 2, Durability::Fsync),
    ("b", 1, Durability::Fsync),
    ("c", 1, Durability::Buffered),
];

/// The rules that a story is told by.
#[derive(Default)]
pub(super) struct Rules {
    pub out: Vec<Rule>,
    pub acknowledge_early: bool,
    pub split_groups: bool,
    /// Prints what happens.
    pub aloud: bool,
}

pub(super) struct Story<'a> {
    rules: &'a Rules,
    random: Random,
    disk: SimulatedStorage,
    oracle: Oracle,
    topics: BTreeMap<&'static str, Exists>,
    options: OpenOptions,
    next_record: u64,
    /// How often, of a hundred steps, a checkpoint goes on.
    checkpoints: u64,
    /// A slot of the checkpoint was written, but not synced, when the machine went down.
    slot_is_cached: bool,
}

/// A checkpoint under way, with the ends that it noted, of which log, and whether everything is synced.
type Checkpointing<'e> = (CheckpointRun<'e>, Vec<(Key, u64, usize)>, bool);

type Answers = Arc<Mutex<Vec<(usize, Result<Appended>)>>>;

/// What is under way in a life.
struct Life<'e> {
    engine: &'e Arc<Engine>,
    checkpoint: Option<Checkpointing<'e>>,
    round: Option<(Round, u8)>,
    answers: Answers,
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
                    if entry.name.ends_with(".log") || entry.name.ends_with(".torn") {
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
                    self.oracle.forget(name);
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
                self.oracle
                    .found((name, number), log.log_start(), &records, end)?;
            }
        }
        self.oracle.groups_are_whole()?;
        self.oracle.settle();
        Ok(())
    }

    fn live(&mut self, engine: &Arc<Engine>) -> Checked<End> {
        let mut life = Life {
            engine,
            checkpoint: None,
            round: None,
            answers: Answers::default(),
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
            self.oracle.failed |= engine.context.health.check_disk().is_err();
            if closed.is_ok() && !self.disk.is_down() {
                self.disk.clear_plans();
                return Ok(End::Closed);
            }
        }
        // Whatever was acknowledged before the machine went down counts.
        for (append, answer) in std::mem::take(&mut *lock(&life.answers)) {
            self.oracle.answered(append, &answer)?;
        }
        Ok(self.crash())
    }

    /// Says what happens, when one story is told again to find out why.
    #[allow(clippy::print_stdout, reason = "only when asked for")]
    fn trace(&self, what: impl Fn(&Self) -> String) {
        if self.rules.aloud {
            println!("{}", what(self));
        }
    }

    fn step<'e>(&mut self, life: &mut Life<'e>) {
        let step = self.random.below(100);
        self.trace(|_| format!("step {step}"));
        match step {
            0..26 => self.append(life),
            26..36 => self.append_group(life),
            36..68 => self.journal(life),
            68..86 if step - 68 < self.checkpoints => self.checkpoint(life),
            68..77 => self.append(life),
            77..86 => self.journal(life),
            86..90 => self.delete_records(life),
            90..96 => self.change_topics(life),
            96..98 => self.change_durability(life),
            _ => {
                for topic in ["c", "b"] {
                    if let Some(log) = self.log(life.engine, (topic, 0)) {
                        let _ = log.sync_files();
                    }
                }
            }
        }
    }

    fn log(&self, engine: &Engine, key: Key) -> Option<Arc<Log>> {
        if self.topics[key.0] != Exists::Yes {
            return None;
        }
        let topic = engine.open_topic(key.0).ok()?;
        let log = Arc::clone(read(&topic.logs).get(key.1 as usize)?);
        Some(log)
    }

    fn any_key(&mut self) -> Key {
        let (name, partitions, _) = TOPICS[self.random.below(3) as usize];
        (name, self.random.below(u64::from(partitions)) as u32)
    }

    /// A batch with the records that it holds.
    fn batch(&mut self) -> (Vec<u8>, Vec<u64>) {
        let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
        let mut ids = Vec::new();
        for _ in 0..self.random.between(1, 3) {
            let len = match self.random.percent(10) {
                true => self.random.between(300, 1200),
                false => self.random.between(8, 120),
            };
            let mut value = self.next_record.to_be_bytes().to_vec();
            value.resize(len as usize, self.next_record as u8);
            let appended = builder.append(1, None, Some(&value), std::iter::empty());
            appended.unwrap();
            ids.push(self.next_record);
            self.next_record += 1;
        }
        (builder.finish().unwrap(), ids)
    }

    /// Enters an append that took the offsets up to `end`.
    fn note(&mut self, append: usize, key: Key, end: u64, ids: &[u64]) {
        let promised = self.oracle.logs.entry(key).or_default();
        let before = promised.records.len() as u64;
        // What the machine went down in may be on the disk all the same.
        if end > before || self.disk.is_down() {
            promised.records.extend(ids);
        }
        self.oracle.appends[append].offsets = before..end;
    }

    fn append(&mut self, life: &mut Life<'_>) {
        let key = self.any_key();
        let Some(log) = self.log(life.engine, key) else {
            return;
        };
        let (mut batch, ids) = self.batch();
        let journaled = log.is_journaled();
        if journaled && !life.engine.context.journal.has_room(&[batch.len()]) {
            return;
        }
        let append = self.begin(key, !journaled);
        let answers = Arc::clone(&life.answers);
        let header = BatchHeader::parse(&batch).unwrap();
        log.append(
            &mut batch,
            &header,
            Box::new(move |answer| lock(&answers).push((append, answer))),
        );
        self.note(append, key, log.log_end(), &ids);
    }

    fn begin(&mut self, key: Key, buffered: bool) -> usize {
        self.oracle.appends.push(Append {
            key,
            offsets: 0..0,
            buffered,
            forgotten: false,
        });
        self.oracle.appends.len() - 1
    }

    fn append_group(&mut self, life: &mut Life<'_>) {
        let mut members = Vec::new();
        for key in [("a", 0), ("a", 1), ("b", 0)] {
            if self.random.percent(70)
                && let Some(log) = self.log(life.engine, key)
                && log.is_journaled()
            {
                members.push((key, log));
            }
        }
        let (mut batches, mut ids) = (Vec::new(), Vec::new());
        for _ in &members {
            let (batch, records) = self.batch();
            batches.push(batch);
            ids.push(records);
        }
        let lens: Vec<usize> = batches.iter().map(Vec::len).collect();
        // What does not fit in a frame would be refused.
        if members.is_empty()
            || lens.iter().sum::<usize>() > 3000
            || !life.engine.context.journal.has_room(&lens)
        {
            return;
        }
        let first = self.oracle.appends.len();
        let group: Vec<usize> = members
            .iter()
            .map(|(key, _)| self.begin(*key, false))
            .collect();
        let logs: Vec<Arc<Log>> = members.iter().map(|(_, log)| Arc::clone(log)).collect();
        let answers = Arc::clone(&life.answers);
        let _ = append_together(
            &logs,
            &mut batches,
            !self.rules.split_groups,
            move |n, answer| {
                lock(&answers).push((first + n, answer));
            },
        );
        for (((key, log), append), ids) in members.iter().zip(&group).zip(&ids) {
            self.note(*append, *key, log.log_end(), ids);
        }
        let appends = &mut self.oracle.appends;
        let missing = |append: &usize| appends[*append].offsets.is_empty();
        match group.iter().filter(|append| missing(append)).count() {
            0 => self.oracle.groups.push(group),
            n if n == group.len() => {}
            // It broke off in the middle: nothing of it may be found.
            _ => {
                for append in group.iter() {
                    if appends[*append].offsets.is_empty() {
                        appends[*append].offsets = u64::MAX..u64::MAX;
                    }
                }
                self.oracle.groups.push(group);
            }
        }
    }

    fn journal(&mut self, life: &mut Life<'_>) {
        let context = &life.engine.context;
        let Some((mut round, phase)) = life.round.take() else {
            let round = context.journal.try_take();
            life.round = round.map(|round| (round, 0));
            return;
        };
        self.trace(|_| format!("step round {} phase {phase}", round.sequence()));
        let worked = match phase {
            0 => round.write(context),
            1 if self.rules.acknowledge_early => return round.publish(context),
            1 => round.sync(context),
            _ => return round.publish(context),
        };
        match worked {
            Ok(()) => life.round = Some((round, phase + 1)),
            Err(error) => round.fail(context, &context.health.poison(error)),
        }
    }

    fn checkpoint<'e>(&mut self, life: &mut Life<'e>) {
        match life.checkpoint.take() {
            None => {
                let ends = self
                    .oracle
                    .logs
                    .keys()
                    .filter_map(|key| {
                        let log = self.log(life.engine, *key)?;
                        Some((*key, log.uid(), log.committed().end.offset as usize))
                    })
                    .collect();
                let run = life.engine.begin_checkpoint(false);
                self.trace(|_| format!("step noted {:?}", run.as_ref().map(|r| r.noted())));
                life.checkpoint = run.ok().map(|run| (run, ends, false));
            }
            Some((mut run, ends, false)) => {
                if run.sync().is_ok() {
                    life.checkpoint = Some((run, ends, true));
                }
            }
            Some((run, ends, true)) => {
                if self.random.percent(5) {
                    // The slot is written then, but not synced.
                    let changes = self.disk.counters().changes;
                    self.disk.crash_at_change(changes + 2);
                    self.slot_is_cached = true;
                }
                if run.write().is_ok() && !self.disk.is_down() {
                    for (key, uid, end) in ends {
                        let same = self
                            .log(life.engine, key)
                            .is_some_and(|log| log.uid() == uid);
                        if let Some(promised) = self.oracle.logs.get_mut(&key).filter(|_| same) {
                            promised.durable =
                                promised.durable.max(end.min(promised.records.len()));
                        }
                    }
                }
            }
        }
    }

    fn delete_records(&mut self, life: &mut Life<'_>) {
        let key = self.any_key();
        let Some(log) = self
            .log(life.engine, key)
            .filter(|_| life.checkpoint.is_none())
        else {
            return;
        };
        let before = self.random.between(log.log_start(), log.high_watermark());
        let start = &mut self.oracle.logs.entry(key).or_default().start;
        if log.raise_start(before).is_err() {
            return;
        }
        start.1 = start.1.max(before);
        let unlink_early = self.rules.out.contains(&Rule::UnlinkAfterCheckpoint);
        if unlink_early {
            let _ = log.unlink_below_start();
        }
        if life.engine.checkpoint(false).is_ok() && !self.disk.is_down() {
            start.0 = start.0.max(before);
            let _ = log.unlink_below_start();
        }
    }

    /// Deletes a topic, or makes one that is missing.
    fn change_topics(&mut self, life: &mut Life<'_>) {
        let missing = TOPICS
            .iter()
            .find(|(name, ..)| self.topics[name] == Exists::No);
        let (name, worked) = if let Some((name, partitions, durability)) = missing {
            let config = TopicConfig {
                partitions: *partitions,
                durability: Some(*durability),
                segment_bytes: 1024,
                index_interval_bytes: 256,
                ..TopicConfig::default()
            };
            self.topics.insert(name, Exists::Maybe);
            let worked = life.engine.create_topic(name, config).is_ok();
            (*name, worked.then_some(Exists::Yes))
        } else if self.random.percent(15) {
            let (name, ..) = TOPICS[self.random.below(3) as usize];
            self.topics.insert(name, Exists::Maybe);
            let worked = life.engine.delete_topic(name).is_ok();
            (name, worked.then_some(Exists::No))
        } else {
            return;
        };
        if let Some(exists) = worked.filter(|_| !self.disk.is_down()) {
            self.topics.insert(name, exists);
            if exists == Exists::No {
                self.oracle.forget(name);
            }
        }
    }

    fn change_durability(&mut self, life: &mut Life<'_>) {
        let name = ["b", "c"][self.random.below(2) as usize];
        let (Exists::Yes, None) = (self.topics[name], &life.checkpoint) else {
            return;
        };
        let Ok(topic) = life.engine.open_topic(name) else {
            return;
        };
        let to = match topic.meta.durability() {
            Durability::Fsync => Durability::Buffered,
            Durability::Buffered => Durability::Fsync,
        };
        // The change waits for the journal, which nobody works on here.
        if let Some((round, phase)) = life.round.take() {
            finish(round, phase, life.engine);
        }
        while let Some(round) = life.engine.context.journal.try_take() {
            round.run(&life.engine.context);
        }
        if !life.engine.context.journal.has_room(&[100]) {
            return;
        }
        let change = TopicChange {
            durability: Some(to),
            ..TopicChange::default()
        };
        let (engine, out) = (life.engine, &self.rules.out);
        std::thread::scope(|scope| {
            let altered = scope.spawn(move || {
                crate::knock_out::take_out(out);
                engine.alter_topic(&topic, &change)
            });
            while !altered.is_finished() {
                if let Some(round) = engine.context.journal.try_take() {
                    round.run(&engine.context);
                }
                std::thread::yield_now();
            }
        });
    }
}

fn finish(mut round: Round, phase: u8, engine: &Engine) {
    let context = &engine.context;
    let mut worked = Ok(());
    if phase < 1 {
        worked = round.write(context);
    }
    if phase < 2 {
        worked = worked.and_then(|()| round.sync(context));
    }
    match worked {
        Ok(()) => round.publish(context),
        Err(error) => round.fail(context, &context.health.poison(error)),
    }
}

/// The records of a log, by the numbers that their values begin with.
fn records(log: &Arc<Log>) -> Result<Vec<u64>> {
    let (mut offset, mut found) = (log.log_start(), Vec::new());
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
                    let number = record.value.unwrap().first_chunk().unwrap();
                    found.push(u64::from_be_bytes(*number));
                }
            }
            rest = &rest[batch.bytes().len()..];
        }
        offset = next;
    }
    Ok(found)
}
