//! The time by which members of groups are judged. It stands still while the whole process is stopped, by a signal or by a
//! machine that is suspended: no member could have been heard of meanwhile, and nobody else could have read.

use std::time::{Duration, Instant};

use crate::sync::{Mutex, lock};

/// How often the clock is looked at while groups have members.
pub(super) const TICK: Duration = Duration::from_millis(200);
/// A longer pause between two looks tells of a stop.
const STOP: Duration = Duration::from_millis(600);

pub(crate) struct Clock(Mutex<Reading>);

struct Reading {
    /// When it was looked at last.
    last: Instant,
    /// The time that it told then.
    told: Instant,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::at(Instant::now())
    }
}

impl Clock {
    fn at(begin: Instant) -> Clock {
        Clock(Mutex::new(Reading {
            last: begin,
            told: begin,
        }))
    }

    pub fn now(&self) -> Instant {
        self.read(Instant::now)
    }

    /// The time is asked for under the lock, so that what is told never goes back.
    fn read(&self, now: impl FnOnce() -> Instant) -> Instant {
        let mut reading = lock(&self.0);
        let now = now();
        let passed = now.saturating_duration_since(reading.last);
        if passed < STOP {
            reading.told += passed;
        }
        reading.last = now;
        reading.told
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn the_clock_stands_still_while_the_process_is_stopped() {
        let begin = Instant::now();
        let after = |ms| begin + Duration::from_millis(ms);
        let clock = Clock::at(begin);
        assert_eq!(clock.read(|| after(200)), after(200));
        assert_eq!(clock.read(|| after(700)), after(700));
        // Stopped for a minute.
        assert_eq!(clock.read(|| after(60_700)), after(700));
        assert_eq!(clock.read(|| after(60_800)), after(800));
        assert_eq!(clock.read(|| after(60_800)), after(800));
    }
}
