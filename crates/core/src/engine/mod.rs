//! One open store: its lock, its catalog, its partitions and its threads. What handles share.

mod checkpoint;
pub(crate) mod folder;
mod follow;
mod listeners;
mod maintenance;
mod moment;
mod open;
pub(crate) mod recovery;
mod unpublished;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use tidelog_format::topic_name;
use tidelog_io::WriterLock;

use crate::catalog::{Catalog, StoredTopic};
use crate::checkpoint::CheckpointFile;
use crate::compaction::{self, CompactionReport};
use crate::config::{
    CompactionOptions, Durability, MAX_PARTITIONS, OpenOptions, TopicChange, TopicConfig,
};
use crate::context::Context;
use crate::coordinator::Coordinator;
use crate::error::{Error, Result};
use crate::fan_out;
use crate::partition::{Log, TopicMeta, is_internal};
use crate::sync::atomic::AtomicBool;
use crate::sync::{Mutex, RwLock, lock, read, write};

#[cfg(test)]
pub(crate) use checkpoint::CheckpointRun;
use listeners::Listeners;
pub use listeners::Retained;
use maintenance::Intervals;
pub(crate) use moment::Moment;
pub use recovery::RecoveryReport;

/// Most topics of one store.
const MAX_TOPICS: usize = 10_000;

pub(crate) struct Engine {
    pub path: PathBuf,
    pub id: String,
    pub context: Arc<Context>,
    pub recovery: RecoveryReport,
    pub coordinator: Coordinator,
    durability: Durability,
    topics: RwLock<BTreeMap<String, Arc<TopicState>>>,
    /// All partitions by uid, and so in the same order whenever the same is done: a story of the simulation can be told
    /// again.
    logs: RwLock<BTreeMap<u64, Arc<Log>>>,
    /// Held while the catalog changes.
    catalog: Mutex<Catalog>,
    /// Files of a deleted topic are left that could not be removed.
    removals_left: AtomicBool,
    checkpoint: Mutex<Option<CheckpointFile>>,
    writer_lock: Mutex<Option<Box<dyn WriterLock>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    intervals: Intervals,
    compaction: CompactionOptions,
    pub listeners: Listeners,
}

/// A topic as the engine holds it.
pub(crate) struct TopicState {
    pub meta: Arc<TopicMeta>,
    pub logs: RwLock<Vec<Arc<Log>>>,
}

impl Engine {
    /// Refuses options that contradict those that the engine was opened with by another handle.
    pub fn check_options(&self, options: &OpenOptions) -> Result<()> {
        if options.durability == self.durability || self.context.read_only {
            return Ok(());
        }
        Err(Error::InvalidArgument {
            argument: "durability",
            reason: format!(
                "the store is already open in this process with {}; give the same, or set it per topic",
                self.durability
            ),
        })
    }

    pub fn create_topic(&self, name: &str, config: TopicConfig) -> Result<Arc<TopicState>> {
        topic_name::validate(name).map_err(|error| Error::InvalidTopicName {
            name: name.to_owned(),
            reason: error.reason.to_string(),
        })?;
        config.validate()?;
        let catalog = lock(&self.catalog);
        self.context.health.check()?;
        self.check_new_name(name, &config)?;
        let stored = StoredTopic {
            name: name.to_owned(),
            id: *uuid::Uuid::new_v4().as_bytes(),
            config,
        };
        catalog
            .create_folders(&stored, 0..stored.config.partitions)
            .and_then(|()| catalog.save(&stored))?;
        let state = self.add_topic(&stored, |meta, number| {
            let folder = catalog.partition_folder(name, number);
            Ok(Log::create(
                Arc::clone(&self.context),
                Arc::clone(meta),
                number,
                folder,
            ))
        })?;
        Ok(state)
    }

    fn check_new_name(&self, name: &str, config: &TopicConfig) -> Result<()> {
        let topics = read(&self.topics);
        let taken = |reason: String| Error::TopicExists {
            name: name.to_owned(),
            reason,
        };
        if topics.contains_key(name) {
            return Err(taken("exists".to_owned()));
        }
        if let Some(other) = topics
            .keys()
            .find(|other| topic_name::collides(name, other))
        {
            return Err(taken(format!(
                "differs from {other:?} only in case, or in '.' and '_'; choose another"
            )));
        }
        let limit = |argument, reason| Err(Error::InvalidArgument { argument, reason });
        if topics.len() >= MAX_TOPICS {
            return limit(
                "name",
                format!("the store has {MAX_TOPICS} topics, which is the most it can have"),
            );
        }
        if read(&self.logs).len() + config.partitions as usize > MAX_PARTITIONS as usize {
            return limit(
                "partitions",
                format!("the store can have {MAX_PARTITIONS} partitions in all"),
            );
        }
        Ok(())
    }

