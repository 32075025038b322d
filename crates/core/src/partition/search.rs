//! Searching by time.

use tidelog_format::batch::Batch;

use super::Log;
use crate::error::{Error, IoContext, Result};
use crate::segment::{Newest, Place};

impl Log {
    /// The earliest record, at or above the log start and below the high watermark, whose time is at or
    /// after `timestamp`: its offset and its time. Kafka's `offsetsForTimes`.
    pub fn offset_for_time(&self, timestamp: i64) -> Result<Option<(u64, i64)>> {
        loop {
            self.check()?;
            let start = self.log_start();
            match self.beside_a_writer(|| self.search(timestamp, start)) {
                // What it was in is gone.
                Err(Error::Io { .. }) if self.log_start() > start => {}
                Err(error) => return Err(self.check().err().unwrap_or(error)),
                found => return found,
            }
        }
    }

    fn search(&self, timestamp: i64, start: u64) -> Result<Option<(u64, i64)>> {
        let end = self.high_watermark();
        let interval = self.topic().config().index_interval_bytes;
        let context = self.context();
        let segments = self.segments();
        let mut batch = Vec::new();
        let mut scratch = Vec::new();
        for (number, segment) in segments.iter().enumerate() {
            let over = segments
                .get(number + 1)
                .is_some_and(|next| next.base() <= start);
            if over || segment.base() >= end {
                continue;
            }
            let files = self.files_of(segment)?;
            // The newest time of a segment is that of its last time index entry; the active one's is known.
            match segment.newest(context, interval)? {
                Newest::At(newest) if newest < timestamp => continue,
                Newest::NoRecords => continue,
                Newest::At(_) | Newest::Unknown => {}
            }
            let size = segment.size();
            let mut place = segment.locate_time(context, &files, timestamp, interval)?;
            while place.offset < end && place.position < size {
                let header = self.header(&files, segment, place, size)?;
                if header.max_timestamp >= timestamp && header.next_offset() > start {
                    batch.resize(header.size(), 0);
                    files
                        .log()
                        .read_exact_at(place.position, &mut batch)
                        .during("read", segment.path())
                        .map_err(|error| self.unreadable(segment, place, error))?;
                    let damage = |error: tidelog_format::FormatError| {
                        self.corruption(segment, place, error.to_string())
                    };
                    let checked = Batch::check(&batch).map_err(damage)?;
                    for record in checked.records(&mut scratch).map_err(damage)? {
                        let record = record.map_err(damage)?;
                        if record.timestamp >= timestamp
                            && record.offset >= start
                            && record.offset < end
                        {
                            return Ok(Some((record.offset, record.timestamp)));
                        }
                    }
                }
                place = Place {
                    position: place.position + header.size() as u64,
                    offset: header.next_offset(),
                };
            }
        }
        match self.damage() {
            Some(damage @ Error::Corruption { .. }) => Err(damage.clone()),
            _ => Ok(None),
        }
    }
}
