//! A small pool of read buffers, so that a steady reader allocates nothing. Bounded in number and in bytes:
//! what does not fit is freed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tidelog::RecordBuffer;

/// Most buffers kept.
const KEPT: usize = 16;
/// Most bytes that all kept buffers together may hold.
const KEPT_BYTES: usize = 32 << 20;

#[derive(Default)]
pub(crate) struct Buffers(Mutex<Pool>);

#[derive(Default)]
struct Pool {
    free: Vec<RecordBuffer>,
    bytes: usize,
}

impl Buffers {
    /// A buffer of unknown content and, with luck, of some capacity.
    pub fn take(&self) -> RecordBuffer {
        let mut pool = self.lock();
        let buffer = pool.free.pop().unwrap_or_default();
        pool.bytes -= capacity(&buffer).min(pool.bytes);
        buffer
    }

    /// Keeps the buffer for the next read, if there is room.
    pub fn give_back(&self, buffer: RecordBuffer) {
        let size = capacity(&buffer);
        let mut pool = self.lock();
        if pool.free.len() < KEPT && pool.bytes + size <= KEPT_BYTES {
            pool.bytes += size;
            pool.free.push(buffer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn capacity(buffer: &RecordBuffer) -> usize {
    buffer.bytes.capacity() + buffer.table.capacity() + buffer.scratch.capacity()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(bytes: usize) -> RecordBuffer {
        RecordBuffer {
            bytes: Vec::with_capacity(bytes),
            ..RecordBuffer::default()
        }
    }

    #[test]
    fn a_buffer_comes_back_with_its_capacity() {
        let pool = Buffers::default();
        pool.give_back(buffer(4096));
        assert!(capacity(&pool.take()) >= 4096);
        assert_eq!(capacity(&pool.take()), 0);
        assert_eq!(pool.lock().bytes, 0);
    }

    #[test]
    fn the_pool_is_bounded_in_number_and_in_bytes() {
        let pool = Buffers::default();
        for _ in 0..KEPT + 5 {
            pool.give_back(buffer(16));
        }
        assert_eq!(pool.lock().free.len(), KEPT);
        let pool = Buffers::default();
        pool.give_back(buffer(KEPT_BYTES));
        pool.give_back(buffer(1));
        assert_eq!(pool.lock().free.len(), 1);
    }
}
