//! The real disk: what the trait promises of files and folders.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout
)]

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;
use tidelog_io::{OpenMode, OsStorage, ReadAt, Storage, StorageFile};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn create(folder: &TempDir, name: &str) -> Arc<dyn StorageFile> {
    OsStorage
        .open(&folder.path().join(name), OpenMode::CreateNew)
        .unwrap()
}

fn read(file: &(impl ReadAt + ?Sized), position: u64, len: usize) -> Result<Vec<u8>, ErrorKind> {
    let mut bytes = vec![0xaa; len];
    file.read_exact_at(position, &mut bytes)
        .map_err(|error| error.kind())?;
    Ok(bytes)
}

#[test]
fn files_are_written_read_cut_and_extended() {
    let folder = folder();
    let file = create(&folder, "a");
    assert!(file.is_empty().unwrap());
    file.write_all_at(4, b"tide").unwrap();
    assert_eq!(read(&*file, 0, 8).unwrap(), b"\0\0\0\0tide");
    assert_eq!(read(&*file, 5, 4), Err(ErrorKind::UnexpectedEof));
    assert_eq!(read(&*file, 1 << 40, 0).unwrap(), b"");
    file.set_len(6).unwrap();
    file.set_len(8).unwrap();
    assert_eq!(read(&*file, 4, 4).unwrap(), b"ti\0\0");
    file.sync_data().unwrap();
    file.sync_all().unwrap();
    file.drop_cache(0, u64::MAX).unwrap();
    file.drop_cache(3, 1).unwrap();
    assert_eq!(file.len().unwrap(), 8);
    for (position, len) in [(u64::MAX, 1), (i64::MAX as u64, 1)] {
        assert_eq!(read(&*file, position, len), Err(ErrorKind::InvalidInput));
        let error = file.write_all_at(position, &vec![0; len]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn modes_make_or_want_the_file() {
    let folder = folder();
    let path = folder.path().join("a");
    let kind = |mode| {
        OsStorage
            .open(&path, mode)
            .map(|_| ())
            .map_err(|error| error.kind())
    };
    assert_eq!(kind(OpenMode::Read), Err(ErrorKind::NotFound));
    assert_eq!(kind(OpenMode::Write), Err(ErrorKind::NotFound));
    assert_eq!(kind(OpenMode::CreateNew), Ok(()));
    assert_eq!(kind(OpenMode::CreateNew), Err(ErrorKind::AlreadyExists));
    assert_eq!(kind(OpenMode::Create), Ok(()));
    let reader = OsStorage.open(&path, OpenMode::Read).unwrap();
    assert!(reader.write_all_at(0, b"x").is_err());
    assert!(reader.set_len(0).is_err());
}

#[test]
fn only_regular_files_are_opened_and_nobody_else_may() {
    let folder = folder();
    create(&folder, "a");
    OsStorage.create_dir(&folder.path().join("d")).unwrap();
    let mode = |name| {
        folder
            .path()
            .join(name)
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode("a"), mode("d")), (0o600, 0o700));

    std::os::unix::fs::symlink("a", folder.path().join("link")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).unwrap();
    let fifo = folder.path().join("fifo");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    for name in ["link", "dangling", "fifo", "d"] {
        for mode in [
            OpenMode::Read,
            OpenMode::Write,
            OpenMode::Create,
            OpenMode::CreateNew,
        ] {
            assert!(
                OsStorage.open(&folder.path().join(name), mode).is_err(),
                "{name} {mode:?}"
            );
        }
    }
    assert!(!folder.path().join("nowhere").exists());
    assert!(OsStorage.exists(&folder.path().join("dangling")).unwrap());
}

#[test]
fn allocated_space_is_real_and_leaves_the_length() {
    use std::os::unix::fs::MetadataExt;
    let folder = folder();
    let file = create(&folder, "a");
    file.write_all_at(0, b"x").unwrap();
    file.allocate(0, 0).unwrap();
    match file.allocate(0, 1 << 20) {
        Ok(()) => {
            assert_eq!(file.len().unwrap(), 1);
            assert!(folder.path().join("a").metadata().unwrap().blocks() * 512 >= 1 << 20);
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported),
    }
    // No disk has this much, whatever it says of it.
    assert!(file.allocate(0, 1 << 62).is_err());
    assert_eq!(read(&*file, 0, 1).unwrap(), b"x");
}

#[test]
fn a_full_disk_is_storage_full() {
    // /dev/full is no regular file, so a file system of one mebibyte is needed; it takes root.
    let folder = folder();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(folder.path())
        .output();
    if !mount.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: can not mount a tmpfs here");
        return;
    }
    let outcome = std::panic::catch_unwind(|| {
        let file = create(&folder, "a");
        assert_eq!(
            file.allocate(0, 2 << 20).unwrap_err().kind(),
            ErrorKind::StorageFull
        );
        let bytes: Vec<u8> = (0..3 << 19).map(|n| n as u8).collect();
        assert_eq!(
            file.write_all_at(0, &bytes).unwrap_err().kind(),
            ErrorKind::StorageFull
        );
        // A part was written, and can be cut.
        let part = file.len().unwrap();
        assert!(part > 0 && part < bytes.len() as u64, "{part}");
        assert_eq!(
            read(&*file, 0, part as usize).unwrap(),
            bytes[..part as usize]
        );
        file.set_len(0).unwrap();
        file.write_all_at(0, &bytes[..1 << 19]).unwrap();
        assert_eq!(
            OsStorage.file_system(folder.path()).unwrap().name(),
            "tmpfs"
        );
    });
    let umount = std::process::Command::new("umount")
        .arg("-l")
        .arg(folder.path())
        .status();
    assert!(umount.unwrap().success());
    outcome.unwrap();
}

#[test]
fn folders_are_made_listed_renamed_and_removed() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    OsStorage.create_dir(&at("d")).unwrap();
    assert_eq!(
        OsStorage.create_dir(&at("d")).unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    assert_eq!(
        OsStorage.create_dir(&at("no/d")).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    create(&folder, "d/b").write_all_at(0, b"123").unwrap();
    create(&folder, "d/a");
    let entries = OsStorage.read_dir(&at("d")).unwrap();
    let entries: Vec<_> = entries
        .iter()
        .map(|e| (e.name.as_str(), e.is_dir, e.len))
        .collect();
    assert_eq!(entries, [("a", false, 0), ("b", false, 3)]);
    assert!(OsStorage.read_dir(folder.path()).unwrap()[0].is_dir);

    OsStorage.rename(&at("d/b"), &at("d/a")).unwrap();
    OsStorage.sync_dir(&at("d")).unwrap();
    assert!(!OsStorage.exists(&at("d/b")).unwrap());
    assert_eq!(
        OsStorage.remove_dir(&at("d")).unwrap_err().kind(),
        ErrorKind::DirectoryNotEmpty
    );
    OsStorage.remove_file(&at("d/a")).unwrap();
    assert_eq!(
        OsStorage.remove_file(&at("d/a")).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    OsStorage.remove_dir(&at("d")).unwrap();
    assert_eq!(
        OsStorage.sync_dir(&at("d")).unwrap_err().kind(),
        ErrorKind::NotFound
    );

    create(&folder, "f");
    assert_eq!(
        OsStorage.sync_dir(&at("f")).unwrap_err().kind(),
        ErrorKind::NotADirectory
    );
    let direct = OsStorage.canonicalize(folder.path()).unwrap();
    assert_eq!(OsStorage.canonicalize(&at(".")).unwrap(), direct);
}

#[test]
fn a_folder_that_was_removed_while_it_was_open_is_no_failed_sync() {
    let folder = folder();
    let path = folder.path().join("d");
    OsStorage.create_dir(&path).unwrap();
    let open = OsStorage.open_dir(&path).unwrap();
    OsStorage.remove_dir(&path).unwrap();
    open.sync().unwrap();
}

#[test]
fn another_handle_shows_what_is_written_after_it_was_opened() {
    let folder = folder();
    let file = create(&folder, "a");
    let shown = OsStorage
        .open(&folder.path().join("a"), OpenMode::Read)
        .unwrap();
    assert_eq!(read(&*shown, 0, 1), Err(ErrorKind::UnexpectedEof));
    for step in 0..64_u64 {
        let bytes = vec![step as u8; 5000];
        file.write_all_at(step * 5000, &bytes).unwrap();
        assert_eq!(read(&*shown, step * 5000, 5000).unwrap(), bytes);
        assert_eq!(
            read(&*shown, step * 5000, 5001),
            Err(ErrorKind::UnexpectedEof)
        );
    }
    // Another handle of the same file is no stranger.
    let other = OsStorage
        .open(&folder.path().join("a"), OpenMode::Write)
        .unwrap();
    other.write_all_at(320_000, b"more").unwrap();
    assert_eq!(read(&*shown, 320_000, 4).unwrap(), b"more");
}

#[test]
fn reading_beyond_the_end_is_an_error() {
    let folder = folder();
    let file = create(&folder, "a");
    file.write_all_at(0, &[7; 100_000]).unwrap();
    assert_eq!(read(&*file, 99_999, 1).unwrap(), [7]);
    let beyond = [
        (99_999, 2),
        (100_000, 1),
        (500_000, 1),
        ((1 << 20) - 1, 1),
        (1 << 20, 1),
        (1 << 40, 9),
    ];
    for (position, len) in beyond {
        assert_eq!(
            read(&*file, position, len),
            Err(ErrorKind::UnexpectedEof),
            "{position}"
        );
    }
    assert_eq!(read(&*file, u64::MAX, 2), Err(ErrorKind::InvalidInput));
    assert_eq!(read(&*file, u64::MAX >> 1, 0).unwrap(), b"");

    // Cut by this handle, by another one, and grown again.
    let other = OsStorage
        .open(&folder.path().join("a"), OpenMode::Write)
        .unwrap();
    file.set_len(50_000).unwrap();
    assert_eq!(read(&*file, 60_000, 1), Err(ErrorKind::UnexpectedEof));
    other.set_len(10).unwrap();
    assert_eq!(read(&*file, 20_000, 1), Err(ErrorKind::UnexpectedEof));
    assert_eq!(read(&*file, 0, 10).unwrap(), [7; 10]);
    file.set_len(30_000).unwrap();
    assert_eq!(read(&*file, 20_000, 2).unwrap(), [0, 0]);

    // A cut that is refused takes nothing away.
    let reader = OsStorage
        .open(&folder.path().join("a"), OpenMode::Read)
        .unwrap();
    reader.set_len(0).unwrap_err();
    assert_eq!(read(&*file, 20_000, 2).unwrap(), [0, 0]);
}

#[test]
fn a_handle_outlives_the_others_and_the_name() {
    let folder = folder();
    let file = create(&folder, "a");
    file.write_all_at(0, &[3; 9000]).unwrap();
    let kept = OsStorage
        .open(&folder.path().join("a"), OpenMode::Read)
        .unwrap();
    OsStorage.remove_file(&folder.path().join("a")).unwrap();
    file.write_all_at(9000, &[4]).unwrap();
    drop(file);
    // A new file under the old name, perhaps of the old inode number, is another file.
    create(&folder, "a").set_len(1).unwrap();
    assert_eq!(read(&*kept, 8999, 2).unwrap(), [3, 4]);
    assert_eq!(read(&*kept, 8999, 3), Err(ErrorKind::UnexpectedEof));
}

#[test]
fn a_file_can_be_read_while_it_is_cut_and_written() {
    const LEN: u64 = 1 << 18;
    let folder = folder();
    let file = create(&folder, "a");
    file.write_all_at(0, &vec![1; LEN as usize]).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut buf = vec![0; LEN as usize];
                while !stop.load(Ordering::Relaxed) {
                    match file.read_exact_at(0, &mut buf) {
                        Ok(()) => assert!(buf.iter().all(|byte| *byte <= 1)),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::UnexpectedEof),
                    }
                }
            });
        }
        for _ in 0..500 {
            file.set_len(0).unwrap();
            file.write_all_at(0, &vec![1; LEN as usize]).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
}
