//! All storages are the same to a program that nothing goes wrong for: the same script gives the
//! same results, errors and files on the real disk, a byte at a time, and on the simulated one.

#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidelog_io::{OneByteStorage, OpenMode, OsStorage, SimulatedStorage, Storage, StorageFile};

const NAMES: [&str; 7] = ["a", "b", "d", "d/a", "d/e", "d/e/a", "no/a"];

#[derive(Clone, Debug)]
enum Op {
    Open(usize, OpenMode),
    CreateDir(usize),
    ReadDir(usize),
    Exists(usize),
    Rename(usize, usize),
    RemoveFile(usize),
    RemoveDir(usize),
    SyncDir(usize),
    Write { position: u64, len: usize, fill: u8 },
    Read { position: u64, len: usize },
    ReadKept { position: u64, len: usize },
    Keep,
    SetLen(u64),
    Allocate(u64, u64),
    Len,
    Sync,
    DropCache,
}

fn op() -> impl Strategy<Value = Op> {
    let name = || 0..NAMES.len();
    let mode = prop::sample::select(vec![
        OpenMode::Read,
        OpenMode::Write,
        OpenMode::Create,
        OpenMode::CreateNew,
    ]);
    prop_oneof![
        6 => (name(), mode).prop_map(|(name, mode)| Op::Open(name, mode)),
        3 => name().prop_map(Op::CreateDir),
        1 => name().prop_map(Op::ReadDir),
        1 => name().prop_map(Op::Exists),
        2 => (name(), name()).prop_map(|(from, to)| Op::Rename(from, to)),
        1 => name().prop_map(Op::RemoveFile),
        1 => name().prop_map(Op::RemoveDir),
        1 => name().prop_map(Op::SyncDir),
        6 => (0..5000_u64, 0..900_usize, any::<u8>()).prop_map(|(position, len, fill)| Op::Write { position, len, fill }),
        3 => (0..6000_u64, 0..900_usize).prop_map(|(position, len)| Op::Read { position, len }),
        3 => (0..6000_u64, 0..900_usize).prop_map(|(position, len)| Op::ReadKept { position, len }),
        1 => Just(Op::Keep),
        1 => (0..6000_u64).prop_map(Op::SetLen),
        1 => (0..6000_u64, 0..6000_u64).prop_map(|(position, len)| Op::Allocate(position, len)),
        1 => Just(Op::Len),
        1 => Just(Op::Sync),
        1 => Just(Op::DropCache),
    ]
}

type Outcome = Result<Vec<u8>, ErrorKind>;

/// Runs the script below `root`, on the file opened last and one that is kept open, and then reads everything.
fn run(storage: &dyn Storage, root: &Path, ops: &[Op]) -> Vec<Outcome> {
    let mut file: Option<Arc<dyn StorageFile>> = None;
    let mut kept: Option<Arc<dyn StorageFile>> = None;
    let mut outcomes = Vec::new();
    for op in ops {
        outcomes
            .push(perform(storage, root, op, &mut file, &mut kept).map_err(|error| error.kind()));
    }
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in storage.read_dir(&folder).unwrap() {
            let path = folder.join(&entry.name);
            outcomes.push(Ok(path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .as_bytes()
                .to_vec()));
            if entry.is_dir {
                folders.push(path);
            } else {
                let mut bytes = vec![0; entry.len as usize];
                storage
                    .open(&path, OpenMode::Read)
                    .unwrap()
                    .read_exact_at(0, &mut bytes)
                    .unwrap();
                outcomes.push(Ok(bytes));
            }
        }
    }
    outcomes
}

fn perform(
    storage: &dyn Storage,
    root: &Path,
    op: &Op,
    file: &mut Option<Arc<dyn StorageFile>>,
    kept: &mut Option<Arc<dyn StorageFile>>,
) -> io::Result<Vec<u8>> {
    let path = |name: &usize| -> PathBuf { root.join(NAMES[*name]) };
    let read = |source: &dyn StorageFile, position: u64, len: usize| {
        let mut bytes = vec![0; len];
        source.read_exact_at(position, &mut bytes).map(|()| bytes)
    };
    let nothing = |()| Vec::new();
    match op {
        Op::Open(name, mode) => {
            *file = Some(storage.open(&path(name), *mode)?);
            return Ok(Vec::new());
        }
        Op::CreateDir(name) => return storage.create_dir(&path(name)).map(nothing),
        Op::ReadDir(name) => {
            let names = storage
                .read_dir(&path(name))?
                .into_iter()
                .map(|entry| entry.name);
            return Ok(names.collect::<Vec<_>>().join("/").into_bytes());
        }
        Op::Exists(name) => {
            return storage
                .exists(&path(name))
                .map(|there| vec![u8::from(there)]);
        }
        Op::Rename(from, to) => return storage.rename(&path(from), &path(to)).map(nothing),
        Op::RemoveFile(name) => return storage.remove_file(&path(name)).map(nothing),
        Op::RemoveDir(name) => return storage.remove_dir(&path(name)).map(nothing),
        Op::SyncDir(name) => return storage.sync_dir(&path(name)).map(nothing),
        _ => {}
    }
    if let Op::ReadKept { position, len } = op {
        return kept
            .as_deref()
            .map_or(Ok(Vec::new()), |kept| read(kept, *position, *len));
    }
    let Some(file) = file else {
        return Ok(Vec::new());
    };
    match op {
        Op::Write {
            position,
            len,
            fill,
        } => {
            let bytes: Vec<u8> = (0..*len).map(|n| fill.wrapping_add(n as u8)).collect();
            file.write_all_at(*position, &bytes).map(nothing)
        }
        Op::Read { position, len } => read(&**file, *position, *len),
        Op::Keep => {
            *kept = Some(Arc::clone(file));
            Ok(Vec::new())
        }
        Op::SetLen(len) => file.set_len(*len).map(nothing),
        Op::Allocate(position, len) => file.allocate(*position, *len).map(nothing),
        Op::Len => file.len().map(|len| len.to_le_bytes().to_vec()),
        Op::Sync => file.sync_data().and_then(|()| file.sync_all()).map(nothing),
        _ => file.drop_cache(0, u64::MAX).map(nothing),
    }
}

proptest! {
    #[test]
    fn a_script_gives_the_same_everywhere(ops in prop::collection::vec(op(), 1..60)) {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let real = run(&OsStorage, folders[0].path(), &ops);
        let one_byte = OneByteStorage::new(Arc::new(OsStorage));
        prop_assert_eq!(&run(&one_byte, folders[1].path(), &ops), &real);
        prop_assert_eq!(&run(&SimulatedStorage::new(), Path::new("/"), &ops), &real);
    }
}

#[test]
fn a_byte_at_a_time_is_what_the_storage_below_sees() {
    let below = SimulatedStorage::new();
    let storage = OneByteStorage::new(Arc::new(below.clone()));
    let file = storage.open(Path::new("/f"), OpenMode::Create).unwrap();
    file.write_all_at(0, b"tidelog").unwrap();
    assert_eq!(below.counters().writes, 7);
    // So a crash can fall between two bytes of one write.
    below.crash_at(below.counters().calls + 4);
    assert!(file.write_all_at(0, b"TIDELOG").is_err());
    below.crash(tidelog_io::CrashKind::Kill, 0);
    let mut found = [0; 7];
    below
        .open(Path::new("/f"), OpenMode::Read)
        .unwrap()
        .read_exact_at(0, &mut found)
        .unwrap();
    assert!(found == *b"TIDelog" || found == *b"TIDElog", "{found:?}");
}
