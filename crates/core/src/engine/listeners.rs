//! Who is told what the engine does by itself: callbacks of store handles, each gone with its handle.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::sync::{Mutex, lock};

/// Records of one partition that retention has deleted; their disk space is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retained {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: u32,
    /// The first offset that is still held.
    pub log_start_offset: u64,
    /// Segment files that are gone.
    pub segments: usize,
    /// Bytes of record batches that were in them.
    pub bytes: u64,
}

type Told = Box<dyn Fn(&Retained) + Send + Sync>;

#[derive(Default)]
pub(crate) struct Listeners(Mutex<Vec<(u64, Told)>>);

impl Listeners {
    pub fn add(&self, handle: u64, told: Told) {
        lock(&self.0).push((handle, told));
    }

    /// Forgets a handle's.
    pub fn remove(&self, handle: u64) {
        lock(&self.0).retain(|(owner, _)| *owner != handle);
    }

    /// Tells everybody. One that panics must not end the store's upkeep.
    pub fn tell(&self, retained: &Retained) {
        for (_, told) in lock(&self.0).iter() {
            let _ = catch_unwind(AssertUnwindSafe(|| told(retained)));
        }
    }
}
