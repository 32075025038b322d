//! Opening a large store that was closed in order: it should cost what opening an empty one does. The large one is made
//! once, buffered, and opened and closed again and again, in turns with the empty one.

use std::path::Path;

use tempfile::TempDir;
use tidelog::{Durability, OpenOptions, Store, TopicConfig};
use tidelog_bench::LARGE;

use crate::Setup;
use crate::latencies::{Latencies, Row, left_out, size_name};
use crate::page_cache::PageCache;

const TOPIC: &str = "bench";
/// What a store needs beside its records, and what a disk should have left.
const SPARE_BYTES: u64 = 2 << 30;

pub fn measure(setup: &Setup) {
    let bytes = match (setup.quick, setup.small) {
        (true, _) => 8 << 20,
        (false, true) => 1 << 30,
        (false, false) => 10 << 30,
    };
    let free = free_bytes(&setup.folder);
    if free < bytes + SPARE_BYTES {
        left_out(&format!(
            "opening a store of {}, the disk has only {} left",
            size_name(bytes),
            size_name(free)
        ));
        return;
    }
    let mut stores = [
        closed_store(&setup.folder, bytes),
        closed_store(&setup.folder, 0),
    ];
    let states = PageCache::states(setup);
    for round in 0..setup.rounds {
        for state in &states {
            let mut entered: Vec<_> = stores
                .iter_mut()
                .map(|store| (store, Latencies::default()))
                .collect();
            for turn in 0..setup.count(10, 2) {
                let first = (round + turn) % entered.len();
                let (last, start) = entered.split_at_mut(first);
                for (store, latencies) in start.iter_mut().chain(last) {
                    state.prepare();
                    store.open(latencies);
                }
            }
            for (store, latencies) in entered {
                let row = Row {
                    contestant: "tidelog",
                    mode: format!("a store of {}, {}", store.size, state.name()),
                    kind: state.name().to_owned(),
                    checked: Some(store.checked),
                    ..Row::default()
                };
                latencies.report(round, &row);
            }
        }
    }
}

struct Closed {
    folder: TempDir,
    size: String,
    records: u64,
    /// Bytes that the openings had to check.
    checked: u64,
}

impl Closed {
    fn open(&mut self, latencies: &mut Latencies) {
        let store = latencies.time(|| open(self.folder.path()));
        assert!(store.recovery().clean, "the store was not closed in order");
        let topic = store.open_topic(TOPIC).expect("the topic");
        let end = topic.partition(0).expect("a partition").high_watermark();
        assert_eq!(end, self.records, "records of the store of {}", self.size);
        self.checked = self.checked.max(store.recovery().bytes_checked);
        store.close().expect("an orderly close");
    }
}

/// A store that holds at least so many bytes of batches.
fn closed_store(parent: &Path, bytes: u64) -> Closed {
    let folder = tempfile::tempdir_in(parent).expect("a temporary folder");
    let store = open(folder.path());
    let topic = store
        .create_topic(TOPIC, TopicConfig::default())
        .expect("a topic");
    let partition = topic.partition(0).expect("a partition");
    let batches: Vec<Vec<u8>> = (0..17).map(|number| LARGE.encoded(number)).collect();
    let mut written = 0;
    for batch in batches.iter().cycle() {
        if written >= bytes {
            break;
        }
        let _ = partition.append(batch.clone()).expect("an append");
        written += batch.len() as u64;
    }
    let records = partition.high_watermark();
    store.close().expect("an orderly close");
    Closed {
        folder,
        size: size_name(bytes),
        records,
        checked: 0,
    }
}

fn open(folder: &Path) -> Store {
    let options = OpenOptions {
        durability: Durability::Buffered,
        ..OpenOptions::default()
    };
    Store::open(folder, options).expect("an open store")
}

fn free_bytes(folder: &Path) -> u64 {
    let disk = rustix::fs::statvfs(folder).expect("the state of the disk");
    disk.f_bavail * disk.f_frsize
}
