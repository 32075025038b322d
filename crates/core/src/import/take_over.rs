//! The second walk over a partition's log: appends every batch that counts at the offset it has, and empty
//! batches for the offsets of all others, so that the log goes on exactly where Kafka's ended.

use tidelog_format::batch::{Batch, empty_batch};
use tidelog_io::Storage;

use super::plain::plain;
use super::report::ImportedPartition;
use super::segment::SegmentReader;
use super::source::SourcePartition;
use super::survey::Survey;
use super::transactions::Fate;
use crate::error::{Error, Result};
use crate::topic::Partition;

/// The time of a batch without records: none, so that no search by time ends there.
const NO_TIMESTAMP: i64 = -1;

/// Takes the log over into an empty partition, durably. `step` as for the survey; `None` if it stopped the walk.
pub(super) fn take_over(
    storage: &dyn Storage,
    source: &SourcePartition,
    survey: &Survey,
    target: &Partition,
    step: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<ImportedPartition>> {
    let mut report = ImportedPartition {
        partition: source.number,
        log_start: survey.start,
        log_end: survey.end,
        torn_bytes: survey.torn_bytes,
        ..ImportedPartition::default()
    };
    // The end of what was appended, and of what was looked at.
    let (mut appended, mut seen) = (survey.start, survey.start);
    let mut next = 0;
    for (number, segment) in source.segments.iter().enumerate() {
        let is_last = number + 1 == source.segments.len();
        let mut reader = SegmentReader::open(storage, segment, next, is_last)?;
        while let Some(batch) = reader.next()? {
            let header = batch.header();
            if header.last_offset() >= survey.start {
                let fate = survey.transactions.fate(header);
                count(&mut report, &batch, fate, seen)?;
                seen = header.next_offset();
                if fate == Fate::Kept && header.record_count > 0 {
                    fill(target, appended, header.base_offset)?;
                    target.append_imported(plain(&batch))?;
                    appended = header.next_offset();
                }
            }
            if !step(batch.bytes().len() as u64) {
                return Ok(None);
            }
        }
        next = reader.next_offset();
    }
    report.removed_offsets += survey.end - seen;
    if appended == survey.end && appended == survey.start {
        // Nothing can be read, but the next offset is known: the one before it is held, and deleted below.
        appended = appended.saturating_sub(1);
    }
    fill(target, appended, survey.end)?;
    target.seal_import()?;
    if target.log_start_offset() < survey.start {
        target.delete_records(survey.start)?;
    }
    Ok(Some(report))
}

/// Holds the offsets from `from` up to `to` with batches without records.
fn fill(target: &Partition, mut from: u64, to: u64) -> Result<()> {
    while from < to {
        let last = (to - 1).min(from + i32::MAX as u64);
        let batch = empty_batch(from, last, -1, NO_TIMESTAMP)
            .map_err(|error| Error::invalid_batch(&error))?;
        target.append_imported(batch)?;
        from = last + 1;
    }
    Ok(())
}

/// Enters a batch, of which only the offsets from the log start on are counted.
fn count(report: &mut ImportedPartition, batch: &Batch<'_>, fate: Fate, seen: u64) -> Result<()> {
    let header = batch.header();
    let from = header.base_offset.max(report.log_start);
    let offsets = header.next_offset() - from;
    report.removed_offsets += from - seen;
    match fate {
        Fate::Control => report.control_offsets += offsets,
        Fate::Aborted => report.aborted_offsets += offsets,
        Fate::Unfinished => report.unfinished_offsets += offsets,
        Fate::Kept => {
            let records = match from == header.base_offset {
                true => u64::from(header.record_count),
                false => records_from(batch, from)?,
            };
            report.records += records;
            report.removed_offsets += offsets - records;
            if header.record_count > 0 {
                report.batches += 1;
                report.bytes += batch.bytes().len() as u64;
            }
        }
    }
    Ok(())
}

/// How many records of a batch are at or above an offset.
fn records_from(batch: &Batch<'_>, offset: u64) -> Result<u64> {
    let mut scratch = Vec::new();
    let mut records = 0;
    for record in batch
        .records(&mut scratch)
        .map_err(|error| Error::invalid_batch(&error))?
    {
        let record = record.map_err(|error| Error::invalid_batch(&error))?;
        records += u64::from(record.offset >= offset);
    }
    Ok(records)
}
