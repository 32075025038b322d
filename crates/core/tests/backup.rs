//! Backups of open stores: a copy opens as after an orderly close, shows one moment, and shares nothing with its store that
//! either of them changes. Cut short anywhere it is no store, and the next one into the same folder succeeds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

#[path = "backup/linking.rs"]
mod linking;
#[path = "backup/load.rs"]
mod load;
#[path = "backup/store.rs"]
mod store;
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use linking::*;
use store::*;
use support::sending::*;
use support::*;
use tidelog::io::{CrashKind, OsStorage, SimulatedStorage, Storage};
use tidelog::repair::survey;
use tidelog::{
    Condition, Durability, Error, OpenOptions, Store, TransactionNumber, TransactionOptions,
    TransactionOutcome,
};

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
