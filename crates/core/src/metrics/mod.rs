//! What a store has done since it was opened, in figures. They are counted where it happens, once a batch, a read or a
//! sync, and put together when somebody asks. Counters order nothing, so they are not those of [`crate::sync`]: the models
//! of the engine's threads would try orders that make no difference.

mod histogram;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::topic::PartitionDescription;

pub use histogram::Percentiles;
use histogram::Recent;

/// What [`crate::Store::metrics`] tells. Counters count from the opening of the store in this process, and only rise.
#[derive(Debug, Clone)]
pub struct StoreMetrics {
    /// Since the opening.
    pub uptime: Duration,
    /// What was appended to topics of the user's.
    pub appended: Traffic,
    /// What was read of them.
    pub read: Traffic,
    /// The journal's syncs.
    pub syncs: SyncMetrics,
    /// The journal's files.
    pub journal: JournalMetrics,
    /// Checkpoints that were written.
    pub checkpoints: u64,
    /// Transactions.
    pub transactions: TransactionMetrics,
    /// The topics with their partitions, by name.
    pub topics: Vec<TopicMetrics>,
}

/// Records, and the bytes of record batches that hold them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Number of records.
    pub records: u64,
    /// Bytes as they are stored; of point reads those of the records.
    pub bytes: u64,
}

/// What the journal has made durable. Each sync is one frame, with all that had gathered for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SyncMetrics {
    /// Syncs that succeeded.
    pub count: u64,
    /// Records that they made durable, those of the store's own topics included.
    pub records: u64,
    /// The time that they took, summed up.
    pub time: Duration,
    /// How long one takes, in microseconds; those of the last minute or two.
    pub micros: Percentiles,
    /// How many records one makes durable; those of the last minute or two.
    pub group: Percentiles,
}

/// Room in the journal, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JournalMetrics {
    /// What its files have on disk.
    pub bytes: u64,
    /// What they may have at most.
    pub capacity: u64,
    /// Room for frames before a checkpoint must have freed some.
    pub room: u64,
    /// Appends that wait for room now.
    pub waiting: u64,
}

/// Transactions by how they ended. One whose outcome the store could not tell, since it failed, is in none of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransactionMetrics {
    /// Begun and not ended yet.
    pub open: u64,
    /// Committed durably.
    pub committed: u64,
    /// Aborted, by hand or by their time limit, or left behind.
    pub aborted: u64,
}

/// A topic's partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicMetrics {
    /// The topic's name.
    pub name: String,
    /// Its partitions in order.
    pub partitions: Vec<PartitionDescription>,
}

/// The counters of one open store.
pub(crate) struct Counters {
    opened: Instant,
    pub appended: TrafficCounter,
    pub read: TrafficCounter,
    pub checkpoints: Counter,
    pub begun: Counter,
    pub committed: Counter,
    pub aborted: Counter,
    /// Transactions of which nobody knows.
    pub unknown: Counter,
    /// Appends that wait for room in the journal.
    waiting: AtomicU64,
    syncs: Mutex<Syncs>,
}

#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
pub(crate) struct TrafficCounter {
    records: Counter,
    bytes: Counter,
}

impl TrafficCounter {
    pub fn add(&self, records: u64, bytes: u64) {
        self.records.add(records);
        self.bytes.add(bytes);
    }

    fn get(&self) -> Traffic {
        Traffic {
            records: self.records.get(),
            bytes: self.bytes.get(),
        }
    }
}

struct Syncs {
    count: u64,
    records: u64,
    time: Duration,
    micros: Recent,
    group: Recent,
}

impl Default for Counters {
    fn default() -> Counters {
        let opened = Instant::now();
        Counters {
            opened,
            appended: TrafficCounter::default(),
            read: TrafficCounter::default(),
            checkpoints: Counter::default(),
            begun: Counter::default(),
            committed: Counter::default(),
            aborted: Counter::default(),
            unknown: Counter::default(),
            waiting: AtomicU64::new(0),
            syncs: Mutex::new(Syncs {
                count: 0,
                records: 0,
                time: Duration::ZERO,
                micros: Recent::new(opened),
                group: Recent::new(opened),
            }),
        }
    }
}

impl Counters {
    /// Counts a sync that began then and has made so many records durable.
    pub fn synced(&self, began: Instant, records: u64) {
        let now = Instant::now();
        let took = now.saturating_duration_since(began);
        let mut syncs = self.syncs.lock().unwrap_or_else(PoisonError::into_inner);
        syncs.count += 1;
        syncs.records += records;
        syncs.time += took;
        syncs.micros.note(now, took.as_micros() as u64);
        syncs.group.note(now, records);
    }

    /// Counts somebody among those who wait for room while `wait` lasts.
    pub fn while_waiting<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let waited = wait();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        waited
    }

    fn syncs(&self) -> SyncMetrics {
        let now = Instant::now();
        let mut syncs = self.syncs.lock().unwrap_or_else(PoisonError::into_inner);
        SyncMetrics {
            count: syncs.count,
            records: syncs.records,
            time: syncs.time,
            micros: syncs.micros.percentiles(now),
            group: syncs.group.percentiles(now),
        }
    }

    fn transactions(&self) -> TransactionMetrics {
        let (committed, aborted) = (self.committed.get(), self.aborted.get());
        let ended = committed + aborted + self.unknown.get();
        TransactionMetrics {
            // Those that began meanwhile are counted too late rather than not at all.
            open: self.begun.get().saturating_sub(ended),
            committed,
            aborted,
        }
    }
}

impl Engine {
    /// All figures. May wait for somebody who writes to the journal.
    pub fn metrics(&self) -> StoreMetrics {
        let counters = &self.context.metrics;
        let (bytes, capacity, room) = self.context.journal.space();
        StoreMetrics {
            uptime: counters.opened.elapsed(),
            appended: counters.appended.get(),
            read: counters.read.get(),
            syncs: counters.syncs(),
            journal: JournalMetrics {
                bytes,
                capacity,
                room,
                waiting: counters.waiting.load(Ordering::Relaxed),
            },
            checkpoints: counters.checkpoints.get(),
            transactions: counters.transactions(),
            topics: self
                .open_topics()
                .iter()
                .map(|topic| TopicMetrics {
                    name: topic.meta.name.clone(),
                    partitions: topic.describe(),
                })
                .collect(),
        }
    }
}
