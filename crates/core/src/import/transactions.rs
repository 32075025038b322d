//! Which transactional batches of a log count. A transaction's batches are named by its producer's id and end
//! with that producer's next marker, which says whether they were committed. The `.txnindex` files repeat
//! what the abort markers say, and are held against them.

use std::collections::HashMap;

use tidelog_format::batch::BatchHeader;
use tidelog_format::control::ControlKind;
use tidelog_format::transaction_index::{AbortedTransaction, ENTRY_LEN};
use tidelog_io::{OpenMode, Storage};

use super::source::SourceSegment;
use crate::error::{Error, IoContext, Result};

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It counts: it was committed, or needs no commit.
    Kept,
    /// It is for the log itself.
    Control,
    Aborted,
    /// The log ends before its transaction does.
    Unfinished,
}

/// Filled batch by batch in the log's order, then asked.
#[derive(Default)]
pub(super) struct Transactions {
    /// First offset of each producer's transaction that has not ended yet.
    open: HashMap<i64, u64>,
    /// First and last offset of each producer's aborted transactions, rising.
    aborted: HashMap<i64, Vec<(u64, u64)>>,
    /// The same as the indexes have it.
    indexed: HashMap<i64, Vec<(u64, u64)>>,
}

impl Transactions {
    /// Reads the segment's index of aborted transactions, if it has one.
    pub fn read_index(&mut self, storage: &dyn Storage, segment: &SourceSegment) -> Result<()> {
        let path = segment.path.with_extension("txnindex");
        if !storage.exists(&path).during("look for", &path)? {
            return Ok(());
        }
        let file = storage.open(&path, OpenMode::Read).during("open", &path)?;
        let len = file.len().during("measure", &path)?;
        let damaged = |position: u64, reason: &str| Error::CorruptFile {
            file: path.clone(),
            reason: format!("byte {position}, {reason}"),
        };
        let mut entry = [0; ENTRY_LEN];
        for position in (0..len).step_by(ENTRY_LEN) {
            if len - position < ENTRY_LEN as u64 {
                return Err(damaged(position, "less than an entry is left"));
            }
            file.read_exact_at(position, &mut entry)
                .during("read", &path)?;
            let entry = AbortedTransaction::decode(&entry)
                .map_err(|error| damaged(position, &error.to_string()))?;
            let range = (entry.first_offset, entry.last_offset);
            self.indexed
                .entry(entry.producer_id)
                .or_default()
                .push(range);
        }
        Ok(())
    }

    /// Takes note of a data batch.
    pub fn data(&mut self, header: &BatchHeader) {
        if header.attributes.is_transactional() {
            self.open
                .entry(header.producer_id)
                .or_insert(header.base_offset);
        }
    }

    /// Takes note of a control record.
    ///
    /// # Errors
    /// What contradicts it, if an index names an aborted transaction where the log has committed one.
    pub fn control(
        &mut self,
        header: &BatchHeader,
        offset: u64,
        control: ControlKind,
    ) -> std::result::Result<(), String> {
        let producer = header.producer_id;
        let first = match control {
            ControlKind::Abort | ControlKind::Commit => self.open.remove(&producer),
            ControlKind::Other(_) => None,
        };
        let Some(first) = first else {
            return Ok(());
        };
        if control == ControlKind::Abort {
            self.aborted
                .entry(producer)
                .or_default()
                .push((first, offset));
            return Ok(());
        }
        let mut indexed = self.indexed.get(&producer).into_iter().flatten();
        match indexed.find(|(from, to)| *from <= offset && *to >= first) {
            None => Ok(()),
            Some((from, to)) => Err(format!(
                "producer {producer} commits offsets {first} to {offset}, but a .txnindex names {from} to {to} aborted"
            )),
        }
    }

    /// What became of a batch, once the whole log was noted.
    pub fn fate(&self, header: &BatchHeader) -> Fate {
        if header.attributes.is_control() {
            return Fate::Control;
        }
        if !header.attributes.is_transactional() {
            return Fate::Kept;
        }
        let (producer, offset) = (header.producer_id, header.base_offset);
        if self
            .open
            .get(&producer)
            .is_some_and(|first| offset >= *first)
        {
            return Fate::Unfinished;
        }
        let aborted = self.aborted.get(&producer).is_some_and(|ranges| {
            let next = ranges.partition_point(|(_, last)| *last < offset);
            ranges.get(next).is_some_and(|(first, _)| *first <= offset)
        });
        if aborted { Fate::Aborted } else { Fate::Kept }
    }
}
