//! Compacting a log in which each key was written several times, as fast as the disk and one thread allow: how long it takes,
//! and how much memory the process has meanwhile at most.

use std::time::Instant;

use tidelog::format::batch::{Batch, TimestampType};
use tidelog::format::builder::BatchBuilder;
use tidelog::{
    CleanupPolicy, CompactionOptions, Compression, Durability, OpenOptions, Partition, Store,
    TopicConfig,
};

use crate::Setup;
use crate::latencies::{Latencies, Row, size_name};

/// Bytes of a value: with its key, a record is of about 512.
const VALUE_BYTES: usize = 490;
const RECORD_BYTES: u64 = 512;
const BATCH_RECORDS: u64 = 200;

pub fn measure(setup: &Setup) {
    let (bytes, keys) = match (setup.quick, setup.small) {
        (true, _) => (8 << 20, 4_000),
        (false, true) => (256 << 20, 125_000),
        (false, false) => (2 << 30, 1_000_000),
    };
    for round in 0..setup.rounds {
        let folder = tempfile::tempdir_in(&setup.folder).expect("a temporary folder");
        let options = OpenOptions {
            durability: Durability::Buffered,
            compaction: CompactionOptions {
                bytes_per_second: u64::MAX,
                ..CompactionOptions::default()
            },
            ..OpenOptions::default()
        };
        let store = Store::open(folder.path(), options).expect("an open store");
        let config = TopicConfig {
            cleanup: CleanupPolicy::Compact,
            // What is being written is not compacted.
            segment_bytes: bytes / 32,
            compaction: tidelog::CompactionConfig {
                // Not before it is told to.
                min_dirty_ratio: 1.0,
                ..tidelog::CompactionConfig::default()
            },
            ..TopicConfig::default()
        };
        let topic = store.create_topic("bench", config).expect("a topic");
        let partition = topic.partition(0).expect("a partition");
        let records = fill(&partition, bytes, keys);
        store.sync().expect("a sync");
        let mut latencies = Latencies::default();
        begin_peak();
        let start = Instant::now();
        let report = topic.compact().expect("a compaction");
        let elapsed = start.elapsed();
        let peak = peak();
        assert!(report.records_removed > 0, "nothing was compacted");
        check(&partition, records, keys);
        latencies.add_together(elapsed, records as usize);
        latencies.report(
            round,
            &Row {
                contestant: "tidelog",
                mode: format!("{}, {keys} keys", size_name(bytes)),
                kind: "compaction".to_owned(),
                bytes: RECORD_BYTES,
                peak,
                ..Row::default()
            },
        );
        store.close().expect("an orderly close");
    }
}

/// The key of a record: all of them in turn, in an order that is another one each time.
fn key_of(number: u64, keys: u64) -> u64 {
    let (turn, place) = (number / keys, number % keys);
    // A prime that divides no number of keys used here.
    (place * 7_919 + turn * 104_729) % keys
}

fn fill(partition: &Partition, bytes: u64, keys: u64) -> u64 {
    let records = bytes / RECORD_BYTES;
    let mut value = vec![b'v'; VALUE_BYTES];
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    for number in 0..records {
        value[..8].copy_from_slice(&number.to_be_bytes());
        let key = key_of(number, keys).to_be_bytes();
        builder
            .append(1, Some(&key), Some(&value), std::iter::empty())
            .expect("a record");
        if builder.record_count() as u64 == BATCH_RECORDS || number + 1 == records {
            let batch = builder.finish().expect("a batch");
            let _ = partition.append(batch).expect("an append");
        }
    }
    records
}

/// The newest record of each key is there.
fn check(partition: &Partition, records: u64, keys: u64) {
    let mut newest = vec![None; keys as usize];
    let (mut offset, mut bytes, mut scratch) = (0, Vec::new(), Vec::new());
    while offset < partition.high_watermark() {
        offset = partition
            .read(offset, 1 << 20, &mut bytes)
            .expect("a read")
            .next;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let batch = Batch::check(rest).expect("a batch that holds");
            for record in batch.records(&mut scratch).expect("records") {
                let record = record.expect("a record");
                let number = |bytes: Option<&[u8]>| {
                    let first = bytes.and_then(|bytes| bytes.first_chunk());
                    u64::from_be_bytes(*first.expect("eight bytes"))
                };
                newest[number(record.key) as usize] = Some(number(record.value));
            }
            rest = &rest[batch.bytes().len()..];
        }
    }
    for number in records - keys..records {
        let key = key_of(number, keys);
        assert_eq!(newest[key as usize], Some(number), "key {key}");
    }
}

/// Forgets the most memory that the process had, where the system lets it.
fn begin_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory in bytes that the process had since, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes << 10)
}
