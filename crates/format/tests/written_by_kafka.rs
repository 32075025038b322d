//! Batches that Kafka's Java client 4.3.1 wrote, in each compression, are read here: one value of several
//! blocks, headers, nulls, a time before the first, and the fields of a transactional producer.

#![allow(clippy::unwrap_used, clippy::panic)]

use tidelog_format::{Batch, Compression};

fn check(bytes: &[u8], compression: Compression) {
    let batch = Batch::check(bytes).unwrap();
    let header = *batch.header();
    assert_eq!(header.size(), bytes.len());
    assert_eq!(header.attributes.compression(), Ok(compression));
    assert!(header.attributes.is_transactional() && !header.attributes.is_control());
    assert_eq!(
        (
            header.base_offset,
            header.last_offset(),
            header.leader_epoch
        ),
        (4711, 4713, 3)
    );
    assert_eq!(
        (
            header.producer_id,
            header.producer_epoch,
            header.base_sequence
        ),
        (9, 2, 17)
    );
    assert_eq!(header.max_timestamp, 1_700_000_000_250);

    let mut scratch = Vec::new();
    let records: Vec<_> = batch
        .records(&mut scratch)
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let [first, second, third] = &records[..] else {
        panic!("{} records", records.len())
    };
    let value: Vec<u8> = (0..150_000u32).map(|i| (i % 251) as u8).collect();
    assert_eq!((first.offset, first.timestamp), (4711, 1_700_000_000_000));
    assert_eq!(
        (first.key, first.value),
        (Some(&b"key"[..]), Some(&value[..]))
    );
    let headers: Vec<_> = first.headers.iter().collect();
    assert_eq!(
        headers,
        [
            (&b"trace"[..], Some(&b"t-1"[..])),
            ("h\u{e9}".as_bytes(), None)
        ]
    );
    assert_eq!((second.offset, second.timestamp), (4712, 1_700_000_000_250));
    assert_eq!((second.key, second.value), (None, Some(&b"last"[..])));
    assert_eq!((third.offset, third.timestamp), (4713, 1_699_999_999_999));
    assert_eq!((third.key, third.value), (Some(&b"key"[..]), None));
}

#[test]
fn gzip() {
    check(include_bytes!("kafka/gzip.batch"), Compression::Gzip);
}

#[test]
fn snappy() {
    check(include_bytes!("kafka/snappy.batch"), Compression::Snappy);
}

#[test]
fn lz4() {
    check(include_bytes!("kafka/lz4.batch"), Compression::Lz4);
}

#[test]
fn zstd() {
    check(include_bytes!("kafka/zstd.batch"), Compression::Zstd);
}
