//! Whoever waits for a partition to grow: called once when the high watermark has passed their offset, or
//! when the store closes or the topic goes. No wake-up is lost: a waiter is entered first and the watermark
//! read afterwards, while whoever raises the watermark does so first and looks for waiters afterwards.

use std::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::sync::atomic::{AtomicU64, AtomicUsize, fence};
use crate::sync::{Mutex, lock};

pub(crate) type Wake = Box<dyn FnOnce(Result<()>) + Send>;

#[derive(Default)]
pub(crate) struct Waiters {
    count: AtomicUsize,
    next_id: AtomicU64,
    list: Mutex<Vec<Entry>>,
}

struct Entry {
    id: u64,
    /// The store handle it was registered through.
    handle: u64,
    offset: u64,
    wake: Wake,
}

impl Waiters {
    /// Enters a waiter. The caller then calls `wake_up_to` with the high watermark, for the case that it
    /// had passed already.
    pub fn enter(&self, handle: u64, offset: u64, wake: Wake) -> u64 {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut list = lock(&self.list);
        list.push(Entry {
            id,
            handle,
            offset,
            wake,
        });
        self.count.store(list.len(), Ordering::Relaxed);
        drop(list);
        fence(Ordering::SeqCst);
        id
    }

    /// Wakes those who wait for an offset below the high watermark, which the caller has stored.
    pub fn wake_up_to(&self, high_watermark: u64) {
        fence(Ordering::SeqCst);
        if self.count.load(Ordering::Relaxed) > 0 {
            self.take(|entry| entry.offset < high_watermark, || Ok(()));
        }
    }

    /// Forgets a waiter without calling it; false if it was called or is being called.
    pub fn cancel(&self, id: u64) -> bool {
        let mut list = lock(&self.list);
        let before = list.len();
        list.retain(|entry| entry.id != id);
        self.count.store(list.len(), Ordering::Relaxed);
        list.len() < before
    }

    /// Tells all that registered through this store handle that it is closed.
    pub fn close(&self, handle: u64) {
        self.take(|entry| entry.handle == handle, || Err(Error::Closed));
    }

    /// Ends all waiting with an error.
    pub fn fail(&self, error: &Error) {
        self.take(|_| true, || Err(error.clone()));
    }

    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    fn take(&self, which: impl Fn(&Entry) -> bool, answer: impl Fn() -> Result<()>) {
        let woken: Vec<Entry> = {
            let mut list = lock(&self.list);
            let (woken, rest) = list.drain(..).partition(which);
            *list = rest;
            self.count.store(list.len(), Ordering::Relaxed);
            woken
        };
        for entry in woken {
            (entry.wake)(answer());
        }
    }
}
