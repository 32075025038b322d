//! What a simulated disk does when it is told to fail, to fill up or to stop; and that it is one
//! disk for all its handles.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use tidelog_io::{
    CallKind, CrashKind, FaultKind, HandleLimit, OpenMode, SimulatedStorage, Storage, StorageFile,
};

fn open(storage: &SimulatedStorage, path: &str) -> Arc<dyn StorageFile> {
    storage.open(Path::new(path), OpenMode::Create).unwrap()
}

fn contents(file: &dyn StorageFile) -> Vec<u8> {
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

/// A disk with one synced file of two blocks of ones.
fn disk() -> (SimulatedStorage, Arc<dyn StorageFile>) {
    let storage = SimulatedStorage::new();
    let file = open(&storage, "/f");
    file.write_all_at(0, &[1; 8192]).unwrap();
    file.sync_data().unwrap();
    storage.sync_dir(Path::new("/")).unwrap();
    (storage, file)
}

fn fail_next(storage: &SimulatedStorage, kind: FaultKind) {
    storage.fail_at(storage.counters().calls + 1, kind);
}

fn is_eio<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| error.raw_os_error() == Some(5))
}

#[test]
fn a_fault_hits_its_call_and_no_other() {
    let (storage, file) = disk();
    storage.fail_at(storage.counters().calls + 2, FaultKind::Eio);
    file.write_all_at(0, b"a").unwrap();
    assert!(is_eio(file.write_all_at(1, b"b")));
    file.write_all_at(2, b"c").unwrap();
    assert_eq!(contents(&*file)[..3], [b'a', 1, b'c']);

    fail_next(&storage, FaultKind::NoSpace);
    assert_eq!(
        file.allocate(0, 1).unwrap_err().kind(),
        ErrorKind::StorageFull
    );
    fail_next(&storage, FaultKind::Eio);
    assert!(is_eio(storage.rename(Path::new("/f"), Path::new("/g"))));
    assert!(storage.exists(Path::new("/f")).unwrap());
    fail_next(&storage, FaultKind::Eio);
    assert!(is_eio(file.read_exact_at(0, &mut [0])));
    fail_next(&storage, FaultKind::Eio);
    assert!(is_eio(storage.open(Path::new("/new"), OpenMode::Create)));
    assert!(!storage.exists(Path::new("/new")).unwrap());
}

#[test]
fn a_short_write_leaves_its_first_part() {
    let (storage, file) = disk();
    for (asked, done) in [(0, 0), (3, 3), (99, 4)] {
        file.set_len(0).unwrap();
        fail_next(&storage, FaultKind::ShortWrite(asked));
        assert_eq!(
            file.write_all_at(0, b"abcde").unwrap_err().kind(),
            ErrorKind::StorageFull
        );
        assert_eq!(contents(&*file), b"abcde"[..done]);
    }
}

#[test]
fn a_late_error_is_told_after_the_deed() {
    let (storage, file) = disk();
    fail_next(&storage, FaultKind::LateEio);
    assert!(is_eio(file.write_all_at(0, b"late")));
    fail_next(&storage, FaultKind::LateEio);
    assert!(is_eio(file.sync_data()));
    storage.crash(CrashKind::PowerLoss, 0);
    assert_eq!(contents(&*open(&storage, "/f"))[..4], *b"late");
}

#[test]
fn after_a_failed_sync_the_cache_shows_what_the_disk_does_not_have() {
    for kind in [FaultKind::Eio, FaultKind::NoSpace] {
        let (storage, file) = disk();
        file.write_all_at(4096, &[2; 8192]).unwrap();
        fail_next(&storage, kind);
        file.sync_data().unwrap_err();
        // The second one succeeds and means nothing, and a new life sees the same ghost.
        file.sync_data().unwrap();
        assert_eq!(contents(&*file)[4096..], [2; 8192]);
        storage.crash(CrashKind::Kill, 0);
        let file = open(&storage, "/f");
        file.sync_data().unwrap();
        assert_eq!(contents(&*file)[4096..], [2; 8192]);

        let copy = storage.duplicate();
        copy.crash(CrashKind::PowerLoss, 0);
        assert_eq!(contents(&*open(&copy, "/f")), [1; 8192]);

        // Dropped by pages; the length stays as the system remembers it.
        file.drop_cache(4096, 1).unwrap();
        let found = contents(&*file);
        assert_eq!(
            (&found[4096..8192], &found[8192..]),
            (&[1; 4096][..], &[2; 4096][..])
        );
        file.drop_cache(0, u64::MAX).unwrap();
        assert_eq!(contents(&*file)[8192..], [0; 4096]);
        // What is written after the failure is as good as ever.
        file.write_all_at(0, b"new").unwrap();
        file.drop_cache(0, u64::MAX).unwrap();
        file.sync_data().unwrap();
        storage.crash(CrashKind::PowerLoss, 0);
        assert_eq!(contents(&*open(&storage, "/f"))[..4], *b"new\x01");
    }
}

