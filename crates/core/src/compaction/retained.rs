//! What stays of each batch, and the one file that is made of what stays of a group of segments.

use tidelog_format::batch::{
    Batch, BatchCleaner, BatchHeader, Records, emptied_batch, empty_batch,
};

use super::offset_map::OffsetMap;
use crate::error::{Error, Result};
use crate::knock_out::{self, Rule};
use crate::segment::CleanedSegment;

/// By what it is decided which records stay.
pub(super) struct Rules<'a> {
    /// The newest offsets of keys from `from` on.
    pub map: &'a OffsetMap,
    pub from: u64,
    /// Records from here on stay whatever is known of their keys.
    pub upto: u64,
    /// The time in ms.
    pub now: i64,
    pub delete_retention_ms: u64,
    /// Base offsets, in order, of batches that stay for the sake of their producers' sequence numbers.
    pub remembered: &'a [u64],
}

/// Offsets that no record has any more.
#[derive(Debug, Clone, Copy)]
struct Hole {
    first: u64,
    last: u64,
    epoch: i32,
    timestamp: i64,
}

/// Writes what stays.
pub(super) struct Retained<'a> {
    rules: &'a Rules<'a>,
    cleaner: BatchCleaner,
    scratch: Vec<u8>,
    /// Which records of the batch at hand stay.
    stays: Vec<bool>,
    batch: Vec<u8>,
    hole: Option<Hole>,
    /// Records that went.
    pub removed: u64,
    /// Whether anything is not as it was.
    pub changed: bool,
}

impl Rules<'_> {
    /// A tombstone goes from this time on, if that is to be noted now: what it hides is gone with this pass.
    fn new_horizon(&self, header: &BatchHeader) -> Option<i64> {
        let seen = (self.from..self.upto).contains(&header.last_offset());
        let horizon = self.now.saturating_add_unsigned(self.delete_retention_ms);
        (seen && header.delete_horizon().is_none()).then_some(horizon)
    }

    fn stays(
        &self,
        header: &BatchHeader,
        offset: u64,
        key: Option<&[u8]>,
        tombstone: bool,
    ) -> bool {
        let Some(key) = key.filter(|_| offset < self.upto) else {
            return true;
        };
        if self.map.newest(key).is_some_and(|newest| newest > offset) {
            return false;
        }
        let expired = header
            .delete_horizon()
            .is_some_and(|horizon| horizon <= self.now);
        !(tombstone && (expired || knock_out::is_out(Rule::KeepTombstones)))
    }
}

impl<'a> Retained<'a> {
    pub fn new(rules: &'a Rules<'a>) -> Retained<'a> {
        Retained {
            rules,
            cleaner: BatchCleaner::default(),
            scratch: Vec::new(),
            stays: Vec::new(),
            batch: Vec::new(),
            hole: None,
            removed: 0,
            changed: false,
        }
    }

    /// Writes what stays of a batch, which was checked.
    pub fn add(
        &mut self,
        bytes: &[u8],
        header: &BatchHeader,
        out: &mut CleanedSegment,
    ) -> Result<()> {
        if header.base_offset >= self.rules.upto || header.attributes.is_control() {
            return self.put(header, bytes, out);
        }
        let damaged = |error| Error::invalid_batch(&error);
        if header.record_count == 0 {
            return match self.is_remembered(header) {
                true => self.put(header, bytes, out),
                false => self.leave_out(header, out),
            };
        }
        let batch = Batch::check(bytes).map_err(damaged)?;
        let section = batch.section(&mut self.scratch).map_err(damaged)?;
        let (mut kept, mut tombstones) = (0, false);
        self.stays.clear();
        for record in Records::new(section, header) {
            let record = record.map_err(damaged)?;
            let tombstone = record.value.is_none();
            let stays = self
                .rules
                .stays(header, record.offset, record.key, tombstone);
            self.stays.push(stays);
            if stays {
                kept += 1;
                tombstones |= tombstone && record.key.is_some();
            }
        }
        let horizon = self.rules.new_horizon(header).filter(|_| tombstones);
        if kept == header.record_count && horizon.is_none() {
            return self.put(header, bytes, out);
        }
        self.changed = true;
        self.removed += u64::from(header.record_count - kept);
        if kept == 0 {
            if !self.is_remembered(header) {
                return self.leave_out(header, out);
            }
            let emptied = emptied_batch(header).map_err(damaged)?;
            return self.put_encoded(&emptied, out);
        }
        self.cleaner.begin(header, horizon);
        for (record, stays) in Records::new(section, header).zip(&self.stays) {
            if *stays {
                let record = record.map_err(damaged)?;
                self.cleaner
                    .keep(section, header, &record)
                    .map_err(damaged)?;
            }
        }
        let mut encoded = std::mem::take(&mut self.batch);
        encoded.clear();
        self.cleaner.finish(header, &mut encoded).map_err(damaged)?;
        let put = self.put_encoded(&encoded, out);
        self.batch = encoded;
        put
    }

    /// Writes what is still to be written.
    pub fn finish(&mut self, out: &mut CleanedSegment) -> Result<()> {
        let Some(hole) = self.hole.take() else {
            return Ok(());
        };
        let empty = empty_batch(hole.first, hole.last, hole.epoch, hole.timestamp)
            .map_err(|error| Error::invalid_batch(&error))?;
        self.put_encoded(&empty, out)
    }

    fn is_remembered(&self, header: &BatchHeader) -> bool {
        header.producer_id >= 0
            && self
                .rules
                .remembered
                .binary_search(&header.base_offset)
                .is_ok()
    }

    fn put_encoded(&mut self, bytes: &[u8], out: &mut CleanedSegment) -> Result<()> {
        let header = BatchHeader::parse(bytes).map_err(|error| Error::invalid_batch(&error))?;
        self.put(&header, bytes, out)
    }

    fn put(&mut self, header: &BatchHeader, bytes: &[u8], out: &mut CleanedSegment) -> Result<()> {
        self.finish(out)?;
        out.append(header, bytes)
    }

    /// One empty batch will hold the offsets of all batches of one life that follow each other without a record.
    fn leave_out(&mut self, header: &BatchHeader, out: &mut CleanedSegment) -> Result<()> {
        match &mut self.hole {
            Some(hole) if hole.epoch == header.leader_epoch => {
                hole.last = header.last_offset();
                hole.timestamp = hole.timestamp.max(header.max_timestamp);
                self.changed = true;
                Ok(())
            }
            _ => {
                self.finish(out)?;
                self.hole = Some(Hole {
                    first: header.base_offset,
                    last: header.last_offset(),
                    epoch: header.leader_epoch,
                    timestamp: header.max_timestamp,
                });
                Ok(())
            }
        }
    }
}
