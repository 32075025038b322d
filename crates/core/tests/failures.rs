//! What a failing or full disk, a hostile batch, another process and a slow reader meet.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use support::*;
use tidelog::format::batch::set_placement;
use tidelog::io::{CrashKind, FaultKind, SimulatedStorage, Storage};
use tidelog::{Durability, Error, OpenOptions, Store, TopicConfig};

const ROOT: &str = "/data";

#[test]
fn the_first_failed_sync_is_final_and_nothing_is_acknowledged_after_it() {
    // The call that syncs the frame of the second send is found by trying.
    let (disk, store, partition, error) = (1..40)
        .find_map(|ahead| {
            let disk = SimulatedStorage::new();
            let storage: Arc<dyn Storage> = Arc::new(disk.process());
            let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
            let topic = store.create_topic("t", TopicConfig::default()).unwrap();
            let partition = topic.partition(0).unwrap();
            partition.append(batch(&[value(0, 100)])).unwrap();
            disk.fail_at(disk.counters().calls + ahead, FaultKind::Eio);
            let answer = partition.append(batch(&[value(1, 100)]));
            let error = answer.err().filter(|error| {
                matches!(error, Error::Poisoned { cause } if cause.starts_with("sync of /data/journal"))
            })?;
            Some((disk, store, partition, error))
        })
        .unwrap();
    assert!(error.indefinite() && !error.retriable());
    let end = partition.high_watermark();
    for _ in 0..3 {
        assert_eq!(
            partition
                .append(batch(&[value(2, 100)]))
                .unwrap_err()
                .code(),
            "ERR_TIDELOG_POISONED"
        );
    }
    assert_eq!(
        partition.high_watermark(),
        end,
        "what was not synced is not shown"
    );
    assert_eq!(
        read_all(&partition).unwrap().len() as u64,
        end,
        "reads go on"
    );
    assert_eq!(store.close().unwrap_err().code(), "ERR_TIDELOG_POISONED");
    disk.crash(CrashKind::PowerLoss, 3);
    let storage: Arc<dyn Storage> = Arc::new(disk.process());
    let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
    let partition = store.open_topic("t").unwrap().partition(0).unwrap();
    assert!(partition.high_watermark() >= end);
    partition.append(batch(&[value(3, 100)])).unwrap();
    store.close().unwrap();
}

#[test]
fn a_full_disk_refuses_sends_definitely_and_takes_them_again_once_there_is_space() {
    let disk = SimulatedStorage::new();
    let storage: Arc<dyn Storage> = Arc::new(disk.process());
    let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
    let config = TopicConfig {
        segment_bytes: 100_000,
        ..TopicConfig::default()
    };
    let partition = store
        .create_topic("t", config)
        .unwrap()
        .partition(0)
        .unwrap();
    disk.set_capacity(disk.used() + 700_000);
    let mut sent = 0;
    let error = loop {
        match partition.append(batch(&[value(sent, 3000)])) {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), "ERR_TIDELOG_STORAGE_FULL");
    assert!(error.retriable() && !error.indefinite());
    assert!(sent > 50, "{sent}");
    assert_eq!(
        read_all(&partition).unwrap().len() as u64,
        sent,
        "reads go on"
    );
    assert!(partition.append(batch(&[value(sent, 3000)])).is_err());
    disk.set_capacity(u64::MAX);
    assert_eq!(
        partition
            .append(batch(&[value(sent, 3000)]))
            .unwrap()
            .base_offset,
        sent
    );
    assert_eq!(read_all(&partition).unwrap().len() as u64, sent + 1);
    store.close().unwrap();
    let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
    assert!(store.recovery().clean);
    store.close().unwrap();
}

#[test]
fn only_whole_batches_that_hold_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), OpenOptions::default()).unwrap();
    let config = TopicConfig {
        max_batch_bytes: 1000,
        ..TopicConfig::default()
    };
    let partition = store
        .create_topic("t", config)
        .unwrap()
        .partition(0)
        .unwrap();
    let good = batch(&[value(1, 50), value(2, 50)]);
    let refused = |bytes: Vec<u8>| partition.append(bytes).unwrap_err().code();
    for cut in 0..good.len() {
        assert_eq!(
            refused(good[..cut].to_vec()),
            "ERR_TIDELOG_INVALID_BATCH",
            "cut at {cut}"
        );
    }
    let mut placed = good.clone();
    set_placement(&mut placed, 77, 5).unwrap();
    let mut taken = 0;
    for at in 0..good.len() {
        let mut bad = placed.clone();
        bad[at] ^= 4;
        // Base offset and leader epoch are given by the append: whatever stands there is overwritten.
        if at < 8 || (12..16).contains(&at) {
            taken += u64::from(partition.append(bad).is_ok());
        } else {
            assert_eq!(refused(bad), "ERR_TIDELOG_INVALID_BATCH", "byte {at}");
        }
    }
    assert_eq!(partition.high_watermark(), taken * 2);
    let twice = [good.clone(), good.clone()].concat();
    assert_eq!(refused(twice), "ERR_TIDELOG_INVALID_BATCH");
    let mut transactional = good.clone();
    transactional[22] |= 16;
    let crc = tidelog::format::crc::crc32c(&transactional[21..]);
    transactional[17..21].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(refused(transactional), "ERR_TIDELOG_INVALID_BATCH");
    match partition.append(batch(&[value(3, 2000)])).unwrap_err() {
        Error::RecordTooLarge {
            limit: 1000, size, ..
        } => assert!(size > 2000),
        other => panic!("{other}"),
    }
    store.close().unwrap();
}

