//! What the store keeps in topics of its own, as Kafka's coordinators do: who holds which name or transactional id, and
//! how far groups have come. Both are tables in memory over a log of their latest records, read when first needed.
//!
//! Locks are taken in this order: names, offsets, partitions by `uid`, the journal's open frame. The journal's thread
//! takes neither of the first two: whoever holds them may wait for it. That of a group is taken beside any of them, and
//! never held while waiting.

mod internal_log;
pub(crate) mod names;
pub(crate) mod offsets;

use std::sync::{Arc, Weak};

use names::Names;
use offsets::{DurableOffsets, Offsets};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::group::Groups;
use crate::sync::{Mutex, lock};
use crate::transaction::Shared;

#[derive(Default)]
pub(crate) struct Coordinator {
    names: Mutex<Option<Names>>,
    offsets: Mutex<Option<Offsets>>,
    durable: Arc<DurableOffsets>,
    /// Producers that may have a transaction open.
    producers: Mutex<Vec<Weak<Shared>>>,
    pub groups: Groups,
}

impl Coordinator {
    /// Calls `work` with the names, while nobody else uses them. Blocks for the disk.
    pub fn with_names<T>(
        &self,
        engine: &Engine,
        work: impl FnOnce(&mut Names) -> Result<T>,
    ) -> Result<T> {
        let mut names = lock(&self.names);
        if names.is_none() {
            *names = Some(Names::load(engine)?);
        }
        work(names.as_mut().ok_or(Error::Closed)?)
    }

    /// Calls `work` with the committed offsets, while nobody else commits. Blocks for the disk.
    pub fn with_offsets<T>(
        &self,
        engine: &Engine,
        work: impl FnOnce(&mut Offsets) -> Result<T>,
    ) -> Result<T> {
        let mut offsets = lock(&self.offsets);
        if offsets.is_none() {
            *offsets = Some(Offsets::load(engine, &self.durable)?);
        }
        work(offsets.as_mut().ok_or(Error::Closed)?)
    }

    /// The offsets that are committed for good.
    pub fn durable(&self) -> &DurableOffsets {
        &self.durable
    }

    pub fn enter(&self, producer: &Arc<Shared>) {
        let mut producers = lock(&self.producers);
        producers.retain(|producer| producer.strong_count() > 0);
        producers.push(Arc::downgrade(producer));
    }

    /// Aborts what was open for too long.
    pub fn maintain(&self) {
        let producers: Vec<_> = lock(&self.producers)
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        producers.iter().for_each(|producer| producer.expire());
    }

    /// Lets go of what was committed of topics that are gone, so that compaction can. Waits for room in the journal: not for
    /// the thread that makes checkpoints.
    pub fn forget_gone(&self, engine: &Engine) -> Result<()> {
        match &mut *lock(&self.offsets) {
            Some(offsets) => offsets.forget_gone(engine),
            None => Ok(()),
        }
    }
}

/// Checks the name of a producer, a group or a transactional id.
pub(crate) fn check_name(argument: &'static str, name: &str) -> Result<()> {
    /// Most bytes of a name.
    const NAME_MAX: usize = 1024;
    let reason = if name.is_empty() {
        "is empty; give a name".to_owned()
    } else if name.len() > NAME_MAX {
        format!("has {} bytes; at most {NAME_MAX} are allowed", name.len())
    } else if name.chars().any(char::is_control) {
        format!("{name:?} holds a control character")
    } else {
        return Ok(());
    };
    Err(Error::InvalidArgument { argument, reason })
}
