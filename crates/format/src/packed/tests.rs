//! The layouts that are shared with JavaScript.

use proptest::prelude::*;

use super::*;
use crate::batch::{Batch, TimestampType};
use crate::compression::Compression;

fn row(timestamp: f64, partition: u32, key: i32, value: i32, headers: u32) -> Vec<u8> {
    let mut row = timestamp.to_le_bytes().to_vec();
    row.extend(partition.to_le_bytes());
    row.extend(key.to_le_bytes());
    row.extend(value.to_le_bytes());
    row.extend(headers.to_le_bytes());
    row
}

fn read<'a>(table: &'a [u8], bytes: &'a [u8]) -> Result<Vec<PackedRecord<'a>>, FormatError> {
    PackedRecords::new(table, bytes)?.iter().collect()
}

#[test]
fn fixed_bytes_in() {
    let table = [
        0, 0, 0, 0, 0, 0x40, 0x8f, 0x40, // 1000.0
        3, 0, 0, 0, // partition
        1, 0, 0, 0, // key length
        2, 0, 0, 0, // value length
        2, 0, 0, 0, // header count
        0, 0, 0, 0, 0, 0, 0xf8, 0x7f, // NaN
        4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
    ];
    let bytes = b"kvw\x01\0\0\0\x02\0\0\0axy\0\0\0\0\xff\xff\xff\xff";
    let records = read(&table, bytes).unwrap();
    let first = records[0];
    assert_eq!(
        (first.partition, first.timestamp, first.key, first.value),
        (3, Some(1000), Some(&b"k"[..]), Some(&b"vw"[..]))
    );
    assert_eq!(
        first.headers().collect::<Vec<_>>(),
        [("a", Some(&b"xy"[..])), ("", None)]
    );
    let second = records[1];
    assert_eq!(
        (second.partition, second.timestamp, second.key, second.value),
        (4, None, None, None)
    );
    assert_eq!(second.headers().count(), 0);
}

