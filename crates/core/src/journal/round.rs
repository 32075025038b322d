//! One frame's way to the disk: written, synced together with what it only names, its partitions' ends moved all
//! at once, its sends answered. The first failure on the way poisons the store: whether the frame counts is decided
//! by the next opening, so its sends are told that their outcome is unknown.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidelog_format::journal::FrameBuilder;

use super::files::Spot;
use super::{Group, Member, Synced};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::knock_out::{self, Rule};
use crate::partition::Log;

/// How long a frame that is written waits for file handles, and how often it asks for them.
const WAIT_FOR_HANDLES: Duration = Duration::from_secs(10);
const HANDLES_PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Round {
    sequence: u64,
    /// None when nothing is to be written: somebody only waits for what went before.
    spot: Option<Spot>,
    gathered: Option<FrameBuilder>,
    frame: Vec<u8>,
    /// Records in it.
    records: u64,
    members: Vec<Member>,
    /// Partitions whose files are to be synced with the frame.
    sync: Vec<Arc<Log>>,
}

impl Round {
    pub(super) fn new(sequence: u64, spot: Option<Spot>, group: Group) -> Round {
        Round {
            sequence,
            spot,
            gathered: Some(group.frame),
            frame: Vec::new(),
            records: group.records,
            members: group.members,
            sync: group.sync,
        }
    }

    #[cfg(test)]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// All of it, in order, on the thread that took it. Whatever panics on the way, everyone is answered.
    pub fn run(mut self, context: &Context) {
        let worked = catch_unwind(AssertUnwindSafe(|| {
            self.write(context)?;
            self.sync(context)?;
            self.commit(context);
            Ok(())
        }))
        .unwrap_or_else(|_| Err(context.health.poison("a round of the journal panicked")));
        match worked {
            Ok(()) => self.end(context, &Ok(())),
            // Whatever it was, the frames behind this one must not count.
            Err(error) => self.fail(context, &context.health.poison(error)),
        }
    }

    /// Writes the frame.
    pub fn write(&mut self, context: &Context) -> Result<()> {
        context.health.check_disk()?;
        let (Some(spot), Some(frame)) = (&self.spot, self.gathered.take()) else {
            return Ok(());
        };
        self.frame = frame.finish(self.sequence, context.incarnation as u32);
        spot.write(context, &self.frame)
    }

    /// Makes the frame durable, and what it only names.
    pub fn sync(&mut self, context: &Context) -> Result<()> {
        let began = Instant::now();
        if !knock_out::is_out(Rule::SyncExtents) {
            for log in &self.sync {
                with_handles(context, || log.sync_files())?;
            }
        }
        context.health.check_disk()?;
        let Some(spot) = &self.spot else {
            return Ok(());
        };
        spot.sync()?;
        // A sync counts only if none had failed by its end.
        context.health.check_disk()?;
        context.metrics.synced(began, self.records);
        Ok(())
    }

    /// Moves the ends of its partitions.
    fn commit(&self, context: &Context) {
        if let Some(spot) = &self.spot {
            let synced = Synced {
                frame: self.sequence,
                file: spot.number,
                position: spot.position + self.frame.len() as u64,
            };
            context.journal.publish(synced, &self.members);
        }
    }

    /// Moves the ends of its partitions and answers its sends.
    #[cfg(test)]
    pub fn publish(self, context: &Context) {
        self.commit(context);
        self.end(context, &Ok(()));
    }

    /// Tells its sends that their outcome is unknown.
    pub fn fail(self, context: &Context, error: &Error) {
        self.end(context, &Err(error.clone()));
    }

    /// Answers its sends, in order. Only then may another thread begin the next round: it answers after this one.
    fn end(self, context: &Context, outcome: &Result<()>) {
        for Member { moved, done } in self.members {
            if let (Ok(()), Some((log, _))) = (outcome, &moved) {
                call(|| log.wake());
            }
            if let Some(done) = done {
                call(|| done(outcome.clone()));
            }
        }
        context.journal.round_ended(self.frame);
    }
}

/// What a frame names is written already and can't be taken back, so a lack of file handles is waited out for a while.
fn with_handles(context: &Context, mut work: impl FnMut() -> Result<()>) -> Result<()> {
    let began = Instant::now();
    loop {
        match work() {
            Err(Error::TooManyOpenFiles { .. })
                if began.elapsed() < WAIT_FOR_HANDLES && !context.health.is_closed() =>
            {
                std::thread::sleep(HANDLES_PAUSE);
            }
            done => return done,
        }
    }
}

/// A callback that panics must not take the others' answers with it.
fn call(callback: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(callback));
}
