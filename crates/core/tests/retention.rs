//! Letting go of records: by age, by size and by request; what is gone is free on disk, also while somebody
//! reads behind it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use support::*;
use tidelog::{Compression, Error, OpenOptions, Store, TopicChange, TopicConfig};

fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis() as i64
}

fn small_segments() -> TopicConfig {
    TopicConfig {
        segment_bytes: 2000,
        ..TopicConfig::default()
    }
}

fn logs(folder: &std::path::Path) -> usize {
    std::fs::read_dir(folder)
        .unwrap()
        .filter(|e| {
            e.as_ref()
                .unwrap()
                .path()
                .extension()
                .is_some_and(|x| x == "log")
        })
        .count()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{what} did not happen"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn delete_records_moves_the_start_durably_and_frees_segments() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), OpenOptions::default()).unwrap();
    let partition = store
        .create_topic("t", small_segments())
        .unwrap()
        .partition(0)
        .unwrap();
    for n in 0..40 {
        partition.append(batch(&[value(n, 400)])).unwrap();
    }
    let before = logs(&folder.path().join("t-0"));
    assert!(before >= 9, "{before}");
    assert_eq!(partition.delete_records(17).unwrap(), 17);
    assert!(logs(&folder.path().join("t-0")) < before);
    assert_eq!(partition.log_start_offset(), 17);
    assert!(matches!(
        read_from(&partition, 16),
        Err(Error::OffsetOutOfRange { log_start: 17, .. })
    ));
    assert_eq!(read_all(&partition).unwrap().len(), 23);
    assert_eq!(
        partition.delete_records(5).unwrap(),
        17,
        "the start never moves back"
    );
    assert!(matches!(
        partition.delete_records(41),
        Err(Error::OffsetOutOfRange { .. })
    ));

    assert_eq!(partition.delete_records(40).unwrap(), 40);
    assert_eq!(
        logs(&folder.path().join("t-0")),
        0,
        "nothing is left of an emptied log"
    );
    assert_eq!(read_all(&partition).unwrap(), []);
    store.close().unwrap();

    let store = Store::open(folder.path(), OpenOptions::default()).unwrap();
    let partition = store.open_topic("t").unwrap().partition(0).unwrap();
    assert_eq!(
        (partition.log_start_offset(), partition.high_watermark()),
        (40, 40)
    );
    assert_eq!(
        partition
            .append(batch(&[value(40, 10)]))
            .unwrap()
            .base_offset,
        40
    );
    assert_eq!(read_all(&partition).unwrap(), [(40, value(40, 10))]);
    store.close().unwrap();
}

#[test]
fn retention_by_size_keeps_the_newest_segments_and_by_age_also_leaves_the_active_one() {
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions {
        maintenance_interval: Duration::from_millis(20),
        ..OpenOptions::default()
    };
    let store = Store::open(folder.path(), options).unwrap();
    let config = TopicConfig {
        retention_bytes: Some(5000),
        ..small_segments()
    };
    let topic = store.create_topic("t", config).unwrap();
    let partition = topic.partition(0).unwrap();
    for n in 0..40 {
        partition
            .append(batch_at(now(), Compression::None, &[value(n, 400)]))
            .unwrap();
    }
    eventually("retention by size", || {
        topic.describe().unwrap().partitions[0].bytes <= 7000
    });
    let left = topic.describe().unwrap().partitions[0].bytes;
    assert!(
        left >= 5000,
        "{left}: a segment goes only if all of it is in excess"
    );
    assert!(partition.log_start_offset() > 0);
    assert_eq!(partition.high_watermark(), 40);

    // The same records become too old.
    let change = TopicChange {
        retention_ms: Some(Some(1)),
        ..TopicChange::default()
    };
    topic.alter(&change).unwrap();
    eventually("retention by age", || partition.log_start_offset() == 40);
    eventually("unlinking", || logs(&folder.path().join("t-0")) == 0);
    assert_eq!(
        partition
            .append(batch_at(
                now() + 60_000,
                Compression::None,
                &[value(40, 10)]
            ))
            .unwrap()
            .base_offset,
        40
    );
    store.close().unwrap();
}

