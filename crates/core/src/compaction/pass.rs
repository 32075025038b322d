//! One pass over a partition.

use std::sync::Arc;

use tidelog_format::batch::{Batch, Records};

use super::dirty::Dirty;
use super::offset_map::OffsetMap;
use super::retained::{Retained, Rules};
use super::throttle::Throttle;
use crate::config::{CompactionOptions, TopicConfig};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::partition::Log;
use crate::segment::{CleanedSegment, Damage, Expect, Place, Scanner, Segment};
use crate::sync::lock;

/// Segments that one is made of at most: all of them have their files open then.
const GROUP_MAX: usize = 64;

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompactionReport {
    /// Passes over a partition: one with more keys than fit in memory takes several.
    pub passes: u64,
    /// Bytes that were read.
    pub bytes_read: u64,
    /// Bytes that were written.
    pub bytes_written: u64,
    /// Records that were looked at.
    pub records_read: u64,
    /// Records that went.
    pub records_removed: u64,
}

impl CompactionReport {
    pub(crate) fn add(&mut self, other: &CompactionReport) {
        self.passes += other.passes;
        self.bytes_read += other.bytes_read;
        self.bytes_written += other.bytes_written;
        self.records_read += other.records_read;
        self.records_removed += other.records_removed;
    }
}

pub(crate) struct Pass<'a> {
    log: &'a Arc<Log>,
    context: &'a Context,
    config: &'a TopicConfig,
    memory_bytes: usize,
    /// The time in ms.
    now: i64,
    throttle: Throttle<'a>,
    report: CompactionReport,
}

