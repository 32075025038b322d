//! Damages one file of a killed store in many ways, one at a time, and holds each opening to what is promised: it
//! gives the store or a typed error, what it serves was written there, what is missing is reported, a second opening
//! finds the same, and what is appended afterwards is kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Once, mpsc};
use std::time::Duration;

use tidelog::io::Storage;

use super::killed::{Ends, Killed, ROOT};
use super::opening::{Seen, append, look};
use super::{content, set_content};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    Cut(u64),
    Flip {
        at: u64,
        bit: u8,
    },
    /// Zeros from here to the end.
    Zeros(u64),
    Missing,
}

/// What has to come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Must {
    /// All records are served, and nothing is reported.
    Harmless,
    /// Nothing is missing without being reported.
    NothingUnsaid,
    /// It is reported, and nothing may be written.
    BeReported,
}

#[derive(Debug, Clone)]
pub struct Case {
    pub path: PathBuf,
    pub damages: Vec<Damage>,
    /// Partitions may end here without a word: what follows looks like what a crash tore.
    pub floor: Ends,
    pub must: Must,
}

/// How many cases came out how.
#[derive(Debug, Default)]
pub struct Tally(pub BTreeMap<&'static str, usize>);

impl Tally {
    pub fn of(&self, outcome: &str) -> usize {
        self.0.get(outcome).copied().unwrap_or(0)
    }
}

/// All of `cases`, or so many of them, chosen by the seed; `TIDELOG_DAMAGE=all` tries all.
pub fn sample(mut cases: Vec<Case>, count: usize, seed: u64) -> Vec<Case> {
    let all = std::env::var("TIDELOG_DAMAGE").is_ok_and(|text| text == "all");
    if all || cases.len() <= count {
        return cases;
    }
    let mut random = seed;
    for place in 0..count {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let other = place + (random >> 33) as usize % (cases.len() - place);
        cases.swap(place, other);
    }
    cases.truncate(count);
    cases
}

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Counts panics of all threads, those of the engine too, which may be caught there.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            print(panic);
        }));
    });
}

/// Tries all cases, two at a time, and prints how they came out. A case that does not end is a failure by its name.
#[allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "counts are to be seen, and which case hangs"
)]
pub fn try_all(killed: &Killed, what: &str, cases: &[Case]) -> Tally {
    count_panics();
    let next = AtomicUsize::new(0);
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let (told, tell) = mpsc::channel();
        let mut workers = Vec::new();
        for _ in 0..2 {
            let (told, next) = (told.clone(), &next);
            workers.push(scope.spawn(move || {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _ = told.send(Err(case.clone()));
                    let _ = told.send(Ok(try_one(killed, case)));
                }
            }));
        }
        drop(told);
        let mut begun = Vec::new();
        loop {
            match tell.recv_timeout(Duration::from_secs(120)) {
                Ok(Ok(outcome)) => *tally.0.entry(outcome).or_default() += 1,
                Ok(Err(case)) => begun.push(case),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    // A thread that hangs can't be joined.
                    eprintln!("one of these hangs: {:?}", &begun[begun.len() - 2..]);
                    std::process::abort();
                }
            }
        }
        // The scope waits for their work, and not for their ends, which look like leaks when the process ends with them.
        for worker in workers {
            worker.join().unwrap();
        }
    });
    assert_eq!(tally.0.values().sum::<usize>(), cases.len());
    assert_eq!(PANICS.load(Ordering::Relaxed), 0, "panics, see above");
    println!("{what}: {} cases, {:?}", cases.len(), tally.0);
    tally
}

fn try_one(killed: &Killed, case: &Case) -> &'static str {
    let disk = killed.disk.duplicate();
    let mut bytes = content(&disk, &case.path);
    for damage in &case.damages {
        match *damage {
            Damage::Cut(len) => bytes.truncate(len as usize),
            Damage::Flip { at, bit } => bytes[at as usize] ^= 1 << bit,
            Damage::Zeros(from) => bytes[from as usize..].fill(0),
            Damage::Missing => {}
        }
    }
    set_content(&disk, &case.path, &bytes);
    if case.damages.contains(&Damage::Missing) {
        disk.remove_file(&case.path).unwrap();
    }
    let seen = look(&disk, killed, case);
    let again = look(&disk, killed, case);
    assert!(seen == again, "{case:?}: {seen} and then {again}");
    let Seen::Open {
        damaged,
        partitions,
    } = seen
    else {
        assert_ne!(case.must, Must::Harmless, "{case:?}: {seen}");
        return "refused";
    };
    let mut reported = !damaged.is_empty();
    let mut short = false;
    for (key, end) in &killed.ends {
        let (records, error) = &partitions[key];
        let floor = case.floor.get(key).unwrap_or(end);
        reported |= error.is_some();
        short |= (records.len() as u64) < *end;
        let said = error.is_some() || !damaged.is_empty();
        assert!(
            said || records.len() as u64 >= *floor,
            "{case:?}: {key:?} ends at {}, not {end}, and nothing is said",
            records.len(),
        );
    }
    match case.must {
        Must::Harmless => assert!(!reported && !short, "{case:?}: {damaged:?}"),
        Must::BeReported => assert!(!damaged.is_empty(), "{case:?}: short: {short}"),
        Must::NothingUnsaid => {}
    }
    let appended = append(&disk, case, &partitions);
    assert!(case.must != Must::BeReported || appended == 0, "{case:?}");
    match (reported, short) {
        (true, _) => "reported",
        (false, true) => "a torn tail",
        (false, false) => "harmless",
    }
}

/// A case with one damage of a file.
pub fn one(path: &Path, damage: Damage, floor: Ends, must: Must) -> Case {
    Case {
        path: path.to_owned(),
        damages: vec![damage],
        floor,
        must,
    }
}

/// Every bit of these bytes.
pub fn flips(range: std::ops::Range<u64>) -> impl Iterator<Item = Damage> {
    range.flat_map(|at| (0..8).map(move |bit| Damage::Flip { at, bit }))
}

/// The store's folder, for paths of its files.
pub fn root() -> &'static Path {
    Path::new(ROOT)
}
