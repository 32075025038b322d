//! Committed offsets of groups, records of `__consumer_offsets` in Kafka's schemas. An offset is the next one to read. It
//! never becomes durable before the records that it covers; one that an unclean end left beyond its log is clamped, and
//! reported, before anything is appended.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tidelog_format::offset_commit::{GroupRecordKey, OffsetCommitKey, OffsetCommitValue};

use super::internal_log::{self, InternalLog, Record};
use super::{Coordinator, check_name};
use crate::answer::Answer;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::group::{Admitted, GROUPS_MAX, Group, Groups, Member, too_many};
use crate::knock_out::{self, Rule};
use crate::partition::{AtomicAppend, CONSUMER_OFFSETS, Log, now_ms};
use crate::producer_ids;
use crate::sync::{Mutex, lock};
use crate::topic::Topic;

/// Most bytes of the text beside an offset; Kafka's `offset.metadata.max.bytes`.
const METADATA_MAX: usize = 4096;

/// An offset to be committed: the next one to read.
#[derive(Clone)]
pub struct OffsetCommit {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: u32,
    /// The offset of the next record to read, at most the high watermark.
    pub offset: u64,
    /// Anything that helps to go on from there, up to 4096 bytes.
    pub metadata: String,
}

impl OffsetCommit {
    /// The same by the partition's log.
    pub(crate) fn of_log(&self) -> Result<LogOffset> {
        Ok(LogOffset {
            log: self.topic.log(self.partition)?,
            offset: self.offset,
            metadata: self.metadata.clone(),
        })
    }
}

/// An offset of a log that is to be committed.
pub(crate) struct LogOffset {
    pub log: Arc<Log>,
    pub offset: u64,
    pub metadata: String,
}

/// An offset that is committed, durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset of the next record to read.
    pub offset: u64,
    /// What was noted with it.
    pub metadata: String,
    /// When it was committed, in ms.
    pub timestamp: i64,
}

/// An offset that pointed behind the end of its log, and was taken back there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClampedOffset {
    /// The group.
    pub group: String,
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset that was committed.
    pub from: u64,
    /// The end of the log, which is committed instead.
    pub to: u64,
}

/// A partition of a topic as it is now: one that was made again is another one.
type Place = ([u8; 16], u32);

#[derive(Debug, Clone)]
struct Entry {
    topic: String,
    value: OffsetCommitValue,
}

type Table = HashMap<String, BTreeMap<Place, Entry>>;

pub(crate) struct Offsets {
    log: InternalLog,
    /// What was appended, durable or not.
    latest: Table,
    durable: Arc<DurableOffsets>,
}

/// What was noted of groups at some time.
pub(crate) struct Before(Vec<(String, Option<BTreeMap<Place, Entry>>)>);

/// What is committed for good. Never held while waiting: the journal's thread takes it.
#[derive(Default)]
pub(crate) struct DurableOffsets(Mutex<Table>);

/// In whose name offsets are committed.
#[derive(Clone)]
pub(crate) enum Claim {
    /// Nobody's: of a group without members.
    Others,
    Member(Member),
}

/// Offsets of one group that are in order.
pub(crate) struct CheckedOffsets {
    group: Arc<Group>,
    claim: Claim,
    entries: Vec<(Place, Entry)>,
}

impl CheckedOffsets {
    /// Checks offsets, and makes the records that they cover durable. Blocks for the disk.
    pub fn new(
        groups: &Groups,
        group: &str,
        claim: Claim,
        offsets: Vec<LogOffset>,
    ) -> Result<CheckedOffsets> {
        check_name("group", group)?;
        let now = now_ms();
        let mut entries = Vec::with_capacity(offsets.len());
        for commit in offsets {
            let LogOffset {
                log,
                offset,
                metadata,
            } = commit;
            if metadata.len() > METADATA_MAX {
                return Err(Error::InvalidArgument {
                    argument: "metadata",
                    reason: format!(
                        "has {} bytes; at most {METADATA_MAX} are allowed",
                        metadata.len()
                    ),
                });
            }
            log.check()?;
            if offset > log.high_watermark() {
                return Err(log.out_of_range(offset));
            }
            if !log.is_journaled() && !knock_out::is_out(Rule::SyncBeforeOffsets) {
                log.sync_files()?;
            }
            entries.push((
                (log.topic().id, log.number()),
                Entry {
                    topic: log.topic().name.clone(),
                    value: OffsetCommitValue {
                        offset,
                        leader_epoch: -1,
                        metadata,
                        commit_timestamp: now,
                        topic_id: Some(log.topic().id),
                    },
                },
            ));
        }
        Ok(CheckedOffsets {
            group: groups.of(group)?,
            claim,
            entries,
        })
    }

