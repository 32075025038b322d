//! Figures of a store against what was done with it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use support::sending::*;
use support::*;
use tidelog::{
    Durability, Error, JournalOptions, OpenOptions, RecordBuffer, Retained, Store, TopicConfig,
    Traffic, TransactionMetrics, TransactionOptions,
};

fn open(folder: &tempfile::TempDir) -> Store {
    Store::open(folder.path(), OpenOptions::default()).unwrap()
}

fn traffic(records: u64, bytes: usize) -> Traffic {
    Traffic {
        records,
        bytes: bytes as u64,
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_was_appended_and_read_is_counted_once_with_its_stored_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let config = TopicConfig {
        partitions: 2,
        ..TopicConfig::default()
    };
    let topic = store.create_topic("t", config).unwrap();
    let [first, second] = [0, 1].map(|number| topic.partition(number).unwrap());
    let three = batch(&[value(0, 100), value(1, 100), value(2, 100)]);
    let one = batch(&[value(3, 5000)]);
    let sizes = (three.len(), one.len());
    first.append(three.clone()).unwrap();
    second.append(one).unwrap();
    first.append(three).unwrap();
    let metrics = store.metrics().unwrap();
    assert_eq!(metrics.appended, traffic(7, 2 * sizes.0 + sizes.1));
    assert_eq!(metrics.read, Traffic::default());

    first.append(b"no batch".to_vec()).unwrap_err();
    assert_eq!(store.metrics().unwrap().appended, metrics.appended);

    let mut bytes = Vec::new();
    second.read(0, 1 << 20, &mut bytes).unwrap();
    assert_eq!(store.metrics().unwrap().read, traffic(1, sizes.1));
    let mut records = RecordBuffer::default();
    // Those before the offset are not handed out; the batch that holds it is read.
    first.read_records(1, 1 << 20, &mut records).unwrap();
    let read = traffic(1 + 5, sizes.1 + 2 * sizes.0);
    assert_eq!(store.metrics().unwrap().read, read);
    first.read(6, 1 << 20, &mut bytes).unwrap();
    assert_eq!(store.metrics().unwrap().read, read, "at the end is nothing");
    topic.get(&[(0, 0), (0, 99)], &mut records).unwrap();
    assert_eq!(store.metrics().unwrap().read.records, read.records + 1);

    let found = &store.metrics().unwrap().topics;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].name, "t");
    assert_eq!(found[0].partitions, topic.describe().unwrap().partitions);
    store.close().unwrap();
    assert!(matches!(store.metrics(), Err(Error::Closed)));
}

#[test]
fn each_sync_is_counted_with_the_records_that_it_made_durable() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let partition = store
        .create_topic("t", TopicConfig::default())
        .unwrap()
        .partition(0)
        .unwrap();
    let before = store.metrics().unwrap();
    for n in 0..10 {
        partition
            .append(batch(&[value(n, 8), value(n, 8)]))
            .unwrap();
    }
    let metrics = store.metrics().unwrap();
    let syncs = metrics.syncs;
    assert_eq!(syncs.count - before.syncs.count, 10);
    assert_eq!(syncs.records - before.syncs.records, 20);
    assert_eq!((syncs.group.p50, syncs.group.max), (2, 2));
    assert!(syncs.time > Duration::ZERO && syncs.time <= metrics.uptime);
    let micros = syncs.micros;
    assert!(micros.p50 > 0 && micros.p50 <= micros.p95 && micros.p95 <= micros.p99);
    assert!(micros.p99 <= micros.max && u128::from(micros.max) <= syncs.time.as_micros());

    let buffered = TopicConfig {
        durability: Some(Durability::Buffered),
        ..TopicConfig::default()
    };
    let buffered = store.create_topic("b", buffered).unwrap().partition(0);
    buffered.unwrap().append(batch(&[value(0, 8)])).unwrap();
    let after = store.metrics().unwrap();
    assert_eq!(after.syncs.count, syncs.count, "it goes round the journal");
    assert_eq!(after.appended.records, 21);
    store.close().unwrap();
}

#[test]
fn the_journals_room_shrinks_and_a_checkpoint_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let topic = store.create_topic("t", TopicConfig::default()).unwrap();
    let partition = topic.partition(0).unwrap();
    let before = store.metrics().unwrap();
    let capacity = 256 << 20;
    assert_eq!(before.journal.capacity, capacity);
    assert_eq!(
        before.journal.room,
        capacity - 4096,
        "the opening wrote one frame"
    );
    for n in 0..100 {
        partition.append(batch(&[value(n, 1000)])).unwrap();
    }
    let full = store.metrics().unwrap();
    let used = full.journal.capacity - full.journal.room;
    assert_eq!(
        used,
        101 * 4096,
        "a page a frame, one of them of the opening"
    );
    assert!(full.journal.bytes >= used && full.journal.bytes < capacity);
    partition.delete_records(1).unwrap();
    let freed = store.metrics().unwrap();
    assert_eq!(freed.checkpoints, full.checkpoints + 1);
    assert_eq!(freed.journal.room, capacity);
    store.close().unwrap();
}

