//! Walks the batches of a segment from a position on, and stops at the first one that does not hold:
//! used by recovery, by rebuilding of indexes and by inspection. Reads with `pread`, where a bad sector
//! is an error and not a signal.

use tidelog_format::batch::{Batch, BatchHeader, HEADER_LEN};
use tidelog_io::ReadAt;

use crate::knock_out::{self, Rule};

/// What has to hold for the next batch, beside its own checks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expect {
    /// Its base offset; the CRC does not cover it, so it must continue exactly.
    pub offset: u64,
    /// The leader epoch (incarnation) must not fall along a log.
    pub epoch_min: i32,
    /// Nor exceed that of the store.
    pub epoch_max: i32,
}

/// A batch that holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub position: u64,
    pub header: BatchHeader,
}

/// Why the walk ended before the end of the file.
#[derive(Debug, Clone)]
pub(crate) struct Damage {
    pub position: u64,
    /// The offset that was expected there.
    pub offset: u64,
    pub reason: String,
}

pub(crate) struct Scanner<'a> {
    log: &'a dyn ReadAt,
    len: u64,
    position: u64,
    expect: Expect,
    check_crc: bool,
    /// Whether offsets may be left out between batches.
    gaps: bool,
    batch: Vec<u8>,
}

impl<'a> Scanner<'a> {
    /// Walks the first `len` bytes of `log`, from `position` on. Without `check_crc` only headers are read.
    pub fn new(
        log: &'a dyn ReadAt,
        position: u64,
        len: u64,
        expect: Expect,
        check_crc: bool,
    ) -> Scanner<'a> {
        Scanner {
            log,
            len,
            position,
            expect,
            check_crc,
            gaps: false,
            batch: Vec::new(),
        }
    }

    /// Takes offsets that are left out between batches for deleted ones, as they are in Kafka's segments.
    pub fn with_gaps(mut self, gaps: bool) -> Scanner<'a> {
        self.gaps = gaps;
        self
    }

    /// The next batch, or `None` at the end of the file.
    pub fn next(&mut self) -> Result<Option<Found>, Damage> {
        if self.position >= self.len {
            return Ok(None);
        }
        let header = self.header().map_err(|reason| self.damage(reason))?;
        let found = Found {
            position: self.position,
            header,
        };
        self.position += header.size() as u64;
        self.expect.offset = header.next_offset();
        self.expect.epoch_min = header.leader_epoch;
        Ok(Some(found))
    }

    /// The bytes of the batch that `next` gave last; only with `check_crc`.
    pub fn bytes(&self) -> &[u8] {
        &self.batch
    }

    /// As `bytes`, for good.
    pub fn into_bytes(self) -> Vec<u8> {
        self.batch
    }

    /// Where the next batch would begin.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The offset and leader epoch that the next batch must continue from.
    pub fn expect(&self) -> Expect {
        self.expect
    }

    fn header(&mut self) -> Result<BatchHeader, String> {
        let left = self.len - self.position;
        if left < HEADER_LEN as u64 {
            return Err(format!("{left} bytes left, less than a batch header"));
        }
        let mut bytes = [0; HEADER_LEN];
        self.log
            .read_exact_at(self.position, &mut bytes)
            .map_err(|e| e.to_string())?;
        let header = BatchHeader::parse(&bytes).map_err(|e| e.to_string())?;
        if header.size() as u64 > left {
            return Err(format!(
                "a batch of {} bytes with {left} left",
                header.size()
            ));
        }
        let follows = match self.gaps {
            true => header.base_offset >= self.expect.offset,
            false => header.base_offset == self.expect.offset,
        };
        if !follows {
            return Err(format!(
                "base offset {} where {} should follow",
                header.base_offset, self.expect.offset
            ));
        }
        let epochs = self.expect.epoch_min..=self.expect.epoch_max;
        if !epochs.contains(&header.leader_epoch) && !knock_out::is_out(Rule::CheckEpochs) {
            return Err(format!(
                "leader epoch {} outside of {} to {}",
                header.leader_epoch, self.expect.epoch_min, self.expect.epoch_max
            ));
        }
        if self.check_crc {
            self.batch.resize(header.size(), 0);
            self.log
                .read_exact_at(self.position, &mut self.batch)
                .map_err(|e| e.to_string())?;
            Batch::check(&self.batch).map_err(|e| e.to_string())?;
        }
        Ok(header)
    }

    fn damage(&self, reason: String) -> Damage {
        Damage {
            position: self.position,
            offset: self.expect.offset,
            reason,
        }
    }
}