#[test]
fn a_failed_sync_of_a_folder_leaves_its_names_to_the_next() {
    let (storage, _file) = disk();
    open(&storage, "/g").sync_all().unwrap();
    let folder = storage.open_dir(Path::new("/")).unwrap();
    fail_next(&storage, FaultKind::Eio);
    assert!(is_eio(folder.sync()));
    assert_eq!(storage.failed_calls(), [CallKind::Sync]);
    assert!(storage.exists(Path::new("/g")).unwrap());
    let lost = (0..20).any(|seed| {
        let copy = storage.duplicate();
        copy.crash(CrashKind::PowerLoss, seed);
        !copy.exists(Path::new("/g")).unwrap()
    });
    assert!(lost);
    storage.sync_dir(Path::new("/")).unwrap();
    storage.crash(CrashKind::PowerLoss, 0);
    assert!(storage.exists(Path::new("/g")).unwrap());
}

#[test]
fn opening_a_folder_and_syncing_it_fail_apart() {
    let (storage, _file) = disk();
    fail_next(&storage, FaultKind::NoHandles);
    let error = storage.open_dir(Path::new("/")).unwrap_err();
    assert_eq!(HandleLimit::behind(&error), Some(HandleLimit::Process));
    assert_eq!(storage.failed_calls(), [CallKind::Look]);
    let syncs = storage.counters().syncs;
    storage.sync_dir(Path::new("/")).unwrap();
    assert_eq!(storage.counters().syncs, syncs + 1);
}

#[test]
fn as_many_files_are_open_as_the_limit_says() {
    let (storage, file) = disk();
    storage.limit_handles(Some(2));
    let second = open(&storage, "/g");
    let full = |error: io::Error| HandleLimit::behind(&error) == Some(HandleLimit::Process);
    assert!(
        storage
            .open(Path::new("/f"), OpenMode::Read)
            .is_err_and(full)
    );
    assert!(storage.open_dir(Path::new("/")).is_err_and(full));
    assert!(storage.read_dir(Path::new("/")).is_err_and(full));
    assert!(storage.exists(Path::new("/f")).unwrap());
    file.write_all_at(0, b"no handle is needed").unwrap();
    drop(second);
    storage.sync_dir(Path::new("/")).unwrap();
}

#[test]
fn a_planned_crash_stops_the_machine_at_its_call() {
    let story = |storage: &SimulatedStorage| -> io::Result<()> {
        let file = storage.open(Path::new("/f"), OpenMode::Create)?;
        for _ in 0..3 {
            file.write_all_at(file.len()?, b"abc")?;
            file.sync_data()?;
        }
        file.read_exact_at(0, &mut [0; 9])?;
        storage.sync_dir(Path::new("/"))
    };
    let storage = SimulatedStorage::new();
    story(&storage).unwrap();
    let all = storage.counters();
    assert_eq!(
        (all.calls, all.changes, all.writes, all.syncs),
        (13, 8, 3, 4)
    );
    for call in 1..=all.calls {
        let storage = SimulatedStorage::new();
        storage.crash_at(call);
        assert!(story(&storage).is_err());
        assert!(storage.is_down());
        assert_eq!(storage.counters().calls, call);
        assert!(storage.exists(Path::new("/")).is_err());
        storage.crash(CrashKind::PowerLoss, call);
        story(&storage).unwrap();
    }
    for change in 1..=all.changes {
        let storage = SimulatedStorage::new();
        storage.crash_at_change(change);
        assert!(story(&storage).is_err());
        assert_eq!(storage.counters().changes, change);
    }
    let storage = SimulatedStorage::new();
    storage.crash_at(all.calls + 1);
    story(&storage).unwrap();
    // A plan ends with the life it was made for.
    storage.crash(CrashKind::Kill, 0);
    story(&storage).unwrap();
}

