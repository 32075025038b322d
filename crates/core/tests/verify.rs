//! The check of a store finds what opening and repairing it find: its files are held against the checkpoint, the topics and
//! each other. What is no store is refused, and what others have written is held to their rules.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::*;
use tidelog::inspect::{Scanned, VerifyReport, scan_segment, verify_store};
use tidelog::io::{OsStorage, SimulatedStorage, Storage};
use tidelog::{Durability, OpenOptions, Store, TopicConfig};

const ROOT: &str = "/data";

/// A store with two topics of two partitions, each with several segments; closed in order, or as a kill leaves it.
fn filled(closed: bool) -> Arc<dyn Storage> {
    let disk = SimulatedStorage::new();
    let storage: Arc<dyn Storage> = Arc::new(disk.process());
    fill(&storage, Path::new(ROOT), |store| {
        let killed = disk.duplicate();
        store.close().unwrap();
        let disk = if closed { disk } else { killed };
        Arc::new(disk.process())
    })
}

fn fill<T>(storage: &Arc<dyn Storage>, root: &Path, end: impl FnOnce(Store) -> T) -> T {
    let store = Store::open(root, options(storage, Durability::Fsync)).unwrap();
    for (name, durability) in [("safe", Durability::Fsync), ("fast", Durability::Buffered)] {
        let config = TopicConfig {
            partitions: 2,
            durability: Some(durability),
            segment_bytes: 1100,
            index_interval_bytes: 256,
            ..TopicConfig::default()
        };
        let topic = topic(&store, name, config);
        for number in 0..40 {
            let partition = topic.partition(number as u32 % 2).unwrap();
            partition
                .append(batch(&[value(number, 60), value(number + 1, 60)]))
                .unwrap();
        }
    }
    end(store)
}

fn verified(storage: &Arc<dyn Storage>, path: impl AsRef<Path>) -> VerifyReport {
    verify_store(storage, path.as_ref(), |_, _| true).unwrap()
}

