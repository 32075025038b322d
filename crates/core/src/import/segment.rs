//! Reads the batches of one Kafka segment, in order, each with its checksum checked. What does not hold is an
//! error that names file and byte, except at the end of a log's last segment: zeros there were only reserved,
//! and a batch that is not whole was being written when the broker died, unless something valid follows it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidelog_format::batch::{Batch, BatchHeader, HEADER_LEN, LOG_OVERHEAD, MAGIC};
use tidelog_format::limits::MAX_BATCH_BYTES;
use tidelog_io::{OpenMode, Storage, StorageFile};

use super::source::{SourceSegment, invalid, too_large};
use crate::error::{Error, IoContext, Result};

/// Bytes read at once; a larger batch gets as much as it needs.
const WINDOW_BYTES: u64 = 1 << 20;
/// Where the version of the format is, in all versions.
const MAGIC_AT: usize = 16;

/// A walk over a segment.
pub(super) struct SegmentReader {
    file: Arc<dyn StorageFile>,
    path: PathBuf,
    base: u64,
    is_last: bool,
    len: u64,
    position: u64,
    /// The lowest offset that the next batch may have.
    next: u64,
    window: Vec<u8>,
    window_at: u64,
    torn_bytes: u64,
}

impl SegmentReader {
    /// Begins at the front of a segment. `next` is the offset after the segments before it; `is_last` says
    /// that none follows.
    pub fn open(
        storage: &dyn Storage,
        segment: &SourceSegment,
        next: u64,
        is_last: bool,
    ) -> Result<SegmentReader> {
        let path = segment.path.clone();
        let file = storage.open(&path, OpenMode::Read).during("open", &path)?;
        let len = file.len().during("measure", &path)?;
        if segment.base < next {
            let reason = format!(
                "it begins with offset {} by its name, but the segment before reaches to {next}",
                segment.base
            );
            return Err(Error::CorruptFile { file: path, reason });
        }
        Ok(SegmentReader {
            file,
            path,
            base: segment.base,
            is_last,
            len,
            position: 0,
            next: segment.base,
            window: Vec::new(),
            window_at: 0,
            torn_bytes: 0,
        })
    }

