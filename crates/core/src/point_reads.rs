//! Reading single records by offset. The batches that were read last are remembered as tables: where each
//! of their records lies, and its checksum, so that the next read of one neither checks nor walks its whole
//! batch again, and still serves no byte unchecked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tidelog_format::batch::{BatchHeader, HEADER_LEN, Records};
use tidelog_format::compression::Compression;
use tidelog_format::crc::crc32c;
use tidelog_format::limits::MAX_BATCH_BYTES;
use tidelog_format::packed::RecordRow;
use tidelog_format::varint;

use crate::context::Context;
use crate::error::{IoContext, Result};
use crate::partition::Log;
use crate::record_buffer::RecordBuffer;
use crate::segment::{Place, Segment};
use crate::sync::{Mutex, lock};

/// Memory for the tables of all partitions together.
const BUDGET_BYTES: usize = 32 << 20;

/// Tables of batches, the least recently used dropped first.
#[derive(Default)]
pub(crate) struct RecordTables {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    logs: HashMap<u64, BTreeMap<u64, Slot>>,
    by_use: BTreeMap<u64, (u64, u64)>,
    clock: u64,
    bytes: usize,
}

struct Slot {
    table: Arc<RecordTable>,
    used: u64,
}

/// Where the records of one batch are, and the checksum of each.
struct RecordTable {
    segment: Arc<Segment>,
    place: Place,
    header: BatchHeader,
    /// Where each record begins in the section, and where the last one ends.
    positions: Vec<u32>,
    crcs: Vec<u32>,
    /// Offset deltas; none when every offset of the batch has its record, which is the rule.
    deltas: Option<Vec<u32>>,
    /// The decompressed record section; without one, positions are in the segment.
    section: Option<Vec<u8>>,
}

impl RecordTables {
    fn find(&self, log: u64, offset: u64) -> Option<Arc<RecordTable>> {
        let inner = &mut *lock(&self.inner);
        let (base, slot) = inner.logs.get_mut(&log)?.range_mut(..=offset).next_back()?;
        if offset > slot.table.header.last_offset() {
            return None;
        }
        inner.clock += 1;
        inner.by_use.remove(&slot.used);
        slot.used = inner.clock;
        inner.by_use.insert(slot.used, (log, *base));
        Some(Arc::clone(&slot.table))
    }

    fn insert(&self, log: u64, table: Arc<RecordTable>) {
        let inner = &mut *lock(&self.inner);
        inner.clock += 1;
        inner.bytes += table.memory();
        let base = table.header.base_offset;
        inner.by_use.insert(inner.clock, (log, base));
        let slot = Slot {
            table,
            used: inner.clock,
        };
        if let Some(old) = inner.logs.entry(log).or_default().insert(base, slot) {
            inner.bytes -= old.table.memory();
            inner.by_use.remove(&old.used);
        }
        while inner.bytes > BUDGET_BYTES && inner.by_use.len() > 1 {
            let Some((_, (log, base))) = inner.by_use.pop_first() else {
                break;
            };
            inner.drop_table(log, base);
        }
    }

    /// Lets go of the tables of a segment that is deleted.
    pub fn forget_segment(&self, log: u64, segment_base: u64) {
        let inner = &mut *lock(&self.inner);
        let Some(tables) = inner.logs.get(&log) else {
            return;
        };
        let gone: Vec<(u64, u64)> = tables
            .iter()
            .filter(|(_, slot)| slot.table.segment.base() == segment_base)
            .map(|(base, slot)| (*base, slot.used))
            .collect();
        for (base, used) in gone {
            inner.by_use.remove(&used);
            inner.drop_table(log, base);
        }
    }

    /// Lets go of all tables of a partition.
    pub fn forget_log(&self, log: u64) {
        let inner = &mut *lock(&self.inner);
        for slot in inner.logs.remove(&log).unwrap_or_default().into_values() {
            inner.bytes -= slot.table.memory();
            inner.by_use.remove(&slot.used);
        }
    }
}

impl Inner {
    fn drop_table(&mut self, log: u64, base: u64) {
        if let Some(slot) = self
            .logs
            .get_mut(&log)
            .and_then(|tables| tables.remove(&base))
        {
            self.bytes -= slot.table.memory();
        }
    }
}

impl RecordTable {
    fn memory(&self) -> usize {
        let words =
            self.positions.len() + self.crcs.len() + self.deltas.as_ref().map_or(0, Vec::len);
        size_of::<RecordTable>() + 4 * words + self.section.as_ref().map_or(0, Vec::len)
    }

