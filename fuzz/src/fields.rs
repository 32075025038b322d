//! The small things that stand on their own: varints, index entries and their search, control records, entries of
//! Kafka's transaction index, one record. An input is the bytes of all of them at once.

use tidelog::format::batch::BatchHeader;
use tidelog::format::builder::BatchBuilder;
use tidelog::format::control::{ControlKey, EndMarker};
use tidelog::format::offset_index::{self, OffsetEntry};
use tidelog::format::time_index::{self, TimeEntry};
use tidelog::format::transaction_index::AbortedTransaction;
use tidelog::format::{Compression, Record, TimestampType, varint};

/// Runs the target.
pub fn run(data: &[u8]) {
    varints(data);
    entries(data);
    if let Ok(key) = ControlKey::decode(data) {
        assert_eq!(key.encode(), data[..ControlKey::LEN]);
    }
    if let Ok(marker) = EndMarker::decode(data) {
        assert_eq!(marker.encode(), data[..EndMarker::LEN]);
    }
    if let Ok(aborted) = AbortedTransaction::decode(data) {
        assert!(aborted.first_offset.max(aborted.last_offset) <= i64::MAX as u64);
    }
    record(data);
}

fn varints(data: &[u8]) {
    let mut encoded = Vec::new();
    if let Some((value, len)) = varint::decode_i64(data) {
        varint::encode_i64(value, &mut encoded);
        assert_eq!(varint::decode_i64(&encoded), Some((value, encoded.len())));
        assert_eq!(encoded.len(), varint::encoded_len_i64(value));
        assert!(encoded.len() <= len && len <= varint::MAX_I64_LEN);
    }
    encoded.clear();
    let fits = varint::decode_i64(data).and_then(|(value, len)| {
        let value = i32::try_from(value).ok()?;
        (len <= varint::MAX_I32_LEN).then_some((value, len))
    });
    assert_eq!(varint::decode_i32(data), fits);
    if let Some((value, len)) = fits {
        varint::encode_i32(value, &mut encoded);
        assert_eq!(varint::decode_i32(&encoded), Some((value, encoded.len())));
        assert_eq!(encoded.len(), varint::encoded_len_i32(value));
        assert!(encoded.len() <= len && len <= varint::MAX_I32_LEN);
    }
}

fn entries(data: &[u8]) {
    if let Some(entry) = OffsetEntry::decode(data) {
        assert_eq!(entry.encode(), data[..OffsetEntry::LEN]);
    }
    if let Some(entry) = TimeEntry::decode(data) {
        assert_eq!(entry.encode(), data[..TimeEntry::LEN]);
    }
    // In a table that is in order, the search finds what a walk finds.
    let mut offsets: Vec<_> = data
        .chunks(OffsetEntry::LEN)
        .map_while(OffsetEntry::decode)
        .collect();
    let wanted = offsets.first().map_or(0, |entry| entry.relative_offset);
    let any = offset_index::find(offsets.len(), |i| offsets.get(i).copied(), wanted);
    assert!(any.is_none_or(|entry| entry.relative_offset <= wanted));
    offsets.sort_by_key(|entry| entry.relative_offset);
    let found = offset_index::find(offsets.len(), |i| offsets.get(i).copied(), wanted);
    let walked = offsets
        .iter()
        .rfind(|entry| entry.relative_offset <= wanted);
    assert_eq!(found.as_ref(), walked);
    let mut times: Vec<_> = data
        .chunks(TimeEntry::LEN)
        .map_while(TimeEntry::decode)
        .collect();
    let wanted = times.first().map_or(0, |entry| entry.timestamp);
    times.sort_by_key(|entry| entry.timestamp);
    let found = time_index::find_before(times.len(), |i| times.get(i).copied(), wanted);
    let walked = times.iter().rfind(|entry| entry.timestamp < wanted);
    assert_eq!(found.as_ref(), walked);
}

fn record(data: &[u8]) {
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    builder.append(0, None, None, std::iter::empty()).unwrap();
    let header = BatchHeader::parse(&builder.finish().unwrap()).unwrap();
    if let Ok(record) = Record::parse(data, &header) {
        assert_eq!(record.offset, 0);
        assert_eq!(record.key, record.key_range().map(|range| &data[range]));
        assert_eq!(record.value, record.value_range().map(|range| &data[range]));
        assert_eq!(record.headers.iter().count(), record.headers.len());
    }
}