/// Names of the files that are complained of.
fn complaints(storage: &Arc<dyn Storage>) -> Vec<String> {
    let problems = verified(storage, ROOT).problems;
    let name = |path: PathBuf| {
        path.strip_prefix(ROOT)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    problems.into_iter().map(|one| name(one.file)).collect()
}

fn segments(storage: &dyn Storage, folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(ROOT).join(folder);
    let entries = storage.read_dir(&folder).unwrap();
    let logs = entries.iter().filter(|entry| entry.name.ends_with(".log"));
    logs.map(|entry| folder.join(&entry.name)).collect()
}

/// Damages a store, closed in order or as a kill leaves it, and expects a complaint of the file or folder.
fn finds(what: &str, damage: impl Fn(&dyn Storage)) {
    finds_in(true, what, &damage);
    finds_in(false, what, &damage);
}

fn finds_in(closed: bool, what: &str, damage: &impl Fn(&dyn Storage)) {
    let storage = filled(closed);
    assert_eq!(complaints(&storage), Vec::<String>::new());
    damage(&*storage);
    let found = complaints(&storage);
    assert!(
        found.iter().any(|file| file.contains(what)),
        "closed: {closed}: {found:?} has no {what}"
    );
}

fn remove_folder(storage: &dyn Storage, folder: &Path) {
    for entry in storage.read_dir(folder).unwrap() {
        storage.remove_file(&folder.join(&entry.name)).unwrap();
    }
    storage.remove_dir(folder).unwrap();
}

#[test]
fn a_sound_store_holds_and_is_counted_whole() {
    let report = verified(&filled(true), ROOT);
    assert_eq!(report.problems, []);
    assert_eq!(
        (report.partitions, report.batches, report.records),
        (4, 80, 160)
    );
    assert_eq!(verified(&filled(false), ROOT).problems, []);
}

#[test]
fn a_last_segment_that_is_missing_empty_or_short_is_found() {
    // After a kill the journal still holds what the segment held.
    for folder in ["safe-0", "fast-1"] {
        let last = |storage: &dyn Storage| segments(storage, folder).pop().unwrap();
        let file = format!("{folder}/0");
        finds_in(true, &file, &|storage| {
            storage.remove_file(&last(storage)).unwrap();
        });
        finds_in(true, &file, &|storage| {
            set_content(storage, &last(storage), &[])
        });
        finds_in(true, &file, &|storage| {
            let whole = content(storage, &last(storage));
            set_content(storage, &last(storage), &whole[..whole.len() - 1]);
        });
    }
}

#[test]
fn a_short_last_segment_is_found_once_the_store_was_opened() {
    let storage = filled(true);
    let last = segments(&*storage, "safe-1").pop().unwrap();
    let whole = content(&*storage, &last);
    set_content(&*storage, &last, &whole[..whole.len() - 1]);
    let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
    assert_eq!(store.recovery().damaged.len(), 1);
    store.close().unwrap();
    assert!(complaints(&storage)[0].starts_with("safe-1/0"));
}

#[test]
fn a_first_segment_that_is_missing_is_found() {
    finds_in(true, "safe-1/0", &|storage| {
        let first = segments(storage, "safe-1").remove(0);
        storage.remove_file(&first).unwrap();
    });
}

#[test]
fn a_partition_folder_that_is_missing_is_found() {
    finds("safe-1", |storage| {
        remove_folder(storage, &Path::new(ROOT).join("safe-1"));
    });
}

#[test]
fn a_checkpoint_that_is_missing_empty_or_of_zeros_is_found() {
    let path = Path::new(ROOT).join("checkpoint");
    finds("checkpoint", |storage| storage.remove_file(&path).unwrap());
    finds("checkpoint", |storage| set_content(storage, &path, &[]));
    finds("checkpoint", |storage| {
        let zeros = vec![0; content(storage, &path).len()];
        set_content(storage, &path, &zeros);
    });
}

#[test]
fn meta_properties_that_are_missing_or_empty_are_found() {
    let path = Path::new(ROOT).join("meta.properties");
    finds("meta.properties", |storage| {
        storage.remove_file(&path).unwrap()
    });
    finds("meta.properties", |storage| {
        set_content(storage, &path, &[])
    });
}

#[test]
fn topics_that_are_missing_or_damaged_are_found() {
    let topics = Path::new(ROOT).join("topics");
    finds("topics", |storage| remove_folder(storage, &topics));
    finds("topics/safe", |storage| {
        storage.remove_file(&topics.join("safe")).unwrap();
    });
    finds("topics/safe", |storage| {
        set_content(storage, &topics.join("safe"), b"");
    });
    finds("topics/fast", |storage| {
        let mut bytes = content(storage, &topics.join("fast"));
        bytes[30] ^= 1;
        set_content(storage, &topics.join("fast"), &bytes);
    });
}

#[test]
fn what_desktops_leave_in_topics_is_no_damage() {
    let storage = filled(true);
    set_content(&*storage, &Path::new(ROOT).join("topics/.DS_Store"), b"x");
    assert_eq!(complaints(&storage), Vec::<String>::new());
}

#[test]
fn a_damaged_published_file_is_found() {
    finds_in(true, "safe-0/published", &|storage| {
        let path = Path::new(ROOT).join("safe-0/published");
        let mut bytes = content(storage, &path);
        bytes[20] ^= 1;
        set_content(storage, &path, &bytes);
    });
}

#[test]
fn a_folder_of_another_topic_is_found() {
    finds("fast-0", |storage| {
        let other = content(storage, &Path::new(ROOT).join("safe-0/partition.metadata"));
        let path = Path::new(ROOT).join("fast-0/partition.metadata");
        set_content(storage, &path, &other);
    });
}

#[test]
fn an_older_slot_of_the_checkpoint_does_not_pass_for_the_newest() {
    let storage = filled(true);
    // The life that the damaged slot told of has left its frames in the journal.
    let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
    let partition = store.open_topic("safe").unwrap().partition(0).unwrap();
    partition.append(batch(&[value(1, 60)])).unwrap();
    store.close().unwrap();
    let path = Path::new(ROOT).join("checkpoint");
    let whole = content(&*storage, &path);
    for slot in 0..2 {
        let mut bytes = whole.clone();
        bytes[slot * whole.len() / 2 + 40] ^= 1;
        set_content(&*storage, &path, &bytes);
        let problems = verified(&storage, ROOT).problems;
        let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
        let refused = !store.recovery().damaged.is_empty();
        store.close().unwrap();
        assert!(!problems.is_empty(), "slot {slot}");
        let says_lost = problems.iter().any(|one| one.records_affected);
        assert_eq!(says_lost, refused, "slot {slot}: {problems:?}");
        set_content(&*storage, &path, &whole);
    }
}

#[test]
fn a_linked_partition_folder_is_checked_like_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let root = folder.path().join("store");
    fill(&storage, &root, |store| store.close().unwrap());
    let elsewhere = folder.path().join("elsewhere");
    std::fs::rename(root.join("safe-0"), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, root.join("safe-0")).unwrap();
    let report = verified(&storage, &root);
    assert_eq!((report.partitions, report.problems), (4, vec![]));
    let path = elsewhere.join("00000000000000000000.log");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[90] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(verified(&storage, &root).problems.len(), 1);
}

