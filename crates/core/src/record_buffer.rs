//! Decoded records as they leave the engine: bytes and a table of rows that point into them, reused from
//! read to read.

/// Records of one read. `table` has one row of [`tidelog_format::packed::RecordRow`] a record.
#[derive(Debug, Default)]
pub struct RecordBuffer {
    /// What the rows point into.
    pub bytes: Vec<u8>,
    /// The rows.
    pub table: Vec<u8>,
    /// Number of rows.
    pub count: u32,
    /// The offset to read on from.
    pub next: u64,
    /// The partition's high watermark at the time of the read.
    pub high_watermark: u64,
    /// The partition's log start offset at the time of the read.
    pub log_start: u64,
    /// Working memory of the engine, kept with the rest: batches on their way to `bytes`.
    pub scratch: Vec<u8>,
}

impl RecordBuffer {
    /// Empties the buffer and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.clear_rows();
    }

    /// As [`RecordBuffer::clear`], but leaves bytes there to be written over.
    pub(crate) fn clear_rows(&mut self) {
        self.table.clear();
        self.count = 0;
        self.next = 0;
        self.high_watermark = 0;
        self.log_start = 0;
    }
}
