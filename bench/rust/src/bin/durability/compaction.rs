//! Compacting a log in which each key was written several times, as fast as the disk and one thread allow: how long it takes,
//! and how much memory of its own the process has meanwhile at most.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use tidelog::format::batch::{Batch, TimestampType};
use tidelog::format::builder::BatchBuilder;
use tidelog::{
    CleanupPolicy, CompactionOptions, CompactionReport, Compression, Durability, OpenOptions,
    Partition, Store, TopicConfig,
};

use crate::Setup;
use crate::latencies::{Latencies, Row, size_name};

/// Bytes of a value: with its key, a record is of about 512.
const VALUE_BYTES: usize = 490;
const RECORD_BYTES: u64 = 512;
const BATCH_RECORDS: u64 = 200;

pub fn measure(setup: &Setup) {
    let (bytes, keys, keys_name) = match (setup.quick, setup.small) {
        (true, _) => (8 << 20, 4_000, "4,000"),
        (false, true) => (256 << 20, 125_000, "125,000"),
        (false, false) => (2 << 30, 1_000_000, "1,000,000"),
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
        let (report, elapsed, peak) = watched(|| {
            let start = Instant::now();
            let report = topic.compact().expect("a compaction");
            (report, start.elapsed())
        });
        assert!(report.records_removed > 0, "nothing was compacted");
        check(&partition, records, keys);
        latencies.add_together(elapsed, records as usize);
        latencies.report(
            round,
            &Row {
                contestant: "tidelog",
                mode: format!("{}, {keys_name} keys", size_name(bytes)),
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
    let mut written = vec![None; keys as usize];
    for number in 0..records {
        written[key_of(number, keys) as usize] = Some(number);
    }
    assert!(newest == written, "a key has lost its newest record");
}

/// Does some work, and gives the most memory in bytes that the process had meanwhile beside its maps of files, which the
/// system takes back when it likes; none where the system does not tell.
fn watched(
    work: impl FnOnce() -> (CompactionReport, Duration),
) -> (CompactionReport, Duration, Option<u64>) {
    std::thread::scope(|scope| {
        let (working, ended) = std::sync::mpsc::channel::<()>();
        let most = scope.spawn(move || {
            let mut most = memory();
            while ended.recv_timeout(Duration::from_millis(5)) == Err(RecvTimeoutError::Timeout) {
                most = most.max(memory());
            }
            most
        });
        let (report, elapsed) = work();
        drop(working);
        (report, elapsed, most.join().expect("a watcher"))
    })
}

fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes << 10)
}
