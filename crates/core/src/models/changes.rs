//! The threads of upkeep are woken for what is to be done, and end when they are told to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{done, explore, spawn};
use crate::bell::{Bell, Woken};
use crate::published::Changes;

/// Long enough that only a wake-up ends a wait.
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn ends_that_moved_are_all_written() {
    explore(|| {
        let changes = Arc::new(Changes::default());
        let movers = [1, 2].map(|uid| {
            let changes = Arc::clone(&changes);
            spawn(move || changes.add(uid))
        });
        let mut moved = Vec::new();
        while moved.len() < 2 {
            assert!(changes.wait(Instant::now() + LONG));
            moved.extend(changes.take());
        }
        movers.into_iter().for_each(done);
        moved.sort_unstable();
        assert_eq!(moved, [1, 2]);
    });
}

#[test]
fn a_pause_ends_with_the_store() {
    explore(|| {
        let changes = Arc::new(Changes::default());
        let others = [
            spawn({
                let changes = Arc::clone(&changes);
                move || changes.add(1)
            }),
            spawn({
                let changes = Arc::clone(&changes);
                move || changes.stop()
            }),
        ];
        while changes.wait(Instant::now() + LONG) && changes.pause(LONG) {
            changes.take();
        }
        others.into_iter().for_each(done);
    });
}

#[test]
fn a_bell_is_heard() {
    for (call, heard) in [
        (Bell::ring as fn(&Bell), Woken::Rung),
        (Bell::stop, Woken::Stopped),
    ] {
        explore(move || {
            let bell = Arc::new(Bell::default());
            let ringer = spawn({
                let bell = Arc::clone(&bell);
                move || call(&bell)
            });
            assert_eq!(bell.wait(Instant::now() + LONG), heard);
            done(ringer);
        });
    }
}
