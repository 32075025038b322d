//! Damage of every kind, and its repair: before it the rest is read and nothing is appended over the damage; after it
//! every record that was not damaged is at its offset, lost offsets are never given again, and the check of the store
//! finds nothing. A repair may die at any change of the disk and be run again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use support::sending::sequenced;
use support::*;
use tidelog::format::batch::BatchHeader;
use tidelog::format::journal::FrameHeader;
use tidelog::io::{CrashKind, SimulatedStorage, Storage};
use tidelog::repair::{LostRange, RepairPlan, RepairReport, survey};
use tidelog::{Durability, Error, OpenOptions, Store, TopicConfig};

const ROOT: &str = "/data";
const BATCHES: u64 = 40;
const PER_BATCH: u64 = 3;

/// Records by topic and partition, with their offsets.
type Records = BTreeMap<(&'static str, u32), Vec<(u64, Vec<u8>)>>;

/// A store with an `fsync` and a `buffered` topic, whose partitions have several segments each: closed, or as its
/// process would leave it if it were killed.
fn filled(close: bool) -> (SimulatedStorage, Records) {
    let disk = SimulatedStorage::new();
    let storage = life(&disk);
    let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
    let mut records = Records::new();
    let config = |durability| TopicConfig {
        partitions: 2,
        durability: Some(durability),
        segment_bytes: 1100,
        index_interval_bytes: 256,
        ..TopicConfig::default()
    };
    // Both before the first append, so that no checkpoint covers a frame.
    let topics = [("safe", Durability::Fsync), ("fast", Durability::Buffered)]
        .map(|(name, durability)| (name, topic(&store, name, config(durability))));
    for (name, topic) in &topics {
        for b in 0..BATCHES {
            let number = (b % 2) as u32;
            let values: Vec<_> = (0..PER_BATCH)
                .map(|n| value(b * PER_BATCH + n, 60))
                .collect();
            let partition = topic.partition(number).unwrap();
            let appended = partition.append(batch(&values)).unwrap();
            let there = records.entry((*name, number)).or_default();
            there.extend((appended.base_offset..).zip(values));
        }
    }
    let killed = disk.duplicate();
    store.close().unwrap();
    (if close { disk } else { killed }, records)
}

fn life(disk: &SimulatedStorage) -> Arc<dyn Storage> {
    Arc::new(disk.process())
}

fn flip(storage: &dyn Storage, path: &Path, position: usize) {
    let mut bytes = content(storage, path);
    bytes[position] ^= 0x10;
    set_content(storage, path, &bytes);
}

/// Base offsets of a partition's segments.
fn segments(storage: &dyn Storage, folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(ROOT).join(folder);
    let entries = storage.read_dir(&folder).unwrap();
    let logs = entries.iter().filter(|entry| entry.name.ends_with(".log"));
    logs.map(|entry| folder.join(&entry.name)).collect()
}

fn plan_of(storage: &Arc<dyn Storage>) -> RepairPlan {
    survey(storage, ROOT, |_, _| true).unwrap().plan().clone()
}

fn repaired(storage: &Arc<dyn Storage>) -> RepairReport {
    let survey = survey(storage, ROOT, |_, _| true).unwrap();
    let plan = survey.plan().clone();
    let report = survey.repair(|_, _| ()).unwrap();
    let ranges = |lost: &[LostRange]| -> Vec<_> {
        let key = |l: &LostRange| (l.file.clone(), l.position, l.bytes, l.first, l.next);
        lost.iter().map(key).collect()
    };
    assert_eq!(
        ranges(&plan.lost),
        ranges(&report.done.lost),
        "the repair gives up what the plan says, and nothing else"
    );
    report
}

fn is_lost(lost: &[LostRange], topic: &str, partition: u32, offset: u64) -> bool {
    lost.iter().any(|range| {
        (range.topic.as_str(), range.partition) == (topic, partition)
            && (range.first..range.next).contains(&offset)
    })
}

/// Everything but what is said to be lost is there, the store works, and goes on working.
fn check(storage: &Arc<dyn Storage>, records: &Records, lost: &[LostRange], context: &str) {
    for round in 0..2_u64 {
        let store = Store::open(ROOT, options(storage, Durability::Fsync)).unwrap();
        let damaged = &store.recovery().damaged;
        assert!(damaged.is_empty(), "{context}, round {round}: {damaged:?}");
        for ((name, number), records) in records {
            let partition = store.open_topic(name).unwrap().partition(*number).unwrap();
            let mut expected: Vec<_> = records
                .iter()
                .filter(|(offset, _)| !is_lost(lost, name, *number, *offset))
                .cloned()
                .collect();
            let end = records.last().unwrap().0 + 1;
            expected.extend((0..round).map(|n| (end + n, value(9000 + n, 20))));
            let read = read_all(&partition).unwrap();
            assert_eq!(read, expected, "{context}, round {round}: {name}-{number}");
            let appended = partition.append(batch(&[value(9000 + round, 20)])).unwrap();
            assert_eq!(
                appended.base_offset,
                end + round,
                "{context}: an offset of {name}-{number} was given again"
            );
        }
        store.close().unwrap();
    }
    let report = tidelog::inspect::verify_store(storage, Path::new(ROOT), |_, _| true).unwrap();
    assert!(
        report.problems.is_empty(),
        "{context}: {:?}",
        report.problems
    );
    assert!(plan_of(storage).is_empty(), "{context}");
}

/// What the store is before its repair: other partitions work, and nothing is appended over the damage.
fn check_before(disk: &SimulatedStorage, records: &Records, damaged: (&str, u32)) {
    let storage = life(&disk.duplicate());
    let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
    for ((name, number), records) in records {
        let partition = store.open_topic(name).unwrap().partition(*number).unwrap();
        let appended = partition.append(batch(&[value(1, 20)]));
        if (*name, *number) == damaged {
            assert_eq!(appended.unwrap_err().code(), "ERR_TIDELOG_CORRUPTION");
        } else {
            appended.unwrap();
            assert_eq!(read_all(&partition).unwrap()[..records.len()], records[..]);
        }
    }
    store.close().unwrap();
}

/// Files that the check of the store complains about.
fn complaints(storage: &Arc<dyn Storage>) -> Vec<String> {
    let report = tidelog::inspect::verify_store(storage, Path::new(ROOT), |_, _| true).unwrap();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    report.problems.iter().map(|it| name(&it.file)).collect()
}

/// The batches of a segment: position, header.
fn batches(bytes: &[u8]) -> Vec<(usize, BatchHeader)> {
    let (mut at, mut found) = (0, Vec::new());
    while at < bytes.len() {
        let header = BatchHeader::parse(&bytes[at..]).unwrap();
        found.push((at, header));
        at += header.size();
    }
    found
}

#[test]
fn a_flip_anywhere_in_a_segment_costs_its_batch_at_most() {
    let (disk, records) = filled(true);
    let path = segment_path(Path::new(ROOT), "safe", 1, 0);
    let whole = content(&disk, &path);
    let batches = batches(&whole);
    assert!(batches.len() > 3);
    let mut mended = 0;
    for at in (0..whole.len()).step_by(3) {
        let disk = disk.duplicate();
        let storage = life(&disk);
        flip(&*storage, &path, at);
        let context = format!("byte {at}");
        let (position, header) = *batches.iter().rfind(|(begin, _)| *begin <= at).unwrap();
        // Base offset and leader epoch are not under the checksum, and the batches around it tell them.
        let is_place = at - position < 8 || (12..16).contains(&(at - position));
        let report = repaired(&storage);
        let lost = &report.done.lost;
        match is_place {
            true => {
                assert!(lost.is_empty(), "{context}: {lost:?}");
                mended += report.done.mended.len();
            }
            false => {
                let [lost] = &lost[..] else {
                    panic!("{context}: {lost:?}")
                };
                assert_eq!(
                    (lost.first, lost.next),
                    (header.base_offset, header.next_offset())
                );
                assert_eq!(lost.bytes, header.size() as u64, "{context}");
                let kept = content(&*storage, lost.kept.as_ref().unwrap());
                let mut damaged = whole[position..position + header.size()].to_vec();
                damaged[at - position] ^= 0x10;
                assert_eq!(kept, damaged, "{context}: the damaged bytes are kept");
            }
        }
        check(&storage, &records, lost, &context);
    }
    assert!(mended > 10);
}

#[test]
fn a_log_cut_below_its_durable_end_keeps_its_offsets() {
    for topic in ["safe", "fast"] {
        let (disk, records) = filled(true);
        let path = segments(&disk, &format!("{topic}-0")).pop().unwrap();
        let whole = content(&disk, &path);
        for cut in (0..whole.len()).step_by(17) {
            let disk = disk.duplicate();
            let storage = life(&disk);
            set_content(&*storage, &path, &whole[..cut]);
            if cut % 51 == 0 {
                check_before(&disk, &records, (topic, 0));
            }
            let report = repaired(&storage);
            let lost = &report.done.lost;
            let kept = batches(&whole)
                .iter()
                .rfind(|(at, h)| at + h.size() <= cut)
                .map(|(_, h)| h.next_offset());
            let first = kept.unwrap_or_else(|| batches(&whole)[0].1.base_offset);
            assert_eq!(lost.len(), 1, "cut at {cut}: {lost:?}");
            assert_eq!(
                (lost[0].first, lost[0].next),
                (first, records[&(topic, 0)].len() as u64)
            );
            check(&storage, &records, lost, &format!("{topic} cut at {cut}"));
        }
    }
}

#[test]
fn a_missing_segment_becomes_a_gap_that_keeps_its_offsets() {
    for topic in ["safe", "fast"] {
        let (disk, records) = filled(true);
        let paths = segments(&disk, &format!("{topic}-0"));
        assert!(paths.len() > 3);
        let base =
            |path: &Path| -> u64 { path.file_stem().unwrap().to_str().unwrap().parse().unwrap() };
        for (index, path) in paths.iter().enumerate() {
            let disk = disk.duplicate();
            let storage = life(&disk);
            storage.remove_file(path).unwrap();
            if index == 0 || index == paths.len() - 1 {
                check_before(&disk, &records, (topic, 0));
            }
            let report = repaired(&storage);
            let lost = &report.done.lost;
            let next = paths
                .get(index + 1)
                .map_or(records[&(topic, 0)].len() as u64, |next| base(next));
            assert_eq!(lost.len(), 1, "{lost:?}");
            assert_eq!((lost[0].first, lost[0].next), (base(path), next));
            check(
                &storage,
                &records,
                lost,
                &format!("{topic} without segment {index}"),
            );
        }
        // All of them.
        let storage = life(&disk);
        for path in &paths {
            storage.remove_file(path).unwrap();
        }
        check_before(&disk, &records, (topic, 0));
        let report = repaired(&storage);
        check(&storage, &records, &report.done.lost, "without any segment");
    }
}

/// Positions of the journal's frames in its one file.
fn frames(storage: &dyn Storage) -> (PathBuf, Vec<usize>) {
    let path = Path::new(ROOT).join("journal/00000000.journal");
    let bytes = content(storage, &path);
    let found = (0..bytes.len())
        .step_by(4096)
        .filter(|at| FrameHeader::parse(&bytes[*at..]).is_some_and(|frame| frame.entries > 0));
    (path, found.collect())
}

#[test]
fn a_damaged_frame_of_the_journal_costs_what_only_it_held() {
    let mut lost_some = 0;
    for (kind, seed) in [
        (CrashKind::Kill, 0),
        (CrashKind::PowerLoss, 1),
        (CrashKind::PowerLoss, 2),
        (CrashKind::PowerLoss, 3),
    ] {
        let (disk, records) = filled(false);
        let records: Records = records
            .into_iter()
            .filter(|((name, _), _)| *name == "safe")
            .collect();
        disk.crash(kind, seed);
        let (path, positions) = frames(&disk);
        assert!(positions.len() > 20, "{}", positions.len());
        for at in [0, 7, 20, positions.len() - 3] {
            let disk = disk.duplicate();
            let storage = life(&disk);
            flip(&*storage, &path, positions[at] + 200);
            let context = format!("{kind:?} {seed}, frame {at}");

            let store =
                Store::open(ROOT, options(&life(&disk.duplicate()), Durability::Fsync)).unwrap();
            assert!(
                matches!(
                    store.recovery().damaged[..],
                    [Error::CorruptFile { .. }, ..]
                ),
                "{context}"
            );
            let partition = store.open_topic("safe").unwrap().partition(0).unwrap();
            assert_eq!(
                partition.append(batch(&[value(1, 20)])).unwrap_err().code(),
                "ERR_TIDELOG_CORRUPTION"
            );
            read_all(&partition).unwrap();
            store.close().unwrap();

            assert!(complaints(&storage).contains(&"00000000.journal".to_owned()));
            let report = repaired(&storage);
            let journal = report.done.journal.as_ref().unwrap();
            assert_eq!(journal.frames.len(), 1, "{context}: {journal:?}");
            let lost: u64 = report
                .done
                .lost
                .iter()
                .filter(|l| l.topic == "safe")
                .map(|l| l.next - l.first)
                .sum();
            assert!(
                lost <= PER_BATCH,
                "{context}: one batch a frame, so no more than that is lost: {:?}",
                report.done.lost
            );
            assert!(
                kind == CrashKind::PowerLoss || lost == 0,
                "{context}: the segments hold it"
            );
            lost_some += lost;
            check(&storage, &records, &report.done.lost, &context);
        }
    }
    assert!(
        lost_some > 0,
        "no story in which a frame alone held something"
    );
}

/// Spoils both slots of the checkpoint, or one.
fn spoil_checkpoint(storage: &dyn Storage, slots: &[usize]) {
    let path = Path::new(ROOT).join("checkpoint");
    let mut bytes = content(storage, &path);
    let half = bytes.len() / 2;
    for slot in slots {
        bytes[slot * half + 30] ^= 1;
    }
    set_content(storage, &path, &bytes);
}

#[test]
fn without_its_checkpoint_a_store_is_made_of_what_segments_and_journal_hold() {
    for (close, kind, seed) in [
        (true, CrashKind::Kill, 0),
        (false, CrashKind::Kill, 0),
        (false, CrashKind::PowerLoss, 1),
        (false, CrashKind::PowerLoss, 5),
    ] {
        let (disk, records) = filled(close);
        disk.crash(kind, seed);
        let records: Records = records
            .into_iter()
            .filter(|((name, _), _)| *name == "safe" || kind == CrashKind::Kill)
            .collect();
        let storage = life(&disk);
        spoil_checkpoint(&*storage, &[0, 1]);
        let opened = Store::open(ROOT, options(&storage, Durability::Fsync));
        assert!(matches!(opened.err(), Some(Error::CorruptFile { .. })));
        let report = repaired(&storage);
        assert!(report.done.checkpoint.is_some());
        let lost = &report.done.lost;
        assert!(
            lost.iter().all(|lost| lost.topic == "fast"),
            "{kind:?} {seed}: {lost:?}"
        );
        check(&storage, &records, &[], &format!("{kind:?} {seed}"));
    }
}

#[test]
fn a_damaged_segment_is_repaired_without_a_checkpoint_too() {
    let (disk, records) = filled(true);
    let storage = life(&disk);
    spoil_checkpoint(&*storage, &[0, 1]);
    // The journal would put it back in a partition that is in it.
    flip(&*storage, &segments(&*storage, "fast-0")[1], 150);
    storage
        .remove_file(&segments(&*storage, "fast-1")[2])
        .unwrap();
    let report = repaired(&storage);
    assert_eq!(report.done.lost.len(), 2, "{:?}", report.done.lost);
    check(
        &storage,
        &records,
        &report.done.lost,
        "checkpoint and segments",
    );
}

#[test]
fn one_slot_of_the_checkpoint_costs_nothing() {
    for slot in [0, 1] {
        for close in [true, false] {
            let (disk, records) = filled(close);
            disk.crash(CrashKind::Kill, 0);
            let storage = life(&disk);
            spoil_checkpoint(&*storage, &[slot]);
            assert!(complaints(&storage).contains(&"checkpoint".to_owned()));
            let report = repaired(&storage);
            assert!(report.done.lost.is_empty(), "{:?}", report.done.lost);
            check(
                &storage,
                &records,
                &[],
                &format!("slot {slot}, closed: {close}"),
            );
        }
    }
}

#[test]
fn indexes_that_do_not_fit_are_made_again() {
    let (disk, records) = filled(true);
    let storage = life(&disk);
    for extension in ["index", "timeindex"] {
        flip(
            &*storage,
            &segments(&*storage, "safe-0")[0].with_extension(extension),
            7,
        );
    }
    let report = repaired(&storage);
    assert_eq!(report.done.indexes.len(), 2);
    assert!(!report.done.gives_up());
    check(&storage, &records, &[], "indexes");
    assert!(
        storage
            .exists(&segments(&*storage, "safe-0")[0].with_extension("index"))
            .unwrap()
    );
}

#[test]
fn a_snapshot_of_producers_that_does_not_hold_is_made_again() {
    let (disk, mut records) = filled(true);
    let storage = life(&disk);
    let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
    let id = store.init_producer_id(None).unwrap();
    let partition = store.open_topic("safe").unwrap().partition(0).unwrap();
    let sent = sequenced(id.producer_id, id.epoch, 0, &[value(7, 60)]);
    let appended = partition.append(sent.clone()).unwrap();
    let there = records.get_mut(&("safe", 0)).unwrap();
    there.push((appended.base_offset, value(7, 60)));
    store.close().unwrap();
    let snapshots = || -> Vec<PathBuf> {
        let folder = Path::new(ROOT).join("safe-0");
        let entries = storage.read_dir(&folder).unwrap().into_iter();
        let found = entries.filter(|entry| entry.name.ends_with(".snapshot"));
        found.map(|entry| folder.join(entry.name)).collect()
    };
    let [snapshot] = &snapshots()[..] else {
        panic!("{:?}", snapshots());
    };
    assert_eq!(complaints(&storage), Vec::<String>::new());
    flip(&*storage, snapshot, 12);
    let name = snapshot.file_name().unwrap().to_str().unwrap();
    assert_eq!(complaints(&storage), [name]);
    let report = repaired(&storage);
    assert_eq!(report.done.snapshots, std::slice::from_ref(snapshot));
    assert!(!report.done.gives_up() && !report.done.is_empty());
    assert!(snapshots().is_empty());
    check(&storage, &records, &[], "a snapshot");
    // What it told of is known from the log.
    let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
    let partition = store.open_topic("safe").unwrap().partition(0).unwrap();
    let again = partition.append(sent).unwrap();
    assert_eq!(
        (again.duplicate, again.base_offset),
        (true, appended.base_offset)
    );
    store.close().unwrap();
}

fn all_files(storage: &dyn Storage, folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in storage.read_dir(folder).unwrap() {
        let path = folder.join(&entry.name);
        match entry.is_dir {
            true => files.extend(all_files(storage, &path)),
            false if entry.name != ".lock" => files.push((path.clone(), content(storage, &path))),
            false => {}
        }
    }
    files
}

#[test]
fn a_survey_changes_nothing_and_neither_does_a_repair_of_a_sound_store() {
    for (close, kind) in [
        (true, CrashKind::Kill),
        (false, CrashKind::Kill),
        (false, CrashKind::PowerLoss),
    ] {
        let (disk, records) = filled(close);
        disk.crash(kind, 11);
        let storage = life(&disk);
        let before = all_files(&*storage, Path::new(ROOT));
        let report = repaired(&storage);
        assert!(report.done.is_empty(), "{:?}", report.done);
        assert!(
            all_files(&*storage, Path::new(ROOT)) == before,
            "{close} {kind:?}"
        );
        let records: Records = records
            .into_iter()
            .filter(|((name, _), _)| *name == "safe" || kind == CrashKind::Kill)
            .collect();
        // The first one may be there in part only.
        storage
            .remove_file(&segments(&*storage, "safe-0")[0])
            .unwrap();
        let before = all_files(&*storage, Path::new(ROOT));
        let _ = plan_of(&storage);
        assert!(all_files(&*storage, Path::new(ROOT)) == before);
        let report = repaired(&storage);
        check(&storage, &records, &report.done.lost, "after all");
    }
}

#[test]
fn a_store_that_is_open_is_left_alone() {
    let (disk, _) = filled(true);
    let storage = life(&disk);
    let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
    let refused = survey(&storage, ROOT, |_, _| true).err();
    assert!(matches!(refused, Some(Error::StoreLocked { .. })));
    store.close().unwrap();
    let stopped = survey(&storage, ROOT, |_, _| false).unwrap();
    assert_eq!(
        stopped.repair(|_, _| ()).unwrap_err().code(),
        "ERR_TIDELOG_INVALID_ARGUMENT"
    );
}

/// Everything at once: a flip, a missing segment, a log cut short; and the journal or the checkpoint.
fn spoiled(what: &str) -> (SimulatedStorage, Records) {
    let (mut disk, mut records) = filled(what == "closed" || what == "two lives");
    if what == "two lives" {
        // The journal names places in the segment that is damaged before them: two batches of a life that was closed,
        // two of one that was not.
        for close in [true, false] {
            let store = Store::open(ROOT, options(&life(&disk), Durability::Fsync)).unwrap();
            let partition = store.open_topic("safe").unwrap().partition(0).unwrap();
            let there = records.get_mut(&("safe", 0)).unwrap();
            for n in 0..2 {
                partition.append(batch(&[value(n, 300)])).unwrap();
                there.push((there.len() as u64, value(n, 300)));
            }
            let killed = disk.duplicate();
            store.close().unwrap();
            if !close {
                disk = killed;
            }
        }
    }
    disk.crash(CrashKind::Kill, 1);
    if what == "two lives" {
        flip(&disk, &segment_path(Path::new(ROOT), "safe", 0, 60), 150);
    }
    {
        let storage = life(&disk);
        flip(&*storage, &segments(&*storage, "safe-0")[1], 150);
        storage
            .remove_file(&segments(&*storage, "safe-1")[1])
            .unwrap();
        if what != "journal" {
            // Nothing else tells that it was there, when it was not closed and the checkpoint holds.
            storage
                .remove_file(&segments(&*storage, "fast-1")[2])
                .unwrap();
        }
        match what {
            "journal" => {
                let (path, positions) = frames(&*storage);
                flip(&*storage, &path, positions[9] + 100);
            }
            "checkpoint" => spoil_checkpoint(&*storage, &[0, 1]),
            _ => {
                let last = segments(&*storage, "fast-0").pop().unwrap();
                let bytes = content(&*storage, &last);
                set_content(&*storage, &last, &bytes[..bytes.len() / 2]);
            }
        }
        for folder in ["safe-1", "fast-1"] {
            storage.sync_dir(&Path::new(ROOT).join(folder)).unwrap();
        }
    }
    (disk, records)
}

#[test]
fn a_repair_may_die_at_any_change_and_be_run_again() {
    let mut crashes = 0;
    for what in ["closed", "journal", "checkpoint", "two lives"] {
        let (disk, records) = spoiled(what);
        let lost = plan_of(&life(&disk.duplicate())).lost;
        assert!(!lost.is_empty(), "{what}: {lost:?}");
        for kind in [CrashKind::Kill, CrashKind::PowerLoss] {
            for change in 1.. {
                let disk = disk.duplicate();
                let records = match kind {
                    // What nobody synced may go with the power, and without being damaged.
                    CrashKind::PowerLoss if what != "closed" => records
                        .clone()
                        .into_iter()
                        .filter(|((name, _), _)| *name == "safe")
                        .collect(),
                    _ => records.clone(),
                };
                disk.crash_at_change(disk.counters().changes + change);
                let storage = life(&disk);
                let ended =
                    survey(&storage, ROOT, |_, _| true).and_then(|survey| survey.repair(|_, _| ()));
                let whole = ended.is_ok() && !disk.is_down();
                disk.crash(kind, change);
                let storage = life(&disk);
                let context = format!("{what}, {kind:?} at change {change}");
                let again = repaired(&storage);
                for one in &again.done.lost {
                    for offset in one.first..one.next {
                        assert!(
                            one.topic == "fast" && kind == CrashKind::PowerLoss
                                || is_lost(&lost, &one.topic, one.partition, offset),
                            "{context}: {one:?} is given up too"
                        );
                    }
                }
                check(&storage, &records, &lost, &context);
                if whole {
                    break;
                }
                crashes += 1;
            }
        }
    }
    assert!(crashes > 60, "{crashes}");
}

/// The store shows its damage, takes nothing, and changes no log; a repair keeps every record.
fn check_nothing_is_lost(disk: &SimulatedStorage, records: &Records, context: &str) {
    let storage = life(disk);
    let logs = |storage: &dyn Storage| -> Vec<_> {
        let files = all_files(storage, Path::new(ROOT)).into_iter();
        let is_log = |path: &Path| {
            path.extension()
                .is_some_and(|it| it == "log" || it == "torn")
        };
        files.filter(|(path, _)| is_log(path)).collect()
    };
    let before = logs(&*storage);
    for _ in 0..2 {
        let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
        let damaged = &store.recovery().damaged;
        assert!(
            matches!(damaged[..], [Error::CorruptFile { .. }, ..]),
            "{context}: {damaged:?}"
        );
        let partition = store.open_topic("safe").unwrap().partition(0).unwrap();
        let appended = partition.append(batch(&[value(1, 20)]));
        assert_eq!(appended.unwrap_err().code(), "ERR_TIDELOG_CORRUPTION");
        read_all(&partition).unwrap();
        store.close().unwrap();
        assert!(logs(&*storage) == before, "{context}: a log was changed");
    }
    let report = repaired(&storage);
    assert!(report.done.gives_up(), "{context}");
    assert!(
        report.done.lost.is_empty(),
        "{context}: {:?}",
        report.done.lost
    );
    check(&storage, records, &[], context);
}

#[test]
fn an_older_checkpoint_beside_newer_files_cuts_nothing() {
    for (durability, kill) in [
        (Durability::Fsync, false),
        (Durability::Buffered, false),
        (Durability::Fsync, true),
    ] {
        let disk = SimulatedStorage::new();
        let storage = life(&disk);
        let path = Path::new(ROOT).join("checkpoint");
        let (mut old, mut records) = (Vec::new(), Records::new());
        for life_number in 0..3_u64 {
            let store = Store::open(ROOT, options(&storage, Durability::Fsync)).unwrap();
            let config = TopicConfig {
                durability: Some(durability),
                ..TopicConfig::default()
            };
            let partition = topic(&store, "safe", config).partition(0).unwrap();
            for n in 0..5 {
                let value = value(life_number * 5 + n, 60);
                let appended = partition
                    .append(batch(std::slice::from_ref(&value)))
                    .unwrap();
                let there = records.entry(("safe", 0)).or_default();
                there.push((appended.base_offset, value));
            }
            if kill && life_number == 2 {
                set_content(&*storage, &path, &old);
                check_nothing_is_lost(&disk.duplicate(), &records, "a store that was killed");
            }
            store.close().unwrap();
            if life_number == 0 {
                old = content(&*storage, &path);
            }
        }
        set_content(&*storage, &path, &old);
        check_nothing_is_lost(&disk, &records, &format!("{durability} topic"));
    }
}

#[test]
fn a_killed_store_without_its_journal_cuts_nothing() {
    let journal = Path::new(ROOT).join("journal/00000000.journal");
    for what in ["missing", "empty", "zeroed", "no folder"] {
        let (disk, records) = filled(false);
        let storage = life(&disk);
        // Nothing but the checkpoint tells of the frames.
        for (path, _) in all_files(&*storage, Path::new(ROOT)) {
            if path.ends_with("published") {
                storage.remove_file(&path).unwrap();
            }
        }
        match what {
            "empty" => set_content(&*storage, &journal, &[]),
            "zeroed" => {
                let len = content(&*storage, &journal).len();
                set_content(&*storage, &journal, &vec![0; len]);
            }
            _ => storage.remove_file(&journal).unwrap(),
        }
        if what == "no folder" {
            storage.remove_dir(journal.parent().unwrap()).unwrap();
        }
        check_nothing_is_lost(&disk, &records, what);
    }
}

#[test]
fn files_of_other_programs_beside_the_topics_are_passed_over() {
    let (disk, records) = filled(true);
    let storage = life(&disk);
    for name in [
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        "safe~",
        ".safe.swp",
    ] {
        set_content(&*storage, &Path::new(ROOT).join("topics").join(name), b"x");
    }
    check(&storage, &records, &[], "files of other programs");
}

#[test]
fn readers_find_all_records_without_published_files() {
    for close in [true, false] {
        let (disk, records) = filled(close);
        let storage = life(&disk);
        for (path, _) in all_files(&*storage, Path::new(ROOT)) {
            if path.ends_with("published") {
                storage.remove_file(&path).unwrap();
            }
        }
        let options = OpenOptions {
            read_only: true,
            ..options(&storage, Durability::Fsync)
        };
        let store = Store::open(ROOT, options).unwrap();
        assert_eq!(store.recovery().clean, close, "what the checkpoint says");
        for ((name, number), records) in &records {
            let partition = store.open_topic(name).unwrap().partition(*number).unwrap();
            assert_eq!(&read_all(&partition).unwrap(), records, "{name}-{number}");
        }
        store.close().unwrap();
    }
}

#[test]
fn a_store_is_made_beside_what_file_systems_and_desktops_leave() {
    let disk = SimulatedStorage::new();
    let storage = life(&disk);
    let path = Path::new("/made");
    storage.create_dir(path).unwrap();
    storage.create_dir(&path.join(".snapshot")).unwrap();
    for name in [".gitkeep", ".DS_Store"] {
        set_content(&*storage, &path.join(name), b"");
    }
    Store::open(path, options(&storage, Durability::Fsync))
        .unwrap()
        .close()
        .unwrap();
}