#[test]
fn a_reader_behind_the_retention_is_told_where_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), OpenOptions::default()).unwrap();
    let partition = store
        .create_topic("t", small_segments())
        .unwrap()
        .partition(0)
        .unwrap();
    for n in 0..30 {
        partition.append(batch(&[value(n, 400)])).unwrap();
    }
    let reading = partition.clone();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    let reader = std::thread::spawn(move || {
        let (mut out, mut behind) = (Vec::new(), 0);
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) || behind == 0 {
            match reading.read(3, 1 << 20, &mut out) {
                Ok(_) => {}
                Err(Error::OffsetOutOfRange {
                    log_start,
                    high_watermark,
                    ..
                }) => {
                    assert!(log_start > 3 && log_start <= high_watermark);
                    behind += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
    });
    for start in 1..=30 {
        partition.delete_records(start).unwrap();
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    reader.join().unwrap();
    store.close().unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    assert!(
        !maps.contains(&folder.path().display().to_string()),
        "nothing stays mapped after the close"
    );
}

/// Lowers a flag that other threads run by, also when what it stands in fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[test]
fn a_deleted_topic_has_nothing_to_do_with_the_files_of_its_successor() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), OpenOptions::default()).unwrap();
    let (deleted, successors) = (AtomicU64::new(0), AtomicBool::new(true));
    // Values tell of which topic they are.
    let values = |topic: u64| (0..30).map(move |_| value(topic, 400)).collect::<Vec<_>>();
    let delete_records = || {
        while successors.load(Ordering::Relaxed) {
            let Ok(topic) = store.open_topic("t") else {
                continue;
            };
            let partition = topic.partition(0).unwrap();
            let before = partition.high_watermark().saturating_sub(1);
            match partition.delete_records(before) {
                Ok(_) => deleted.fetch_add(1, Ordering::Relaxed),
                Err(Error::TopicDeleted { .. }) => 0,
                Err(error) => panic!("{error}"),
            };
        }
    };
    let read = || {
        while successors.load(Ordering::Relaxed) {
            let Ok(topic) = store.open_topic("t") else {
                continue;
            };
            let partition = topic.partition(0).unwrap();
            let mut of_one_topic = None;
            loop {
                match read_from(&partition, partition.log_start_offset()) {
                    Ok(records) => {
                        for (_, value) in records {
                            assert_eq!(*of_one_topic.get_or_insert(value.clone()), value);
                        }
                    }
                    Err(Error::OffsetOutOfRange { .. }) => {}
                    Err(Error::TopicDeleted { .. }) => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let ends_the_others = Ends(&successors);
        let others = [
            scope.spawn(delete_records),
            scope.spawn(delete_records),
            scope.spawn(read),
        ];
        for turn in 0..40 {
            let topic = store.create_topic("t", small_segments()).unwrap();
            let partition = topic.partition(0).unwrap();
            for value in values(2 * turn) {
                partition.append(batch(&[value])).unwrap();
            }
            store.delete_topic("t").unwrap();
            let topic = store.create_topic("t", small_segments()).unwrap();
            let partition = topic.partition(0).unwrap();
            partition.append(batch(&values(2 * turn + 1))).unwrap();
            // Its one segment is never below the start.
            assert_eq!(logs(&folder.path().join("t-0")), 1);
            store.delete_topic("t").unwrap();
        }
        drop(ends_the_others);
        for other in others {
            other.join().unwrap();
        }
    });
    assert!(deleted.into_inner() > 0);
    store.close().unwrap();
}

/// A topic whose first segment holds a record of the future, and whose others do not.
#[test]
fn records_from_the_future_do_not_hold_back_retention() {
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions {
        maintenance_interval: Duration::from_millis(20),
        ..OpenOptions::default()
    };
    let store = Store::open(folder.path(), options).unwrap();
    let config = TopicConfig {
        retention_ms: Some(300),
        ..small_segments()
    };
    let topic = store.create_topic("t", config).unwrap();
    let partition = topic.partition(0).unwrap();
    let hour = 3_500_000;
    for n in 0..12 {
        let time = now() + if n < 6 { hour } else { 0 };
        partition
            .append(batch_at(time, Compression::None, &[value(n, 400)]))
            .unwrap();
    }
    eventually("retention", || partition.log_start_offset() == 12);
    // What the future's own segment is written to last is as fresh as any.
    let change = TopicChange {
        retention_ms: Some(Some(600_000)),
        ..TopicChange::default()
    };
    topic.alter(&change).unwrap();
    partition
        .append(batch_at(now() + hour, Compression::None, &[value(12, 400)]))
        .unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(partition.log_start_offset(), 12);
}

#[test]
fn a_segment_without_records_does_not_hold_back_retention() {
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions {
        maintenance_interval: Duration::from_millis(20),
        ..OpenOptions::default()
    };
    let config = TopicConfig {
        segment_bytes: 1024,
        ..TopicConfig::default()
    };
    let store = Store::open(folder.path(), options.clone()).unwrap();
    let partition = store.create_topic("t", config).unwrap().partition(0);
    let partition = partition.unwrap();
    for n in 0..12 {
        partition
            .append(batch_at(EPOCH_MS, Compression::None, &[value(n, 300)]))
            .unwrap();
    }
    store.close().unwrap();
    // A repair gives up a whole segment, and empty batches keep its offsets.
    let mut segments: Vec<_> = std::fs::read_dir(folder.path().join("t-0"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|x| x == "log"))
        .collect();
    segments.sort();
    std::fs::remove_file(&segments[1]).unwrap();
    let storage: std::sync::Arc<dyn tidelog::io::Storage> =
        std::sync::Arc::new(tidelog::io::OsStorage);
    let survey = tidelog::repair::survey(&storage, folder.path(), |_, _| true).unwrap();
    survey.repair(|_, _| ()).unwrap();
    let store = Store::open(folder.path(), options).unwrap();
    let topic = store.open_topic("t").unwrap();
    let partition = topic.partition(0).unwrap();
    assert_eq!(read_all(&partition).unwrap().len(), 12 - 2);
    let change = TopicChange {
        retention_ms: Some(Some(1)),
        ..TopicChange::default()
    };
    topic.alter(&change).unwrap();
    eventually("retention", || partition.log_start_offset() == 12);
}