#[test]
fn a_second_writer_is_refused_and_a_reader_follows_beside_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), OpenOptions::default()).unwrap();
    let config = TopicConfig {
        segment_bytes: 4000,
        ..TopicConfig::default()
    };
    let partition = store
        .create_topic("t", config)
        .unwrap()
        .partition(0)
        .unwrap();
    // Another storage value stands for another process: it does not share the engine.
    let other: Arc<dyn Storage> = Arc::new(tidelog::io::OsStorage);
    match Store::open(folder.path(), options(&other, Durability::Fsync))
        .err()
        .unwrap()
    {
        Error::StoreLocked { pid, .. } => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other}"),
    }
    let read_only = OpenOptions {
        read_only: true,
        ..options(&other, Durability::Fsync)
    };
    let reader = Store::open(folder.path(), read_only).unwrap();
    assert!(matches!(
        reader.create_topic("no", TopicConfig::default()),
        Err(Error::ReadOnly)
    ));
    let followed = reader.open_topic("t").unwrap().partition(0).unwrap();
    assert!(matches!(
        followed.append(batch(&[value(0, 10)])),
        Err(Error::ReadOnly)
    ));
    for n in 0..50 {
        let (send, woken) = mpsc::channel();
        let _waiter = followed
            .wait_for(n, move |answer| send.send(answer).unwrap())
            .unwrap();
        partition.append(batch(&[value(n, 300)])).unwrap();
        woken
            .recv_timeout(Duration::from_secs(20))
            .unwrap()
            .unwrap();
        let read = read_from(&followed, n).unwrap();
        assert_eq!(read, [(n, value(n, 300))]);
    }
    assert_eq!(read_all(&followed).unwrap().len(), 50);
    partition.delete_records(30).unwrap();
    let begin = std::time::Instant::now();
    while followed.log_start_offset() != 30 {
        assert!(begin.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(read_all(&followed).unwrap().len(), 20);
    assert!(matches!(
        read_from(&followed, 3),
        Err(Error::OffsetOutOfRange { log_start: 30, .. })
    ));
    store.create_topic("later", TopicConfig::default()).unwrap();
    assert_eq!(reader.topics().unwrap(), ["later", "t"]);
    assert!(reader.open_topic("later").is_ok());
    reader.close().unwrap();
    store.close().unwrap();
}

#[test]
fn many_partitions_share_few_open_files() {
    let folder = tempfile::tempdir().unwrap();
    let options = || OpenOptions {
        durability: Durability::Buffered,
        open_segments: 64,
        ..OpenOptions::default()
    };
    let store = Store::open(folder.path(), options()).unwrap();
    let config = TopicConfig {
        partitions: 1000,
        ..TopicConfig::default()
    };
    let topic = store.create_topic("many", config).unwrap();
    for round in 0..2 {
        for n in 0..1000 {
            let appended = topic
                .partition(n)
                .unwrap()
                .append(batch(&[value(u64::from(n), 20)]))
                .unwrap();
            assert_eq!(appended.base_offset, round);
        }
        let open = std::fs::read_dir("/proc/self/fd").unwrap().filter(|fd| {
            let target = std::fs::read_link(fd.as_ref().unwrap().path()).unwrap_or_default();
            target.starts_with(folder.path())
        });
        assert!(open.count() < 64 + 20);
    }
    store.close().unwrap();
    let store = Store::open(folder.path(), options()).unwrap();
    let topic = store.open_topic("many").unwrap();
    for n in 0..1000 {
        let read = read_all(&topic.partition(n).unwrap()).unwrap();
        assert_eq!(
            read,
            [(0, value(u64::from(n), 20)), (1, value(u64::from(n), 20))]
        );
    }
    store.close().unwrap();
}

#[test]
fn a_store_made_halfway_is_made_whole_by_the_next_opening() {
    for change in 1..60 {
        let disk = SimulatedStorage::new();
        disk.crash_at_change(change);
        let storage: Arc<dyn Storage> = Arc::new(disk.process());
        let first = Store::open(ROOT, options(&storage, Durability::Fsync)).and_then(|store| {
            store
                .create_topic("t", TopicConfig::default())
                .map(|_| store)
        });
        let whole = first.is_ok();
        disk.crash(CrashKind::PowerLoss, change);
        first.into_iter().for_each(bury);
        let storage: Arc<dyn Storage> = Arc::new(disk.process());
        let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
        assert!(!whole || store.topics().unwrap() == ["t"]);
        let topic = topic(&store, "t", TopicConfig::default());
        topic
            .partition(0)
            .unwrap()
            .append(batch(&[value(1, 10)]))
            .unwrap();
        store.close().unwrap();
        assert!(storage.exists(Path::new(ROOT)).unwrap());
    }
}
