//! Batches whose records went, against a plain list of records.

use proptest::prelude::*;

use super::*;
use crate::batch::{Batch, Sequenced, set_log_append_time};
use crate::builder::BatchBuilder;

#[derive(Debug, Clone)]
struct Given {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    keep: bool,
}

fn given() -> impl Strategy<Value = Given> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
    (0..1i64 << 41, bytes(), bytes(), any::<bool>()).prop_map(|(timestamp, key, value, keep)| {
        Given {
            timestamp,
            key,
            value,
            keep,
        }
    })
}

const PRODUCER: Sequenced = Sequenced {
    producer_id: 9,
    producer_epoch: 3,
    base_sequence: 70,
};

proptest! {
    #[test]
    fn what_is_kept_is_as_it_was(
        records in proptest::collection::vec(given(), 1..30),
        codec in 0..5i16,
        horizon in proptest::option::of(0..1i64 << 42),
        append_time in any::<bool>(),
    ) {
        let compression = Compression::from_id(codec).unwrap();
        let mut builder = BatchBuilder::new(compression, TimestampType::CreateTime);
        for record in &records {
            let headers = [("h", Some(&b"x"[..])), ("", None)];
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            builder.append(record.timestamp, key, value, headers.into_iter()).unwrap();
        }
        let mut bytes = builder.finish_for(PRODUCER).unwrap();
        if append_time {
            set_log_append_time(&mut bytes, 77).unwrap();
        }
        set_placement(&mut bytes, 1000, 5).unwrap();
        let batch = Batch::check(&bytes).unwrap();
        let (mut scratch, mut out) = (Vec::new(), b"before".to_vec());
        let section = batch.section(&mut scratch).unwrap();
        let header = batch.header();
        let mut cleaner = BatchCleaner::default();
        cleaner.begin(header, horizon);
        for record in crate::Records::new(section, header) {
            let record = record.unwrap();
            if records[(record.offset - 1000) as usize].keep {
                cleaner.keep(section, header, &record).unwrap();
            }
        }
        cleaner.finish(header, &mut out).unwrap();
        prop_assert_eq!(&out[..6], b"before");
        let cleaned = Batch::check(&out[6..]).unwrap();
        let after = cleaned.header();
        prop_assert_eq!(after.size(), out.len() - 6);
        prop_assert_eq!(
            (after.base_offset, after.last_offset(), after.leader_epoch),
            (1000, header.last_offset(), 5)
        );
        prop_assert_eq!(Sequenced::of(after), PRODUCER);
        prop_assert_eq!(after.delete_horizon(), horizon);
        let mut scratch = Vec::new();
        let found: Vec<_> = cleaned.records(&mut scratch).unwrap().map(Result::unwrap).collect();
        let kept: Vec<_> = records.iter().enumerate().filter(|(_, given)| given.keep).collect();
        prop_assert_eq!(found.len(), kept.len());
        prop_assert_eq!(cleaner.count() as usize, kept.len());
        for (found, (index, given)) in found.iter().zip(&kept) {
            prop_assert_eq!(found.offset, 1000 + *index as u64);
            prop_assert_eq!(found.timestamp, if append_time { 77 } else { given.timestamp });
            prop_assert_eq!(found.key, given.key.as_deref());
            prop_assert_eq!(found.value, given.value.as_deref());
            prop_assert_eq!(found.headers.len(), 2);
        }
        let newest = kept.iter().map(|(_, given)| given.timestamp).max().unwrap_or(-1);
        prop_assert_eq!(after.max_timestamp, if append_time { 77 } else { newest });
    }
}

#[test]
fn what_is_emptied_keeps_its_offsets_and_its_producer() {
    let mut builder = BatchBuilder::new(Compression::Zstd, TimestampType::CreateTime);
    for _ in 0..4 {
        builder
            .append(12, Some(b"k"), Some(b"v"), std::iter::empty())
            .unwrap();
    }
    let mut bytes = builder.finish_for(PRODUCER).unwrap();
    set_placement(&mut bytes, 30, 2).unwrap();
    let header = *Batch::check(&bytes).unwrap().header();
    let emptied = emptied_batch(&header).unwrap();
    assert_eq!(emptied.len(), HEADER_LEN);
    let batch = Batch::check(&emptied).unwrap();
    let after = batch.header();
    assert_eq!(
        (after.base_offset, after.next_offset(), after.leader_epoch),
        (30, 34, 2)
    );
    assert_eq!((after.record_count, after.max_timestamp), (0, 12));
    assert_eq!(Sequenced::of(after), PRODUCER);
    assert_eq!(batch.records(&mut Vec::new()).unwrap().count(), 0);
}
