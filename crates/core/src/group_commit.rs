//! One thread makes appends durable for all partitions: it takes whatever has gathered while the previous
//! round was syncing, syncs each partition that is in it once, raises their high watermarks and completes
//! the waiting sends, in order.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::partition::Log;
use crate::sync::lock;

/// Called once, on a thread of the core: it must not wait.
pub(crate) type Done = Box<dyn FnOnce(Result<()>) + Send>;

#[derive(Default)]
pub(crate) struct CommitQueue {
    group: Mutex<Group>,
    joined: Condvar,
}

#[derive(Default)]
struct Group {
    waiting: Vec<(Arc<Log>, Done)>,
    ended: bool,
}

impl CommitQueue {
    /// Joins the open group. Whatever the partition's log holds now is durable once `done` is told so.
    pub fn join(&self, log: Arc<Log>, done: Done) {
        let mut group = lock(&self.group);
        if group.ended {
            drop(group);
            done(Err(Error::Closed));
            return;
        }
        group.waiting.push((log, done));
        if group.waiting.len() == 1 {
            drop(group);
            self.joined.notify_one();
        }
    }

    /// Lets `run` end once the open group is done.
    pub fn end(&self) {
        lock(&self.group).ended = true;
        self.joined.notify_one();
    }

    /// The thread's work, until `end`.
    pub fn run(context: &Context) {
        while let Some(waiting) = context.commits.take() {
            let mut synced: HashMap<u64, Result<()>> = HashMap::new();
            for (log, _) in &waiting {
                synced.entry(log.uid()).or_insert_with(|| log.sync());
            }
            for (log, done) in waiting {
                done(
                    synced
                        .get(&log.uid())
                        .cloned()
                        .unwrap_or(Err(Error::Closed)),
                );
            }
        }
    }

    fn take(&self) -> Option<Vec<(Arc<Log>, Done)>> {
        let mut group = lock(&self.group);
        while group.waiting.is_empty() {
            if group.ended {
                return None;
            }
            group = self
                .joined
                .wait(group)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Some(std::mem::take(&mut group.waiting))
    }
}