    /// Enters a topic whose partitions `open` gives.
    fn add_topic(
        &self,
        stored: &StoredTopic,
        open: impl Fn(&Arc<TopicMeta>, u32) -> Result<Log>,
    ) -> Result<Arc<TopicState>> {
        let meta = Arc::new(TopicMeta {
            name: stored.name.clone(),
            id: stored.id,
            config: RwLock::new(Arc::new(stored.config.clone())),
            store_durability: self.durability,
        });
        let logs = (0..stored.config.partitions)
            .map(|number| open(&meta, number).map(Arc::new))
            .collect::<Result<Vec<_>>>()?;
        write(&self.logs).extend(logs.iter().map(|log| (log.uid(), Arc::clone(log))));
        let state = Arc::new(TopicState {
            meta,
            logs: RwLock::new(logs),
        });
        write(&self.topics).insert(stored.name.clone(), Arc::clone(&state));
        Ok(state)
    }

    pub fn open_topic(&self, name: &str) -> Result<Arc<TopicState>> {
        // A reader beside the writer opens topics as it is asked for them.
        if self.context.read_only && topic_name::validate(name).is_ok() {
            return self.open_beside_a_writer(name);
        }
        let known = read(&self.topics).get(name).cloned();
        known.ok_or_else(|| Error::UnknownTopic {
            name: name.to_owned(),
        })
    }

    /// The id of the topic that has this name now.
    pub fn topic_id(&self, name: &str) -> Option<[u8; 16]> {
        let known = read(&self.topics).get(name).map(|topic| topic.meta.id);
        if known.is_none() && self.context.read_only {
            // A reader beside the writer knows only the topics that it was asked for.
            return self.open_topic(name).ok().map(|topic| topic.meta.id);
        }
        known
    }

    /// The name of a topic by its id.
    pub fn topic_name(&self, id: &[u8; 16]) -> Option<String> {
        let topics = read(&self.topics);
        let found = topics.values().find(|topic| topic.meta.id == *id)?;
        Some(found.meta.name.clone())
    }

    /// How many partitions the topic of this name has; none when there is none.
    pub fn partition_count(&self, topic: &str) -> u32 {
        let topics = read(&self.topics);
        topics.get(topic).map_or(0, |topic| read(&topic.logs).len()) as u32
    }

    /// A partition of an open topic.
    pub fn log(&self, topic: &str, partition: u32) -> Option<Arc<Log>> {
        let topics = read(&self.topics);
        let logs = read(&topics.get(topic)?.logs);
        logs.get(partition as usize).cloned()
    }

