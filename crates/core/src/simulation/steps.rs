//! The steps of a life: what a program, the journal's thread and the checkpoint's would do, in pieces.

use std::sync::Arc;

use tidelog_format::batch::{BatchHeader, Sequenced, TimestampType};
use tidelog_format::builder::BatchBuilder;
use tidelog_format::compression::Compression;

use super::oracle::{Append, Exists, Key, is_tombstone, key_of};
use super::story::{COMPACTED, GROUP, Life, SOURCES, Sent, Story, TOPICS};
use crate::answer::Answer;
use crate::compaction::Pass;
use crate::config::{CleanupPolicy, CompactionOptions, Durability, TopicChange, TopicConfig};
use crate::coordinator::offsets::{Claim, LogOffset};
use crate::engine::Engine;
use crate::journal::Round;
use crate::knock_out::Rule;
use crate::partition::{Appended, AtomicAppend, Log, Terms, WINDOW, now_ms};
use crate::producer_ids;
use crate::sync::{lock, read};

/// More than the batch of one committed offset has.
const COMMIT_BYTES: usize = 300;

impl Story<'_> {
    pub fn step<'e>(&mut self, life: &mut Life<'e>) {
        let step = self.random.below(100);
        self.trace(|_| format!("step {step}"));
        match step {
            0..19 => self.append(life),
            19..21 => self.clean(life),
            21..26 => self.retry(life),
            26..36 => self.append_group(life),
            36..68 => self.journal(life),
            68..86 if step - 68 < self.checkpoints => self.checkpoint(life),
            68..77 => self.append(life),
            77..86 => self.journal(life),
            86..90 => self.delete_records(life),
            90..96 => self.change_topics(life),
            96..97 => self.change_durability(life),
            97..98 => self.save_producers(life),
            98..99 => self.flush(life),
            _ => self.commit_offset(life),
        }
    }

    /// Compacts a partition.
    fn clean(&mut self, life: &mut Life<'_>) {
        let key = COMPACTED[self.random.below(2) as usize];
        let Some(log) = self.log(life.engine, key) else {
            return;
        };
        let promised = self.oracle.logs.entry(key).or_default();
        promised.cleaned = promised.cleaned.max(log.high_watermark());
        // Room for all keys, or for three at a time.
        let memory_bytes = [100, 1 << 10][self.random.below(2) as usize];
        self.with_rounds(life, |_| {
            let options = CompactionOptions {
                bytes_per_second: u64::MAX,
                memory_bytes,
                ..CompactionOptions::default()
            };
            let config = log.topic().config();
            let _ = Pass::new(&log, &config, &options, now_ms()).run();
        });
    }

    /// Makes what was appended round the journal durable.
    fn flush(&mut self, life: &mut Life<'_>) {
        for key in [("c", 0), ("b", 0)] {
            let Some(log) = self.log(life.engine, key) else {
                continue;
            };
            let around = !log.is_journaled();
            if log.sync_files().is_ok() && around && !self.disk.is_down() {
                let promised = self.oracle.logs.entry(key).or_default();
                let end = (log.log_end() as usize).min(promised.records.len());
                promised.durable = promised.durable.max(end);
            }
        }
    }

    pub fn log(&self, engine: &Engine, key: Key) -> Option<Arc<Log>> {
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

    /// A batch with the records that it holds, of a producer if it is told which and how far it is.
    fn batch(&mut self, producer: Option<(i64, i32)>) -> (Vec<u8>, Vec<u64>) {
        let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
        let mut ids = Vec::new();
        for _ in 0..self.random.between(1, 3) {
            let len = match self.random.percent(10) {
                true => self.random.between(300, 1200),
                false => self.random.between(8, 120),
            };
            let mut value = self.next_record.to_be_bytes().to_vec();
            value.resize(len as usize, self.next_record as u8);
            let key = [key_of(self.next_record)];
            let number = self.next_record.to_be_bytes();
            let appended = match is_tombstone(self.next_record) {
                true => {
                    let headers = [("n", Some(&number[..]))];
                    builder.append(1, Some(&key), None, headers.into_iter())
                }
                false => builder.append(1, Some(&key), Some(&value), std::iter::empty()),
            };
            appended.unwrap();
            ids.push(self.next_record);
            self.next_record += 1;
        }
        let finished = match producer {
            Some((producer_id, base_sequence)) => builder.finish_for(Sequenced {
                producer_id,
                producer_epoch: 0,
                base_sequence,
            }),
            None => builder.finish(),
        };
        (finished.unwrap(), ids)
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
        let sequence = life.sequences.get(&log.uid()).copied().unwrap_or(0);
        let producer = self
            .random
            .percent(60)
            .then_some((life.producer_id, sequence));
        let (mut batch, ids) = self.batch(producer);
        let journaled = log.is_journaled();
        if journaled && !life.engine.context.journal.has_room(&[batch.len()]) {
            return;
        }
        let before = log.log_end();
        let append = self.begin(key, !journaled);
        let sent = batch.clone();
        self.hand_over(life, &log, append, &mut batch);
        self.note(append, key, log.log_end(), &ids);
        if producer.is_some() && (log.log_end() > before || self.disk.is_down()) {
            life.sequences
                .insert(log.uid(), sequence + ids.len() as i32);
            let newest = self.sent.entry(key).or_default();
            newest.push_back(Sent {
                batch: sent,
                offsets: before..before + ids.len() as u64,
            });
            if newest.len() > WINDOW {
                newest.pop_front();
            }
        }
    }

    /// Sends what is in the log once more.
    fn retry(&mut self, life: &mut Life<'_>) {
        let key = self.any_key();
        let (Some(log), Some(sent)) = (self.log(life.engine, key), self.sent.get(&key)) else {
            return;
        };
        let index = self.random.below(sent.len() as u64) as usize;
        let Some(Sent { batch, offsets }) = sent.get(index) else {
            return;
        };
        let (mut batch, offsets) = (batch.clone(), offsets.clone());
        self.trace(|_| format!("step retry of {key:?} {offsets:?}"));
        let append = self.begin(key, !log.is_journaled());
        self.oracle.appends[append].offsets = offsets;
        self.oracle.appends[append].retry = true;
        self.hand_over(life, &log, append, &mut batch);
    }

    fn hand_over(&self, life: &Life<'_>, log: &Arc<Log>, append: usize, batch: &mut [u8]) {
        let answers = Arc::clone(&life.answers);
        let header = BatchHeader::parse(batch).unwrap();
        log.append(
            batch,
            &header,
            Terms::FOREIGN,
            Box::new(move |answer| lock(&answers).push((append, answer))),
        );
    }

    fn begin(&mut self, key: Key, buffered: bool) -> usize {
        self.oracle.appends.push(Append {
            key,
            offsets: 0..0,
            buffered,
            forgotten: false,
            retry: false,
        });
        self.oracle.appends.len() - 1
    }

    /// Writes out what is known of the producers of one partition.
    fn save_producers(&mut self, life: &mut Life<'_>) {
        let key = self.any_key();
        if let Some(log) = self.log(life.engine, key) {
            self.with_rounds(life, |_| {
                let _ = log.save_producers(1, || log.sync());
            });
        }
    }

    /// Commits how far a group has come in a partition.
    fn commit_offset(&mut self, life: &mut Life<'_>) {
        let key = SOURCES[self.random.below(2) as usize];
        let Some(log) = self.log(life.engine, key) else {
            return;
        };
        if !life.engine.context.journal.has_room(&[COMMIT_BYTES]) {
            return;
        }
        let offset = self.random.between(log.log_start(), log.high_watermark());
        let number = self.random.next();
        let asked = &mut self.oracle.offsets.entry(key).or_default().asked;
        asked.push((number, offset));
        let committed = Arc::clone(&life.committed);
        let answer = Answer::new(move |outcome: crate::Result<()>| {
            if outcome.is_ok() {
                lock(&committed).push((key, number));
            }
        });
        let offsets = vec![LogOffset {
            log,
            offset,
            metadata: String::new(),
        }];
        let engine = life.engine;
        let _ = engine
            .coordinator
            .commit_offsets(engine, GROUP, offsets, Claim::Others, &answer);
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
            let (batch, records) = self.batch(None);
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
        let mut logs: Vec<Arc<Log>> = members.iter().map(|(_, log)| Arc::clone(log)).collect();
        logs.sort_by_key(|log| log.uid());
        let mut together = AtomicAppend::lock(&logs);
        let placed: crate::Result<Vec<Appended>> = members
            .iter()
            .zip(batches)
            .map(|((_, log), batch)| {
                let placed = together.prepare(log, producer_ids::Claim::Foreign, vec![batch])?;
                Ok(placed[0])
            })
            .collect();
        let answers = Arc::clone(&life.answers);
        if let Ok(placed) = placed {
            let _ = together.write(Box::new(move |written| {
                let mut answers = lock(&answers);
                for (n, placed) in placed.into_iter().enumerate() {
                    answers.push((first + n, written.clone().map(|()| placed)));
                }
            }));
        } else {
            drop(together);
        }
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
        if log.raise_start(before).is_err() {
            return;
        }
        let start = &mut self.oracle.logs.entry(key).or_default().start;
        start.1 = start.1.max(before);
        let unlink_early = self.rules.out.contains(&Rule::UnlinkAfterCheckpoint);
        if unlink_early {
            self.with_rounds(life, |_| {
                let _ = log.unlink_below_start();
            });
        }
        if life.engine.checkpoint(false).is_ok() && !self.disk.is_down() {
            let start = &mut self.oracle.logs.entry(key).or_default().start;
            start.0 = start.0.max(before);
            self.with_rounds(life, |_| {
                let _ = log.unlink_below_start();
            });
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
                cleanup: match COMPACTED.iter().any(|(topic, _)| topic == name) {
                    true => CleanupPolicy::Compact,
                    false => CleanupPolicy::Delete,
                },
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
                self.forget(name);
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
        let change = TopicChange {
            durability: Some(to),
            ..TopicChange::default()
        };
        self.with_rounds(life, |engine| {
            let _ = engine.alter_topic(&topic, &change);
        });
    }

    /// Does what may wait for the journal, which nobody works on here but this.
    fn with_rounds(&self, life: &mut Life<'_>, work: impl FnOnce(&Engine) + Send) {
        let engine: &Engine = life.engine;
        if let Some((round, phase)) = life.round.take() {
            finish(round, phase, engine);
        }
        engine.context.journal.run_gathered(&engine.context);
        // Room for more comes with a checkpoint, which nobody makes meanwhile.
        if !engine.context.journal.has_room(&[COMMIT_BYTES]) {
            return;
        }
        let out = &self.rules.out;
        std::thread::scope(|scope| {
            let working = scope.spawn(move || {
                crate::knock_out::take_out(out);
                work(engine);
            });
            while !working.is_finished() {
                if let Some(round) = engine.context.journal.try_take() {
                    round.run(&engine.context);
                }
                std::thread::yield_now();
            }
        });
        // Whether the last one was begun before the work had ended must make no difference.
        engine.context.journal.run_gathered(&engine.context);
    }
}

/// Does what is left of a round.
pub(super) fn finish(mut round: Round, phase: u8, engine: &Engine) {
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
