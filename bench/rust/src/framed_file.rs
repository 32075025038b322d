//! The floor: a plain file of records with a u32 length before each. No checksum, no index, no offsets.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that can't go on must stop, and say why"
)]

use std::fs::File;
use std::os::unix::fs::FileExt;

/// A file that frames are appended to with one write a batch.
pub struct FramedFile {
    file: File,
    end: u64,
    packed: Vec<u8>,
}

/// Bytes before each record.
const FRAME_HEADER: usize = 4;

impl FramedFile {
    /// A file that goes when this does.
    pub fn empty() -> FramedFile {
        FramedFile {
            file: tempfile::tempfile().expect("a temporary file"),
            end: 0,
            packed: Vec::new(),
        }
    }

    /// Packs the records of one size that stand in `payloads` and writes them with one call.
    pub fn append(&mut self, payloads: &[u8], size: usize) {
        self.packed.clear();
        for payload in payloads.chunks_exact(size) {
            self.packed.extend_from_slice(&(size as u32).to_le_bytes());
            self.packed.extend_from_slice(payload);
        }
        self.file
            .write_all_at(&self.packed, self.end)
            .expect("a write");
        self.end += self.packed.len() as u64;
    }

    /// Calls `visit` with every record; returns their number.
    pub fn replay(&self, chunk: &mut Vec<u8>, mut visit: impl FnMut(&[u8])) -> u64 {
        chunk.resize(1 << 20, 0);
        let (mut position, mut kept, mut count) = (0, 0, 0);
        while position < self.end {
            let room = chunk.len() - kept;
            let length = room.min((self.end - position) as usize);
            let Some(target) = chunk.get_mut(kept..kept + length) else {
                break;
            };
            self.file.read_exact_at(target, position).expect("a read");
            position += length as u64;
            let filled = kept + length;
            let mut at = 0;
            while let Some(record) = frame(chunk.get(at..filled).unwrap_or_default()) {
                visit(record);
                count += 1;
                at += FRAME_HEADER + record.len();
            }
            chunk.copy_within(at..filled, 0);
            kept = filled - at;
        }
        count
    }

    /// Reads the record of this number, where all have one size.
    pub fn get(&self, number: u64, out: &mut [u8]) {
        let position = number * (FRAME_HEADER + out.len()) as u64 + FRAME_HEADER as u64;
        self.file.read_exact_at(out, position).expect("a read");
    }
}

fn frame(bytes: &[u8]) -> Option<&[u8]> {
    let (header, rest) = bytes.split_first_chunk::<FRAME_HEADER>()?;
    rest.get(..u32::from_le_bytes(*header) as usize)
}
