//! A store opened read-only beside its writer: it finds records by time in what is being written, and learns what
//! becomes of a topic: partitions that are added, a configuration that changes, a log start that moves, a deletion, and
//! another topic of the same name.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use support::*;
use tidelog::{
    Compression, Durability, Error, OpenOptions, Partition, RecordBuffer, Store, TopicChange,
    TopicConfig,
};

fn writer(folder: &Path) -> Store {
    Store::open(folder, OpenOptions::default()).unwrap()
}

fn reader(folder: &Path) -> Store {
    let options = OpenOptions {
        read_only: true,
        create: false,
        ..OpenOptions::default()
    };
    Store::open(folder, options).unwrap()
}

fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn await_end(partition: &Partition, end: u64) {
    eventually("the reader follows", || {
        (partition.high_watermark() >= end).then_some(())
    });
}

/// The time of the record at an offset.
fn time(offset: u64) -> i64 {
    EPOCH_MS + offset as i64
}

fn append(partition: &Partition, numbers: std::ops::Range<u64>, len: usize) {
    for n in numbers {
        let bytes = batch_at(time(n), Compression::None, &[value(n, len)]);
        partition.append(bytes).unwrap();
    }
}

fn is_deleted<T>(answer: Result<T, Error>) -> bool {
    matches!(answer, Err(Error::TopicDeleted { .. }))
}

#[test]
fn records_are_found_by_time_in_the_segment_that_is_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = writer(folder.path());
    let config = TopicConfig {
        durability: Some(Durability::Buffered),
        index_interval_bytes: 256,
        segment_bytes: 1 << 20,
        ..TopicConfig::default()
    };
    let partition = store.create_topic("t", config).unwrap().partition(0);
    let partition = partition.unwrap();
    let beside = reader(folder.path());
    let read = beside.open_topic("t").unwrap().partition(0).unwrap();
    // Without any entry in a file, with entries that were written a page at a time, and in a segment that the reader knew
    // before the writer left it.
    let mut end = 0;
    for upto in [40, 700, 1300, 2600, 2650] {
        append(&partition, end..upto, 400);
        end = upto;
        await_end(&read, end);
        for wanted in [0, 1, end / 2, end - 300.min(end), end - 1] {
            assert_eq!(
                read.offset_for_time(time(wanted)).unwrap(),
                Some((wanted, time(wanted))),
                "of {end}"
            );
        }
        assert_eq!(read.offset_for_time(0).unwrap(), Some((0, time(0))));
        assert_eq!(read.offset_for_time(time(end)).unwrap(), None);
    }
    let files = std::fs::read_dir(folder.path().join("t-0")).unwrap();
    let logs = files.filter(|file| {
        let path = file.as_ref().unwrap().path();
        path.extension().is_some_and(|extension| extension == "log")
    });
    assert!(logs.count() > 1);
}

#[test]
fn a_deleted_topic_is_gone_for_a_reader_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = writer(folder.path());
    let topic = store.create_topic("t", TopicConfig::default()).unwrap();
    append(&topic.partition(0).unwrap(), 0..20, 50);
    let beside = reader(folder.path());
    let read = beside.open_topic("t").unwrap();
    let partition = read.partition(0).unwrap();
    await_end(&partition, 20);
    assert_eq!(read_all(&partition).unwrap().len(), 20);
    let (told, hears) = std::sync::mpsc::channel();
    let _waiter = partition.wait_for(20, move |answer| told.send(answer).unwrap());
    store.delete_topic("t").unwrap();
    let answer = hears.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(is_deleted(answer));
    assert!(is_deleted(read_all(&partition)));
    assert!(is_deleted(partition.offset_for_time(0)));
    assert!(is_deleted(read.describe()));
    assert!(is_deleted(
        read.get(&[(0, 3)], &mut RecordBuffer::default())
    ));
    assert!(matches!(
        beside.open_topic("t"),
        Err(Error::UnknownTopic { .. })
    ));
    assert!(beside.topics().unwrap().is_empty());
}

#[test]
fn a_topic_made_anew_is_another_one_for_a_reader_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = writer(folder.path());
    let config = TopicConfig {
        segment_bytes: 1024,
        ..TopicConfig::default()
    };
    let old = store.create_topic("t", config.clone()).unwrap();
    append(&old.partition(0).unwrap(), 0..20, 300);
    let beside = reader(folder.path());
    let read = beside.open_topic("t").unwrap();
    let partition = read.partition(0).unwrap();
    await_end(&partition, 20);
    // Most of its segments have not been opened yet.
    assert_eq!(partition.read(0, 1, &mut Vec::new()).unwrap().next, 1);
    store.delete_topic("t").unwrap();
    let new = store.create_topic("t", config).unwrap();
    append(&new.partition(0).unwrap(), 100..140, 300);
    let mut bytes = Vec::new();
    assert!(is_deleted(partition.read(10, 1 << 20, &mut bytes)));
    assert_eq!(bytes, []);
    let again = beside.open_topic("t").unwrap();
    assert_eq!(again.id(), new.id());
    let partition = again.partition(0).unwrap();
    await_end(&partition, 40);
    let values: Vec<_> = (100..140).map(|n| value(n, 300)).collect();
    let found = read_all(&partition).unwrap();
    assert_eq!(found.into_iter().map(|r| r.1).collect::<Vec<_>>(), values);
    assert!(is_deleted(read.describe()));
}

