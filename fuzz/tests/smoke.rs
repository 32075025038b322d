//! Every target over its whole corpus and over seeded mutations of it. `TIDELOG_FUZZ_SEED` chooses other mutations,
//! `TIDELOG_FUZZ_TIMES` makes more of them. An input that fails is kept, and the message names it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it has run"
)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use tidelog_fuzz::TARGETS;
use tidelog_fuzz::mutate::{Random, mutated};

const SEED: u64 = 1;
/// An input that takes longer hangs. Nothing here takes a second.
const HANGS_AFTER: Duration = Duration::from_secs(120);

/// What panicked on threads of the engine, where no test sees it.
static ENGINE_PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn engine_panics() -> std::sync::MutexGuard<'static, Vec<String>> {
    ENGINE_PANICS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch_engine_threads() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let name = std::thread::current().name().unwrap_or("").to_owned();
            if name.starts_with("tidelog") {
                engine_panics().push(format!("thread {name}: {panic}"));
            }
            hook(panic);
        }));
    });
}

fn from_environment(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| text.parse().unwrap())
}

/// The files of a target's corpus, sorted, so that a seed always means the same.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

fn smoke(target: &str, mutations: u64) {
    watch_engine_threads();
    let (_, run) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let seed = from_environment("TIDELOG_FUZZ_SEED", SEED);
    let mutations = mutations * from_environment("TIDELOG_FUZZ_TIMES", 1);
    let (paths, corpus): (Vec<PathBuf>, Vec<Vec<u8>>) = corpus(target).into_iter().unzip();
    assert!(!corpus.is_empty(), "{target} has no corpus");
    let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{target}"));
    let (begun, watch) = channel::<Vec<u8>>();
    let watched = (target.to_owned(), kept.clone());
    std::thread::spawn(move || {
        let mut last = Vec::new();
        loop {
            match watch.recv_timeout(HANGS_AFTER) {
                Ok(bytes) => last = bytes,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    let (target, kept) = &watched;
                    let _ = fs::write(kept, &last);
                    eprintln!("{target} hangs with the input in {}", kept.display());
                    std::process::abort();
                }
            }
        }
    });
    let try_one = |bytes: &[u8], what: &str| {
        let _ = begun.send(bytes.to_vec());
        let outcome = catch_unwind(AssertUnwindSafe(|| run(bytes)));
        let panics = std::mem::take(&mut *engine_panics());
        if outcome.is_err() || !panics.is_empty() {
            fs::write(&kept, bytes).unwrap();
            panic!(
                "{target} fails with {what}, {}, which is kept in {}: {panics:?}",
                shown(bytes),
                kept.display()
            );
        }
    };
    for (path, bytes) in paths.iter().zip(&corpus) {
        try_one(bytes, &path.display().to_string());
    }
    let mut random = Random::new(seed);
    for number in 0..mutations {
        let bytes = mutated(&corpus, &mut random);
        try_one(&bytes, &format!("mutation {number} of seed {seed}"));
    }
    println!(
        "fuzz {target}: seed {seed}, {} inputs of the corpus, {mutations} mutations",
        corpus.len()
    );
}

fn shown(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().take(64).map(|b| format!("{b:02x}")).collect();
    format!("{} bytes {hex}", bytes.len())
}

macro_rules! smoke {
    ($($target:ident: $mutations:expr,)*) => {
        $(#[test]
        fn $target() {
            smoke(stringify!($target), $mutations);
        })*

        const TESTED: &[&str] = &[$(stringify!($target)),*];
    };
}

smoke! {
    batch: 100_000,
    checkpoint: 100_000,
    compression: 10_000,
    fields: 200_000,
    filter: 50_000,
    import: 600,
    indexes: 300,
    journal: 100_000,
    names: 100_000,
    offset_commit: 100_000,
    open_store: 600,
    packed: 100_000,
    producer_snapshot: 100_000,
    published: 300,
    segment_scan: 5_000,
    topic_file: 300,
    transaction_state: 100_000,
}

#[test]
fn every_target_has_a_test_and_a_binary() {
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, TESTED);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
    let mut binaries: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    binaries.sort();
    let wanted: Vec<String> = names.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(binaries, wanted);
}