    /// The next batch, or `None` at the end of the log.
    pub fn next(&mut self) -> Result<Option<Batch<'_>>> {
        let left = self.len - self.position;
        if left == 0 {
            return Ok(None);
        }
        if left < HEADER_LEN as u64 {
            // The shortest messages of the older formats are shorter than a batch's header.
            if let Some(magic) = self.legacy_message()? {
                return Err(self.legacy(magic));
            }
            return self.end(format!("{left} bytes left, less than a batch header"));
        }
        let header = match BatchHeader::parse(self.read(HEADER_LEN)?) {
            Ok(header) => header,
            Err(error) => {
                if self.is_last && self.rest_is_zero()? {
                    return Ok(None);
                }
                if let Some(magic) = self.legacy_message()? {
                    return Err(self.legacy(magic));
                }
                return Err(match self.large_batch()? {
                    Some(size) => {
                        let what = format!("a batch of {size} bytes");
                        too_large(&self.path, self.position, &what)
                    }
                    None => self.damage(&error.to_string()),
                });
            }
        };
        if header.size() as u64 > left {
            return self.end(format!(
                "a batch of {} bytes with {left} left",
                header.size()
            ));
        }
        if header.base_offset < self.next {
            let reason = format!(
                "base offset {} where at least {} should follow",
                header.base_offset, self.next
            );
            return Err(self.damage(&reason));
        }
        if header.last_offset() - self.base > i32::MAX as u64 {
            let reason = format!(
                "offset {} is too far from the segment's first, {}",
                header.last_offset(),
                self.base
            );
            return Err(self.damage(&reason));
        }
        let position = self.position;
        self.position += header.size() as u64;
        self.next = header.next_offset();
        let (path, offset) = (self.path.clone(), header.base_offset);
        match Batch::check(self.read_at(position, header.size())?) {
            Ok(batch) => Ok(Some(batch)),
            Err(error) => Err(damage(
                &path,
                position,
                &format!("offset {offset}: {error}"),
            )),
        }
    }

    /// The lowest offset that may follow.
    pub fn next_offset(&self) -> u64 {
        self.next
    }

    /// Bytes of a batch that was not finished, once `next` gave `None`.
    pub fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// The end of the log if a batch was not finished here, and damage if it goes on behind.
    fn end(&mut self, reason: String) -> Result<Option<Batch<'_>>> {
        if !self.is_last {
            return Err(self.damage(&reason));
        }
        if let Some(position) = self.find_batch_behind()? {
            return Err(self.damage(&format!("{reason}, and a batch follows at byte {position}")));
        }
        self.torn_bytes = match self.rest_is_zero()? {
            true => 0,
            false => self.len - self.position,
        };
        self.position = self.len;
        Ok(None)
    }

    /// The first byte behind the position at which a batch stands that checks out and could continue the log.
    fn find_batch_behind(&mut self) -> Result<Option<u64>> {
        let mut from = self.position + 1;
        while from + HEADER_LEN as u64 <= self.len {
            let wanted = (self.len - from).min(WINDOW_BYTES) as usize;
            // Headers that begin in this stretch; one that crosses its end begins the next one.
            let tried = wanted - HEADER_LEN + 1;
            for at in self.candidates(from, wanted, tried)? {
                let size =
                    BatchHeader::parse(self.read_at(at, HEADER_LEN)?).map_or(0, |h| h.size());
                if Batch::check(self.read_at(at, size)?).is_ok() {
                    return Ok(Some(at));
                }
            }
            from += tried as u64;
        }
        Ok(None)
    }

    /// Where, in the first `tried` of `wanted` bytes, a header stands that could continue the log.
    fn candidates(&mut self, from: u64, wanted: usize, tried: usize) -> Result<Vec<u64>> {
        let (base, next, len) = (self.base, self.next, self.len);
        let bytes = self.read_at(from, wanted)?;
        let fits = |at: &usize| {
            let bytes = bytes.get(*at..).unwrap_or_default();
            bytes.get(MAGIC_AT) == Some(&(MAGIC as u8))
                && BatchHeader::parse(bytes).is_ok_and(|header| {
                    header.base_offset >= next
                        && header.last_offset() - base <= i32::MAX as u64
                        && header.size() as u64 <= len - from - *at as u64
                })
        };
        Ok((0..tried).filter(fits).map(|at| from + at as u64).collect())
    }

    fn rest_is_zero(&mut self) -> Result<bool> {
        let mut position = self.position;
        while position < self.len {
            let wanted = (self.len - position).min(WINDOW_BYTES) as usize;
            if self
                .read_at(position, wanted)?
                .iter()
                .any(|byte| *byte != 0)
            {
                return Ok(false);
            }
            position += wanted as u64;
        }
        Ok(true)
    }

    /// The bytes of the whole batch that may stand here, if it is larger than a batch may be in a store.
    fn large_batch(&mut self) -> Result<Option<u64>> {
        let left = self.len - self.position;
        let head = self.read(HEADER_LEN)?;
        let size = head
            .get(8..LOG_OVERHEAD)
            .and_then(|size| size.try_into().ok())
            .map_or(0, |size| {
                u64::from(u32::from_be_bytes(size)) + LOG_OVERHEAD as u64
            });
        let is_large = size > MAX_BATCH_BYTES as u64 && size <= left;
        Ok((is_large && head.get(MAGIC_AT) == Some(&(MAGIC as u8))).then_some(size))
    }

    /// The version of the message of Kafka's older formats that may stand here: offset, size, checksum, magic.
    fn legacy_message(&mut self) -> Result<Option<u8>> {
        let left = self.len - self.position;
        if left <= MAGIC_AT as u64 {
            return Ok(None);
        }
        let head = self.read(MAGIC_AT + 1)?;
        let size = head
            .get(8..LOG_OVERHEAD)
            .and_then(|size| size.try_into().ok())
            .map_or(0, u32::from_be_bytes);
        let is_whole = (14..=left - LOG_OVERHEAD as u64).contains(&u64::from(size));
        let magic = head.get(MAGIC_AT).copied();
        Ok(magic.filter(|magic| is_whole && *magic < MAGIC as u8))
    }

    fn read(&mut self, len: usize) -> Result<&[u8]> {
        self.read_at(self.position, len)
    }

    fn read_at(&mut self, position: u64, len: usize) -> Result<&[u8]> {
        let end = position + len as u64;
        let window_end = self.window_at + self.window.len() as u64;
        if position < self.window_at || end > window_end {
            let wanted = (self.len - position).min(WINDOW_BYTES.max(len as u64));
            self.window.resize(wanted as usize, 0);
            self.window_at = position;
            let read = self.file.read_exact_at(position, &mut self.window);
            if read.is_err() {
                self.window.clear();
            }
            read.during("read", &self.path)?;
        }
        let from = (position - self.window_at) as usize;
        Ok(self.window.get(from..from + len).unwrap_or_default())
    }

    fn legacy(&self, magic: u8) -> Error {
        invalid(format!(
            "{} byte {}: message format {magic}, as Kafka wrote before 0.11, is not read; have a newer broker write the topic anew",
            self.path.display(),
            self.position
        ))
    }

    fn damage(&self, reason: &str) -> Error {
        damage(
            &self.path,
            self.position,
            &format!("offset {}: {reason}", self.next),
        )
    }
}

/// Damage in a file of the source.
pub(super) fn damage(path: &Path, position: u64, reason: &str) -> Error {
    Error::CorruptFile {
        file: path.to_owned(),
        reason: format!("byte {position}, {reason}"),
    }
}