    pub fn group(&self) -> &str {
        self.group.name()
    }

    /// Refuses offsets that are not for whoever commits them to commit. While the answer is held, nobody else gets their
    /// partitions.
    pub fn admit_all<'a>(
        offsets: &'a [Arc<CheckedOffsets>],
        engine: &'a Engine,
    ) -> Result<Vec<Admitted<'a>>> {
        offsets
            .iter()
            .map(|offsets| offsets.admit(engine))
            .collect()
    }

    fn admit<'a>(&'a self, engine: &'a Engine) -> Result<Admitted<'a>> {
        let member = match &self.claim {
            Claim::Others => None,
            Claim::Member(member) => Some(member),
        };
        let partitions = self.entries.iter();
        let partitions = partitions
            .map(|((_, partition), entry)| (entry.topic.clone(), *partition))
            .collect();
        self.group.admit(engine, member, partitions)
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Their batches in `__consumer_offsets`.
    pub fn encode(&self) -> Result<Vec<Vec<u8>>> {
        let record = |(place, entry): &(Place, Entry)| {
            (key(self.group(), place, entry), Some(entry.value.encode()))
        };
        internal_log::encode(self.entries.iter().map(record).collect())
    }
}

fn key(group: &str, (_, partition): &Place, entry: &Entry) -> Vec<u8> {
    OffsetCommitKey {
        group: group.to_owned(),
        topic: entry.topic.clone(),
        partition: *partition,
    }
    .encode()
}

impl Offsets {
    pub(super) fn load(engine: &Engine, durable: &Arc<DurableOffsets>) -> Result<Offsets> {
        let log = InternalLog::open(engine, CONSUMER_OFFSETS)?;
        let mut latest = Table::new();
        let damaged = |error| Error::invalid_batch(&error);
        log.replay(|key, value| {
            let GroupRecordKey::OffsetCommit(key) = GroupRecordKey::decode(key).map_err(damaged)?
            else {
                return Ok(());
            };
            let group = latest.entry(key.group).or_default();
            // One that was of a topic of the same name before is none of this one's.
            group.retain(|(_, partition), entry| {
                entry.topic != key.topic || *partition != key.partition
            });
            if let Some(value) = value {
                let value = OffsetCommitValue::decode(value).map_err(damaged)?;
                if let Some(id) = value.topic_id {
                    let topic = key.topic;
                    group.insert((id, key.partition), Entry { topic, value });
                }
            }
            Ok(())
        })?;
        latest.retain(|_, group| !group.is_empty());
        *lock(&durable.0) = latest.clone();
        Ok(Offsets {
            log,
            latest,
            durable: Arc::clone(durable),
        })
    }

    pub fn log(&self) -> &Arc<Log> {
        self.log.log()
    }

    /// Refuses a group too many.
    pub fn check_group(&self, group: &str) -> Result<()> {
        if self.latest.len() < GROUPS_MAX || self.latest.contains_key(group) {
            return Ok(());
        }
        Err(too_many())
    }

    /// Notes offsets that were appended, and gives what has to be called when they are durable.
    pub fn note(&mut self, offsets: &Arc<CheckedOffsets>) -> impl FnOnce() + Send + use<> {
        let group = self.latest.entry(offsets.group().to_owned()).or_default();
        for (place, entry) in &offsets.entries {
            group.insert(*place, entry.clone());
        }
        let (durable, offsets) = (Arc::clone(&self.durable), Arc::clone(offsets));
        move || {
            let mut durable = lock(&durable.0);
            let group = durable.entry(offsets.group().to_owned()).or_default();
            for (place, entry) in &offsets.entries {
                group.insert(*place, entry.clone());
            }
        }
    }

    /// What is noted of the groups of these offsets now.
    pub fn before(&self, offsets: &[Arc<CheckedOffsets>]) -> Before {
        let group = |offsets: &Arc<CheckedOffsets>| {
            let name = offsets.group().to_owned();
            let entries = self.latest.get(&name).cloned();
            (name, entries)
        };
        Before(offsets.iter().map(group).collect())
    }

    /// Takes back what was noted since: it was not written.
    pub fn take_back(&mut self, before: Before) {
        for (group, entries) in before.0 {
            match entries {
                Some(entries) => self.latest.insert(group, entries),
                None => self.latest.remove(&group),
            };
        }
    }

