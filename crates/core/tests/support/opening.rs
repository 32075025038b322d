//! What an opening of a damaged store shows, and what comes of appending to it: whatever is served was written there,
//! errors are those that are documented, and what was taken after the damage is found by the next opening.

use std::collections::BTreeMap;
use std::fmt;

use tidelog::format::batch::Batch;
use tidelog::io::{CrashKind, SimulatedStorage};
use tidelog::{Error, Partition, Store};

use super::damage::{Case, Damage, Must};
use super::killed::{Key, Killed, PARTITIONS, batch_of, open, value_at};
use super::{EPOCH_MS, bury, read_up_to_damage};

/// The records of a partition with their offsets, and where reading ended in damage.
pub type Served = (Vec<(u64, Vec<u8>)>, Option<String>);

/// What one opening shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Refused(String),
    Open {
        damaged: Vec<String>,
        partitions: BTreeMap<Key, Served>,
    },
}

/// The damaged place. The words for it may differ from opening to opening: each is a new life.
fn place_of(error: &Error) -> String {
    match error {
        Error::Corruption {
            file,
            position,
            offset,
            ..
        } => format!("{} byte {position}, offset {offset}", file.display()),
        Error::CorruptFile { file, .. } => file.display().to_string(),
        other => other.to_string(),
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::Refused(error) => write!(f, "refused: {error}"),
            Seen::Open {
                damaged,
                partitions,
            } => {
                write!(f, "damaged: {damaged:?}")?;
                partitions.iter().try_for_each(|(key, (records, error))| {
                    write!(f, "; {key:?} has {} records, {error:?}", records.len())
                })
            }
        }
    }
}

/// Opens the store and reads all of it, then kills it.
pub fn look(disk: &SimulatedStorage, killed: &Killed, case: &Case) -> Seen {
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
            Some(error) => assert_eq!(
                error.code(),
                "ERR_TIDELOG_CORRUPTION",
                "{case:?}: {error:?}"
            ),
        }
        partitions.insert(key, (records, error.as_ref().map(place_of)));
    }
    let damaged: Vec<_> = store.recovery().damaged.iter().map(place_of).collect();
    disk.crash(CrashKind::Kill, 1);
    bury(store);
    Seen::Open {
        damaged,
        partitions,
    }
}

/// The indexes find what is there.
fn look_up(partition: &Partition, records: &[(u64, Vec<u8>)], case: &Case) {
    let end = records.len() as u64;
    // Hints of reads that went before are not to help: it goes backwards.
    let step = if case.must == Must::Harmless { 1 } else { 17 };
    let mut batch = Vec::new();
    for offset in (0..end).rev().step_by(step) {
        let read = partition.read(offset, 1, &mut batch);
        read.unwrap_or_else(|error| panic!("{case:?}: {error}"));
        let found = *Batch::check(&batch).unwrap().header();
        let holds = (found.base_offset..found.next_offset()).contains(&offset);
        assert!(
            holds,
            "{case:?}: {offset} in the batch at {}",
            found.base_offset
        );
        let ms = EPOCH_MS + offset as i64;
        let at = partition.offset_for_time(ms);
        let at = at.unwrap_or_else(|error| panic!("{case:?}: {error}"));
        assert_eq!(at, Some((offset, ms)), "{case:?}");
    }
}

/// Appends to all partitions, and opens once more to find it. Gives how many took it.
pub fn append(disk: &SimulatedStorage, case: &Case, before: &BTreeMap<Key, Served>) -> usize {
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
        Damage::Cut(at) | Damage::Flip { at, .. } | Damage::Zeros(at) if at % 2 == 0 => {
            let _ = store.close();
        }
        _ => {}
    }
    disk.crash(CrashKind::Kill, 2);
    bury(store);
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
    bury(store);
    taken.len()
}

fn partition(store: &Store, key: Key) -> Partition {
    store.open_topic(key.0).unwrap().partition(key.1).unwrap()
}
