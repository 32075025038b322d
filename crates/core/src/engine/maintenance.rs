//! The store's upkeep: one thread tells readers in other processes how far they may read, and applies retention;
//! another makes checkpoints.

use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Engine, Retained};
use crate::bell::{Bell, Woken};
use crate::context::Context;
use crate::error::Result;
use crate::partition::now_ms;
use crate::sync::lock;

/// How long moved ends gather before they are written out.
const PUBLISH_DELAY: Duration = Duration::from_millis(5);
/// How long a store without members is left alone.
const NO_MEMBERS: Duration = Duration::from_secs(3600);

/// How often upkeep is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Intervals {
    pub maintenance: Duration,
    pub checkpoint: Duration,
}

pub(super) fn maintain(engine: &Weak<Engine>, context: &Context, intervals: Intervals) {
    if let Some(engine) = engine.upgrade() {
        engine.finish_deletions();
    }
    let mut retention_due = Instant::now() + intervals.maintenance;
    while context.changes.wait(retention_due) && context.changes.pause(PUBLISH_DELAY) {
        let Some(engine) = engine.upgrade() else {
            return;
        };
        // A failure here is either latched, and told to whoever sends next, or passes with its cause.
        let _ = engine.publish_ends();
        if Instant::now() >= retention_due {
            let _ = engine.apply_retention();
            retention_due = Instant::now() + intervals.maintenance;
        }
    }
}

/// Makes a checkpoint when one is asked for, and when its time has come and something was appended.
pub(super) fn checkpoint(engine: &Weak<Engine>, context: &Context, intervals: Intervals) {
    let mut noted = 0;
    loop {
        let woken = context
            .checkpoints
            .wait(Instant::now() + intervals.checkpoint);
        let Some(engine) = engine.upgrade().filter(|_| woken != Woken::Stopped) else {
            return;
        };
        let appended = context.appended.load(Ordering::Relaxed);
        // A failure is latched, or told to whoever depends on it, or the next one does what this one could not.
        if (woken == Woken::Rung || appended > noted) && engine.checkpoint(false).is_ok() {
            noted = appended;
        }
        engine.save_producers();
        engine.coordinator.maintain();
    }
}

/// Expels members of groups that are not heard of.
pub(super) fn watch_members(engine: &Weak<Engine>, deadlines: &Bell) {
    loop {
        let Some(pause) = engine
            .upgrade()
            .map(|engine| engine.coordinator.groups.expire(&engine))
        else {
            return;
        };
        if deadlines.wait(Instant::now() + pause.unwrap_or(NO_MEMBERS)) == Woken::Stopped {
            return;
        }
    }
}

/// The state of producers is written out when so many bytes of theirs have come to a partition.
const SAVE_PRODUCERS_BYTES: u64 = 64 << 20;

impl Engine {
    /// Writes out what is known of producers where much has come. A failure passes: it is made again from the log.
    fn save_producers(&self) {
        for log in self.all_logs() {
            let _ = log.save_producers(SAVE_PRODUCERS_BYTES, || log.sync());
        }
    }

    /// Deletes segments that their topics no longer keep: all log starts move first, one checkpoint makes
    /// them durable, then files go.
    pub(crate) fn apply_retention(&self) -> Result<()> {
        let now = now_ms();
        let mut moved = false;
        for log in self.all_logs() {
            // One damaged partition must not keep the others from being trimmed.
            if let Ok(Some(start)) = log.retention_start(now) {
                moved |= log.raise_start(start).is_ok();
            }
        }
        if moved {
            self.checkpoint(false)?;
            // Readers in other processes learn where the log begins now before its files go. A full disk must not keep
            // them.
            let _ = self.publish_ends();
        }
        self.finish_deletions();
        Ok(())
    }

    /// Unlinks the files whose records were deleted, also those that a crash or a failure came before.
    fn finish_deletions(&self) {
        if self.removals_left.swap(false, Ordering::AcqRel)
            && lock(&self.catalog).finish_removals().is_err()
        {
            self.removals_left.store(true, Ordering::Release);
        }
        let logs = self.all_logs().into_iter();
        for log in logs.filter(|log| log.has_segments_to_unlink()) {
            // A failure passes: what it leaves is unlinked the next time, or when the store is opened.
            if let Ok(unlinked) = log.unlink_below_start()
                && unlinked.segments > 0
                && !log.topic().is_internal()
            {
                self.listeners.tell(&Retained {
                    topic: log.topic().name.clone(),
                    partition: log.number(),
                    log_start_offset: log.log_start(),
                    segments: unlinked.segments,
                    bytes: unlinked.bytes,
                });
            }
        }
    }
}
