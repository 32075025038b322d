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
const UNDER_A_LIMIT: &str = "TIDELOG_TEST_UNDER_A_LIMIT";

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
fn without_a_file_handle_calls_are_refused_for_now_and_go_on_when_there_are_some() {
    let disk = SimulatedStorage::new();
    let storage: Arc<dyn Storage> = Arc::new(disk.process());
    let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
    let topic = store.create_topic("t", TopicConfig::default()).unwrap();
    let partition = topic.partition(0).unwrap();
    for n in 0..4 {
        partition.append(batch(&[value(n, 100)])).unwrap();
    }
    let refused = |answer: Result<(), Error>| {
        let error = answer.unwrap_err();
        assert_eq!(error.code(), "ERR_TIDELOG_TOO_MANY_OPEN_FILES", "{error}");
        assert!(error.retriable() && !error.indefinite());
        assert!(error.to_string().contains("ulimit -n"), "{error}");
    };
    disk.limit_handles(Some(0));
    // Its checkpoint has a new segment's folder to sync.
    refused(partition.delete_records(1).map(drop));
    refused(store.create_topic("u", TopicConfig::default()).map(drop));
    refused(store.delete_topic("t"));
    disk.limit_handles(None);
    partition.delete_records(2).unwrap();
    let appended = partition.append(batch(&[value(9, 100)])).unwrap();
    assert_eq!(appended.base_offset, 4);
    store.create_topic("u", TopicConfig::default()).unwrap();
    store.close().unwrap();
    disk.crash(CrashKind::PowerLoss, 5);
    let storage: Arc<dyn Storage> = Arc::new(disk.process());
    let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
    let partition = store.open_topic("t").unwrap().partition(0).unwrap();
    assert_eq!(
        (partition.log_start_offset(), partition.high_watermark()),
        (2, 5)
    );
    store.close().unwrap();
}

#[test]
fn segments_let_their_files_go_when_no_handle_is_left() {
    const PARTITIONS: u32 = 40;
    let disk = SimulatedStorage::new();
    let storage: Arc<dyn Storage> = Arc::new(disk.process());
    let open = || {
        let options = OpenOptions {
            open_segments: 1024,
            ..options(&storage, Durability::Fsync)
        };
        Store::open(ROOT, options).unwrap()
    };
    disk.limit_handles(Some(12));
    let store = open();
    let config = TopicConfig {
        partitions: PARTITIONS,
        ..TopicConfig::default()
    };
    let topic = store.create_topic("t", config).unwrap();
    for round in 0..3 {
        for n in 0..PARTITIONS {
            let partition = topic.partition(n).unwrap();
            partition.append(batch(&[value(round, 100)])).unwrap();
            assert_eq!(read_all(&partition).unwrap().len() as u64, round + 1);
        }
    }
    assert!(disk.open_handles() <= 12);
    topic.partition(7).unwrap().delete_records(1).unwrap();
    store.delete_topic("t").unwrap();
    store.close().unwrap();
    open().close().unwrap();
}

/// What a child process is to do under a limit of open files. It is a test only to be found by name, and passes when it
/// is not a child.
#[test]
fn child_under_a_limit() {
    let Ok(what) = std::env::var(UNDER_A_LIMIT) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), OpenOptions::default()).unwrap();
    match what.as_str() {
        "burst" => handles_are_gone_for_a_moment(&store),
        partitions => use_all_partitions(&store, partitions.parse().unwrap()),
    }
    store.close().unwrap();
}

/// Everything works in more partitions than there are handles, and half of these are left to the program.
fn use_all_partitions(store: &Store, partitions: u32) {
    let config = TopicConfig {
        partitions,
        ..TopicConfig::default()
    };
    let topic = store.create_topic("many", config).unwrap();
    for n in 0..partitions {
        let partition = topic.partition(n).unwrap();
        partition.append(batch(&[value(u64::from(n), 20)])).unwrap();
    }
    let limit = tidelog::io::open_file_limit().unwrap();
    let held: Vec<_> = (0..limit / 2)
        .map(|_| std::fs::File::open("/dev/null").unwrap())
        .collect();
    for n in 0..partitions {
        let partition = topic.partition(n).unwrap();
        assert_eq!(
            read_all(&partition).unwrap(),
            [(0, value(u64::from(n), 20))]
        );
        partition.append(batch(&[value(0, 20)])).unwrap();
    }
    topic.partition(0).unwrap().delete_records(1).unwrap();
    drop(held);
}

