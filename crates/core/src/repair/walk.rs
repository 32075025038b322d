//! Walks a segment past what is damaged: which batches hold, which bytes are given up with the offsets they held, and
//! what can be mended. Base offset and leader epoch are outside of a batch's checksum: where only they are wrong, the
//! batches around it say what they were, and nothing is lost.

use tidelog_format::batch::{Batch, BatchHeader, HEADER_LEN};
use tidelog_io::ReadAt;

use crate::inspect::Ends;

/// Bytes searched at once.
const WINDOW: u64 = 1 << 20;
/// What a disk can't read is left out in pieces of this size.
const SECTOR: usize = 512;
const MAGIC_AT: usize = 16;
const MAGIC: u8 = 2;

/// Bytes without a batch that holds, and the offsets that were there.
#[derive(Debug, Clone)]
pub(super) struct Hole {
    pub position: u64,
    pub len: u64,
    pub first: u64,
    pub next: u64,
    /// The leader epoch before it, which must not fall behind it.
    pub epoch: i32,
    pub reason: String,
}

/// A batch that holds but for its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mend {
    pub position: u64,
    pub base_offset: u64,
    pub epoch: i32,
}

/// Up to where what is asked of a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Offsets below were durable: what does not hold is damage. From here on it is a torn tail.
    pub durable: u64,
    /// Where the next segment begins, or the log ends; `u64::MAX` where nobody knows.
    pub limit: u64,
    /// The newest life.
    pub incarnation: i32,
}

/// What a segment holds.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub holes: Vec<Hole>,
    pub mends: Vec<Mend>,
    pub batches: Vec<Ends>,
    /// Records in them.
    pub records: u64,
    /// The place behind the last batch that holds, and the epoch of that batch.
    pub offset: u64,
    pub position: u64,
    pub epoch: i32,
    /// Why it ends there, if not with the file or at the limit.
    pub stop: Option<String>,
}

pub(super) struct Walk<'a> {
    log: &'a dyn ReadAt,
    len: u64,
    bounds: Bounds,
    batch: Vec<u8>,
}

