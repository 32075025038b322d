//! Bounds how many segments keep their files open. A segment that is used again is opened again; the least recently used
//! are synced, if they need it, and closed: when there are more than the bound, and when the system has no handle left.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::Segment;
use crate::context::Context;
use crate::sync::atomic::AtomicU64;
use crate::sync::{Mutex, lock};

pub(crate) struct OpenSegments {
    limit: usize,
    clock: AtomicU64,
    open: Mutex<Vec<Weak<Segment>>>,
}

impl OpenSegments {
    pub fn new(limit: usize) -> OpenSegments {
        OpenSegments {
            limit,
            clock: AtomicU64::new(1),
            open: Mutex::new(Vec::new()),
        }
    }

    /// The time of use by which the least recently used is told.
    pub fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes a segment that was just opened, and closes others when there are too many.
    pub fn opened(&self, context: &Context, segment: &Arc<Segment>) {
        let victims = {
            let mut open = lock(&self.open);
            open.push(Arc::downgrade(segment));
            if open.len() <= self.limit {
                return;
            }
            open.retain(|weak| weak.upgrade().is_some_and(|s| s.is_open()));
            if open.len() <= self.limit {
                return;
            }
            let mut live: Vec<Arc<Segment>> = open.iter().filter_map(Weak::upgrade).collect();
            // Others use segments meanwhile: each is asked once.
            live.sort_by_cached_key(|s| s.last_used());
            // A quarter at once: one pass over the list serves many opens.
            live.truncate((self.limit / 4).max(1));
            live
        };
        for victim in victims {
            if !Arc::ptr_eq(&victim, segment) {
                victim.close_if_idle(context);
            }
        }
        self.forget_closed();
    }

    /// Closes some segments because there is no file handle left, those first that need no sync. False if there are none
    /// that could be closed. The caller may hold any locks, except of this list.
    pub fn let_go(&self, context: &Context) -> bool {
        let mut live: Vec<Arc<Segment>> =
            lock(&self.open).iter().filter_map(Weak::upgrade).collect();
        live.sort_by_cached_key(|segment| segment.last_used());
        let most = (live.len() / 4).max(1);
        let mut closed = 0;
        for synced in [false, true] {
            let victims = live.iter();
            closed = victims
                .filter(|segment| segment.let_go(context, synced))
                .take(most)
                .count();
            if closed > 0 {
                break;
            }
        }
        self.forget_closed();
        closed > 0
    }

    fn forget_closed(&self) {
        lock(&self.open).retain(|weak| weak.upgrade().is_some_and(|s| s.is_open()));
    }
}
