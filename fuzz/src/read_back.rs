//! Reads partitions as a program does, and says where the reading ended and why.

use tidelog::format::batch::Batch;
use tidelog::{Error, Partition, RecordBuffer};

use crate::image::Values;

/// More steps than any store here has batches: a read that does not get on is a hang.
const STEPS_MAX: usize = 100_000;

/// All that can be read from the log start on, and the error at which it ends, if any.
pub(crate) fn readable(partition: &Partition) -> (Values, Option<Error>) {
    let (mut values, mut bytes, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
    let from = partition.log_start_offset();
    let mut offset = from;
    for _ in 0..STEPS_MAX {
        let next = match partition.read(offset, 512, &mut bytes) {
            Ok(read) => read.next,
            Err(error) => return (values, Some(check(error))),
        };
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let batch = Batch::check(rest).expect("only what was checked is served");
            // A checksum that was put right holds for records that nobody could have written.
            let Ok(records) = batch.records(&mut scratch) else {
                break;
            };
            for record in records.flatten().filter(|record| record.offset >= from) {
                values.push((record.offset, record.value.unwrap_or_default().to_vec()));
            }
            rest = &rest[batch.bytes().len()..];
        }
        if next == offset {
            return (values, None);
        }
        assert!(next > offset, "a read goes forward");
        offset = next;
    }
    panic!(
        "reading {}-{} does not end",
        partition.topic_name(),
        partition.index()
    );
}

/// The other ways to read: decoded rows, and by time. Whatever they answer must not be a panic.
pub(crate) fn look_around(partition: &Partition, times: &[i64]) {
    let mut rows = RecordBuffer::default();
    let (start, end) = (partition.log_start_offset(), partition.high_watermark());
    for offset in [start, start / 2 + end / 2, end, u64::MAX] {
        if let Err(error) = partition.read_records(offset, 1 << 16, &mut rows) {
            check(error);
        }
    }
    for time in times {
        if let Err(error) = partition.offset_for_time(*time) {
            check(error);
        }
    }
}

/// An error says something, and has a code.
pub(crate) fn check(error: Error) -> Error {
    assert!(error.code().starts_with("ERR_TIDELOG_"));
    assert!(!error.to_string().is_empty());
    error
}