impl<'a> Pass<'a> {
    pub fn new(
        log: &'a Arc<Log>,
        config: &'a TopicConfig,
        options: &CompactionOptions,
        now: i64,
    ) -> Pass<'a> {
        let context = log.context();
        Pass {
            log,
            context,
            config,
            memory_bytes: options.memory_bytes,
            now,
            throttle: Throttle::new(context, options.bytes_per_second),
            report: CompactionReport {
                passes: 1,
                ..CompactionReport::default()
            },
        }
    }

    /// Cleans what can be, as far as its keys fit in memory. What is found damaged is left as it is, for good.
    pub fn run(mut self) -> Result<CompactionReport> {
        let _one_at_a_time = lock(self.log.compacting());
        let dirty = Dirty::of(self.log, self.config, self.now);
        let cleaned = dirty.and_then(|dirty| match dirty {
            Some(dirty) => self.clean(&dirty),
            None => Ok(()),
        });
        self.log.note_attempt(cleaned.as_ref().err());
        cleaned.map(|()| self.report)
    }

    fn clean(&mut self, dirty: &Dirty) -> Result<()> {
        let offsets = dirty.end - dirty.from;
        let mut map = OffsetMap::new(offsets, self.memory_bytes);
        let upto = self.note_keys(dirty, &mut map)?;
        // From here on they are not read in the log any more.
        self.log.keep_producers_below(upto)?;
        let remembered = self.log.remembered_batches()?;
        let rules = Rules {
            map: &map,
            from: dirty.from,
            upto,
            now: self.now,
            delete_retention_ms: self.config.compaction.delete_retention_ms,
            remembered: &remembered,
        };
        for group in self.groups(dirty, upto) {
            if !self.replace(group, &rules)? {
                // Records were deleted meanwhile: what is left is for the next pass.
                return Ok(());
            }
        }
        self.log.note_compacted(upto)
    }

    /// Notes the newest offset of each key from the first that was not cleaned on; gives the offset up to which all are noted.
    fn note_keys(&mut self, dirty: &Dirty, map: &mut OffsetMap) -> Result<u64> {
        let interval = self.config.index_interval_bytes;
        let mut scratch = Vec::new();
        let first = dirty
            .segments
            .partition_point(|segment| segment.base() <= dirty.from);
        for segment in dirty.segments.iter().skip(first.saturating_sub(1)) {
            let files = segment.files(self.context)?;
            let from = match dirty.from > segment.base() {
                true => segment.locate(self.context, &files, dirty.from, interval)?,
                false => Place {
                    position: 0,
                    offset: segment.base(),
                },
            };
            let mut scanner = self.scanner(segment, files.file(), from);
            while let Some(found) = scanner
                .next()
                .map_err(|damage| self.damaged(segment, damage))?
            {
                self.report.bytes_read += found.header.size() as u64;
                self.throttle.count(found.header.size() as u64)?;
                if found.header.record_count == 0 || found.header.attributes.is_control() {
                    continue;
                }
                let invalid = |error| Error::invalid_batch(&error);
                let batch = Batch::check(scanner.bytes()).map_err(invalid)?;
                let section = batch.section(&mut scratch).map_err(invalid)?;
                for record in Records::new(section, &found.header) {
                    let record = record.map_err(invalid)?;
                    let Some(key) = record.key.filter(|_| record.offset >= dirty.from) else {
                        continue;
                    };
                    if !map.note(key, record.offset) {
                        return Ok(record.offset);
                    }
                }
            }
        }
        Ok(dirty.end)
    }

    /// The segments that begin below `upto`, in groups of which each is made one: Kafka's rule, by their sizes as they are.
    fn groups<'d>(&self, dirty: &'d Dirty, upto: u64) -> Vec<&'d [Arc<Segment>]> {
        let segments = &dirty.segments;
        let end_of = |index: usize| {
            let next = segments.get(index + 1);
            next.map_or(dirty.end, |next| next.base())
        };
        let (mut groups, mut from, mut bytes) = (Vec::new(), 0, 0);
        for (index, segment) in segments.iter().enumerate() {
            if segment.base() >= upto {
                break;
            }
            let base = segments.get(from).map_or(0, |first| first.base());
            let fits = bytes + segment.size() <= self.config.segment_bytes
                && end_of(index) - base <= i32::MAX as u64
                && index - from < GROUP_MAX;
            if index > from && !fits {
                groups.extend(segments.get(from..index));
                (from, bytes) = (index, 0);
            }
            bytes += segment.size();
        }
        let end = segments.partition_point(|segment| segment.base() < upto);
        groups.extend(segments.get(from..end).filter(|last| !last.is_empty()));
        groups
    }

    /// Writes a group anew and puts that in its place. False if it is not there any more.
    fn replace(&mut self, group: &[Arc<Segment>], rules: &Rules<'_>) -> Result<bool> {
        let Some(first) = group.first() else {
            return Ok(true);
        };
        let interval = self.config.index_interval_bytes;
        let mut cleaned = self.log.create_cleaned(first.base(), interval)?;
        let mut retained = Retained::new(rules);
        let written = group
            .iter()
            .try_for_each(|segment| self.write(segment, &mut retained, &mut cleaned))
            .and_then(|()| retained.finish(&mut cleaned));
        if let Err(error) = written {
            self.log.discard_cleaned(cleaned);
            return Err(error);
        }
        self.report.records_removed += retained.removed;
        if group.len() == 1 && !retained.changed {
            self.log.discard_cleaned(cleaned);
            return Ok(true);
        }
        let capacity = Segment::capacity_for(self.config.segment_bytes);
        self.log.replace(group, cleaned, capacity, interval)
    }

    fn write(
        &mut self,
        segment: &Arc<Segment>,
        retained: &mut Retained<'_>,
        cleaned: &mut CleanedSegment,
    ) -> Result<()> {
        let files = segment.files(self.context)?;
        let from = Place {
            position: 0,
            offset: segment.base(),
        };
        let mut scanner = self.scanner(segment, files.file(), from);
        while let Some(found) = scanner
            .next()
            .map_err(|damage| self.damaged(segment, damage))?
        {
            let before = cleaned.size();
            retained.add(scanner.bytes(), &found.header, cleaned)?;
            let (read, written) = (found.header.size() as u64, cleaned.size() - before);
            self.report.records_read += u64::from(found.header.record_count);
            self.report.bytes_read += read;
            self.report.bytes_written += written;
            self.throttle.count(read + written)?;
        }
        Ok(())
    }

    /// Every batch is checked again: what is damaged must not be written anew as if it held.
    fn scanner<'f>(
        &self,
        segment: &Segment,
        file: &'f dyn tidelog_io::StorageFile,
        from: Place,
    ) -> Scanner<'f> {
        let expect = Expect {
            offset: from.offset,
            epoch_min: i32::MIN,
            epoch_max: self.context.incarnation,
        };
        Scanner::new(file, from.position, segment.size(), expect, true)
    }

    fn damaged(&self, segment: &Segment, damage: Damage) -> Error {
        let place = Place {
            position: damage.position,
            offset: damage.offset,
        };
        self.log.corruption(segment, place, damage.reason)
    }
}
