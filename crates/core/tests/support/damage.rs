//! Damages one file of a killed store in many ways, one at a time, and holds each opening to what is promised: it
//! gives the store or a typed error, what it serves was written there, what is missing is reported, a second opening
//! finds the same, and what is appended afterwards is kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use tidelog::io::{CrashKind, SimulatedStorage};
use tidelog::{Error, Partition, Store};

use super::killed::{Ends, Key, Killed, PARTITIONS, ROOT, batch_of, open, value_at};
use super::{EPOCH_MS, content, read_from, read_up_to_damage, set_content};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    Cut(u64),
    Flip { at: u64, bit: u8 },
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

/// What one opening shows.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Refused(String),
    Open {
        damaged: Vec<String>,
        partitions: BTreeMap<Key, (Vec<(u64, Vec<u8>)>, Option<String>)>,
    },
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

/// Tries all cases, two at a time, and prints how they came out. A case that does not end is a failure by its name.
pub fn try_all(killed: &Killed, what: &str, cases: &[Case]) -> Tally {
    let next = AtomicUsize::new(0);
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let (told, tell) = mpsc::channel();
        for _ in 0..2 {
            let (told, next) = (told.clone(), &next);
            scope.spawn(move || {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _ = told.send(Err(case.clone()));
                    let _ = told.send(Ok(try_one(killed, case)));
                }
            });
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
    });
    assert_eq!(tally.0.values().sum::<usize>(), cases.len());
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
        }
    }
    set_content(&disk, &case.path, &bytes);
    let seen = look(&disk, killed, case, CrashKind::Kill);
    assert_eq!(
        seen,
        look(&disk, killed, case, CrashKind::Kill),
        "{case:?}: a second opening"
    );
    let Seen::Open {
        damaged,
        partitions,
    } = seen
    else {
        assert_ne!(case.must, Must::Harmless, "{case:?}: {seen:?}");
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

/// Opens the store and reads all of it, then kills it.
fn look(disk: &SimulatedStorage, killed: &Killed, case: &Case, end: CrashKind) -> Seen {
    let store = match open(disk) {
        Ok(store) => store,
        Err(error) => {
            let known = [
                "ERR_TIDELOG_CORRUPTION",
                "ERR_TIDELOG_NOT_A_STORE",
                "ERR_TIDELOG_UNSUPPORTED_VERSION",
            ];
            assert!(known.contains(&error.code()), "{case:?}: {error:?}");
            return Seen::Refused(error.to_string());
        }
    };
    let mut partitions = BTreeMap::new();
    for key in PARTITIONS {
        let partition = partition(&store, key);
        assert_eq!(partition.log_start_offset(), 0, "{case:?}");
        let (records, error) = read_up_to_damage(&partition, 0);
        for (n, (offset, value)) in records.iter().enumerate() {
            assert_eq!(*offset, n as u64, "{case:?}: {key:?} has a hole");
            assert!(
                *offset < killed.ends[&key],
                "{case:?}: {key:?} has {offset}"
            );
            assert_eq!(*value, value_at(key, *offset), "{case:?}: {key:?} {offset}");
        }
        match &error {
            None if store.recovery().damaged.is_empty() => look_up(&partition, &records, case),
            None => {}
            Some(error) => assert_eq!(error.code(), "ERR_TIDELOG_CORRUPTION", "{case:?}"),
        }
        partitions.insert(key, (records, error.map(|error| error.to_string())));
    }
    let damaged: Vec<_> = store
        .recovery()
        .damaged
        .iter()
        .map(Error::to_string)
        .collect();
    disk.crash(end, 1);
    Seen::Open {
        damaged,
        partitions,
    }
}

/// The indexes find what is there.
fn look_up(partition: &Partition, records: &[(u64, Vec<u8>)], case: &Case) {
    let end = records.len() as u64;
    for offset in [end / 3, end / 2, end.saturating_sub(2)] {
        let found = read_from(partition, offset).unwrap_or_else(|e| panic!("{case:?}: {e}"));
        assert_eq!(found, records[offset as usize..], "{case:?}: from {offset}");
        let ms = EPOCH_MS + offset as i64;
        let at = partition
            .offset_for_time(ms)
            .unwrap_or_else(|e| panic!("{case:?}: {e}"));
        assert_eq!(at, (offset < end).then_some((offset, ms)), "{case:?}");
    }
}

/// Appends to all partitions, and opens once more to find it. Gives how many took it.
fn append(
    disk: &SimulatedStorage,
    case: &Case,
    before: &BTreeMap<Key, (Vec<(u64, Vec<u8>)>, Option<String>)>,
) -> usize {
    let store = open(disk).unwrap();
    let mut taken = Vec::new();
    for key in PARTITIONS {
        let end = partition(&store, key).high_watermark();
        match partition(&store, key).append(batch_of(key, end..end + 2)) {
            Ok(appended) => {
                assert_eq!(appended.base_offset, end, "{case:?}");
                taken.push((key, end));
            }
            Err(error) => assert_eq!(error.code(), "ERR_TIDELOG_CORRUPTION", "{case:?}"),
        }
    }
    // Half of the stores are closed in order.
    match case.damages[0] {
        Damage::Cut(at) | Damage::Flip { at, .. } if at % 2 == 0 => {
            let _ = store.close();
        }
        _ => {}
    }
    disk.crash(CrashKind::Kill, 2);
    let store = open(disk).unwrap_or_else(|error| panic!("{case:?}: {error}"));
    for (key, end) in &taken {
        let (records, error) = read_up_to_damage(&partition(&store, *key), 0);
        let (before, damage) = &before[key];
        if damage.is_none() {
            assert!(error.is_none(), "{case:?}: {error:?}");
            assert_eq!(before[..], records[..*end as usize], "{case:?}");
        }
        let kept = read_up_to_damage(&partition(&store, *key), *end).0;
        let kept: Vec<_> = kept.into_iter().map(|(_, value)| value).collect();
        assert_eq!(
            kept,
            [value_at(*key, *end), value_at(*key, end + 1)],
            "{case:?}"
        );
    }
    disk.crash(CrashKind::Kill, 3);
    taken.len()
}

fn partition(store: &Store, key: Key) -> Partition {
    store.open_topic(key.0).unwrap().partition(key.1).unwrap()
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
