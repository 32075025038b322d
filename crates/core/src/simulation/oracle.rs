//! What the engine has promised so far, and whether what is found after a crash keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::error::Result;
use crate::partition::Appended;

/// A broken promise.
#[derive(Debug)]
pub(super) struct Violation {
    pub kind: &'static str,
    pub what: String,
}

pub(super) type Checked<T = ()> = std::result::Result<T, Violation>;

pub(super) fn violation<T>(kind: &'static str, what: impl Into<String>) -> Checked<T> {
    Err(Violation {
        kind,
        what: what.into(),
    })
}

/// A partition by topic and number.
pub(super) type Key = (&'static str, u32);

/// Of one partition.
#[derive(Debug, Default)]
pub(super) struct Promised {
    /// The record at each offset: what the last opening found, and what was appended since.
    pub records: Vec<u64>,
    /// Offsets whose record compaction took, as the last opening found.
    pub gone: BTreeSet<u64>,
    /// Up to where it may have.
    pub cleaned: u64,
    /// A crash of any kind leaves at least as many.
    pub durable: usize,
    /// The process being killed leaves at least as many.
    pub kill_safe: usize,
    /// The log start: acknowledged, and asked for.
    pub start: (u64, u64),
}

/// The key of a record by its number.
pub(super) fn key_of(record: u64) -> u8 {
    (record % 5) as u8
}

/// Whether a record says that its key is gone.
pub(super) fn is_tombstone(record: u64) -> bool {
    record % 7 == 3
}

impl Promised {
    /// Whether a record at this offset may be gone: a later one of its key was there when it went, and is still there.
    /// Tombstones stay for a day, which no story lasts.
    fn may_be_gone(&self, offset: u64, held: usize) -> bool {
        let end = held.min(self.cleaned as usize);
        let later = self.records.get(offset as usize + 1..end);
        let key = key_of(self.records[offset as usize]);
        later.is_some_and(|later| later.iter().any(|record| key_of(*record) == key))
    }
}

/// Whether a topic is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exists {
    Yes,
    No,
    /// A crash interrupted its creation or its deletion.
    Maybe,
}

/// An append of this life.
pub(super) struct Append {
    pub key: Key,
    pub offsets: Range<u64>,
    pub buffered: bool,
    /// Its topic was deleted since.
    pub forgotten: bool,
    /// It was appended before, and is not to be appended again.
    pub retry: bool,
}

/// What is known of a committed offset.
#[derive(Debug, Default)]
pub(super) struct Committed {
    /// What was to be committed, in order, each with a number of its own.
    pub asked: Vec<(u64, u64)>,
    /// How many of them were settled by an answer: none but the last of these, or a later one, may be found.
    pub settled: usize,
}

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Closed,
    Killed,
    PowerLost,
}

#[derive(Default)]
pub(super) struct Oracle {
    pub logs: BTreeMap<Key, Promised>,
    pub appends: Vec<Append>,
    /// Appends that are in the log all together or not at all.
    pub groups: Vec<Vec<usize>>,
    /// The offsets that one group commits.
    pub offsets: BTreeMap<Key, Committed>,
    /// A sync has failed in this life.
    pub failed: bool,
}

impl Oracle {
    /// An append got its answer.
    pub fn answered(&mut self, append: usize, answer: &Result<Appended>) -> Checked {
        let Append {
            key,
            offsets,
            buffered,
            forgotten,
            retry,
        } = &self.appends[append];
        if *forgotten {
            return Ok(());
        }
        match answer {
            Ok(appended) => {
                let told = appended.base_offset..appended.last_offset + 1;
                if *retry != appended.duplicate {
                    return violation("stored twice", format!("{key:?}: {told:?}"));
                }
                if told != *offsets {
                    return violation(
                        "wrong offset",
                        format!("{key:?}: {told:?}, not {offsets:?}"),
                    );
                }
                if let Some(promised) = self.logs.get_mut(key) {
                    let end = offsets.end as usize;
                    promised.kill_safe = promised.kill_safe.max(end);
                    if !buffered {
                        promised.durable = promised.durable.max(end);
                    }
                }
                Ok(())
            }
            Err(error) if !error.indefinite() && !offsets.is_empty() && !retry => {
                violation("wrong error", format!("{key:?}: appended, but: {error}"))
            }
            Err(_) => Ok(()),
        }
    }