    /// The ends of partitions as of one moment: all of a transaction is below them, or nothing of it.
    pub fn high_watermarks<'a>(&self, logs: impl Iterator<Item = &'a Arc<Log>>) -> Vec<u64> {
        self.context
            .journal
            .as_of(|_| logs.map(|log| log.high_watermark()).collect())
    }

    /// The topics of the user's that are open, by name: in a store opened to write, all.
    pub fn open_topics(&self) -> Vec<Arc<TopicState>> {
        let topics = read(&self.topics);
        let of_users = topics.values().filter(|topic| !topic.meta.is_internal());
        of_users.cloned().collect()
    }

    pub fn topic_names(&self) -> Result<Vec<String>> {
        if self.context.read_only {
            return Ok(lock(&self.catalog)
                .load()?
                .into_iter()
                .map(|topic| topic.name)
                .filter(|name| !is_internal(name))
                .collect());
        }
        let topics = read(&self.topics);
        let names = topics.keys().filter(|name| !is_internal(name));
        Ok(names.cloned().collect())
    }

    pub fn delete_topic(&self, name: &str) -> Result<()> {
        let catalog = lock(&self.catalog);
        self.context.health.check()?;
        let state = read(&self.topics)
            .get(name)
            .cloned()
            .ok_or_else(|| Error::UnknownTopic {
                name: name.to_owned(),
            })?;
        let stored = stored(&state);
        catalog.remove(&stored)?;
        write(&self.topics).remove(name);
        for log in read(&state.logs).iter() {
            write(&self.logs).remove(&log.uid());
            log.delete();
            self.context.tables.forget_log(log.uid());
        }
        let unlinked = catalog.unlink(&stored);
        drop(catalog);
        self.coordinator.groups.topic_changed(self, name);
        match unlinked {
            // The topic is deleted, durably. Its files go with the next upkeep, or the next opening.
            Err(error) if !error.indefinite() => {
                self.removals_left.store(true, Ordering::Release);
                Ok(())
            }
            other => other,
        }
    }

    pub fn alter_topic(&self, state: &TopicState, change: &TopicChange) -> Result<()> {
        let catalog = lock(&self.catalog);
        self.context.health.check()?;
        let before_change = state.meta.durability();
        let mut stored = stored(state);
        if !read(&self.topics).contains_key(&stored.name) {
            return Err(Error::TopicDeleted { name: stored.name });
        }
        let before = stored.config.partitions;
        stored.config = change.apply(&stored.config)?;
        let after = stored.config.partitions;
        if after > before {
            catalog.create_folders(&stored, before..after)?;
        }
        let durability = stored.config.durability.unwrap_or(self.durability);
        let logs = read(&state.logs).clone();
        // Before the catalog says so: without a checkpoint's word, recovery goes by the catalog.
        let leaves = (before_change, durability) == (Durability::Fsync, Durability::Buffered);
        let joins = (before_change, durability) == (Durability::Buffered, Durability::Fsync);
        let join = || Log::join_journal(&logs, || self.checkpoint(false));
        let routed = match (leaves, joins) {
            (true, _) => logs.iter().try_for_each(|log| log.leave_journal()),
            (_, true) => join(),
            _ => Ok(()),
        };
        let saved = routed.and_then(|()| catalog.save(&stored));
        if let Err(error) = saved {
            // It is an `fsync` topic still: what is sent to it must be as durable as that.
            if leaves && let Err(error) = join() {
                self.context.health.poison(error);
            }
            return Err(error);
        }
        *write(&state.meta.config) = Arc::new(stored.config.clone());
        for number in before..after {
            let folder = catalog.partition_folder(&stored.name, number);
            let log = Log::create(
                Arc::clone(&self.context),
                Arc::clone(&state.meta),
                number,
                folder,
            );
            let log = Arc::new(log);
            write(&self.logs).insert(log.uid(), Arc::clone(&log));
            write(&state.logs).push(log);
        }
        drop(catalog);
        if after > before {
            self.coordinator.groups.topic_changed(self, &stored.name);
        }
        Ok(())
    }

    pub(crate) fn all_logs(&self) -> Vec<Arc<Log>> {
        read(&self.logs).values().cloned().collect()
    }

    /// Compacts all of a topic that can be, whatever its ratio.
    pub fn compact_topic(&self, state: &TopicState) -> Result<CompactionReport> {
        if !state.meta.config().cleanup.compacts() {
            return Err(Error::InvalidArgument {
                argument: "topic",
                reason: format!(
                    "{:?} is not compacted; let its cleanup.policy be compact first",
                    state.meta.name
                ),
            });
        }
        // What was appended lately is cleaned, too.
        self.checkpoint(false)?;
        let logs = read(&state.logs).clone();
        compaction::compact(&logs, &self.compaction)
    }

    /// Makes everything appended before durable.
    pub fn sync_all(&self) -> Result<()> {
        self.context.journal.flush()?;
        let logs = self.all_logs();
        let around: Vec<_> = logs
            .iter()
            .filter(|log| !log.committed().journaled)
            .collect();
        fan_out::for_each(&around, |log| log.sync_files())
    }

    /// Wakes everything that waits through a handle that closes.
    pub fn close_waiters(&self, handle: u64) {
        for log in self.all_logs() {
            if log.has_waiters() {
                log.close_waiters(handle);
            }
        }
    }

    /// Writes the ends of partitions where they moved, for readers in other processes. What could not be
    /// written, on a full disk say, is tried again; the first failure is given.
    fn publish_ends(&self) -> Result<()> {
        let mut failed = Ok(());
        for uid in self.context.changes.take() {
            let log = read(&self.logs).get(&uid).cloned();
            match log.map_or(Ok(()), |log| log.publish_ends()) {
                Ok(()) | Err(Error::TopicDeleted { .. }) => {}
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        failed
    }

    /// Ends the engine's work. Whatever fails on the way, the lock is let go and the threads end.
    pub fn shut_down(&self) -> Result<()> {
        self.context.health.close();
        self.context.journal.wake();
        for log in self.all_logs() {
            log.fail_waiters(&Error::Closed);
        }
        self.context.changes.stop();
        // Jobs that are queued find the store closed and answer so.
        self.context.workers.stop();
        self.context.journal.end();
        self.context.checkpoints.stop();
        self.context.cleaning.stop();
        self.coordinator.groups.deadlines.stop();
        let own = std::thread::current().id();
        for thread in lock(&self.threads).drain(..) {
            if thread.thread().id() != own {
                let _ = thread.join();
            }
        }
        let settled = if self.context.read_only {
            Ok(())
        } else {
            self.settle()
        };
        // Handles may live on for long; what they can't use any more does not.
        for log in self.all_logs() {
            log.close_files();
        }
        self.context.journal.close_files();
        *lock(&self.checkpoint) = None;
        *lock(&self.writer_lock) = None;
        settled
    }

    /// Makes all durable, completes the index files and leaves the mark of an orderly close.
    fn settle(&self) -> Result<()> {
        self.context.health.check_disk()?;
        if self.context.health.damage().is_some() {
            // The journal is left as it was found, for a repair.
            return Ok(());
        }
        fan_out::for_each(&self.all_logs(), |log| log.settle())?;
        // What of an import was not sealed is in no frame and in no mark: an opening has to cut it.
        let importing = self.all_logs().iter().any(|log| log.is_importing());
        self.checkpoint(!importing)?;
        match self.publish_ends() {
            // Readers are told at the next opening.
            Err(error) if error.is_shortage() => Ok(()),
            other => other,
        }
    }
}

fn stored(state: &TopicState) -> StoredTopic {
    StoredTopic {
        name: state.meta.name.clone(),
        id: state.meta.id,
        config: TopicConfig::clone(&state.meta.config()),
    }
}