    fn commit(
        &mut self,
        engine: &Engine,
        offsets: CheckedOffsets,
        answer: &Answer<()>,
    ) -> Result<()> {
        self.check_group(offsets.group())?;
        let offsets = [Arc::new(offsets)];
        let _admitted = CheckedOffsets::admit_all(&offsets, engine)?;
        let [checked] = &offsets;
        let logs = [Arc::clone(self.log())];
        let mut append = AtomicAppend::lock(&logs);
        append.prepare(self.log(), producer_ids::Claim::Store, checked.encode()?)?;
        let before = self.before(&offsets);
        let [noted] = offsets.each_ref().map(|offsets| self.note(offsets));
        let answer = answer.clone();
        let written = append.write(Box::new(move |written| {
            if written.is_ok() {
                noted();
            }
            answer.give(written);
        }));
        if written.is_err() {
            self.take_back(before);
        }
        written
    }

    /// The partitions of which a group has committed something.
    fn partitions_of(&self, group: &str) -> Vec<(String, u32)> {
        let entries = self.latest.get(group).into_iter().flatten();
        entries
            .map(|((_, partition), entry)| (entry.topic.clone(), *partition))
            .collect()
    }

    /// Takes all offsets of a group back.
    fn delete(&mut self, group: &str, answer: &Answer<()>) -> Result<()> {
        let Some(entries) = self.latest.get(group) else {
            answer.give(Ok(()));
            return Ok(());
        };
        let tombstone =
            |(place, entry): (&Place, &Entry)| -> Record { (key(group, place, entry), None) };
        let batches = internal_log::encode(entries.iter().map(tombstone).collect())?;
        let logs = [Arc::clone(self.log())];
        let mut append = AtomicAppend::lock(&logs);
        append.prepare(self.log(), producer_ids::Claim::Store, batches)?;
        let (durable, name, answer) = (Arc::clone(&self.durable), group.to_owned(), answer.clone());
        append.write(Box::new(move |written| {
            if written.is_ok() {
                lock(&durable.0).remove(&name);
            }
            answer.give(written);
        }))?;
        self.latest.remove(group);
        Ok(())
    }

    /// Takes back the offsets of topics that are gone: no compaction would let go of them.
    pub(super) fn forget_gone(&mut self, engine: &Engine) -> Result<()> {
        let is_gone = |place: &Place, entry: &Entry| engine.topic_id(&entry.topic) != Some(place.0);
        let mut tombstones: Vec<Record> = Vec::new();
        for (group, entries) in &self.latest {
            for (place, entry) in entries
                .iter()
                .filter(|(place, entry)| is_gone(place, entry))
            {
                let key = key(group, place, entry);
                // A topic that was made again under the name has offsets of its own there.
                let taken = entries.iter().any(|(other, of)| {
                    other != place && (&of.topic, other.1) == (&entry.topic, place.1)
                });
                if !taken {
                    tombstones.push((key, None));
                }
            }
        }
        // They matter to compaction only: each batch goes for itself, and nobody waits for them.
        for batch in internal_log::encode(tombstones)? {
            let logs = [Arc::clone(self.log())];
            let mut append = AtomicAppend::lock(&logs);
            append.prepare(self.log(), producer_ids::Claim::Store, vec![batch])?;
            append.write(Box::new(|_| ()))?;
        }
        for durable in [&mut self.latest, &mut *lock(&self.durable.0)] {
            durable.retain(|_, entries| {
                entries.retain(|place, entry| !is_gone(place, entry));
                !entries.is_empty()
            });
        }
        Ok(())
    }

    /// Offsets that point behind the end of their log, with that end.
    fn beyond(&self, engine: &Engine) -> Vec<ClampedOffset> {
        let mut beyond = Vec::new();
        for (group, entries) in &self.latest {
            for ((_, partition), entry) in entries.iter().filter(is_of_topic_in(engine)) {
                let end = engine
                    .log(&entry.topic, *partition)
                    .filter(|log| log.damage().is_none())
                    .map(|log| log.log_end());
                if let Some(end) = end.filter(|end| *end < entry.value.offset) {
                    beyond.push(ClampedOffset {
                        group: group.clone(),
                        topic: entry.topic.clone(),
                        partition: *partition,
                        from: entry.value.offset,
                        to: end,
                    });
                }
            }
        }
        beyond
    }
}

/// Whether an offset is one of a topic that is there, and not of one that had its name before.
fn is_of_topic_in(engine: &Engine) -> impl Fn(&(&Place, &Entry)) -> bool {
    |((id, _), entry)| engine.topic_id(&entry.topic) == Some(*id)
}

