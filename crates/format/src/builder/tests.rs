//! Encoding: round trips and limits.

use proptest::prelude::*;

use super::*;
use crate::batch::{Batch, BatchHeader, set_placement};

type Owned = (
    i64,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Vec<(String, Option<Vec<u8>>)>,
);

fn append(
    builder: &mut BatchBuilder,
    (timestamp, key, value, headers): &Owned,
) -> Result<(), FormatError> {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_deref()));
    builder.append(*timestamp, key.as_deref(), value.as_deref(), headers)
}

fn bytes(max: usize) -> impl Strategy<Value = Option<Vec<u8>>> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..max))
}

fn timestamp() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        Just(i64::MAX),
        Just(i64::MIN),
        Just(-1),
        0..2_000_000_000_000i64
    ]
}

fn record() -> impl Strategy<Value = Owned> {
    let headers = proptest::collection::vec((".{0,8}", bytes(20)), 0..4);
    (timestamp(), bytes(30), bytes(300), headers)
}

fn compression() -> impl Strategy<Value = Compression> {
    proptest::sample::select(&Compression::ALL[..])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn round_trip(
        records in proptest::collection::vec(record(), 1..40),
        compression in compression(),
        append_time: bool,
        base in prop_oneof![Just(0), 0..i64::MAX as u64 - 100, Just(i64::MAX as u64 - 41)],
        epoch: i32,
    ) {
        let timestamp_type = if append_time { TimestampType::LogAppendTime } else { TimestampType::CreateTime };
        let mut builder = BatchBuilder::new(compression, timestamp_type);
        for record in &records {
            let before = builder.size();
            append(&mut builder, record).unwrap();
            let (_, key, value, headers) = record;
            let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
            let content = headers.iter().map(|(name, value)| name.len() + len(value)).sum();
            let bound = BatchBuilder::record_size_upper_bound(len(key), len(value), headers.len(), content);
            prop_assert!(builder.size() - before <= bound);
        }
        let size = builder.size();
        let mut batch = builder.finish().unwrap();
        prop_assert_eq!((builder.size(), builder.record_count()), (HEADER_LEN, 0));
        if compression == Compression::None {
            prop_assert_eq!(batch.len(), size);
        }
        set_placement(&mut batch, base, epoch).unwrap();

        let checked = Batch::check(&batch).unwrap();
        let header = *checked.header();
        prop_assert_eq!(header.size(), batch.len());
        prop_assert_eq!((header.base_offset, header.leader_epoch), (base, epoch));
        prop_assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (-1, -1, -1));
        prop_assert_eq!(header.base_timestamp, records[0].0);
        let newest = records.iter().map(|record| record.0).max().unwrap();
        prop_assert_eq!(header.max_timestamp, newest);
        prop_assert_eq!(header.attributes.compression().unwrap(), compression);
        prop_assert_eq!(header.attributes.timestamp_type(), timestamp_type);

        let mut scratch = vec![1; 3];
        let decoded: Vec<_> = checked.records(&mut scratch).unwrap().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(decoded.len(), records.len());
        for (index, (found, (timestamp, key, value, headers))) in decoded.iter().zip(&records).enumerate() {
            prop_assert_eq!(found.offset, base + index as u64);
            prop_assert_eq!(found.timestamp, if append_time { newest } else { *timestamp });
            prop_assert_eq!(found.key, key.as_deref());
            prop_assert_eq!(found.value, value.as_deref());
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref())).collect();
            prop_assert_eq!(found.headers.iter().collect::<Vec<_>>(), headers);
        }
    }
}

#[test]
fn a_builder_is_used_again() {
    for compression in Compression::ALL {
        let mut builder = BatchBuilder::new(compression, TimestampType::CreateTime);
        for round in 0..3u8 {
            assert!(builder.is_empty());
            for _ in 0..=round {
                append(
                    &mut builder,
                    &(i64::from(round), None, Some(vec![round; 5000]), vec![]),
                )
                .unwrap();
            }
            let batch = builder.finish().unwrap();
            let mut scratch = Vec::new();
            let records: Vec<_> = Batch::check(&batch)
                .unwrap()
                .records(&mut scratch)
                .unwrap()
                .flatten()
                .collect();
            assert_eq!(records.len(), usize::from(round) + 1);
            assert!(
                records
                    .iter()
                    .all(|r| r.timestamp == i64::from(round) && r.value == Some(&[round; 5000]))
            );
        }
        assert_eq!(builder.finish(), Err(FormatError::NoRecords));
    }
}

fn plain() -> BatchBuilder {
    BatchBuilder::new(Compression::None, TimestampType::CreateTime)
}

/// What appending does, and that a refusal changes nothing.
fn outcome(record: &Owned) -> Result<(), FormatError> {
    let mut builder = plain();
    append(&mut builder, &(5, None, None, vec![])).unwrap();
    let mut same = plain();
    append(&mut same, &(5, None, None, vec![])).unwrap();
    let outcome = append(&mut builder, record);
    if outcome.is_err() {
        assert_eq!((builder.size(), builder.record_count()), (same.size(), 1));
        append(&mut builder, &(6, None, None, vec![])).unwrap();
        append(&mut same, &(6, None, None, vec![])).unwrap();
        assert_eq!(builder.finish(), same.finish());
    }
    outcome
}

