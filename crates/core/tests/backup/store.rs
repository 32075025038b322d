//! The store that is copied, and what can be seen of it and of its copies.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::support::*;
use tidelog::format::builder::BatchBuilder;
use tidelog::io::Storage;
use tidelog::{
    CleanupPolicy, CompactionConfig, CompactionOptions, Compression, Durability, OpenOptions,
    Store, TimestampType, TopicConfig, verify_backup,
};

pub const ROOT: &str = "/data";
pub const COPY: &str = "/copy";

/// Nothing happens by the clock.
pub fn quiet(storage: &Arc<dyn Storage>) -> OpenOptions {
    let day = Duration::from_secs(86_400);
    OpenOptions {
        maintenance_interval: day,
        checkpoint_interval: day,
        compaction: CompactionOptions {
            interval: day,
            bytes_per_second: u64::MAX,
            ..CompactionOptions::default()
        },
        storage: Arc::clone(storage),
        ..OpenOptions::default()
    }
}

/// Topics of small segments.
pub fn small(partitions: u32, durability: Durability) -> TopicConfig {
    TopicConfig {
        partitions,
        durability: Some(durability),
        segment_bytes: 1024,
        index_interval_bytes: 256,
        ..TopicConfig::default()
    }
}

pub fn compacted() -> TopicConfig {
    TopicConfig {
        cleanup: CleanupPolicy::Compact,
        compaction: CompactionConfig {
            min_dirty_ratio: 1.0,
            ..CompactionConfig::default()
        },
        ..small(1, Durability::Fsync)
    }
}

pub fn keyed(key: u8, number: u64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    let value = value(number, 60);
    builder
        .append(EPOCH_MS, Some(&[key]), Some(&value), std::iter::empty())
        .unwrap();
    builder.finish().unwrap()
}

/// A store with something of everything.
pub fn filled(storage: &Arc<dyn Storage>, root: &Path) -> Store {
    let store = Store::open(root, quiet(storage)).unwrap();
    for (name, durability) in [
        ("buffered", Durability::Buffered),
        ("safe", Durability::Fsync),
    ] {
        let topic = store.create_topic(name, small(2, durability)).unwrap();
        fill(&store, name, 0, 20);
        topic.partition(1).unwrap().delete_records(12).unwrap();
    }
    store.create_topic("newest", compacted()).unwrap();
    let newest = store.open_topic("newest").unwrap().partition(0).unwrap();
    for number in 0..30 {
        newest.append(keyed((number % 3) as u8, number)).unwrap();
    }
    store.open_topic("newest").unwrap().compact().unwrap();
    store
        .create_topic("empty", small(3, Durability::Fsync))
        .unwrap();
    store
}

pub fn fill(store: &Store, name: &str, from: u64, to: u64) {
    let topic = store.open_topic(name).unwrap();
    for number in from..to {
        for partition in 0..2 {
            let values = [value(number, 100), value(number, 40)];
            topic
                .partition(partition)
                .unwrap()
                .append(batch(&values))
                .unwrap();
        }
    }
}

pub type Content = BTreeMap<(String, u32), (u64, u64, Vec<(u64, Vec<u8>)>)>;

/// All that can be read.
pub fn content_of(store: &Store) -> Content {
    let mut content = Content::new();
    for name in store.topics().unwrap() {
        let topic = store.open_topic(&name).unwrap();
        for number in 0..topic.partition_count() {
            let partition = topic.partition(number).unwrap();
            let ends = (partition.log_start_offset(), partition.high_watermark());
            let records = read_all(&partition).unwrap();
            content.insert((name.clone(), number), (ends.0, ends.1, records));
        }
    }
    content
}

pub fn all_holds(storage: &Arc<dyn Storage>, path: &Path) {
    let report = verify_backup(storage, path, no_progress).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

pub fn no_progress(_: u64, _: u64) -> bool {
    true
}

/// Opens a copy, which needs no recovery.
pub fn opened(storage: &Arc<dyn Storage>, path: &Path) -> Store {
    let store = Store::open(path, quiet(storage)).unwrap();
    assert!(store.recovery().clean, "{:?}", store.recovery());
    assert_eq!(store.recovery().bytes_checked, 0);
    assert!(store.recovery().damaged.is_empty());
    store
}

pub fn files_below(storage: &dyn Storage, path: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in storage.read_dir(path).unwrap() {
        match entry.is_dir {
            true => names.extend(
                files_below(storage, &path.join(&entry.name))
                    .into_iter()
                    .map(|name| format!("{}/{name}", entry.name)),
            ),
            false => names.push(entry.name),
        }
    }
    names
}
