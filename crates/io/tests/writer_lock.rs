//! One writer: no second one in this process or another, and none in the way once it is dead.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout
)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tidelog_io::{LockAttempt, OpenMode, OsStorage, SimulatedStorage, Storage, WriterLock};

const LOCK_PATH: &str = "TIDELOG_TEST_LOCK_PATH";

fn held(storage: &dyn Storage, path: &Path) -> Box<dyn WriterLock> {
    match storage.lock(path).unwrap() {
        LockAttempt::Held(lock) => lock,
        LockAttempt::Busy { pid } => panic!("held by {pid:?}"),
    }
}

fn busy(storage: &dyn Storage, path: &Path) -> Option<u32> {
    match storage.lock(path).unwrap() {
        LockAttempt::Held(_) => panic!("not held by anybody else"),
        LockAttempt::Busy { pid } => pid,
    }
}

/// What the child process does: lock, say so, hold until it is told to go on or killed. It is a
/// test only to be found by name, and passes when it is not a child.
#[test]
fn child_holds_the_lock() {
    let Ok(path) = std::env::var(LOCK_PATH) else {
        return;
    };
    let _lock = held(&OsStorage, Path::new(&path));
    println!("\nlocked");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

fn child_with_lock(path: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child_holds_the_lock", "--exact", "--nocapture"])
        .env(LOCK_PATH, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap() == "locked"));
    child
}

#[test]
fn another_process_is_refused_until_the_holder_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    let mut child = child_with_lock(&path);
    assert_eq!(busy(&OsStorage, &path), Some(child.id()));
    child.kill().unwrap();
    child.wait().unwrap();
    // kill -9 gives it back, and the dead one's id is not taken for ours.
    let lock = held(&OsStorage, &path);
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        format!("{}\n", std::process::id())
    );
    drop(lock);
}

#[test]
fn a_deleted_lock_file_lets_nobody_in_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    let mut child = child_with_lock(&path);
    std::fs::remove_file(&path).unwrap();
    // Whose it is went with the file.
    assert_eq!(busy(&OsStorage, &path), None);
    assert_eq!(busy(&OsStorage, &path), None);
    child.kill().unwrap();
    child.wait().unwrap();

    let lock = held(&OsStorage, &path);
    std::fs::remove_file(&path).unwrap();
    assert!(lock.keep().unwrap());
    // Also against a program that asks for nothing but the file.
    let file = std::fs::File::open(&path).unwrap();
    assert!(file.try_lock().is_err());
    assert_eq!(busy(&OsStorage, &path), Some(std::process::id()));
    drop(file);
    drop(lock);
    drop(held(&OsStorage, &path));
}

#[test]
fn a_holder_learns_that_its_place_is_anothers() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let path = store.join(".lock");
    std::fs::create_dir(&store).unwrap();
    let lock = held(&OsStorage, &path);
    assert!(lock.keep().unwrap());
    // A program that locks the file only has come in.
    std::fs::remove_file(&path).unwrap();
    let other = std::fs::File::create(&path).unwrap();
    other.try_lock().unwrap();
    assert!(!lock.keep().unwrap());
    drop(other);
    assert!(lock.keep().unwrap());
    // Another folder has the store's name.
    std::fs::rename(&store, folder.path().join("moved")).unwrap();
    assert!(!lock.keep().unwrap());
    std::fs::create_dir(&store).unwrap();
    drop(held(&OsStorage, &path));
    assert!(!lock.keep().unwrap());
}

#[test]
fn the_same_process_is_refused_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    let lock = held(&OsStorage, &path);
    assert_eq!(busy(&OsStorage, &path), Some(std::process::id()));
    // Closing another handle of the file gives nothing away.
    drop(OsStorage.open(&path, OpenMode::Read).unwrap());
    assert_eq!(busy(&OsStorage, &path), Some(std::process::id()));
    drop(lock);
    drop(held(&OsStorage, &path));
}

#[test]
fn a_spawned_program_does_not_inherit_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    let lock = held(&OsStorage, &path);
    let mut sleeper = Command::new("sleep").arg("30").spawn().unwrap();
    drop(lock);
    drop(held(&OsStorage, &path));
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}

#[test]
fn a_strange_lock_file_names_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    std::fs::write(&path, "what a longer text leaves behind\n").unwrap();
    let _lock = held(&OsStorage, &path);
    assert_eq!(busy(&OsStorage, &path), Some(std::process::id()));
    for text in [
        "",
        "12",
        "many\n",
        "-1\n",
        "99999999999\n",
        "1234567890123456789\n",
    ] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(busy(&OsStorage, &path), None, "{text:?}");
    }
    assert!(OsStorage.lock(folder.path()).is_err());
}

#[test]
fn the_simulated_lock_does_the_same() {
    let storage = SimulatedStorage::new();
    let path = Path::new("/.lock");
    let lock = held(&storage, path);
    assert_eq!(busy(&storage, path), Some(std::process::id()));
    storage.remove_file(path).unwrap();
    assert_eq!(busy(&storage, path), None);
    assert!(lock.keep().unwrap());
    assert_eq!(busy(&storage, path), None);
    drop(lock);
    let old = held(&storage, path);
    storage.crash(tidelog_io::CrashKind::Kill, 1);
    let new = held(&storage, path);
    // The dead process's handle can not give away what is now another's.
    drop(old);
    assert_eq!(busy(&storage, path), Some(std::process::id()));
    drop(new);
    drop(held(&storage, path));
}
