//! The first walk over a partition's log, before anything is written: every batch and record is checked, and
//! what became of its transactions is learnt.

use std::path::Path;

use tidelog_format::FormatError;
use tidelog_format::batch::Batch;
use tidelog_format::control::ControlKey;
use tidelog_io::Storage;

use super::segment::{SegmentReader, damage};
use super::source::{SourcePartition, too_large};
use super::transactions::Transactions;
use crate::error::{Error, Result};

/// The most offsets between two segments that nothing holds. Compaction leaves fewer; a renamed segment could
/// ask for more empty batches than a disk has room for.
const MAX_GAP: u64 = 1 << 40;

/// What the first walk has found.
#[derive(Default)]
pub(super) struct Survey {
    pub transactions: Transactions,
    /// The first offset that can be read.
    pub start: u64,
    /// The offset after the last one.
    pub end: u64,
    /// Bytes of the largest batch.
    pub largest_batch: usize,
    pub torn_bytes: u64,
}

/// Walks the whole log. `step` gets the bytes of each batch, and stops the walk by giving false.
pub(super) fn survey(
    storage: &dyn Storage,
    partition: &SourcePartition,
    step: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<Survey>> {
    let mut survey = Survey::default();
    for segment in &partition.segments {
        survey.transactions.read_index(storage, segment)?;
    }
    let mut scratch = Vec::new();
    for (number, segment) in partition.segments.iter().enumerate() {
        let is_last = number + 1 == partition.segments.len();
        let mut reader = SegmentReader::open(storage, segment, survey.end, is_last)?;
        let path = segment.path.clone();
        if number > 0 && segment.base - survey.end > MAX_GAP {
            let reason = format!(
                "its name is too far from offset {}, which should follow",
                survey.end
            );
            return Err(Error::CorruptFile { file: path, reason });
        }
        let mut position = 0;
        while let Some(batch) = reader.next()? {
            let size = batch.bytes().len();
            survey
                .note(&batch, &mut scratch)
                .map_err(|unfit| unfit.at(&path, position))?;
            survey.largest_batch = survey.largest_batch.max(size);
            position += size as u64;
            if !step(size as u64) {
                return Ok(None);
            }
        }
        survey.end = reader.next_offset();
        survey.torn_bytes = reader.torn_bytes();
    }
    let first = partition.segments.first().map_or(0, |segment| segment.base);
    survey.start = partition.log_start.unwrap_or(0).max(first);
    // Kafka begins again at the start of a log that has lost what was before it.
    survey.end = survey.end.max(survey.start);
    if i64::try_from(survey.end).is_err() {
        return Err(Error::CorruptFile {
            file: partition.folder.clone(),
            reason: format!("offset {} is larger than any", survey.end),
        });
    }
    Ok(Some(survey))
}

/// Why a batch can't be taken over.
enum Unfit {
    Damaged(String),
    TooLarge(String),
}

impl Unfit {
    fn at(self, path: &Path, position: u64) -> Error {
        match self {
            Unfit::Damaged(reason) => damage(path, position, &reason),
            Unfit::TooLarge(reason) => too_large(path, position, &reason),
        }
    }
}

impl Survey {
    fn note(&mut self, batch: &Batch<'_>, scratch: &mut Vec<u8>) -> std::result::Result<(), Unfit> {
        let header = batch.header();
        let is_control = header.attributes.is_control();
        if !is_control {
            self.transactions.data(header);
        }
        let at = |error: &dyn std::fmt::Display| {
            Unfit::Damaged(format!("offset {}: {error}", header.base_offset))
        };
        // A checksum that holds does not say that the producer wrote records that can be read.
        let records = batch.records(scratch).map_err(|error| match error {
            FormatError::DecompressedTooLarge { limit, .. } => Unfit::TooLarge(format!(
                "the batch of offset {} holds more than {} MiB once decompressed",
                header.base_offset,
                limit >> 20
            )),
            error => at(&error),
        })?;
        for record in records {
            let record = record.map_err(|error| at(&error))?;
            if is_control {
                let key = ControlKey::decode(record.key.unwrap_or_default())
                    .map_err(|error| at(&error))?;
                self.transactions
                    .control(header, record.offset, key.kind)
                    .map_err(|error| at(&error))?;
            }
        }
        Ok(())
    }
}
