//! What a crash of the simulated disk may and may not take, against a plain model that remembers
//! what every byte and name has been since it was synced.

#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use tidelog_io::{CrashKind, Device, OpenMode, SimulatedStorage, Storage, StorageFile};

const SECTOR: usize = 512;

fn open(storage: &SimulatedStorage, path: &str) -> Arc<dyn StorageFile> {
    storage.open(Path::new(path), OpenMode::Create).unwrap()
}

fn contents(file: &dyn StorageFile) -> Vec<u8> {
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

fn read(storage: &SimulatedStorage, path: &str) -> Vec<u8> {
    contents(&*storage.open(Path::new(path), OpenMode::Read).unwrap())
}

#[derive(Clone, Debug)]
enum FileOp {
    Write {
        position: usize,
        len: usize,
        fill: u8,
    },
    SetLen(usize),
    Sync,
}

fn file_op() -> impl Strategy<Value = FileOp> {
    prop_oneof![
        6 => (0..6000_usize, 1..3000_usize, 1..=255_u8)
            .prop_map(|(position, len, fill)| FileOp::Write { position, len, fill }),
        2 => (0..6000_usize).prop_map(FileOp::SetLen),
        1 => Just(FileOp::Sync),
    ]
}

/// All that the file has been since the last sync, oldest first, and the bytes touched since.
struct FileModel {
    images: Vec<Vec<u8>>,
    touched: BTreeSet<usize>,
}

impl FileModel {
    fn run(file: &dyn StorageFile, ops: &[FileOp]) -> FileModel {
        let mut model = FileModel {
            images: vec![Vec::new()],
            touched: BTreeSet::new(),
        };
        for op in ops {
            let mut image = model.images.last().unwrap().clone();
            match *op {
                FileOp::Write {
                    position,
                    len,
                    fill,
                } => {
                    // No two bytes alike, so that a mixture shows.
                    let bytes: Vec<u8> =
                        (0..len).map(|n| fill.wrapping_add((n * 7) as u8)).collect();
                    file.write_all_at(position as u64, &bytes).unwrap();
                    image.resize(image.len().max(position + len), 0);
                    image[position..position + len].copy_from_slice(&bytes);
                    model.touched.extend(position..position + len);
                    model.images.push(image);
                }
                FileOp::SetLen(len) => {
                    file.set_len(len as u64).unwrap();
                    model.touched.extend(len..image.len().max(len));
                    image.resize(len, 0);
                    model.images.push(image);
                }
                FileOp::Sync => {
                    file.sync_data().unwrap();
                    model = FileModel {
                        images: vec![image],
                        touched: BTreeSet::new(),
                    };
                }
            }
            assert_eq!(contents(file), *model.images.last().unwrap());
        }
        model
    }

    fn byte(image: &[u8], at: usize) -> u8 {
        image.get(at).copied().unwrap_or(0)
    }

    fn check_power_loss(&self, found: &[u8], garbage: bool) -> Result<(), TestCaseError> {
        let lengths = self.images.iter().map(Vec::len);
        let (shortest, longest) = (lengths.clone().min().unwrap(), lengths.max().unwrap());
        prop_assert!((shortest..=longest).contains(&found.len()));
        let synced = &self.images[0];
        for (sector, bytes) in found.chunks(SECTOR).enumerate() {
            let start = sector * SECTOR;
            for (n, byte) in bytes.iter().enumerate() {
                if !self.touched.contains(&(start + n)) {
                    prop_assert_eq!(
                        *byte,
                        Self::byte(synced, start + n),
                        "byte {} was synced",
                        start + n
                    );
                }
            }
            let was = |image: &Vec<u8>| {
                bytes
                    .iter()
                    .enumerate()
                    .all(|(n, byte)| *byte == Self::byte(image, start + n))
            };
            prop_assert!(
                garbage || self.images.iter().any(was),
                "sector {} never was so",
                sector
            );
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn power_loss_keeps_synced_bytes_and_whole_sectors(
        ops in prop::collection::vec(file_op(), 0..20), seed: u64, garbage: bool
    ) {
        let garbage_percent = if garbage { 10 } else { 0 };
        let storage = SimulatedStorage::with_device(Device { garbage_percent, ..Device::default() });
        let file = open(&storage, "/f");
        storage.sync_dir(Path::new("/")).unwrap();
        let model = FileModel::run(&*file, &ops);
        storage.crash(CrashKind::PowerLoss, seed);
        prop_assert!(file.len().is_err());
        let found = read(&storage, "/f");
        model.check_power_loss(&found, garbage)?;
        // What a life has found is on the disk.
        storage.crash(CrashKind::PowerLoss, seed ^ 1);
        prop_assert_eq!(read(&storage, "/f"), found);
    }

    #[test]
    fn a_kill_keeps_all_that_was_written_but_makes_nothing_durable(
        ops in prop::collection::vec(file_op(), 0..20), seed: u64
    ) {
        let storage = SimulatedStorage::with_device(Device { garbage_percent: 0, ..Device::default() });
        let file = open(&storage, "/f");
        storage.sync_dir(Path::new("/")).unwrap();
        let model = FileModel::run(&*file, &ops);
        storage.crash(CrashKind::Kill, seed);
        prop_assert_eq!(&read(&storage, "/f"), model.images.last().unwrap());
        storage.crash(CrashKind::PowerLoss, seed);
        model.check_power_loss(&read(&storage, "/f"), false)?;
    }

    #[test]
    fn a_sync_in_a_later_life_covers_what_an_earlier_one_wrote(
        ops in prop::collection::vec(file_op(), 0..20), seed: u64
    ) {
        let storage = SimulatedStorage::new();
        let model = FileModel::run(&*open(&storage, "/f"), &ops);
        storage.crash(CrashKind::Kill, seed);
        open(&storage, "/f").sync_data().unwrap();
        storage.sync_dir(Path::new("/")).unwrap();
        storage.crash(CrashKind::PowerLoss, seed);
        prop_assert_eq!(&read(&storage, "/f"), model.images.last().unwrap());
    }

    #[test]
    fn a_write_caught_by_the_kill_is_a_first_part_of_it(len in 1..20_000_usize, at in 0..9000_u64, seed: u64) {
        let storage = SimulatedStorage::new();
        let file = open(&storage, "/f");
        file.write_all_at(0, &[1; 30_000]).unwrap();
        storage.crash_at_change(storage.counters().changes + 1);
        prop_assert!(file.write_all_at(at, &vec![2; len]).is_err());
        prop_assert!(storage.is_down() && file.len().is_err());
        storage.crash(CrashKind::Kill, seed);
        let found = read(&storage, "/f");
        let part = found.iter().filter(|byte| **byte == 2).count();
        prop_assert!(part <= len && found.len() == 30_000);
        let at = at as usize;
        prop_assert!(found[..at].iter().chain(&found[at + part..]).all(|byte| *byte == 1));
    }

    #[test]
    fn the_seed_decides_everything(
        ops in prop::collection::vec(file_op(), 1..20), names in prop::collection::vec(name_op(), 0..20), seed: u64
    ) {
        let run = || {
            let storage = SimulatedStorage::new();
            FileModel::run(&*open(&storage, "/f"), &ops);
            NameModel::run(&storage, &names);
            storage
        };
        let image = |storage: &SimulatedStorage| {
            storage.crash(CrashKind::PowerLoss, seed);
            let mut image = NameModel::look(storage);
            if storage.exists(Path::new("/f")).unwrap() {
                image.insert("f".to_owned(), read(storage, "/f"));
            }
            image
        };
        let first = run();
        let copy = first.duplicate();
        let found = image(&first);
        prop_assert_eq!(&image(&copy), &found);
        prop_assert_eq!(&image(&run()), &found);
    }
}

const NAMES: [&str; 6] = ["/d/a", "/d/b", "/d/c", "/e/a", "/e/b", "/e/c"];

#[derive(Clone, Debug)]
enum NameOp {
    Create(usize),
    Rename(usize, usize),
    Remove(usize),
    Sync(bool),
}

fn name_op() -> impl Strategy<Value = NameOp> {
    prop_oneof![
        3 => (0..NAMES.len()).prop_map(NameOp::Create),
        3 => (0..NAMES.len(), 0..NAMES.len()).prop_map(|(from, to)| NameOp::Rename(from, to)),
        1 => (0..NAMES.len()).prop_map(NameOp::Remove),
        1 => any::<bool>().prop_map(NameOp::Sync),
    ]
}

/// What each name has been since its folder was synced, oldest first: which file, or none.
struct NameModel(Vec<Vec<Option<u64>>>);

impl NameModel {
    fn run(storage: &SimulatedStorage, ops: &[NameOp]) -> NameModel {
        for folder in ["/d", "/e"] {
            storage.create_dir(Path::new(folder)).unwrap();
        }
        storage.sync_dir(Path::new("/")).unwrap();
        let mut model = NameModel(vec![vec![None]; NAMES.len()]);
        for (number, op) in ops.iter().enumerate() {
            let now = |name: usize| *model.0[name].last().unwrap();
            let path = |name: usize| Path::new(NAMES[name]);
            match *op {
                NameOp::Create(name) if now(name).is_none() => {
                    let file = storage.open(path(name), OpenMode::CreateNew).unwrap();
                    file.write_all_at(0, &(number as u64).to_le_bytes())
                        .unwrap();
                    file.sync_data().unwrap();
                    model.0[name].push(Some(number as u64));
                }
                NameOp::Rename(from, to) if now(from).is_some() && from != to => {
                    storage.rename(path(from), path(to)).unwrap();
                    let file = now(from);
                    model.0[to].push(file);
                    model.0[from].push(None);
                }
                NameOp::Remove(name) if now(name).is_some() => {
                    storage.remove_file(path(name)).unwrap();
                    model.0[name].push(None);
                }
                NameOp::Sync(first) => {
                    storage
                        .sync_dir(Path::new(if first { "/d" } else { "/e" }))
                        .unwrap();
                    let names = if first { 0..3 } else { 3..6 };
                    model.0[names]
                        .iter_mut()
                        .for_each(|was| *was = vec![*was.last().unwrap()]);
                }
                _ => {}
            }
        }
        model
    }

    fn look(storage: &SimulatedStorage) -> BTreeMap<String, Vec<u8>> {
        let there = NAMES
            .iter()
            .filter(|name| storage.exists(Path::new(name)).unwrap());
        there
            .map(|name| ((*name).to_owned(), read(storage, name)))
            .collect()
    }
}

proptest! {
    #[test]
    fn power_loss_leaves_each_name_as_it_was_at_some_time_since_its_sync(
        ops in prop::collection::vec(name_op(), 0..40), seed: u64
    ) {
        let storage = SimulatedStorage::new();
        let model = NameModel::run(&storage, &ops);
        let kept = storage.duplicate();
        storage.crash(CrashKind::PowerLoss, seed);
        let found = NameModel::look(&storage);
        for (name, was) in NAMES.iter().zip(&model.0) {
            let is = found.get(*name).map(|bytes| u64::from_le_bytes(bytes[..].try_into().unwrap()));
            prop_assert!(was.contains(&is), "{} is {:?} and was {:?}", name, is, was);
        }
        // No operation gives a file two names.
        let files: BTreeSet<_> = found.values().collect();
        prop_assert_eq!(files.len(), found.len());

        kept.crash(CrashKind::Kill, seed);
        let found = NameModel::look(&kept);
        let now = model.0.iter().filter_map(|was| was.last().copied().flatten());
        let now: BTreeSet<Vec<u8>> = now.map(|file| file.to_le_bytes().to_vec()).collect();
        prop_assert_eq!(found.values().cloned().collect::<BTreeSet<_>>(), now);
    }
}

/// The same story under many seeds: which endings were seen, and how often.
fn endings<T: Ord>(
    storage: &SimulatedStorage,
    kind: CrashKind,
    look: impl Fn(&SimulatedStorage) -> T,
) -> BTreeMap<T, usize> {
    let mut endings = BTreeMap::new();
    for seed in 0..1000 {
        let storage = storage.duplicate();
        storage.crash(kind, seed);
        *endings.entry(look(&storage)).or_default() += 1;
    }
    endings
}

#[test]
fn a_rename_without_a_sync_happens_whole_or_not_at_all() {
    let storage = SimulatedStorage::new();
    let (old, new) = (Path::new("/old"), Path::new("/new"));
    open(&storage, "/old").sync_all().unwrap();
    storage.sync_dir(Path::new("/")).unwrap();
    storage.rename(old, new).unwrap();
    let look =
        |storage: &SimulatedStorage| (storage.exists(old).unwrap(), storage.exists(new).unwrap());
    let seen = endings(&storage, CrashKind::PowerLoss, look);
    assert_eq!(
        seen.keys().copied().collect::<Vec<_>>(),
        [(false, true), (true, false)]
    );
    storage.sync_dir(Path::new("/")).unwrap();
    let seen = endings(&storage, CrashKind::PowerLoss, look);
    assert_eq!(seen.into_keys().collect::<Vec<_>>(), [(false, true)]);
}

#[test]
fn every_kind_of_ending_is_seen() {
    let storage = SimulatedStorage::new();
    let file = open(&storage, "/f");
    file.write_all_at(0, &[1; 1024]).unwrap();
    file.sync_data().unwrap();
    storage.sync_dir(Path::new("/")).unwrap();
    file.write_all_at(0, &[2; 2048]).unwrap();
    let sector = |bytes: &[u8]| match bytes {
        [] => "gone",
        bytes if bytes.iter().all(|byte| *byte == 1) => "old",
        bytes if bytes.iter().all(|byte| *byte == 2) => "new",
        _ => "garbage",
    };
    let seen = endings(&storage, CrashKind::PowerLoss, |storage| {
        let found = read(storage, "/f");
        assert!((1024..=2048).contains(&found.len()));
        (
            sector(&found[..512]),
            sector(&found[512..1024]),
            found.len(),
        )
    });
    for first in ["old", "new", "garbage"] {
        for second in ["old", "new", "garbage"] {
            assert!(
                seen.keys().any(|(a, b, _)| (*a, *b) == (first, second)),
                "{first} {second}"
            );
        }
    }
    let lengths: BTreeSet<_> = seen.keys().map(|(_, _, len)| *len).collect();
    assert!(lengths.len() > 50 && lengths.contains(&1024) && lengths.contains(&2048));
    // About a tenth of the sectors of the half of the crashes that mix.
    let spoiled: usize = seen
        .iter()
        .filter(|((a, _, _), _)| *a == "garbage")
        .map(|(_, n)| n)
        .sum();
    assert!((20..120).contains(&spoiled), "{spoiled}");
}

#[test]
fn a_sector_written_often_can_be_as_it_was_between_the_writes() {
    let storage = SimulatedStorage::with_device(Device {
        garbage_percent: 0,
        ..Device::default()
    });
    let file = open(&storage, "/f");
    file.set_len(1024).unwrap();
    file.sync_data().unwrap();
    storage.sync_dir(Path::new("/")).unwrap();
    for fill in 1..=3 {
        file.write_all_at(0, &[fill; 1024]).unwrap();
    }
    let seen = endings(&storage, CrashKind::PowerLoss, |storage| {
        let found = read(storage, "/f");
        (found[0], found[512])
    });
    // Each sector for itself: 4 times 4 endings.
    assert_eq!(seen.len(), 16);
}

#[test]
fn garbage_takes_synced_neighbours_only_if_the_device_says_so() {
    for spoils in [false, true] {
        let device = Device {
            garbage_percent: 100,
            garbage_spoils_sector: spoils,
        };
        let storage = SimulatedStorage::with_device(device);
        let file = open(&storage, "/f");
        file.write_all_at(0, &[1; 700]).unwrap();
        file.sync_data().unwrap();
        storage.sync_dir(Path::new("/")).unwrap();
        file.write_all_at(700, &[2; 50]).unwrap();
        let seen = endings(&storage, CrashKind::PowerLoss, |storage| {
            let found = read(storage, "/f");
            assert_eq!(found[..512], [1; 512]);
            found[512..700] == [1; 188]
        });
        assert_eq!(seen.contains_key(&false), spoils);
    }
}

#[test]
fn an_unsynced_folder_takes_its_files_with_it() {
    let storage = SimulatedStorage::new();
    storage.create_dir(Path::new("/d")).unwrap();
    let file = open(&storage, "/d/f");
    file.write_all_at(0, b"x").unwrap();
    file.sync_all().unwrap();
    storage.sync_dir(Path::new("/d")).unwrap();
    let seen = endings(&storage, CrashKind::PowerLoss, |storage| {
        let there = storage.exists(Path::new("/d")).unwrap();
        assert!(!there || read(storage, "/d/f") == b"x");
        there
    });
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_synced_move_between_folders_does_not_come_undone() {
    let storage = SimulatedStorage::new();
    NameModel::run(&storage, &[]);
    open(&storage, "/d/a");
    storage
        .rename(Path::new("/d/a"), Path::new("/e/b"))
        .unwrap();
    storage.sync_dir(Path::new("/e")).unwrap();
    let seen = endings(&storage, CrashKind::PowerLoss, |storage| {
        NameModel::look(storage).into_keys().collect::<Vec<_>>()
    });
    assert_eq!(seen.into_keys().collect::<Vec<_>>(), [["/e/b"]]);
}

#[test]
fn a_call_caught_by_the_crash_happened_or_not() {
    let storage = SimulatedStorage::new();
    open(&storage, "/f").sync_all().unwrap();
    storage.sync_dir(Path::new("/")).unwrap();
    storage.crash_at(storage.counters().calls + 1);
    assert!(storage.remove_file(Path::new("/f")).is_err());
    let gone = |storage: &SimulatedStorage| !storage.exists(Path::new("/f")).unwrap();
    assert_eq!(endings(&storage, CrashKind::Kill, gone).len(), 2);
    assert_eq!(endings(&storage, CrashKind::PowerLoss, gone).len(), 2);
}
