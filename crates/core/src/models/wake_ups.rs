//! Nobody who waits for a partition to grow is forgotten, and nobody is woken twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Shop, append, done, explore, spawn};
use crate::config::Durability;
use crate::error::Error;
use crate::journal::JournalOptions;
use crate::partition::{Committed, Log, SyncPoint};

const HANDLE: u64 = 1;

/// How often somebody was woken, in order and because it is over.
#[derive(Default)]
struct Calls {
    grown: AtomicUsize,
    over: AtomicUsize,
}

impl Calls {
    fn count(&self) -> (usize, usize) {
        (
            self.grown.load(Ordering::Relaxed),
            self.over.load(Ordering::Relaxed),
        )
    }
}

fn wait(log: &Log, offset: u64, calls: &Arc<Calls>) -> crate::Result<u64> {
    let calls = Arc::clone(calls);
    let wake = move |outcome: crate::Result<()>| {
        let which = match outcome {
            Ok(()) => &calls.grown,
            Err(_) => &calls.over,
        };
        which.fetch_add(1, Ordering::Relaxed);
    };
    log.wait_for(HANDLE, offset, Box::new(wake))
}

fn log() -> (Shop, Arc<Log>) {
    let shop = Shop::new(JournalOptions::default());
    let log = shop.log(0, Durability::Buffered);
    (shop, log)
}

fn grow(log: &Log, offset: u64) {
    let end = SyncPoint {
        offset,
        ..SyncPoint::default()
    };
    log.commit(Committed {
        end,
        journaled: false,
    });
    log.wake();
}

#[test]
fn who_waits_while_the_end_moves_is_woken_once() {
    explore(|| {
        let (_shop, log) = log();
        let calls = Arc::new(Calls::default());
        let grower = spawn({
            let log = Arc::clone(&log);
            move || grow(&log, 1)
        });
        wait(&log, 0, &calls).unwrap();
        done(grower);
        assert_eq!(calls.count(), (1, 0));
        assert!(!log.has_waiters());
    });
}

#[test]
fn two_who_wait_for_different_ends_are_both_woken() {
    explore(|| {
        let (_shop, log) = log();
        let calls = [Arc::new(Calls::default()), Arc::new(Calls::default())];
        let grower = spawn({
            let log = Arc::clone(&log);
            move || {
                grow(&log, 1);
                grow(&log, 2);
            }
        });
        let other = spawn({
            let (log, calls) = (Arc::clone(&log), Arc::clone(&calls[1]));
            move || wait(&log, 1, &calls).unwrap()
        });
        wait(&log, 0, &calls[0]).unwrap();
        done(grower);
        done(other);
        assert_eq!([calls[0].count(), calls[1].count()], [(1, 0), (1, 0)]);
    });
}

#[test]
fn a_wait_that_was_given_up_is_not_answered() {
    explore(|| {
        let (_shop, log) = log();
        let calls = Arc::new(Calls::default());
        let id = wait(&log, 0, &calls).unwrap();
        let grower = spawn({
            let log = Arc::clone(&log);
            move || grow(&log, 1)
        });
        let cancelled = log.cancel_wait(id);
        done(grower);
        assert_eq!(calls.count(), (usize::from(!cancelled), 0));
    });
}

#[test]
fn who_waits_while_the_topic_goes_is_told() {
    explore(|| {
        let (_shop, log) = log();
        let calls = Arc::new(Calls::default());
        let deleter = spawn({
            let log = Arc::clone(&log);
            move || log.delete()
        });
        let entered = wait(&log, 0, &calls);
        done(deleter);
        match entered {
            Ok(_) => assert_eq!(calls.count(), (0, 1)),
            Err(error) => {
                assert!(matches!(error, Error::TopicDeleted { .. }), "{error}");
                assert_eq!(calls.count(), (0, 0));
            }
        }
    });
}

#[test]
fn who_waits_while_the_store_closes_is_told() {
    explore(|| {
        let (shop, log) = log();
        let calls = Arc::new(Calls::default());
        let closer = spawn({
            let log = Arc::clone(&log);
            move || {
                shop.context.health.close();
                log.fail_waiters(&Error::Closed);
            }
        });
        let entered = wait(&log, 0, &calls);
        done(closer);
        assert_eq!(calls.count(), (0, usize::from(entered.is_ok())));
    });
}

#[test]
fn an_append_wakes_who_waits_for_it() {
    explore(|| {
        let (_shop, log) = log();
        let calls = Arc::new(Calls::default());
        let writer = spawn({
            let log = Arc::clone(&log);
            move || append(&log, |appended| assert!(appended.is_ok()))
        });
        wait(&log, 0, &calls).unwrap();
        done(writer);
        assert_eq!(calls.count(), (1, 0));
    });
}
