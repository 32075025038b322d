//! Backups of open stores: a copy opens as after an orderly close, shows one moment, and shares nothing with its store that
//! either of them changes. Cut short anywhere it is no store, and the next one into the same folder succeeds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::sending::*;
use support::*;
use tidelog::format::builder::BatchBuilder;
use tidelog::io::{
    CrashKind, DirEntry, FileSystemKind, LockAttempt, OpenMode, OsStorage, SimulatedStorage,
    Storage, StorageFile, StorageFolder,
};
use tidelog::repair::survey;
use tidelog::{
    CleanupPolicy, CompactionConfig, CompactionOptions, Compression, Condition, Durability, Error,
    OpenOptions, Store, TimestampType, TopicConfig, TransactionNumber, TransactionOptions,
    TransactionOutcome, verify_backup,
};

const ROOT: &str = "/data";
const COPY: &str = "/copy";

/// Nothing happens by the clock.
fn quiet(storage: &Arc<dyn Storage>) -> OpenOptions {
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
fn small(partitions: u32, durability: Durability) -> TopicConfig {
    TopicConfig {
        partitions,
        durability: Some(durability),
        segment_bytes: 1024,
        index_interval_bytes: 256,
        ..TopicConfig::default()
    }
}

fn compacted() -> TopicConfig {
    TopicConfig {
        cleanup: CleanupPolicy::Compact,
        compaction: CompactionConfig {
            min_dirty_ratio: 1.0,
            ..CompactionConfig::default()
        },
        ..small(1, Durability::Fsync)
    }
}

fn keyed(key: u8, number: u64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    let value = value(number, 60);
    builder
        .append(EPOCH_MS, Some(&[key]), Some(&value), std::iter::empty())
        .unwrap();
    builder.finish().unwrap()
}

/// A store with something of everything.
fn filled(storage: &Arc<dyn Storage>, root: &Path) -> Store {
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

fn fill(store: &Store, name: &str, from: u64, to: u64) {
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

type Content = BTreeMap<(String, u32), (u64, u64, Vec<(u64, Vec<u8>)>)>;

/// All that can be read.
fn content_of(store: &Store) -> Content {
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

fn all_holds(storage: &Arc<dyn Storage>, path: &Path) {
    let report = verify_backup(storage, path, no_progress).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

fn no_progress(_: u64, _: u64) -> bool {
    true
}

/// Opens a copy, which needs no recovery.
fn opened(storage: &Arc<dyn Storage>, path: &Path) -> Store {
    let store = Store::open(path, quiet(storage)).unwrap();
    assert!(store.recovery().clean, "{:?}", store.recovery());
    assert_eq!(store.recovery().bytes_checked, 0);
    assert!(store.recovery().damaged.is_empty());
    store
}

fn files_below(storage: &dyn Storage, path: &Path) -> Vec<String> {
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

#[test]
fn a_copy_opens_as_after_an_orderly_close() {
    let storage: Arc<dyn Storage> = Arc::new(OsStorage::new());
    let folder = tempfile::tempdir().unwrap();
    let (root, copy) = (folder.path().join("data"), folder.path().join("a/b/copy"));
    let store = filled(&storage, &root);
    let before = content_of(&store);
    let report = store.backup(&copy, no_progress).unwrap();
    assert_eq!((report.topics, report.partitions), (4, 8));
    assert!(report.bytes_linked > report.bytes_copied, "{report:?}");
    assert!(report.bytes_copied > 0);
    fill(&store, "safe", 20, 60);
    store.delete_topic("buffered").unwrap();

    all_holds(&storage, &copy);
    let beside = OpenOptions {
        read_only: true,
        create: false,
        ..quiet(&storage)
    };
    let reader = Store::open(&copy, beside).unwrap();
    assert_eq!(content_of(&reader), before);
    reader.close().unwrap();
    let restored = opened(&storage, &copy);
    assert_eq!(restored.id(), store.id());
    assert_eq!(content_of(&restored), before);
    fill(&restored, "buffered", 20, 40);
    restored.close().unwrap();
    all_holds(&storage, &copy);
    store.close().unwrap();
    all_holds(&storage, &root);
}

#[test]
fn a_copy_knows_producers_offsets_and_outcomes() {
    let storage: Arc<dyn Storage> = Arc::new(OsStorage::new());
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    let store = Store::open(folder.path().join("data"), quiet(&storage)).unwrap();
    let topic = store
        .create_topic("orders", small(2, Durability::Fsync))
        .unwrap();
    let producer = store
        .transactional_producer("billing", TransactionOptions::default())
        .unwrap();
    let first = producer.begin().unwrap();
    send(&producer, first.number, &topic, &[(0, b"a"), (1, b"b")]).unwrap();
    commit(&producer, first.number).unwrap();
    commit_offset(&store, "shipping", &topic, 0, 1).unwrap();
    let lane = store.named_producer_lane("tills").unwrap();
    assert!(produce(&lane, &topic, &[(0, b"c")]).error.is_none());
    let open = producer.begin().unwrap();
    send(&producer, open.number, &topic, &[(0, b"never")]).unwrap();
    let id = store.init_producer_id(None).unwrap();
    let partition = topic.partition(1).unwrap();
    let repeated = sequenced(id.producer_id, id.epoch, 0, &[value(1, 10)]);
    let appended = partition.append(repeated.clone()).unwrap();

    store.backup(&copy, no_progress).unwrap();
    commit(&producer, open.number).unwrap();
    store.close().unwrap();

    let restored = opened(&storage, &copy);
    let topic = restored.open_topic("orders").unwrap();
    let outcome = |number: TransactionNumber| restored.transaction_outcome("billing", number);
    assert!(matches!(
        outcome(first).unwrap(),
        TransactionOutcome::Committed(_)
    ));
    assert!(!matches!(
        outcome(open).unwrap(),
        TransactionOutcome::Committed(_)
    ));
    assert_eq!(restored.committed_offsets("shipping").unwrap()[0].offset, 1);
    let again = topic.partition(1).unwrap().append(repeated).unwrap();
    assert_eq!(again.base_offset, appended.base_offset);
    assert_eq!(
        topic.partition(1).unwrap().high_watermark(),
        appended.base_offset + 1
    );
    let lane = restored.named_producer_lane("tills").unwrap();
    assert_eq!(lane.last_sequence(&topic, 0).unwrap(), Some(0));
    let next = topic.partition(0).unwrap().high_watermark();
    produce_if(
        &lane,
        &topic,
        (0, b"d"),
        Condition {
            expect_offset: Some(next),
            sequence: None,
        },
    )
    .unwrap();
    restored.close().unwrap();
}

#[test]
fn neither_store_nor_copy_changes_the_other() {
    let storage: Arc<dyn Storage> = Arc::new(OsStorage::new());
    let folder = tempfile::tempdir().unwrap();
    let (root, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let store = filled(&storage, &root);
    store.backup(&copy, no_progress).unwrap();
    store.close().unwrap();
    // The same is done to the one while the other must stay, and then the other way round.
    for (changed, kept) in [(&root, &copy), (&copy, &root)] {
        let held: BTreeMap<_, _> = files_below(&*storage, kept)
            .into_iter()
            .map(|name| (name.clone(), content(&*storage, &kept.join(name))))
            .collect();
        let store = Store::open(changed, quiet(&storage)).unwrap();
        fill(&store, "safe", 100, 130);
        fill(&store, "buffered", 100, 130);
        let safe = store.open_topic("safe").unwrap();
        safe.partition(0).unwrap().delete_records(30).unwrap();
        let newest = store.open_topic("newest").unwrap();
        for number in 100..140 {
            newest
                .partition(0)
                .unwrap()
                .append(keyed((number % 3) as u8, number))
                .unwrap();
        }
        newest.compact().unwrap();
        store.close().unwrap();
        // Damaged in a file of its own, since bytes that are shared are damaged in both, and repaired.
        let path = segment_of(&*storage, changed, "safe-1");
        let bytes = content(&*storage, &path);
        storage.remove_file(&path).unwrap();
        let at = bytes.len() / 2;
        let damaged: Vec<u8> = bytes
            .iter()
            .enumerate()
            .map(|(n, byte)| if n == at { byte ^ 1 } else { *byte })
            .collect();
        set_content(&*storage, &path, &damaged);
        let found = survey(&storage, changed, no_progress).unwrap();
        found.repair(|_, _| ()).unwrap();
        let repaired = Store::open(changed, quiet(&storage)).unwrap();
        repaired.close().unwrap();
        all_holds(&storage, changed);
        for (name, bytes) in held {
            assert_eq!(content(&*storage, &kept.join(&name)), bytes, "{name}");
        }
    }
}

/// The first segment of a partition.
fn segment_of(storage: &dyn Storage, root: &Path, folder: &str) -> PathBuf {
    let path = root.join(folder);
    let entries = storage.read_dir(&path).unwrap();
    let first = entries
        .iter()
        .find(|entry| entry.name.ends_with(".log"))
        .unwrap();
    path.join(&first.name)
}

#[test]
fn what_is_deleted_and_compacted_while_it_copies_is_in_it() {
    for links in [Links::Everywhere, Links::InTheStore, Links::None] {
        let simulated = SimulatedStorage::new();
        let storage: Arc<dyn Storage> = Arc::new(Linking(simulated, links));
        let store = filled(&storage, Path::new(ROOT));
        let before = content_of(&store);
        let mut done_once = false;
        let report = store.backup(COPY, |done, _| {
            if done > 0 && !std::mem::replace(&mut done_once, true) {
                let safe = store.open_topic("safe").unwrap();
                safe.partition(0).unwrap().delete_records(40).unwrap();
                store.delete_topic("buffered").unwrap();
                store
                    .create_topic("buffered", small(2, Durability::Buffered))
                    .unwrap();
                fill(&store, "buffered", 500, 510);
                let newest = store.open_topic("newest").unwrap();
                for number in 100..140 {
                    newest
                        .partition(0)
                        .unwrap()
                        .append(keyed((number % 3) as u8, number))
                        .unwrap();
                }
                newest.compact().unwrap();
                store
                    .create_topic("later", small(1, Durability::Fsync))
                    .unwrap();
            }
            true
        });
        let report = report.unwrap();
        assert!(done_once);
        assert_eq!(report.bytes_linked > 0, links == Links::Everywhere);
        store.close().unwrap();
        assert!(
            !storage
                .read_dir(Path::new(ROOT))
                .unwrap()
                .iter()
                .any(|entry| entry.name.ends_with(".backup")),
            "what was kept for copying is gone"
        );
        all_holds(&storage, Path::new(COPY));
        let restored = opened(&storage, Path::new(COPY));
        assert_eq!(content_of(&restored), before, "{links:?}");
        restored.close().unwrap();
    }
}

#[test]
fn cut_short_at_any_change_of_the_disk_it_is_no_store() {
    let disk = SimulatedStorage::new();
    let storage: Arc<dyn Storage> = Arc::new(disk.process());
    let store = filled(&storage, Path::new(ROOT));
    let before = content_of(&store);
    store.close().unwrap();
    let (mut change, mut finished) = (0, 0);
    // In either way in turn, up to one of each behind the end.
    while finished < 2 {
        let kind = [CrashKind::Kill, CrashKind::PowerLoss][(change % 2) as usize];
        let life = disk.duplicate();
        let storage: Arc<dyn Storage> = Arc::new(life.process());
        let store = Store::open(ROOT, quiet(&storage)).unwrap();
        life.crash_at_change(change);
        let outcome = store.backup(COPY, no_progress);
        finished += u32::from(outcome.is_ok());
        life.clear_plans();
        life.crash(kind, change);
        bury(store);
        let storage: Arc<dyn Storage> = Arc::new(life.process());
        let copy = Path::new(COPY);
        if outcome.is_ok() || storage.exists(&copy.join("meta.properties")).unwrap() {
            all_holds(&storage, copy);
        } else if storage.exists(&copy.join("backup.unfinished")).unwrap() {
            let refused = Store::open(COPY, quiet(&storage)).err().unwrap();
            assert!(refused.to_string().contains("not finished"), "{refused}");
        }
        let store = Store::open(ROOT, quiet(&storage)).unwrap();
        assert_eq!(content_of(&store), before, "{change} {kind:?}");
        if !storage.exists(&copy.join("meta.properties")).unwrap() {
            store.backup(COPY, no_progress).unwrap();
        }
        store.close().unwrap();
        let restored = opened(&storage, copy);
        assert_eq!(content_of(&restored), before, "{change} {kind:?}");
        restored.close().unwrap();
        change += 1;
    }
    assert!(change > 100, "{change}");
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let disk = SimulatedStorage::new();
    let storage: Arc<dyn Storage> = Arc::new(Linking(disk.process(), Links::None));
    let store = filled(&storage, Path::new(ROOT));
    let before = content_of(&store);
    let room = disk.used();
    for more in [0, 8 << 10, 24 << 10] {
        disk.set_capacity(room + more);
        let full = store.backup(COPY, no_progress).unwrap_err();
        assert!(matches!(full, Error::StorageFull { .. }), "{full:?}");
        assert!(full.to_string().contains(COPY), "{full}");
        disk.set_capacity(u64::MAX);
        assert!(!storage.exists(Path::new(COPY)).unwrap());
        assert_eq!(content_of(&store), before);
    }
    fill(&store, "safe", 50, 60);
    store.backup(COPY, no_progress).unwrap();
    store.close().unwrap();
}

#[test]
fn folders_that_can_not_be_taken_are_refused() {
    let storage: Arc<dyn Storage> = Arc::new(SimulatedStorage::new());
    let store = filled(&storage, Path::new(ROOT));
    let reason = |path: &str| match store.backup(path, no_progress) {
        Err(Error::InvalidArgument { argument, reason }) => {
            assert_eq!(argument, "folder");
            reason
        }
        other => panic!("{path}: {other:?}"),
    };
    for inside in [
        "/data",
        "/data/copy",
        "/data/a/b",
        "/data/safe-0",
        "/elsewhere/../data/x",
    ] {
        assert!(reason(inside).contains("store itself"), "{inside}");
        assert!(
            inside == "/data"
                || inside == "/data/safe-0"
                || !storage.exists(Path::new(inside)).unwrap()
        );
    }
    storage.create_dir(Path::new("/full")).unwrap();
    set_content(&*storage, Path::new("/full/letter"), b"dear");
    assert!(reason("/full").contains("letter"));
    assert_eq!(content(&*storage, Path::new("/full/letter")), b"dear");
    // A folder that only looks as if a backup had been cut short there.
    set_content(&*storage, Path::new("/full/backup.unfinished"), b"");
    assert!(reason("/full").contains("letter"));
    store.backup(COPY, no_progress).unwrap();
    assert!(reason(COPY).contains("holds a store"));
    let stopped = store.backup("/other", |done, _| done == 0).unwrap_err();
    assert!(matches!(stopped, Error::Stopped), "{stopped:?}");
    assert!(!storage.exists(Path::new("/other")).unwrap());
    storage.create_dir(Path::new("/other")).unwrap();
    assert!(store.backup("/other", |done, _| done == 0).is_err());
    assert_eq!(storage.read_dir(Path::new("/other")).unwrap(), []);
    // Another one into the same folder at once.
    let mut second = None;
    store
        .backup("/other", |done, _| {
            if done > 0 {
                second.get_or_insert_with(|| store.backup("/other", no_progress).unwrap_err());
            }
            true
        })
        .unwrap();
    let second = second.unwrap();
    assert!(matches!(second, Error::StoreLocked { .. }), "{second:?}");

    let reader = OpenOptions {
        read_only: true,
        create: false,
        ..quiet(&storage)
    };
    let reader = Store::open(ROOT, reader).unwrap();
    assert!(matches!(
        reader.backup("/third", no_progress),
        Err(Error::ReadOnly)
    ));
    reader.close().unwrap();
    let mut closed = false;
    let outcome = store.backup("/third", |done, _| {
        if done > 0 && !std::mem::replace(&mut closed, true) {
            store.close().unwrap();
        }
        true
    });
    assert!(matches!(outcome, Err(Error::Closed)), "{outcome:?}");
    assert!(!storage.exists(Path::new("/third")).unwrap());
}

#[test]
fn a_copy_under_load_shows_one_moment() {
    let storage: Arc<dyn Storage> = Arc::new(OsStorage::new());
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("data"), quiet(&storage)).unwrap();
    let [left, right] = ["left", "right"].map(|name| {
        store
            .create_topic(name, small(1, Durability::Fsync))
            .unwrap()
    });
    let newest = store.create_topic("newest", compacted()).unwrap();
    let loose = store
        .create_topic("loose", small(1, Durability::Buffered))
        .unwrap();
    let ended = AtomicBool::new(false);
    let goes_on = || !ended.load(Ordering::Relaxed);
    std::thread::scope(|scope| {
        for id in 0..2u64 {
            let (store, left, right) = (&store, &left, &right);
            scope.spawn(move || {
                let name = format!("writer-{id}");
                let producer = store
                    .transactional_producer(&name, TransactionOptions::default())
                    .unwrap();
                let mut number = 0u64;
                while goes_on() {
                    let transaction = producer.begin().unwrap().number;
                    let value = value(id << 32 | number, 50);
                    send(&producer, transaction, left, &[(0, &value)]).unwrap();
                    send(&producer, transaction, right, &[(0, &value), (0, &value)]).unwrap();
                    // One writer's own: how many transactions of it there are.
                    let at = left.partition(0).unwrap().high_watermark();
                    let offsets = vec![offset_commit(left, 0, at)];
                    producer.send_offsets(transaction, &name, offsets).unwrap();
                    commit(&producer, transaction).unwrap();
                    number += 1;
                }
            });
        }
        let (newest, loose) = (&newest, &loose);
        scope.spawn(move || {
            let partition = newest.partition(0).unwrap();
            let mut number = 0;
            while goes_on() {
                partition.append(keyed((number % 3) as u8, number)).unwrap();
                number += 1;
            }
        });
        scope.spawn(move || {
            while goes_on() {
                newest.compact().unwrap();
            }
        });
        scope.spawn(move || {
            let partition = loose.partition(0).unwrap();
            let mut number = 0;
            while goes_on() {
                partition.append(batch(&[value(number, 30)])).unwrap();
                let high = partition.high_watermark();
                if number % 64 == 0 && high > 100 {
                    partition.delete_records(high - 100).unwrap();
                }
                number += 1;
            }
        });
        let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for number in 0..6 {
                let acknowledged = newest.partition(0).unwrap().high_watermark();
                let copy = folder.path().join(format!("copy-{number}"));
                store.backup(&copy, no_progress).unwrap();
                judge(&storage, &copy, acknowledged);
                std::fs::remove_dir_all(&copy).unwrap();
            }
        }));
        ended.store(true, Ordering::Relaxed);
        if let Err(panic) = judged {
            std::panic::resume_unwind(panic);
        }
    });
    store.close().unwrap();
}

/// What must be true of a copy of the store that is written to all the time.
fn judge(storage: &Arc<dyn Storage>, copy: &Path, acknowledged: u64) {
    all_holds(storage, copy);
    let store = opened(storage, copy);
    let of = |name: &str| {
        let partition = store.open_topic(name).unwrap().partition(0).unwrap();
        read_all(&partition).unwrap()
    };
    let (left, right) = (of("left"), of("right"));
    // Both halves of each transaction, or none; each writer's without a gap.
    let number = |value: &[u8]| u64::from_be_bytes(value[..8].try_into().unwrap());
    let mut halves: BTreeMap<u64, (u32, u32)> = BTreeMap::new();
    for (_, value) in &left {
        halves.entry(number(value)).or_default().0 += 1;
    }
    for (_, value) in &right {
        halves.entry(number(value)).or_default().1 += 1;
    }
    assert!(
        halves.values().all(|counts| *counts == (1, 2)),
        "{halves:?}"
    );
    for id in 0..2u64 {
        let own: Vec<u64> = halves
            .keys()
            .filter(|key| *key >> 32 == id)
            .map(|key| key & 0xffff_ffff)
            .collect();
        assert!(own.iter().copied().eq(0..own.len() as u64), "{own:?}");
        // What a writer has committed is of its last transaction that is here.
        let committed = store.committed_offsets(&format!("writer-{id}")).unwrap();
        match own.is_empty() {
            true => assert!(committed.is_empty()),
            false => assert!(committed[0].offset <= left.len() as u64, "{committed:?}"),
        }
    }
    // Each key's newest record below the end is there, whatever was compacted meanwhile.
    let end = store
        .open_topic("newest")
        .unwrap()
        .partition(0)
        .unwrap()
        .high_watermark();
    assert!(end >= acknowledged);
    let records = of("newest");
    for newest in end.saturating_sub(3)..end {
        assert!(
            records
                .iter()
                .any(|(offset, value)| *offset == newest && number(value) == newest),
            "{newest} of {end}"
        );
    }
    let loose = of("loose");
    assert!(loose.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0));
    assert!(loose.iter().all(|(offset, value)| number(value) == *offset));
    store.close().unwrap();
}

/// Where links can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    Everywhere,
    /// The copy is on another file system.
    InTheStore,
    None,
}

/// A disk that has links in some places only.
#[derive(Debug)]
struct Linking(SimulatedStorage, Links);

impl Storage for Linking {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        self.0.open(path, mode)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.0.read_dir(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.0.exists(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.1 {
            Links::Everywhere => self.0.hard_link(from, to),
            Links::InTheStore if to.starts_with(ROOT) => self.0.hard_link(from, to),
            Links::InTheStore => Err(io::ErrorKind::CrossesDevices.into()),
            Links::None => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.0.remove_dir(path)
    }

    fn open_dir(&self, path: &Path) -> io::Result<Box<dyn StorageFolder>> {
        self.0.open_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<LockAttempt> {
        self.0.lock(path)
    }

    fn file_system(&self, path: &Path) -> io::Result<FileSystemKind> {
        self.0.file_system(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.0.canonicalize(path)
    }
}