#[test]
fn a_reader_sees_partitions_and_configurations_that_come_later() {
    let folder = tempfile::tempdir().unwrap();
    let store = writer(folder.path());
    let topic = store.create_topic("t", TopicConfig::default()).unwrap();
    let beside = reader(folder.path());
    let read = beside.open_topic("t").unwrap();
    let change = TopicChange {
        partitions: Some(3),
        max_batch_bytes: Some(5000),
        ..TopicChange::default()
    };
    topic.alter(&change).unwrap();
    append(&topic.partition(2).unwrap(), 0..5, 50);
    // What is opened from then on has them at once.
    let again = beside.open_topic("t").unwrap();
    assert_eq!(again.partition_count(), 3);
    assert_eq!(again.config().max_batch_bytes, 5000);
    let partition = read.partition(2).unwrap();
    await_end(&partition, 5);
    assert_eq!(read_all(&partition).unwrap().len(), 5);
    assert_eq!(read.describe().unwrap().partitions.len(), 3);
    // So has a handle that is not opened again.
    let change = TopicChange {
        partitions: Some(4),
        ..TopicChange::default()
    };
    topic.alter(&change).unwrap();
    eventually("the fourth partition", || read.partition(3).ok());
}

#[test]
fn a_reader_is_told_where_the_log_begins_when_its_start_was_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = writer(folder.path());
    let config = TopicConfig {
        segment_bytes: 1024,
        ..TopicConfig::default()
    };
    let topic = store.create_topic("t", config).unwrap();
    let partition = topic.partition(0).unwrap();
    append(&partition, 0..10, 300);
    let beside = reader(folder.path());
    let read = beside.open_topic("t").unwrap().partition(0).unwrap();
    await_end(&read, 10);
    let mut end = 10;
    for _ in 0..50 {
        let start = read.log_start_offset();
        append(&partition, end..end + 10, 300);
        end += 10;
        let new_start = partition.delete_records(end - 5).unwrap();
        // At the start that was known, which may be gone by now.
        match read.read(start, 1 << 20, &mut Vec::new()) {
            Ok(_) => {}
            Err(Error::OffsetOutOfRange { log_start, .. }) => {
                assert!(
                    log_start > start,
                    "begins at {log_start}, asked for {start}"
                );
                assert!(log_start <= new_start);
            }
            Err(error) => panic!("{error}"),
        }
        eventually("the start moves", || {
            (read.log_start_offset() == new_start).then_some(())
        });
    }
}

/// Ends the readers, also when the test fails.
struct AtEnd<'a>(&'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Each value tells of which topic it is: none comes under another one's id.
#[test]
fn topics_that_come_and_go_are_never_mixed_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = writer(folder.path());
    let config = TopicConfig {
        segment_bytes: 1024,
        ..TopicConfig::default()
    };
    let done = AtomicBool::new(false);
    let folder = folder.path();
    std::thread::scope(|scope| {
        let _ended = AtEnd(&done);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let beside = reader(folder);
                    let (mut read, mut gone) = (0, 0);
                    while !done.load(Ordering::Relaxed) {
                        let topic = match beside.open_topic("t") {
                            Ok(topic) => topic,
                            Err(Error::UnknownTopic { .. }) => continue,
                            Err(error) => panic!("{error}"),
                        };
                        let partition = topic.partition(0).unwrap();
                        let mut offset = 0;
                        let mut bytes = Vec::new();
                        let mut stamp = None;
                        // Until it is deleted.
                        loop {
                            match partition.read(offset, 1000, &mut bytes) {
                                Ok(next) => offset = next.next,
                                Err(Error::TopicDeleted { .. }) => break gone += 1,
                                Err(error) => panic!("at {offset}: {error}"),
                            }
                            if bytes.is_empty() {
                                std::thread::sleep(Duration::from_millis(1));
                            }
                            if bytes.is_empty() && done.load(Ordering::Relaxed) {
                                break;
                            }
                            let mut rest = bytes.as_slice();
                            let mut scratch = Vec::new();
                            while !rest.is_empty() {
                                let batch = tidelog::format::batch::Batch::check(rest).unwrap();
                                for record in batch.records(&mut scratch).unwrap() {
                                    let of = record.unwrap().value.unwrap()[..8].to_vec();
                                    assert_eq!(*stamp.get_or_insert(of.clone()), of);
                                    read += 1;
                                }
                                rest = &rest[batch.bytes().len()..];
                            }
                        }
                    }
                    (read, gone)
                })
            })
            .collect();
        for generation in 0..60 {
            let topic = store.create_topic("t", config.clone()).unwrap();
            let partition = topic.partition(0).unwrap();
            for _ in 0..12 {
                partition.append(batch(&[value(generation, 300)])).unwrap();
            }
            if generation % 3 == 0 {
                std::thread::sleep(Duration::from_millis(15));
            }
            if generation < 59 {
                store.delete_topic("t").unwrap();
            }
        }
        // Each of them sees the last one.
        std::thread::sleep(Duration::from_millis(50));
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            let (read, gone) = reader.join().unwrap();
            assert!(read > 0 && gone > 0, "{read} {gone}");
        }
    });
}

#[test]
fn what_a_loss_of_power_left_of_the_ends_of_an_empty_partition_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = writer(folder.path());
    store.create_topic("t", TopicConfig::default()).unwrap();
    store.close().unwrap();
    let published = folder.path().join("t-0/published");
    std::fs::write(&published, [0; 13]).unwrap();
    writer(folder.path()).close().unwrap();
    assert_eq!(std::fs::metadata(&published).unwrap().len(), 28);
}