impl<'a> Walk<'a> {
    pub fn new(log: &'a dyn ReadAt, len: u64, bounds: Bounds) -> Walk<'a> {
        Walk {
            log,
            len,
            bounds,
            batch: Vec::new(),
        }
    }

    /// Walks from the first byte, where `offset` should be. `progress` gets the position, now and then.
    pub fn run(mut self, offset: u64, epoch: i32, mut progress: impl FnMut(u64)) -> Walked {
        let mut at = Walked {
            offset,
            epoch,
            ..Walked::default()
        };
        while at.position < self.len && at.offset < self.bounds.limit {
            progress(at.position);
            let reason = match self.next(&at) {
                Ok((header, mend)) => {
                    at.mends.extend(mend);
                    self.pass(&mut at, &header, mend);
                    continue;
                }
                Err(reason) => reason,
            };
            if at.offset >= self.bounds.durable {
                at.stop = Some(reason);
                break;
            }
            let Some((position, next)) = self.search(&at) else {
                at.stop = Some(reason);
                break;
            };
            at.holes.push(Hole {
                position: at.position,
                len: position - at.position,
                first: at.offset,
                next,
                epoch: at.epoch,
                reason,
            });
            (at.position, at.offset) = (position, next);
        }
        at
    }

    fn pass(&self, at: &mut Walked, header: &BatchHeader, mend: Option<Mend>) {
        let next = at.offset + u64::from(header.last_offset_delta) + 1;
        at.batches.push(Ends {
            last_offset: next - 1,
            position: at.position,
            max_timestamp: header.max_timestamp,
        });
        at.records += u64::from(header.record_count);
        at.position += header.size() as u64;
        at.offset = next;
        at.epoch = mend.map_or(header.leader_epoch, |mend| mend.epoch);
    }

    /// The batch that stands where the next one should, mended if need be.
    fn next(&mut self, at: &Walked) -> Result<(BatchHeader, Option<Mend>), String> {
        let header = self.batch_at(at.position)?;
        let next = at.offset + u64::from(header.last_offset_delta) + 1;
        let durable = at.offset < self.bounds.durable;
        let behind = self.header_at(at.position + header.size() as u64);
        if next > self.bounds.limit {
            return Err(format!(
                "a batch that reaches beyond offset {}",
                self.bounds.limit
            ));
        }
        if header.base_offset != at.offset {
            let wrong = format!(
                "base offset {} where {} should follow",
                header.base_offset, at.offset
            );
            // It was flipped if what follows continues from what stood here.
            let fits = behind.map_or(next == self.bounds.limit, |behind| {
                behind.base_offset == next
            });
            if !durable || !fits {
                return Err(wrong);
            }
        }
        let (low, high) = (at.epoch, self.bounds.incarnation);
        // One that stands out alone was flipped; else all that follows would have to give way to it.
        let alone = behind.is_some_and(|behind| {
            behind.base_offset == next && (low..header.leader_epoch).contains(&behind.leader_epoch)
        });
        let mut epoch = header.leader_epoch;
        if !(low..=high).contains(&epoch) || (alone && durable) {
            if !durable {
                return Err(format!("leader epoch {epoch} outside of {low} to {high}"));
            }
            epoch = low.clamp(0, high.max(0));
        }
        let right = (header.base_offset, header.leader_epoch) == (at.offset, epoch);
        let mend = (!right).then_some(Mend {
            position: at.position,
            base_offset: at.offset,
            epoch,
        });
        Ok((header, mend))
    }

    /// The next batch that holds and continues what was durable, with its base offset.
    fn search(&mut self, at: &Walked) -> Option<(u64, u64)> {
        // Behind a batch whose length is right: a record may itself hold batches, which are not the log's.
        if let Some(header) = self.header_at(at.position)
            && let Some(next) = self.candidate(at.position + header.size() as u64, at)
        {
            return Some((at.position + header.size() as u64, next));
        }
        let mut window = vec![0; (WINDOW as usize) + HEADER_LEN];
        let mut from = at.position + 1;
        while from + HEADER_LEN as u64 <= self.len {
            let len = (self.len - from).min(window.len() as u64) as usize;
            let bytes = window.get_mut(..len)?;
            read_what_can_be(self.log, from, bytes);
            let hits: Vec<u64> = bytes
                .windows(HEADER_LEN)
                .take(WINDOW as usize)
                .enumerate()
                .filter(|(_, bytes)| bytes.get(MAGIC_AT) == Some(&MAGIC))
                .filter(|(_, bytes)| {
                    BatchHeader::parse(bytes).is_ok_and(|header| self.continues(&header, at))
                })
                .map(|(index, _)| from + index as u64)
                .collect();
            for position in hits {
                if let Some(next) = self.candidate(position, at) {
                    return Some((position, next));
                }
            }
            from += WINDOW;
        }
        None
    }

    fn candidate(&mut self, position: u64, at: &Walked) -> Option<u64> {
        let header = self.batch_at(position).ok()?;
        self.continues(&header, at).then_some(header.base_offset)
    }

    fn continues(&self, header: &BatchHeader, at: &Walked) -> bool {
        let Bounds {
            durable,
            limit,
            incarnation,
        } = self.bounds;
        (at.offset..=durable).contains(&header.base_offset)
            && header.next_offset() <= limit
            && (at.epoch..=incarnation).contains(&header.leader_epoch)
    }

    fn header_at(&self, position: u64) -> Option<BatchHeader> {
        let mut bytes = [0; HEADER_LEN];
        if position + HEADER_LEN as u64 > self.len {
            return None;
        }
        self.log.read_exact_at(position, &mut bytes).ok()?;
        BatchHeader::parse(&bytes).ok()
    }

    fn batch_at(&mut self, position: u64) -> Result<BatchHeader, String> {
        let left = self.len.saturating_sub(position);
        if left < HEADER_LEN as u64 {
            return Err(format!("{left} bytes left, less than a batch header"));
        }
        let mut bytes = [0; HEADER_LEN];
        self.log
            .read_exact_at(position, &mut bytes)
            .map_err(|error| error.to_string())?;
        let header = BatchHeader::parse(&bytes).map_err(|error| error.to_string())?;
        if header.size() as u64 > left {
            return Err(format!(
                "a batch of {} bytes with {left} left",
                header.size()
            ));
        }
        self.batch.resize(header.size(), 0);
        self.log
            .read_exact_at(position, &mut self.batch)
            .map_err(|error| error.to_string())?;
        Batch::check(&self.batch).map_err(|error| error.to_string())?;
        Ok(header)
    }
}

/// Reads, with zeros in the place of sectors that can't be read.
pub(super) fn read_what_can_be(log: &dyn ReadAt, position: u64, bytes: &mut [u8]) {
    if log.read_exact_at(position, bytes).is_ok() {
        return;
    }
    for (index, sector) in bytes.chunks_mut(SECTOR).enumerate() {
        let position = position + (index * SECTOR) as u64;
        if log.read_exact_at(position, sector).is_err() {
            sector.fill(0);
        }
    }
}