impl Coordinator {
    /// Commits offsets of a group; the answer is given when they are durable. Blocks for the disk.
    pub fn commit_offsets(
        &self,
        engine: &Engine,
        group: &str,
        offsets: Vec<LogOffset>,
        claim: Claim,
        answer: &Answer<()>,
    ) -> Result<()> {
        let checked = CheckedOffsets::new(&self.groups, group, claim, offsets)?;
        if checked.is_empty() {
            answer.give(Ok(()));
            return Ok(());
        }
        self.with_offsets(engine, |offsets| offsets.commit(engine, checked, answer))
    }

    /// Takes all offsets of a group back; the answer is given when that is durable.
    pub fn delete_group(&self, engine: &Engine, group: &str, answer: &Answer<()>) -> Result<()> {
        check_name("group", group)?;
        let known = self.groups.of(group)?;
        self.with_offsets(engine, |offsets| {
            // By nobody who is a member, and before anybody becomes one and reads them.
            let partitions = offsets.partitions_of(group);
            let _admitted = known.admit(engine, None, partitions)?;
            offsets.delete(group, answer)
        })
    }

    /// The offsets of a group; none of topics that are gone.
    pub fn committed_offsets(&self, engine: &Engine, group: &str) -> Result<Vec<CommittedOffset>> {
        check_name("group", group)?;
        self.load_offsets(engine)?;
        let durable = lock(&self.durable().0);
        let entries = durable.get(group).into_iter().flatten();
        Ok(entries
            .filter(is_of_topic_in(engine))
            .map(|((_, partition), entry)| CommittedOffset {
                topic: entry.topic.clone(),
                partition: *partition,
                offset: entry.value.offset,
                metadata: entry.value.metadata.clone(),
                timestamp: entry.value.commit_timestamp,
            })
            .collect())
    }

    /// The groups that have members, or have committed offsets of topics that are there, sorted.
    pub fn groups(&self, engine: &Engine) -> Result<Vec<String>> {
        self.load_offsets(engine)?;
        // Before the lock that the journal's thread takes.
        let with_members = self.groups.with_members();
        let durable = lock(&self.durable().0);
        let mut groups: Vec<String> = durable
            .iter()
            .filter(|(_, entries)| entries.iter().any(|entry| is_of_topic_in(engine)(&entry)))
            .map(|(group, _)| group.clone())
            .chain(with_members)
            .collect();
        groups.sort_unstable();
        groups.dedup();
        Ok(groups)
    }

    /// A store without committed offsets needs no topic to say so. Beside a writer they are read anew each time: it
    /// may have committed others meanwhile.
    fn load_offsets(&self, engine: &Engine) -> Result<()> {
        if engine.topic_id(CONSUMER_OFFSETS).is_none() {
            return Ok(());
        }
        if engine.context.read_only {
            return Offsets::load(engine, &self.durable).map(|_| ());
        }
        self.with_offsets(engine, |_| Ok(()))
    }

    /// Takes offsets back to the ends of logs that an unclean end of the store made shorter, before the journal has a
    /// thread. Blocks for the disk.
    pub fn clamp_offsets(&self, engine: &Engine) -> Result<Vec<ClampedOffset>> {
        if engine.topic_id(CONSUMER_OFFSETS).is_none() {
            return Ok(Vec::new());
        }
        let (answer, durable) = std::sync::mpsc::channel();
        let clamped = self.with_offsets(engine, |offsets| {
            let beyond = offsets.beyond(engine);
            for clamped in &beyond {
                let id = engine.topic_id(&clamped.topic).unwrap_or_default();
                let place = (id, clamped.partition);
                let Some(entry) = offsets
                    .latest
                    .get(&clamped.group)
                    .and_then(|g| g.get(&place))
                else {
                    continue;
                };
                let mut entry = entry.clone();
                entry.value.offset = clamped.to;
                let checked = CheckedOffsets {
                    group: self.groups.of(&clamped.group)?,
                    claim: Claim::Others,
                    entries: vec![(place, entry)],
                };
                let answer = answer.clone();
                let answer = Answer::new(move |written| {
                    let _ = answer.send(written);
                });
                offsets.commit(engine, checked, &answer)?;
            }
            Ok(beyond)
        })?;
        drop(answer);
        engine.context.journal.run_gathered(&engine.context);
        durable.iter().collect::<Result<()>>()?;
        Ok(clamped)
    }
}