#[test]
fn fixed_bytes_out() {
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    builder
        .append(1000, Some(b"k"), None, [("h", None)].into_iter())
        .unwrap();
    let batch = builder.finish().unwrap();
    let mut scratch = Vec::new();
    let record = Batch::check(&batch)
        .unwrap()
        .records(&mut scratch)
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let mut out = vec![9];
    RecordRow::of(&record, 256).write(&mut out);
    RecordRow::missing().write(&mut out);
    #[rustfmt::skip]
    let expected = [
        9,
        0, 0, 0, 0, 0, 0x40, 0x8f, 0x40, // timestamp 1000
        0, 0, 0, 0, 0, 0, 0, 0, // offset 0
        5, 1, 0, 0, 1, 0, 0, 0, // key
        0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, // value: null
        8, 1, 0, 0, 1, 0, 0, 0, // headers
        0, 0, 0, 0, 0, 0, 0xf8, 0x7f,
        0, 0, 0, 0, 0, 0, 0xf8, 0x7f,
        0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
        0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
        0, 0, 0, 0, 0, 0, 0, 0,
    ];
    assert_eq!(out, expected);
    assert_eq!(
        &batch[61 + 8..],
        [2, b'h', 1],
        "the headers are where the row says"
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let none = row(0.0, 0, -1, -1, 0);
    assert!(read(&none[..23], b"").is_err());
    assert!(read(&none, b"").is_ok());
    assert!(matches!(
        read(&none, b"x"),
        Err(FormatError::Leftover { extra: 1, .. })
    ));
    assert!(matches!(
        read(&row(0.0, 0, 2, -1, 0), b"x"),
        Err(FormatError::TooShort {
            what: "a packed key",
            ..
        })
    ));
    assert!(matches!(
        read(&row(0.0, 0, 1, 1, 0), b"x"),
        Err(FormatError::TooShort {
            what: "a packed value",
            ..
        })
    ));
    assert!(matches!(
        read(&row(0.0, 0, -2, 0, 0), b""),
        Err(FormatError::OutOfRange { value: -2, .. })
    ));
    assert!(matches!(
        read(&row(0.0, 0, i32::MAX, i32::MAX, 0), b""),
        Err(FormatError::TooShort { .. })
    ));
    let header = row(0.0, 0, -1, -1, 1);
    assert!(matches!(
        read(&header, &[0; 7]),
        Err(FormatError::TooShort {
            what: "packed header lengths",
            ..
        })
    ));
    assert!(matches!(
        read(&header, &[1, 0, 0, 0, 0, 0, 0, 0]),
        Err(FormatError::TooShort { .. })
    ));
    assert!(matches!(
        read(&header, &[0xff; 8]),
        Err(FormatError::OutOfRange { .. })
    ));
    assert!(matches!(
        read(&header, b"\x01\0\0\0\xff\xff\xff\xff\xff"),
        Err(FormatError::Utf8 {
            field: "header name",
            position: 8
        })
    ));
    assert!(read(&row(0.0, 0, -1, -1, u32::MAX), &[0; 64]).is_err());
}

#[test]
fn timestamps_are_whole_and_exact() {
    let given =
        |timestamp| read(&row(timestamp, 0, -1, -1, 0), b"").map(|records| records[0].timestamp);
    assert_eq!(given(f64::NAN), Ok(None));
    assert_eq!(given(-f64::NAN), Ok(None));
    assert_eq!(given(-0.0), Ok(Some(0)));
    assert_eq!(given(-1.0), Ok(Some(-1)));
    assert_eq!(given(9_007_199_254_740_991.0), Ok(Some((1 << 53) - 1)));
    for bad in [
        0.5,
        f64::INFINITY,
        f64::NEG_INFINITY,
        9_007_199_254_740_992.0,
        -9_007_199_254_740_992.0,
        1e300,
    ] {
        assert!(
            matches!(given(bad), Err(FormatError::Timestamp { .. })),
            "{bad}"
        );
    }
}

type Owned = (
    Option<u32>,
    u32,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Vec<(String, Option<Vec<u8>>)>,
);

fn owned() -> impl Strategy<Value = Owned> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20));
    (
        any::<Option<u32>>(),
        any::<u32>(),
        bytes(),
        bytes(),
        proptest::collection::vec((".{0,5}", bytes()), 0..3),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn round_trip(records in proptest::collection::vec(owned(), 0..12)) {
        let (mut table, mut bytes) = (Vec::new(), Vec::new());
        let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(-1, |bytes| bytes.len() as i32);
        for (timestamp, partition, key, value, headers) in &records {
            let timestamp = timestamp.map_or(f64::NAN, f64::from);
            table.extend(row(timestamp, *partition, len(key), len(value), headers.len() as u32));
            bytes.extend(key.iter().chain(value).flatten());
            for (name, value) in headers {
                bytes.extend((name.len() as u32).to_le_bytes());
                bytes.extend(len(value).to_le_bytes());
                bytes.extend(name.bytes().chain(value.iter().flatten().copied()));
            }
        }
        let packed = PackedRecords::new(&table, &bytes).unwrap();
        prop_assert_eq!((packed.len(), packed.is_empty()), (records.len(), records.is_empty()));
        // A table without rows has no last record that bytes could follow.
        let found: Vec<_> = packed.iter().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(found.len(), records.len());
        for (found, (timestamp, partition, key, value, headers)) in found.iter().zip(&records) {
            prop_assert_eq!(found.timestamp, timestamp.map(i64::from));
            prop_assert_eq!((found.partition, found.key, found.value), (*partition, key.as_deref(), value.as_deref()));
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
            prop_assert_eq!(found.headers().collect::<Vec<_>>(), headers);
            let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
            let before = builder.size();
            builder.append(0, found.key, found.value, found.headers()).unwrap();
            prop_assert!(builder.size() - before <= found.size_upper_bound());
        }
        // Every cut of the bytes is found.
        for cut in 0..bytes.len() {
            prop_assert!(read(&table, &bytes[..cut]).is_err());
        }
    }

    #[test]
    fn any_bytes(
        table in proptest::collection::vec(prop_oneof![3 => Just(0u8), 1 => 0u8..5, 1 => any::<u8>()], 0..100),
        bytes in proptest::collection::vec(prop_oneof![0u8..5, any::<u8>()], 0..60),
    ) {
        if let Ok(packed) = PackedRecords::new(&table, &bytes) {
            for record in packed.iter().flatten() {
                prop_assert!(record.headers().count() <= bytes.len() / 8);
            }
        }
    }
}
