//! Reading single records by offset. The batches that were read last are remembered as tables: where each
//! of their records lies, and its checksum, so that the next read of one neither checks nor walks its whole
//! batch again, and still serves no byte unchecked.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use tidelog_format::batch::{BatchHeader, HEADER_LEN, Records};
use tidelog_format::compression::Compression;
use tidelog_format::crc::crc32c;
use tidelog_format::limits::MAX_BATCH_BYTES;
use tidelog_format::packed::RecordRow;

use crate::context::Context;
use crate::error::{IoContext, Result};
use crate::partition::{FoundBatch, Log};
use crate::record_buffer::RecordBuffer;
use crate::segment::{Place, Segment};
use crate::sync::lock;

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

/// Where the records of one batch are.
struct RecordTable {
    segment: Arc<Segment>,
    place: Place,
    header: BatchHeader,
    rows: Vec<Row>,
    /// The decompressed record section; without one, rows point into the segment.
    section: Option<Vec<u8>>,
}

#[derive(Clone, Copy)]
struct Row {
    offset_delta: u32,
    position: u32,
    len: u32,
    crc: u32,
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
        size_of::<RecordTable>()
            + self.rows.len() * size_of::<Row>()
            + self.section.as_ref().map_or(0, Vec::capacity)
    }

    fn build(log: &Log, found: FoundBatch) -> Result<RecordTable> {
        let FoundBatch {
            segment,
            place,
            bytes: batch,
        } = found;
        let damage =
            |error: tidelog_format::FormatError| log.corruption(&segment, place, error.to_string());
        let header = BatchHeader::parse(&batch).map_err(damage)?;
        let payload = batch.get(HEADER_LEN..).unwrap_or_default();
        let compression = header.attributes.compression().map_err(damage)?;
        let mut section = Vec::new();
        let compressed = compression != Compression::None;
        if compressed {
            compression
                .decompress(payload, &mut section, MAX_BATCH_BYTES)
                .map_err(damage)?;
        }
        let bytes = if compressed {
            section.as_slice()
        } else {
            payload
        };
        let mut rows = Vec::with_capacity(header.record_count as usize);
        for record in Records::new(bytes, &header) {
            let record = record.map_err(damage)?;
            let encoded = bytes
                .get(record.position..record.position + record.len)
                .unwrap_or_default();
            rows.push(Row {
                offset_delta: (record.offset - header.base_offset) as u32,
                position: record.position as u32,
                len: record.len as u32,
                crc: crc32c(encoded),
            });
        }
        Ok(RecordTable {
            place,
            header,
            rows,
            section: compressed.then_some(section),
            segment,
        })
    }

    fn row(&self, offset: u64) -> Option<Row> {
        let delta = offset.checked_sub(self.header.base_offset)? as u32;
        // Offsets without a gap are the rule; compaction makes gaps.
        match self.rows.get(delta as usize) {
            Some(row) if row.offset_delta == delta => Some(*row),
            _ => {
                let index = self
                    .rows
                    .binary_search_by_key(&delta, |row| row.offset_delta)
                    .ok()?;
                self.rows.get(index).copied()
            }
        }
    }
}

/// Reads the records at these offsets, in the order asked for. A record that is not there (below the log
/// start, at or above the high watermark, or removed by compaction) has a row whose offset is NaN.
pub(crate) fn read<'a>(
    context: &Context,
    wanted: impl Iterator<Item = (&'a Arc<Log>, u64)>,
    out: &mut RecordBuffer,
) -> Result<()> {
    out.clear();
    for (log, offset) in wanted {
        if !read_one(context, log, offset, out)? {
            RecordRow::missing().write(&mut out.table);
        }
        out.count += 1;
    }
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
            let Some(found) = log.batch_of(offset)? else {
                return Ok(false);
            };
            let table = Arc::new(RecordTable::build(log, found)?);
            context.tables.insert(log.uid(), Arc::clone(&table));
            table
        }
    };
    let Some(row) = table.row(offset) else {
        return Ok(false);
    };
    let start = out.bytes.len();
    let len = row.len as usize;
    match &table.section {
        Some(section) => {
            let from = row.position as usize;
            out.bytes
                .extend_from_slice(section.get(from..from + len).unwrap_or_default());
        }
        None => {
            out.bytes.resize(start + len, 0);
            let files = table.segment.files(context)?;
            let at = table.place.position + (HEADER_LEN as u64) + u64::from(row.position);
            let bytes = out.bytes.get_mut(start..).unwrap_or_default();
            files
                .log()
                .read_exact_at(at, bytes)
                .during("read", table.segment.path())?;
        }
    }
    let bytes = out.bytes.get(start..).unwrap_or_default();
    let damage = |reason: String| log.corruption(&table.segment, table.place, reason);
    if crc32c(bytes) != row.crc {
        return Err(damage(format!(
            "the record at offset {offset} changed since its batch was checked"
        )));
    }
    let record = tidelog_format::record::Record::parse(bytes, &table.header)
        .map_err(|e| damage(e.to_string()))?;
    RecordRow::of(&record, start).write(&mut out.table);
    Ok(true)
}