#[test]
fn a_folder_that_is_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let refused = || {
        let error = verify_store(&storage, folder.path(), |_, _| true).unwrap_err();
        assert_eq!(error.code(), "ERR_TIDELOG_NOT_A_STORE");
        error.to_string()
    };
    std::fs::create_dir(folder.path().join("x-1")).unwrap();
    assert!(refused().contains("meta.properties"));
    // As a broker has it.
    let meta = "version=1\ncluster.id=abc\nnode.id=1\n";
    std::fs::write(folder.path().join("meta.properties"), meta).unwrap();
    std::fs::write(
        folder.path().join("recovery-point-offset-checkpoint"),
        "0\n0\n",
    )
    .unwrap();
    assert!(refused().contains("Kafka"));
}

/// A folder as Kafka's compaction leaves it: the first batches of a log are gone, and one in between.
fn of_kafka(folder: &Path) -> PathBuf {
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let source = folder.join("source");
    fill(&storage, &source, |store| store.close().unwrap());
    let whole = std::fs::read(source.join("safe-0/00000000000000000000.log")).unwrap();
    let mut at = vec![0];
    while at[at.len() - 1] < whole.len() {
        let from = at[at.len() - 1];
        let len = u32::from_be_bytes(whole[from + 8..from + 12].try_into().unwrap());
        at.push(from + 12 + len as usize);
    }
    let partition = folder.join("t-0");
    std::fs::create_dir(&partition).unwrap();
    let path = partition.join("00000000000000000000.log");
    let kept = [&whole[at[1]..at[2]], &whole[at[3]..]].concat();
    std::fs::write(&path, kept).unwrap();
    path
}

#[test]
fn gaps_between_kafkas_batches_are_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let path = of_kafka(folder.path());
    let report = verified(&storage, path.parent().unwrap());
    assert_eq!(report.problems, []);
    assert!(report.batches > 2);
    let damage = |one: &Scanned| matches!(one, Scanned::Damage { .. });
    assert_eq!(
        scan_segment(&OsStorage, &path)
            .unwrap()
            .filter(damage)
            .count(),
        0
    );
    // What comes twice is damage everywhere.
    let once = std::fs::read(&path).unwrap();
    std::fs::write(&path, [&once[..], &once[..]].concat()).unwrap();
    assert_eq!(verified(&storage, path.parent().unwrap()).problems.len(), 1);
    assert_eq!(
        scan_segment(&OsStorage, &path)
            .unwrap()
            .filter(damage)
            .count(),
        1
    );
}

