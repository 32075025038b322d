//! A store opened read-only follows the writer in another process: which topics there are, how they are configured, which
//! partitions they have, and how far each may be read.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

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
            let opened = self.add_topic(&stored, |meta, number| {
                self.load_beside_a_writer(&catalog, meta, number)
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
        for number in known..stored.config.partitions {
            let log = Arc::new(self.load_beside_a_writer(catalog, &state.meta, number)?);
            write(&self.logs).insert(log.uid(), Arc::clone(&log));
            write(&state.logs).push(log);
        }
        Ok(())
    }

    fn load_beside_a_writer(
        &self,
        catalog: &Catalog,
        meta: &Arc<TopicMeta>,
        number: u32,
    ) -> Result<Log> {
        let folder = catalog.partition_folder(&meta.name, number);
        let ends = published::load(&*self.context.storage, &folder)?;
        let ends = ends.map(|ends| (ends.log_start, ends.high_watermark));
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