#[test]
fn appends_that_wait_for_room_in_the_journal_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions {
        journal: JournalOptions {
            file_bytes: 64 << 10,
            files: 2,
            frame_bytes: 16 << 10,
            extent_bytes: 8 << 10,
        },
        ..OpenOptions::default()
    };
    let store = Store::open(folder.path(), options).unwrap();
    let topic = store.create_topic("t", TopicConfig::default()).unwrap();
    let partition = topic.partition(0).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                partition.append(batch(&[value(0, 7000)])).unwrap();
            }
        });
        let began = Instant::now();
        let mut seen = false;
        while !seen && began.elapsed() < Duration::from_secs(20) {
            seen = store.metrics().unwrap().journal.waiting > 0;
        }
        stop.store(true, Ordering::Relaxed);
        assert!(seen);
    });
    assert_eq!(store.metrics().unwrap().journal.waiting, 0);
    store.close().unwrap();
}

#[test]
fn transactions_are_counted_by_how_they_ended() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let topic = store.create_topic("t", TopicConfig::default()).unwrap();
    let producer = |id: &str, timeout| {
        let options = TransactionOptions {
            timeout,
            ..TransactionOptions::default()
        };
        store.transactional_producer(id, options).unwrap()
    };
    let counted = |open, committed, aborted| {
        let expected = TransactionMetrics {
            open,
            committed,
            aborted,
        };
        assert_eq!(store.metrics().unwrap().transactions, expected);
    };
    let minute = Duration::from_secs(60);
    let one = producer("one", minute);
    let tx = one.begin().unwrap().number;
    counted(1, 0, 0);
    send(&one, tx, &topic, &[(0, b"a")]).unwrap();
    commit(&one, tx).unwrap();
    commit(&one, tx).unwrap();
    counted(0, 1, 0);
    let tx = one.begin().unwrap().number;
    one.abort(tx).unwrap();
    one.abort(tx).unwrap();
    counted(0, 1, 1);

    let hasty = producer("hasty", Duration::from_millis(1));
    let tx = hasty.begin().unwrap().number;
    std::thread::sleep(Duration::from_millis(5));
    commit(&hasty, tx).unwrap_err();
    commit(&hasty, tx).unwrap_err();
    hasty.abort(tx).unwrap();
    counted(0, 1, 2);

    let fenced = producer("fenced", minute);
    let tx = fenced.begin().unwrap().number;
    let heir = producer("fenced", minute);
    commit(&fenced, tx).unwrap_err();
    counted(1, 1, 2);
    drop(fenced);
    drop(heir);
    counted(0, 1, 3);
    assert_eq!(store.metrics().unwrap().appended.records, 1);
    store.close().unwrap();
}

#[test]
fn retention_tells_what_it_has_deleted_until_the_handle_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let options = || OpenOptions {
        maintenance_interval: Duration::from_millis(10),
        ..OpenOptions::default()
    };
    let store = Store::open(folder.path(), options()).unwrap();
    let other = Store::open(folder.path(), options()).unwrap();
    let told: Arc<Mutex<Vec<Retained>>> = Arc::default();
    let others: Arc<Mutex<Vec<Retained>>> = Arc::default();
    for (store, told) in [(&store, &told), (&other, &others)] {
        let told = Arc::clone(told);
        store
            .on_retention(move |retained| told.lock().unwrap().push(retained.clone()))
            .unwrap();
    }
    other.close().unwrap();
    let config = TopicConfig {
        segment_bytes: 2000,
        retention_bytes: Some(5000),
        ..TopicConfig::default()
    };
    let topic = store.create_topic("t", config).unwrap();
    let partition = topic.partition(0).unwrap();
    for n in 0..40 {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let batch = batch_at(
            now.as_millis() as i64,
            tidelog::Compression::None,
            &[value(n, 400)],
        );
        partition.append(batch).unwrap();
    }
    let left = || topic.describe().unwrap().partitions[0].bytes;
    eventually("retention by size", || left() <= 7000);
    let appended = store.metrics().unwrap().appended.bytes;
    let gone = || {
        told.lock()
            .unwrap()
            .iter()
            .map(|one| one.bytes)
            .sum::<u64>()
    };
    eventually("being told", || gone() + left() == appended);
    let told = told.lock().unwrap();
    for one in told.iter() {
        assert_eq!((one.topic.as_str(), one.partition), ("t", 0));
        assert!(one.segments > 0 && one.bytes > 0);
    }
    let starts: Vec<_> = told.iter().map(|one| one.log_start_offset).collect();
    assert!(starts.is_sorted() && starts.last() == Some(&partition.log_start_offset()));
    assert_eq!(*others.lock().unwrap(), []);
    store.close().unwrap();
}