#[test]
fn an_entry_may_name_the_first_of_the_batches_that_kafka_appended_together() {
    let folder = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let path = of_kafka(folder.path());
    // Offsets 2 and 3, and 6 and 7, from byte 0 on.
    let together = [7_u32.to_be_bytes(), 0_u32.to_be_bytes()].concat();
    std::fs::write(path.with_extension("index"), together).unwrap();
    assert_eq!(verified(&storage, path.parent().unwrap()).problems, []);
    let within = [7_u32.to_be_bytes(), 5_u32.to_be_bytes()].concat();
    std::fs::write(path.with_extension("index"), within).unwrap();
    assert_eq!(verified(&storage, path.parent().unwrap()).problems.len(), 1);
}

#[test]
fn an_index_padded_with_zeros_is_one_complaint() {
    let folder = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let path = of_kafka(folder.path());
    std::fs::write(path.with_extension("index"), vec![0; 10 << 20]).unwrap();
    let problems = verified(&storage, path.parent().unwrap()).problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].reason.contains("1310719 entries of zeros"),
        "{problems:?}"
    );
}

#[test]
fn complaints_of_one_file_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let path = of_kafka(folder.path());
    let wrong = [2_u32.to_be_bytes(), 5_u32.to_be_bytes()].concat();
    std::fs::write(path.with_extension("index"), wrong.repeat(100_000)).unwrap();
    let problems = verified(&storage, path.parent().unwrap()).problems;
    assert_eq!(problems.len(), 21, "{problems:?}");
    assert!(
        problems[20].reason.starts_with("99980 more"),
        "{problems:?}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_the_rest_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let root = folder.path();
    fill(&storage, root, |store| store.close().unwrap());
    // Whoever has all rights reads files of mode 000, and nobody a folder as a file.
    let locked = root.join("safe-0/00000000000000000000.index");
    std::fs::remove_file(&locked).unwrap();
    std::fs::create_dir(&locked).unwrap();
    let path = root.join("safe-1/00000000000000000000.log");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[90] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let report = verified(&storage, root);
    let files: Vec<_> = report.problems.iter().map(|one| &one.file).collect();
    assert!(
        files.contains(&&locked) && files.contains(&&path),
        "{files:?}"
    );
    assert_eq!(report.partitions, 4);
}

#[test]
fn a_check_beside_a_writer_passes_over_what_is_deleted_and_what_grows() {
    let folder = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let options = OpenOptions {
        durability: Durability::Buffered,
        checkpoint_interval: Duration::from_millis(20),
        ..OpenOptions::default()
    };
    let store = Store::open(folder.path(), options).unwrap();
    let config = TopicConfig {
        durability: Some(Durability::Buffered),
        segment_bytes: 2000,
        ..TopicConfig::default()
    };
    let kept = store.create_topic("kept", config.clone()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let partition = kept.partition(0).unwrap();
            for round in 0_u64.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let passing = store.create_topic("passing", config.clone()).unwrap();
                let other = passing.partition(0).unwrap();
                for number in 0..30 {
                    partition.append(batch(&[value(number, 200)])).unwrap();
                    other.append(batch(&[value(number, 200)])).unwrap();
                }
                partition
                    .delete_records(partition.high_watermark() - 5)
                    .unwrap();
                store.delete_topic("passing").unwrap();
                assert!(round < 100_000);
            }
        });
        for _ in 0..40 {
            let report = verify_store(&storage, folder.path(), |_, _| true);
            let sound = matches!(&report, Ok(report) if report.problems.is_empty());
            if !sound || writer.is_finished() {
                done.store(true, Ordering::Relaxed);
            }
            assert!(sound, "{report:?}");
        }
        done.store(true, Ordering::Relaxed);
    });
    store.close().unwrap();
    assert_eq!(verified(&storage, folder.path()).problems, []);
}