#[test]
fn key_limit() {
    let key = |len| outcome(&(0, Some(vec![1; len]), None, vec![]));
    assert_eq!(key(MAX_KEY_BYTES - 1), Ok(()));
    assert_eq!(key(MAX_KEY_BYTES), Ok(()));
    let (what, size, limit) = ("a record key", MAX_KEY_BYTES + 1, MAX_KEY_BYTES);
    assert_eq!(
        key(MAX_KEY_BYTES + 1),
        Err(FormatError::TooLarge { what, size, limit })
    );
}

#[test]
fn header_limits() {
    let count = |count| outcome(&(0, None, None, vec![(String::new(), None); count]));
    assert_eq!(count(MAX_HEADERS - 1), Ok(()));
    assert_eq!(count(MAX_HEADERS), Ok(()));
    let error = FormatError::TooMany {
        what: "headers",
        count: MAX_HEADERS + 1,
        limit: MAX_HEADERS,
    };
    assert_eq!(count(MAX_HEADERS + 1), Err(error));

    let size = |name, value| {
        outcome(&(
            0,
            None,
            None,
            vec![
                ("n".repeat(name), None),
                (String::new(), Some(vec![0; value])),
            ],
        ))
    };
    assert_eq!(size(10, MAX_HEADER_BYTES - 11), Ok(()));
    assert_eq!(size(10, MAX_HEADER_BYTES - 10), Ok(()));
    let over = FormatError::TooLarge {
        what: "record headers",
        size: MAX_HEADER_BYTES + 1,
        limit: MAX_HEADER_BYTES,
    };
    assert_eq!(size(10, MAX_HEADER_BYTES - 9), Err(over.clone()));
    assert_eq!(size(MAX_HEADER_BYTES + 1, 0), Err(over));
}

#[test]
fn batch_limit() {
    // What is around the value: lengths of 4 bytes for record and value, and five of 1 byte.
    let around = HEADER_LEN + 4 + 4 + 5;
    let one = |len: usize| {
        let mut builder = plain();
        let outcome = builder.append(0, None, Some(&vec![0; len]), std::iter::empty());
        (outcome, builder)
    };
    for under in [1, 0] {
        let (outcome, mut builder) = one(MAX_BATCH_BYTES - around - under);
        assert_eq!((outcome, builder.size()), (Ok(()), MAX_BATCH_BYTES - under));
        let error = builder
            .append(0, None, None, std::iter::empty())
            .unwrap_err();
        let size = MAX_BATCH_BYTES - under + 7;
        assert_eq!(
            error,
            FormatError::TooLarge {
                what: "a record batch",
                size,
                limit: MAX_BATCH_BYTES
            }
        );
        let batch = builder.finish().unwrap();
        assert_eq!(
            BatchHeader::parse(&batch).unwrap().size(),
            MAX_BATCH_BYTES - under
        );
        assert!(Batch::check(&batch).is_ok());
    }
    let (what, limit) = ("a record", MAX_BATCH_BYTES);
    let (outcome, builder) = one(MAX_BATCH_BYTES - around + 1);
    assert_eq!(
        outcome,
        Err(FormatError::TooLarge {
            what,
            size: MAX_BATCH_BYTES + 1,
            limit
        })
    );
    assert!(builder.is_empty());
    assert!(matches!(
        one(MAX_BATCH_BYTES + 1).0,
        Err(FormatError::TooLarge {
            what: "a record",
            ..
        })
    ));
}

#[test]
fn a_full_batch_that_compression_makes_larger_is_kept_as_it_is() {
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take((MAX_BATCH_BYTES - 100) / 8)
    .flatten()
    .collect();
    let mut builder = BatchBuilder::new(Compression::Lz4, TimestampType::CreateTime);
    builder
        .append(0, None, Some(&noise), std::iter::empty())
        .unwrap();
    let bytes = builder.finish().unwrap();
    let batch = Batch::check(&bytes).unwrap();
    assert_eq!(
        batch.header().attributes.compression(),
        Ok(Compression::None)
    );
    assert!(builder.is_empty());
    builder
        .append(0, None, Some(&noise[..100]), std::iter::empty())
        .unwrap();
    assert!(Batch::check(&builder.finish().unwrap()).is_ok());
}

/// An iterator whose clones give a longer header than it does itself.
struct Unsteady(Option<&'static str>);

impl Clone for Unsteady {
    fn clone(&self) -> Unsteady {
        Unsteady(Some("longer than before"))
    }
}

impl Iterator for Unsteady {
    type Item = (&'static str, Option<&'static [u8]>);
    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(|name| (name, None))
    }
}

#[test]
fn headers_that_change_are_refused() {
    for first in [None, Some("short"), Some("even longer than the other")] {
        let mut builder = plain();
        assert_eq!(
            builder.append(0, None, None, Unsteady(first)),
            Err(FormatError::UnsteadyHeaders)
        );
        assert!(builder.is_empty() && builder.size() == HEADER_LEN);
    }
}