    fn build(log: &Log, segment: Arc<Segment>, place: Place, batch: &[u8]) -> Result<RecordTable> {
        let damage =
            |error: tidelog_format::FormatError| log.corruption(&segment, place, error.to_string());
        let header = BatchHeader::parse(batch).map_err(damage)?;
        let payload = batch.get(HEADER_LEN..).unwrap_or_default();
        let compression = header.attributes.compression().map_err(damage)?;
        let mut section = Vec::new();
        let compressed = compression != Compression::None;
        if compressed {
            compression
                .decompress(payload, &mut section, MAX_BATCH_BYTES)
                .map_err(damage)?;
            section.shrink_to_fit();
        }
        let bytes = if compressed {
            section.as_slice()
        } else {
            payload
        };
        let count = header.record_count as usize;
        let mut positions = Vec::with_capacity(count + 1);
        let mut crcs = Vec::with_capacity(count);
        let mut position = 0;
        // A record says how long it is: the others are not decoded for the sake of one.
        for _ in 0..count {
            let end = record_end(bytes, position).ok_or_else(|| {
                log.corruption(
                    &segment,
                    place,
                    format!("a record at byte {position} runs over the end"),
                )
            })?;
            positions.push(position as u32);
            crcs.push(crc32c(bytes.get(position..end).unwrap_or_default()));
            position = end;
        }
        positions.push(position as u32);
        let deltas = if header.record_count == header.last_offset_delta + 1 {
            None
        } else {
            let delta =
                |record: tidelog_format::Record<'_>| (record.offset - header.base_offset) as u32;
            Some(
                Records::new(bytes, &header)
                    .map(|record| record.map(delta))
                    .collect::<std::result::Result<_, _>>()
                    .map_err(damage)?,
            )
        };
        let section = compressed.then_some(section);
        Ok(RecordTable {
            place,
            header,
            positions,
            crcs,
            deltas,
            section,
            segment,
        })
    }

    /// The bytes in the section of the record at an offset, and their checksum.
    fn find(&self, offset: u64) -> Option<(std::ops::Range<u32>, u32)> {
        let delta = u32::try_from(offset.checked_sub(self.header.base_offset)?).ok()?;
        let index = match &self.deltas {
            None => delta as usize,
            Some(deltas) => deltas.binary_search(&delta).ok()?,
        };
        Some((
            *self.positions.get(index)?..*self.positions.get(index + 1)?,
            *self.crcs.get(index)?,
        ))
    }
}

/// Where the record that begins at a position ends.
fn record_end(section: &[u8], position: usize) -> Option<usize> {
    let (len, prefix) = varint::decode_i32(section.get(position..)?)?;
    let end = (position + prefix).checked_add(usize::try_from(len).ok()?)?;
    (end <= section.len()).then_some(end)
}

/// Reads the records at these offsets, in the order asked for. A record that is not there (below the log
/// start, at or above the high watermark, or removed by compaction) has a row whose offset is NaN.
pub(crate) fn read<'a>(
    context: &Context,
    wanted: impl Iterator<Item = (&'a Arc<Log>, u64)>,
    out: &mut RecordBuffer,
) -> Result<()> {
    out.clear();
    let mut found = 0;
    for (log, offset) in wanted {
        let start = out.bytes.len();
        let there = log.beside_a_writer(|| {
            read_one(context, log, offset, out).inspect_err(|_| {
                out.bytes.truncate(start);
                context.tables.forget_log(log.uid());
            })
        });
        match there? {
            true => found += 1,
            false => RecordRow::missing().write(&mut out.table),
        }
        out.count += 1;
    }
    context.metrics.read.add(found, out.bytes.len() as u64);
    Ok(())
}

fn read_one(
    context: &Context,
    log: &Arc<Log>,
    offset: u64,
    out: &mut RecordBuffer,
) -> Result<bool> {
    log.check()?;
    if offset < log.log_start() || offset >= log.high_watermark() {
        return Ok(false);
    }
    let table = match context.tables.find(log.uid(), offset) {
        Some(table) => table,
        None => {
            let Some((segment, place)) = log.batch_of(offset, &mut out.scratch)? else {
                return Ok(false);
            };
            let table = Arc::new(RecordTable::build(log, segment, place, &out.scratch)?);
            context.tables.insert(log.uid(), Arc::clone(&table));
            if table.segment.is_retired() {
                // It may have been replaced meanwhile, and is not to be kept for a table's sake.
                context
                    .tables
                    .forget_segment(log.uid(), table.segment.base());
            }
            table
        }
    };
    let Some((range, crc)) = table.find(offset) else {
        return Ok(false);
    };
    let start = out.bytes.len();
    match &table.section {
        Some(section) => {
            let record = section.get(range.start as usize..range.end as usize);
            out.bytes.extend_from_slice(record.unwrap_or_default());
        }
        None => {
            out.bytes.resize(start + range.len(), 0);
            let files = match log.files_of(&table.segment) {
                Ok(files) => files,
                // Retention took it meanwhile.
                Err(_) if offset < log.log_start() => {
                    out.bytes.truncate(start);
                    return Ok(false);
                }
                Err(error) => return Err(log.check().err().unwrap_or(error)),
            };
            let at = table.place.position + HEADER_LEN as u64 + u64::from(range.start);
            let bytes = out.bytes.get_mut(start..).unwrap_or_default();
            files
                .log()
                .read_exact_at(at, bytes)
                .during("read", table.segment.path())
                .map_err(|error| log.unreadable(&table.segment, table.place, error))?;
        }
    }
    let bytes = out.bytes.get(start..).unwrap_or_default();
    let damage = |reason: String| log.corruption(&table.segment, table.place, reason);
    if crc32c(bytes) != crc {
        return Err(damage(format!(
            "the record at offset {offset} changed since its batch was checked"
        )));
    }
    let record = tidelog_format::record::Record::parse(bytes, &table.header)
        .map_err(|e| damage(e.to_string()))?;
    RecordRow::of(&record, start).write(&mut out.table);
    Ok(true)
}
