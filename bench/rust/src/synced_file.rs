//! The limit of everything durable: a plain file whose every write is followed by `fdatasync`. Written over blocks that
//! were written before, as a log does that recycles its files, or behind the end, where each sync has to make room durable
//! too.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that can't go on must stop, and say why"
)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A file that goes when this does.
pub struct SyncedFile {
    file: File,
    position: u64,
    /// Where writing starts over; never, if the file grows.
    size: u64,
}

impl SyncedFile {
    /// A file whose `size` bytes are written and synced already.
    pub fn prewritten(folder: &Path, size: usize) -> SyncedFile {
        let file = tempfile::tempfile_in(folder).expect("a temporary file");
        // Not zeros, which some disks do not store.
        let chunk = vec![0xA5; 1 << 20];
        for position in (0..size).step_by(chunk.len()) {
            let length = chunk.len().min(size - position);
            let part = chunk.get(..length).unwrap_or_default();
            file.write_all_at(part, position as u64).expect("a write");
        }
        file.sync_all().expect("a sync");
        SyncedFile {
            file,
            position: 0,
            size: size as u64,
        }
    }

    /// An empty file.
    pub fn growing(folder: &Path) -> SyncedFile {
        SyncedFile {
            file: tempfile::tempfile_in(folder).expect("a temporary file"),
            position: 0,
            size: u64::MAX,
        }
    }

    /// Lets what follows begin at a position that is no multiple of anything.
    pub fn unaligned(mut self) -> SyncedFile {
        self.position = 61;
        self
    }

    /// Writes behind what was written before, without a sync.
    pub fn write(&mut self, bytes: &[u8]) {
        if self.size - self.position < bytes.len() as u64 {
            self.position = 0;
        }
        self.file
            .write_all_at(bytes, self.position)
            .expect("a write");
        self.position += bytes.len() as u64;
    }

    /// Has the disk confirm all of it.
    pub fn sync(&self) {
        self.file.sync_data().expect("a sync");
    }

    /// Writes, and has the disk confirm it.
    pub fn write_durably(&mut self, bytes: &[u8]) {
        self.write(bytes);
        self.sync();
    }
}