    /// Compares what is found in a partition with what was promised, and goes on from there.
    pub fn found(
        &mut self,
        key: Key,
        ends: Range<u64>,
        records: &BTreeMap<u64, u64>,
        end: End,
    ) -> Checked {
        let start = ends.start;
        let promised = self.logs.entry(key).or_default();
        let (acknowledged, asked) = promised.start;
        if start < acknowledged || start > asked {
            return violation(
                "log start",
                format!("{key:?} begins at {start}, not {acknowledged} to {asked}"),
            );
        }
        let held = ends.end as usize;
        let least = match end {
            End::Closed => promised.records.len(),
            End::Killed if !self.failed => promised.kill_safe,
            _ => promised.durable,
        };
        // A log that lost its end below its start begins again there.
        if held < least {
            return violation(
                "acknowledged records lost",
                format!("{key:?} after {end:?}: {held} of {least}"),
            );
        }
        for offset in ends {
            let expected = promised.records.get(offset as usize);
            let what = match (records.get(&offset), expected) {
                (Some(found), Some(expected)) if found == expected => {
                    match promised.gone.contains(&offset) {
                        true => "a record came back",
                        false => continue,
                    }
                }
                (None, Some(_)) if promised.may_be_gone(offset, held) => {
                    promised.gone.insert(offset);
                    continue;
                }
                (None, Some(_)) => "the newest record of a key is gone",
                _ => "other records",
            };
            let all = &promised.records;
            return violation(
                what,
                format!("{key:?} at {offset}: {records:?}, not {expected:?} of {all:?}"),
            );
        }
        promised.gone.retain(|offset| *offset < held as u64);
        promised.cleaned = promised.cleaned.min(held as u64);
        promised.records.resize(held, 0);
        (promised.durable, promised.kill_safe) = (held, held);
        promised.start = (start, start);
        Ok(())
    }

    /// A commit of an offset got its answer.
    pub fn committed(&mut self, key: Key, number: u64) {
        // Unless the topic was made again since.
        if let Some(Committed { asked, settled }) = self.offsets.get_mut(&key)
            && let Some(index) = asked.iter().position(|(other, _)| *other == number)
        {
            *settled = (*settled).max(index + 1);
        }
    }

    /// Compares a committed offset that is found with those that were asked for, and goes on from there.
    pub fn found_offset(&mut self, key: Key, found: Option<u64>) -> Checked {
        let Committed { asked, settled } = self.offsets.remove(&key).unwrap_or_default();
        let may_be = asked.get(settled.saturating_sub(1)..).unwrap_or_default();
        let holds = match found {
            Some(found) => may_be.iter().any(|(_, offset)| *offset == found),
            None => settled == 0,
        };
        if !holds {
            let what = format!("{key:?}: {found:?}, not one of {may_be:?}");
            return violation("committed offset", what);
        }
        if let Some(found) = found {
            let asked = vec![(0, found)];
            self.offsets.insert(key, Committed { asked, settled: 1 });
        }
        Ok(())
    }

    /// Whether each group is there whole or not at all. To be asked before `settle`, after `found` of all partitions.
    pub fn groups_are_whole(&self) -> Checked {
        for group in &self.groups {
            let there = |append: &&usize| {
                let append = &self.appends[**append];
                self.logs
                    .get(&append.key)
                    .is_some_and(|log| log.records.len() as u64 >= append.offsets.end)
            };
            let count = group.iter().filter(there).count();
            if count != 0 && count != group.len() {
                return violation("half a group", format!("{count} of {}", group.len()));
            }
        }
        Ok(())
    }

    /// The topic is gone, with all that was promised of it.
    pub fn forget(&mut self, topic: &str) {
        self.logs.retain(|key, _| key.0 != topic);
        self.offsets.retain(|key, _| key.0 != topic);
        for append in self.appends.iter_mut().filter(|a| a.key.0 == topic) {
            append.forgotten = true;
        }
        let appends = &self.appends;
        self.groups
            .retain(|group| group.iter().all(|append| appends[*append].key.0 != topic));
    }

    /// A new life begins.
    pub fn settle(&mut self) {
        self.appends.clear();
        self.groups.clear();
        self.failed = false;
    }
}