#[test]
fn what_was_open_before_a_crash_is_dead() {
    let (storage, file) = disk();
    let (process, other) = (storage.process(), open(&storage, "/f"));
    process.read_dir(Path::new("/")).unwrap();
    storage.crash(CrashKind::Kill, 0);
    assert!(
        file.write_all_at(0, b"x").is_err() && file.sync_data().is_err() && file.len().is_err()
    );
    assert!(other.read_exact_at(0, &mut [0]).is_err() && other.read_exact_at(0, &mut []).is_err());
    assert!(
        process.open(Path::new("/f"), OpenMode::Read).is_err()
            && process.lock(Path::new("/l")).is_err()
    );
    assert_eq!(contents(&*open(&storage, "/f")), [1; 8192]);
    drop((file, other));
    assert_eq!(contents(&*open(&storage.process(), "/f")), [1; 8192]);
}

#[test]
fn a_full_disk_takes_what_fits_and_goes_on_when_there_is_room() {
    let (storage, file) = disk();
    storage.set_capacity(4 * 4096);
    assert_eq!(storage.used(), 2 * 4096);
    let error = file.write_all_at(8000, &[2; 20_000]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 4 * 4096);
    assert_eq!(contents(&*file)[7999..8001], [1, 2]);
    file.write_all_at(0, &[3; 4 * 4096]).unwrap();
    file.set_len(8192).unwrap();

    // Allocated blocks are taken, whether or not they are written, and the length stays.
    let other = open(&storage, "/g");
    assert_eq!(
        other.allocate(0, 3 * 4096).unwrap_err().kind(),
        ErrorKind::StorageFull
    );
    other.allocate(0, 2 * 4096).unwrap();
    assert_eq!((other.len().unwrap(), storage.used()), (0, 4 * 4096));
    assert_eq!(
        file.write_all_at(8192, b"x").unwrap_err().kind(),
        ErrorKind::StorageFull
    );
    other.write_all_at(0, &[4; 8192]).unwrap();

    // A removed file keeps its space while it is open.
    let kept = open(&storage, "/g");
    storage.remove_file(Path::new("/g")).unwrap();
    drop(other);
    assert_eq!(storage.used(), 4 * 4096);
    kept.read_exact_at(8191, &mut [0]).unwrap();
    drop(kept);
    assert_eq!(storage.used(), 2 * 4096);
    file.write_all_at(8192, b"x").unwrap();
}

#[test]
fn threads_share_the_disk() {
    let storage = SimulatedStorage::new();
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let storage = storage.clone();
            scope.spawn(move || {
                let file = open(&storage, &format!("/{thread}"));
                for step in 0..200 {
                    file.write_all_at(step * 100, &[thread; 100]).unwrap();
                    file.sync_data().unwrap();
                    storage.sync_dir(Path::new("/")).unwrap();
                    let mut bytes = [0; 100];
                    file.read_exact_at(step * 100, &mut bytes).unwrap();
                    assert_eq!(bytes, [thread; 100]);
                }
            });
        }
    });
    storage.crash(CrashKind::PowerLoss, 7);
    for thread in 0..8_u8 {
        assert_eq!(
            contents(&*open(&storage, &format!("/{thread}"))),
            [thread; 20_000]
        );
    }
}

#[test]
fn sizes_out_of_reason_are_refused() {
    let (_storage, file) = disk();
    assert_eq!(
        file.set_len(1 << 50).unwrap_err().kind(),
        ErrorKind::FileTooLarge
    );
    assert_eq!(
        file.write_all_at(1 << 50, b"x").unwrap_err().kind(),
        ErrorKind::FileTooLarge
    );
    assert_eq!(
        file.allocate(u64::MAX, u64::MAX).unwrap_err().kind(),
        ErrorKind::FileTooLarge
    );
    assert_eq!(
        file.write_all_at(u64::MAX, b"x").unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert_eq!(file.len().unwrap(), 8192);
}
