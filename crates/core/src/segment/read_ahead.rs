//! Reading a file from front to back in pieces of any size: small ones come out of a window that was read at once, so
//! that a batch of one record costs no call of the system of its own. Large ones are read as they are.

use std::io;
use std::sync::Arc;

use tidelog_io::{ReadAt, StorageFile};

use crate::sync::{Mutex, lock};

/// The first window, and the one that reading on in a row leads to.
const WINDOW_MIN: u64 = 4 << 10;
const WINDOW_MAX: u64 = 64 << 10;

/// Pieces from this size on don't go through the window.
const LARGE: usize = 16 << 10;

pub(super) struct ReadAhead {
    file: Arc<dyn StorageFile>,
    /// Bytes below it do not change; nothing beyond it is read ahead.
    end: u64,
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl ReadAhead {
    /// Of a file whose bytes below `end` do not change.
    pub fn new(file: &Arc<dyn StorageFile>, end: u64) -> ReadAhead {
        ReadAhead {
            file: Arc::clone(file),
            end,
            window: Mutex::default(),
        }
    }
}

impl ReadAt for ReadAhead {
    fn read_exact_at(&self, position: u64, buf: &mut [u8]) -> io::Result<()> {
        let window = &mut *lock(&self.window);
        if window.copy(position, buf) {
            return Ok(());
        }
        let until = position.saturating_add(buf.len() as u64);
        if buf.len() >= LARGE || until > self.end {
            return self.file.read_exact_at(position, buf);
        }
        let len = window.next_len(position).max(buf.len() as u64);
        let len = len.min(self.end - position) as usize;
        // Empty while it is read: after an error it holds anything.
        let mut bytes = std::mem::take(&mut window.bytes);
        bytes.resize(len, 0);
        match self.file.read_exact_at(position, &mut bytes) {
            Ok(()) => {
                *window = Window {
                    start: position,
                    bytes,
                }
            }
            // What is wrong further on is nothing to the one who reads here.
            Err(_) => return self.file.read_exact_at(position, buf),
        }
        window.copy(position, buf);
        Ok(())
    }
}

impl Window {
    /// Whether it holds all of a piece, which is then copied.
    fn copy(&self, position: u64, buf: &mut [u8]) -> bool {
        let held = position
            .checked_sub(self.start)
            .and_then(|from| self.bytes.get(from as usize..)?.get(..buf.len()));
        if let Some(held) = held {
            buf.copy_from_slice(held);
        }
        held.is_some()
    }

    /// How much is read next: more for a reader that goes on where this window ends.
    fn next_len(&self, position: u64) -> u64 {
        let len = self.bytes.len() as u64;
        match len > 0 && (self.start..=self.start + len).contains(&position) {
            true => (len * 2).clamp(WINDOW_MIN, WINDOW_MAX),
            false => WINDOW_MIN,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tidelog_io::{FaultKind, OpenMode, SimulatedStorage, Storage};

    use super::*;

    fn byte(position: u64) -> u8 {
        (position * 31 % 251) as u8
    }

    fn file(len: u64) -> (SimulatedStorage, Arc<dyn StorageFile>) {
        let disk = SimulatedStorage::new();
        let file = disk.open(Path::new("/f"), OpenMode::Create).unwrap();
        let bytes: Vec<u8> = (0..len).map(byte).collect();
        file.write_all_at(0, &bytes).unwrap();
        (disk, file)
    }

    fn read(log: &ReadAhead, position: u64, len: usize) -> io::Result<()> {
        let mut buf = vec![0; len];
        log.read_exact_at(position, &mut buf)?;
        let expected = (position..).map(byte);
        assert!(buf.into_iter().zip(expected).all(|(a, b)| a == b));
        Ok(())
    }

    #[test]
    fn small_pieces_in_a_row_take_few_calls_and_all_are_right() {
        let (disk, file) = file(300_000);
        let log = ReadAhead::new(&file, 300_000);
        let before = disk.counters().calls;
        for position in (0..299_900).step_by(100) {
            read(&log, position, 100).unwrap();
        }
        assert!(disk.counters().calls - before < 20);
        // Anywhere, and larger than any window.
        for (position, len) in [
            (7, 3),
            (200_000, 90_000),
            (150_000, 61),
            (299_999, 1),
            (0, 0),
        ] {
            read(&log, position, len).unwrap();
        }
        assert!(read(&log, 299_999, 2).is_err());
    }

    #[test]
    fn what_may_still_change_is_not_read_ahead() {
        let (_disk, file) = file(5000);
        let log = ReadAhead::new(&file, 1000);
        read(&log, 900, 100).unwrap();
        file.write_all_at(1000, &[9; 100]).unwrap();
        let mut buf = [0; 100];
        log.read_exact_at(1000, &mut buf).unwrap();
        assert_eq!(buf, [9; 100]);
    }

    #[test]
    fn what_cannot_be_read_further_on_does_not_keep_back_what_can() {
        let (disk, file) = file(5000);
        let log = ReadAhead::new(&file, 5000);
        disk.fail_at(disk.counters().calls + 1, FaultKind::Eio);
        read(&log, 0, 61).unwrap();
        let call = disk.counters().calls;
        disk.fail_at(call + 1, FaultKind::Eio);
        disk.fail_at(call + 2, FaultKind::Eio);
        assert_eq!(read(&log, 2000, 61).unwrap_err().raw_os_error(), Some(5));
        read(&log, 2000, 61).unwrap();
    }
}
