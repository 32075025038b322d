//! Records as JavaScript packs them: an input is the number of rows (u16), the table of that many rows, and the bytes
//! that go along. Records that are taken must come out of a batch as they went in.

use tidelog::format::batch::Batch;
use tidelog::format::builder::BatchBuilder;
use tidelog::format::packed::{PACKED_ROW_LEN, PackedRecord, PackedRecords, RecordRow};
use tidelog::format::{Compression, TimestampType};

use crate::input::Input;

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let rows = usize::from(input.u16());
    // An odd number of bytes must be possible too.
    let table = input.take(rows * PACKED_ROW_LEN);
    let bytes = input.rest();
    let Ok(packed) = PackedRecords::new(table, bytes) else {
        assert_ne!(table.len() % PACKED_ROW_LEN, 0);
        return;
    };
    let records: Result<Vec<PackedRecord<'_>>, _> = packed.iter().collect();
    let Ok(records) = records else { return };
    assert_eq!(records.len(), packed.len());
    let mut taken = Vec::new();
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    for record in &records {
        let before = builder.size();
        let time = record.timestamp.unwrap_or(0);
        if builder
            .append(time, record.key, record.value, record.headers())
            .is_err()
        {
            assert_eq!(builder.size(), before, "a refused record leaves nothing");
            continue;
        }
        assert!(builder.size() - before <= record.size_upper_bound());
        taken.push(record);
    }
    if taken.is_empty() {
        return;
    }
    let encoded = builder.finish().unwrap();
    let batch = Batch::check(&encoded).unwrap();
    let (mut scratch, mut table) = (Vec::new(), Vec::new());
    let mut count = 0;
    for (record, from) in batch.records(&mut scratch).unwrap().zip(&taken) {
        let record = record.unwrap();
        assert_eq!(record.timestamp, from.timestamp.unwrap_or(0));
        assert_eq!((record.key, record.value), (from.key, from.value));
        let sent = from.headers();
        assert!(
            record
                .headers
                .iter()
                .eq(sent.map(|(name, value)| (name.as_bytes(), value)))
        );
        let row = RecordRow::of(&record, 7);
        row.write(&mut table);
        let at = |position: u32, length: i32| {
            let start = position as usize - 7;
            &batch.payload()[start..start + length as usize]
        };
        let of = |position, length| (length >= 0).then(|| at(position, length));
        assert_eq!(of(row.key_position, row.key_length), from.key);
        assert_eq!(of(row.value_position, row.value_length), from.value);
        count += 1;
    }
    assert_eq!(count, taken.len());
    assert_eq!(table.len(), count * RecordRow::LEN);
}