fn handles_are_gone_for_a_moment(store: &Store) {
    let partition = store
        .create_topic("t", TopicConfig::default())
        .unwrap()
        .partition(0)
        .unwrap();
    partition.append(batch(&[value(0, 20)])).unwrap();
    let take_all =
        || std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect::<Vec<_>>();
    let mut held = take_all();
    // A checkpoint, which has a folder to sync, and what else opens one.
    let answers = [
        partition.delete_records(1).map(drop),
        store.create_topic("u", TopicConfig::default()).map(drop),
        store.delete_topic("t"),
    ];
    // What it has let go may be gone already, too.
    held.extend(take_all());
    for error in answers.into_iter().filter_map(Result::err) {
        assert_eq!(error.code(), "ERR_TIDELOG_TOO_MANY_OPEN_FILES", "{error}");
    }
    drop(held);
    let topic = store
        .open_topic("t")
        .or_else(|_| store.create_topic("t", TopicConfig::default()))
        .unwrap();
    topic
        .partition(0)
        .unwrap()
        .append(batch(&[value(1, 20)]))
        .unwrap();
    store.sync().unwrap();
}

fn under_a_limit(limit: u32, what: &str) {
    let child = std::process::Command::new("sh")
        .args(["-c", &format!("ulimit -n {limit} && exec \"$@\""), "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["child_under_a_limit", "--exact", "--nocapture"])
        .env(UNDER_A_LIMIT, what)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "ulimit -n {limit}, {what}: {said}");
}

#[test]
fn more_partitions_than_file_handles() {
    under_a_limit(256, "296");
    under_a_limit(1024, "1064");
}

#[test]
fn no_file_handle_for_a_moment_stops_nothing_for_good() {
    under_a_limit(128, "burst");
}

#[test]
fn a_second_writer_is_kept_out_though_the_lock_file_was_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let first = Store::open(folder.path(), OpenOptions::default()).unwrap();
    let topic = first.create_topic("t", TopicConfig::default()).unwrap();
    let partition = topic.partition(0).unwrap();
    partition.append(batch(&[value(0, 10)])).unwrap();
    let lock = folder.path().join(".lock");
    std::fs::remove_file(&lock).unwrap();
    // Another process would be refused by the same: the lock does not ask who tries.
    let survey =
        tidelog::repair::survey(&OpenOptions::default().storage, folder.path(), |_, _| true);
    assert_eq!(survey.err().unwrap().code(), "ERR_TIDELOG_STORE_LOCKED");
    // The next checkpoint puts the file back.
    std::fs::remove_file(&lock).unwrap();
    partition.delete_records(1).unwrap();
    let pid = std::fs::read_to_string(&lock).unwrap();
    assert_eq!(pid, format!("{}\n", std::process::id()));
    // A program that locks nothing but the file and came in between.
    std::fs::remove_file(&lock).unwrap();
    let other = std::fs::File::create(&lock).unwrap();
    other.try_lock().unwrap();
    partition.append(batch(&[value(2, 10)])).unwrap();
    let error = partition.delete_records(2).unwrap_err();
    assert_eq!(error.code(), "ERR_TIDELOG_POISONED");
    assert!(error.to_string().contains(".lock"), "{error}");
    let error = partition.append(batch(&[value(1, 10)])).unwrap_err();
    assert_eq!(error.code(), "ERR_TIDELOG_POISONED");
    first.close().unwrap_err();
}

#[test]
fn a_file_that_another_program_cuts_is_an_error_and_other_partitions_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), OpenOptions::default()).unwrap();
    let config = TopicConfig {
        partitions: 2,
        ..TopicConfig::default()
    };
    let topic = store.create_topic("t", config).unwrap();
    let partitions = [topic.partition(0).unwrap(), topic.partition(1).unwrap()];
    for partition in &partitions {
        for n in 0..50 {
            partition.append(batch(&[value(n, 5000)])).unwrap();
        }
        assert_eq!(read_all(partition).unwrap().len(), 50);
    }
    let log = folder.path().join("t-0/00000000000000000000.log");
    let file = std::fs::OpenOptions::new().write(true).open(&log).unwrap();
    file.set_len(20_000).unwrap();
    let error = read_all(&partitions[0]).unwrap_err();
    assert!(
        matches!(&error, Error::Corruption { file, reason, .. } if *file == log && reason.contains("cut")),
        "{error}"
    );
    assert_eq!(read_all(&partitions[1]).unwrap().len(), 50);
    partitions[1].append(batch(&[value(50, 5000)])).unwrap();
    let _ = store.close();
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
