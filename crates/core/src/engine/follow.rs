//! A store opened read-only follows the writer in another process: which topics there are, how they are configured, which
//! partitions they have, and how far each may be read.

use std::cell::OnceCell;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tidelog_format::journal::PartitionId;

use super::unpublished::Unpublished;
use super::{Engine, TopicState};
use crate::catalog::{Catalog, StoredTopic};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::partition::{Log, TopicMeta};
use crate::published;
use crate::sync::{lock, read, write};

/// How often a read-only store looks at what the writer has done.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(10);
/// How often a topic that is opened may be deleted and made again meanwhile.
const ATTEMPTS: usize = 100;

pub(super) fn follow(engine: &Weak<Engine>, context: &Context) {
    let mut pause = FOLLOW_INTERVAL;
    while context.changes.pause(pause) {
        let Some(engine) = engine.upgrade() else {
            return;
        };
        let began = Instant::now();
        let topics: Vec<_> = read(&engine.topics).values().cloned().collect();
        for topic in topics {
            // What fails now is looked at again in a moment, and told to who reads there.
            let _ = engine.follow_topic(&topic);
        }
        // With very many partitions, looking must not become the main thing this process does.
        pause = FOLLOW_INTERVAL.max(began.elapsed() * 4);
    }
}

impl Engine {
    fn follow_topic(&self, state: &Arc<TopicState>) -> Result<()> {
        self.take_over(state)?;
        let logs = read(&state.logs).clone();
        logs.iter().try_for_each(|log| log.follow())
    }

    /// Brings a topic to what its file says; false if it was deleted.
    fn take_over(&self, state: &Arc<TopicState>) -> Result<bool> {
        let catalog = lock(&self.catalog);
        match catalog.load_one(&state.meta.name)? {
            Some(stored) if stored.id == state.meta.id => {
                self.grow(&catalog, state, &stored)?;
                Ok(true)
            }
            _ => {
                self.forget(state);
                Ok(false)
            }
        }
    }

    /// Opens a topic beside the writer.
    pub(super) fn open_beside_a_writer(&self, name: &str) -> Result<Arc<TopicState>> {
        let unknown = || Error::UnknownTopic {
            name: name.to_owned(),
        };
        for _ in 0..ATTEMPTS {
            let known = read(&self.topics).get(name).cloned();
            if let Some(known) = known
                && self.take_over(&known)?
            {
                return Ok(known);
            }
            let catalog = lock(&self.catalog);
            if read(&self.topics).contains_key(name) {
                continue;
            }
            let stored = catalog.load_one(name)?.ok_or_else(unknown)?;
            let unpublished = OnceCell::new();
            let opened = self.add_topic(&stored, |meta, number| {
                self.load_beside_a_writer(&catalog, (&stored, &unpublished), meta, number)
            });
            match opened {
                // Deleted meanwhile.
                Err(Error::TopicDeleted { .. }) => {}
                opened => return opened,
            }
        }
        Err(unknown())
    }

    /// Takes over what was changed of a topic's configuration, and the partitions that were added.
    fn grow(&self, catalog: &Catalog, state: &TopicState, stored: &StoredTopic) -> Result<()> {
        if *state.meta.config() != stored.config {
            *write(&state.meta.config) = Arc::new(stored.config.clone());
        }
        let known = read(&state.logs).len() as u32;
        let unpublished = OnceCell::new();
        for number in known..stored.config.partitions {
            let found = (stored, &unpublished);
            let log = self.load_beside_a_writer(catalog, found, &state.meta, number)?;
            let log = Arc::new(log);
            write(&self.logs).insert(log.uid(), Arc::clone(&log));
            write(&state.logs).push(log);
        }
        Ok(())
    }

    /// Loads a partition up to where the writer has published it. Without that the checkpoint, the journal and the log
    /// say how far it goes; they are read once for all partitions of a topic.
    fn load_beside_a_writer(
        &self,
        catalog: &Catalog,
        (stored, unpublished): (&StoredTopic, &OnceCell<Unpublished>),
        meta: &Arc<TopicMeta>,
        number: u32,
    ) -> Result<Log> {
        let folder = catalog.partition_folder(&meta.name, number);
        let storage = &self.context.storage;
        let ends = match published::load(&**storage, &folder)? {
            Some(ends) => ends,
            None => {
                if unpublished.get().is_none() {
                    let _ = unpublished.set(Unpublished::of(storage, catalog, stored)?);
                }
                let id = PartitionId {
                    topic_id: stored.id,
                    partition: number,
                };
                let ends = unpublished.get().map(|found| found.ends(&**storage, &id));
                ends.transpose()?.unwrap_or_default()
            }
        };
        Log::load_read_only(
            Arc::clone(&self.context),
            Arc::clone(meta),
            number,
            folder,
            ends,
        )
    }

    /// Ends a topic that the writer has deleted. Handles on it fail from now on.
    fn forget(&self, state: &Arc<TopicState>) {
        let mut topics = write(&self.topics);
        let name = &state.meta.name;
        if topics
            .get(name)
            .is_some_and(|known| Arc::ptr_eq(known, state))
        {
            topics.remove(name);
        }
        drop(topics);
        for log in read(&state.logs).iter() {
            write(&self.logs).remove(&log.uid());
            log.delete();
            self.context.tables.forget_log(log.uid());
        }
    }
}
