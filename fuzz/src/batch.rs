//! One record batch: an input is a byte of flags (1: length, magic and checksum are put right) and the batch. What
//! decodes must be in range, and must be the same after it was encoded again.

use tidelog::format::batch::{Batch, BatchHeader, set_log_append_time, set_placement};
use tidelog::format::builder::BatchBuilder;
use tidelog::format::limits::MAX_BATCH_BYTES;
use tidelog::format::{Compression, Record, Records, TimestampType};

use crate::input::Input;
use crate::seal;

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let mut bytes = input.rest().to_vec();
    if flags & 1 != 0 {
        seal::whole_batch(&mut bytes);
    }
    let parsed = BatchHeader::parse(&bytes);
    let Ok(batch) = Batch::check(&bytes) else {
        return;
    };
    assert_eq!(parsed.as_ref(), Ok(batch.header()));
    assert!(batch.header().last_offset() < i64::MAX as u64);
    records(&batch);
    edits(&bytes);
}

fn records(batch: &Batch<'_>) {
    let header = batch.header();
    let mut scratch = Vec::new();
    let decoded: Result<Vec<Record<'_>>, _> = match batch.records(&mut scratch) {
        Ok(records) => records.collect(),
        Err(_) => return,
    };
    let mut section = Vec::new();
    match header.attributes.compression().unwrap() {
        Compression::None => section.extend_from_slice(batch.payload()),
        _ if batch.payload().is_empty() => {}
        codec => codec
            .decompress(batch.payload(), &mut section, MAX_BATCH_BYTES)
            .unwrap(),
    }
    let again: Result<Vec<Record<'_>>, _> = Records::new(&section, header).collect();
    assert_eq!(again.is_ok(), decoded.is_ok());
    let Ok(decoded) = decoded else { return };
    assert_eq!(decoded.len(), header.record_count as usize);
    let mut next = header.base_offset;
    for record in &decoded {
        assert!((next..=header.last_offset()).contains(&record.offset));
        next = record.offset + 1;
        assert_eq!(record.key, record.key_range().map(|range| &section[range]));
        assert_eq!(
            record.value,
            record.value_range().map(|range| &section[range])
        );
        assert!(record.headers_position() <= section.len());
        assert_eq!(record.headers.iter().count(), record.headers.len());
    }
    encode_again(&decoded);
}

fn encode_again(records: &[Record<'_>]) {
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    for record in records {
        // Kafka has no limits where there are some here, and stores names that are not UTF-8.
        let names: Option<Vec<_>> = record
            .headers
            .iter()
            .map(|(name, value)| Some((std::str::from_utf8(name).ok()?, value)))
            .collect();
        let Some(headers) = names else {
            return;
        };
        if builder
            .append(
                record.timestamp,
                record.key,
                record.value,
                headers.into_iter(),
            )
            .is_err()
        {
            return;
        }
    }
    if builder.is_empty() {
        return;
    }
    let bytes = builder.finish().unwrap();
    let batch = Batch::check(&bytes).unwrap();
    let mut scratch = Vec::new();
    let mut count = 0;
    for (number, record) in batch.records(&mut scratch).unwrap().enumerate() {
        let (record, from) = (record.unwrap(), &records[number]);
        assert_eq!(record.offset, number as u64);
        assert_eq!(
            (record.timestamp, record.key, record.value),
            (from.timestamp, from.key, from.value)
        );
        assert!(record.headers.iter().eq(from.headers.iter()));
        count += 1;
    }
    assert_eq!(count, records.len());
}

/// The changes that the engine makes to encoded batches leave them whole.
fn edits(bytes: &[u8]) {
    let mut placed = bytes.to_vec();
    let before = Batch::check(bytes).unwrap();
    if set_placement(&mut placed, 12345, 7).is_ok() {
        let after = Batch::check(&placed).unwrap();
        assert_eq!(
            (after.header().base_offset, after.header().leader_epoch),
            (12345, 7)
        );
        assert_eq!(after.payload(), before.payload());
    }
    let mut stamped = bytes.to_vec();
    if set_log_append_time(&mut stamped, 99).is_ok() {
        let after = Batch::check(&stamped).unwrap();
        assert_eq!(
            after.header().attributes.timestamp_type(),
            TimestampType::LogAppendTime
        );
        assert_eq!(after.payload(), before.payload());
    }
}
