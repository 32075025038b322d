//! Bounds what compaction asks of the disk in a second, and lets it be stopped at any time.

use std::time::{Duration, Instant};

use crate::bell::Woken;
use crate::context::Context;
use crate::error::{Error, Result};

/// Shorter waits are put together.
const WORTH_WAITING: Duration = Duration::from_millis(2);

pub(super) struct Throttle<'a> {
    context: &'a Context,
    bytes_per_second: u64,
    /// When the bytes so far may have been read and written.
    free_at: Instant,
}

impl Throttle<'_> {
    pub fn new(context: &Context, bytes_per_second: u64) -> Throttle<'_> {
        Throttle {
            context,
            bytes_per_second,
            free_at: Instant::now(),
        }
    }

    /// Counts bytes that were read or written, and waits until that was right.
    ///
    /// # Errors
    /// [`Error::Closed`] when the store closes.
    pub fn count(&mut self, bytes: u64) -> Result<()> {
        let time = bytes as f64 / self.bytes_per_second as f64;
        let now = Instant::now();
        self.free_at = self.free_at.max(now) + Duration::from_secs_f64(time);
        if self.context.health.is_closed() {
            return Err(Error::Closed);
        }
        if self.free_at - now < WORTH_WAITING {
            return Ok(());
        }
        loop {
            match self.context.cleaning.wait(self.free_at) {
                Woken::Stopped => return Err(Error::Closed),
                Woken::TimeUp => return Ok(()),
                Woken::Rung => {}
            }
        }
    }
}
