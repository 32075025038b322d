//! Batches: exact bytes, written by hand from Kafka's documentation of the format, and what happens to
//! damaged ones.

use proptest::prelude::*;

use super::*;
use crate::builder::BatchBuilder;
use crate::control::{ControlKey, ControlKind, EndMarker};
use crate::record::Record;

type Given<'a> = (
    i64,
    Option<&'a [u8]>,
    Option<&'a [u8]>,
    &'a [(&'a str, Option<&'a [u8]>)],
);

fn build(
    compression: Compression,
    timestamp_type: TimestampType,
    records: &[Given<'_>],
) -> Vec<u8> {
    let mut builder = BatchBuilder::new(compression, timestamp_type);
    for (timestamp, key, value, headers) in records {
        builder
            .append(*timestamp, *key, *value, headers.iter().copied())
            .unwrap();
    }
    builder.finish().unwrap()
}

fn decoded<'a>(batch: &'a [u8], scratch: &'a mut Vec<u8>) -> Vec<Record<'a>> {
    Batch::check(batch)
        .unwrap()
        .records(scratch)
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

fn hex(lines: &[&str]) -> Vec<u8> {
    let digits: Vec<u8> = lines
        .concat()
        .bytes()
        .filter(|byte| *byte != b' ')
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Puts the right checksum on bytes that were changed on purpose.
fn reseal(batch: &mut [u8]) {
    let crc = crc32c(&batch[at::ATTRIBUTES..]);
    batch[at::CRC..at::ATTRIBUTES].copy_from_slice(&crc.to_be_bytes());
}

const PLAIN: &[Given<'static>] = &[
    (1000, Some(b"k"), Some(b"v1"), &[]),
    (1001, Some(b"k2"), Some(b"v2"), &[]),
    (999, None, Some(b""), &[]),
];

fn plain_bytes() -> Vec<u8> {
    hex(&[
        "0000000000000000", // base offset
        "0000004d",         // length
        "ffffffff",         // leader epoch
        "02",               // magic
        "5347f671",         // CRC-32C
        "0000",             // attributes
        "00000002",         // last offset delta
        "00000000000003e8", // base timestamp: the first record's
        "00000000000003e9", // max timestamp
        "ffffffffffffffff", // producer id
        "ffff",             // producer epoch
        "ffffffff",         // base sequence
        "00000003",         // record count
        "12 00 00 00 02 6b 04 7631 00",
        "14 00 02 02 04 6b32 04 7632 00",
        "0c 00 01 04 01 00 00", // timestamp delta -1, null key, empty value
    ])
}

#[test]
fn plain_batch() {
    let bytes = plain_bytes();
    assert_eq!(
        build(Compression::None, TimestampType::CreateTime, PLAIN),
        bytes
    );
    let mut scratch = Vec::new();
    let records = decoded(&bytes, &mut scratch);
    let found: Vec<_> = records
        .iter()
        .map(|r| (r.offset, r.timestamp, r.key, r.value))
        .collect();
    assert_eq!(
        found,
        [
            (0, 1000, Some(&b"k"[..]), Some(&b"v1"[..])),
            (1, 1001, Some(b"k2"), Some(b"v2")),
            (2, 999, None, Some(b""))
        ]
    );
    assert_eq!(
        records
            .iter()
            .map(|r| (r.position, r.len))
            .collect::<Vec<_>>(),
        [(0, 10), (10, 11), (21, 7)]
    );
    let section = &bytes[HEADER_LEN..];
    assert_eq!(&section[records[1].key_range().unwrap()], b"k2");
    assert_eq!(&section[records[1].value_range().unwrap()], b"v2");
    assert_eq!(records[2].key_range(), None);
    assert_eq!(records[2].headers_position(), section.len());
}

#[test]
fn of_several_headers_with_one_name_the_last_one_counts() {
    let headers: &[(&str, Option<&[u8]>)] = &[
        ("a", Some(b"1")),
        ("b", Some(b"2")),
        ("a", Some(b"3")),
        ("b", None),
    ];
    let records = &[(0, None, None, headers)];
    let batch = build(Compression::None, TimestampType::CreateTime, records);
    let mut scratch = Vec::new();
    let record = decoded(&batch, &mut scratch)[0];
    assert_eq!(record.headers.last("a"), Some(&b"3"[..]));
    assert_eq!(record.headers.last("b"), None);
    assert_eq!(record.headers.last("c"), None);
}

#[test]
fn headers_and_nulls() {
    let headers: &[(&str, Option<&[u8]>)] = &[("a", Some(b"1")), ("", None), ("\u{e9}", Some(b""))];
    let bytes = hex(&[
        "0000000000000000 00000049 ffffffff 02 52f08358 0000 00000001",
        "ffffffffffffffff ffffffffffffffff ffffffffffffffff ffff ffffffff 00000002",
        "20 00 00 00 01 01 06", // null key, null value, three headers
        "02 61 02 31",
        "00 01",
        "04 c3a9 00",
        "0c 00 00 02 00 01 00", // empty key, null value
    ]);
    let built = build(
        Compression::None,
        TimestampType::CreateTime,
        &[(-1, None, None, headers), (-1, Some(b""), None, &[])],
    );
    assert_eq!(built, bytes);
    let mut scratch = Vec::new();
    let records = decoded(&bytes, &mut scratch);
    let names = headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), *value));
    assert!(records[0].headers.iter().eq(names));
    assert_eq!((records[0].headers.len(), records[1].headers.len()), (3, 0));
    assert_eq!(records[0].headers_position(), 7);
    assert_eq!((records[0].key, records[0].value), (None, None));
    assert_eq!((records[1].key, records[1].value), (Some(&b""[..]), None));
}

#[test]
fn compression_shows_in_the_attributes_and_the_section() {
    let starts: [&[u8]; 5] = [
        &[0x12, 0x00],
        &[0x1f, 0x8b, 0x08],
        b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01",
        // Version 1, independent blocks, no checksums; blocks of up to 64 KiB.
        &[0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82],
        &[0x28, 0xb5, 0x2f, 0xfd],
    ];
    for (compression, start) in Compression::ALL.into_iter().zip(starts) {
        let batch = build(compression, TimestampType::CreateTime, PLAIN);
        assert_eq!(
            batch[at::ATTRIBUTES..at::LAST_OFFSET_DELTA],
            [0, compression as u8]
        );
        assert!(
            batch[HEADER_LEN..].starts_with(start),
            "{compression}: {:02x?}",
            &batch[HEADER_LEN..]
        );
        // Nothing else in the header depends on it.
        assert_eq!(
            batch[at::LAST_OFFSET_DELTA..HEADER_LEN],
            plain_bytes()[at::LAST_OFFSET_DELTA..HEADER_LEN]
        );
        let mut scratch = Vec::new();
        let records = decoded(&batch, &mut scratch);
        assert_eq!(records.len(), 3, "{compression}");
        assert_eq!(records[1].value, Some(&b"v2"[..]), "{compression}");
    }
}

#[test]
fn log_append_time() {
    let bytes = hex(&[
        "0000000000000000 00000046 ffffffff 02 6f74df7d",
        "0008", // timestamp type
        "00000001 00000000000003e8",
        "0000000000001388", // the time of the append
        "ffffffffffffffff ffff ffffffff 00000002",
        "12 00 00 00 02 6b 04 7631 00",
        "14 00 02 02 04 6b32 04 7632 00",
    ]);
    let mut batch = build(Compression::None, TimestampType::CreateTime, &PLAIN[..2]);
    set_log_append_time(&mut batch, 5000).unwrap();
    assert_eq!(batch, bytes);
    let mut scratch = Vec::new();
    assert_eq!(
        decoded(&bytes, &mut scratch)
            .iter()
            .map(|r| r.timestamp)
            .collect::<Vec<_>>(),
        [5000, 5000]
    );
    let from_builder = build(Compression::None, TimestampType::LogAppendTime, &PLAIN[..2]);
    assert_eq!(
        BatchHeader::parse(&from_builder).unwrap().attributes,
        Attributes(8)
    );
}

#[test]
fn placement_is_outside_of_the_checksum() {
    let mut batch = plain_bytes();
    set_placement(&mut batch, 0x0102_0304_0506_0708, 0x0a0b_0c0d).unwrap();
    let mut expected = plain_bytes();
    expected[..8].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
    expected[12..16].copy_from_slice(&[0x0a, 0x0b, 0x0c, 0x0d]);
    assert_eq!(batch, expected);
    let mut scratch = Vec::new();
    assert_eq!(
        decoded(&batch, &mut scratch)[2].offset,
        0x0102_0304_0506_070a
    );
}

#[test]
fn control_batch() {
    let bytes = hex(&[
        "000000000000002a 00000042 00000000 02 d42be584",
        "0030", // transactional, control
        "00000000 00000000000003e8 00000000000003e8",
        "0000000000000007 0003 ffffffff 00000001",
        "20 00 00 00",
        "08 0000 0001",     // version 0, commit
        "0c 0000 00000005", // version 0, coordinator epoch 5
        "00",
    ]);
    let batch = Batch::check(&bytes).unwrap();
    let header = *batch.header();
    assert!(header.attributes.is_control() && header.attributes.is_transactional());
    assert!(!header.attributes.has_delete_horizon());
    assert_eq!(
        (
            header.producer_id,
            header.producer_epoch,
            header.base_sequence
        ),
        (7, 3, -1)
    );
    let mut scratch = Vec::new();
    let records = decoded(&bytes, &mut scratch);
    assert_eq!(records[0].offset, 42);
    let key = ControlKey::decode(records[0].key.unwrap()).unwrap();
    assert_eq!(
        key,
        ControlKey {
            version: 0,
            kind: ControlKind::Commit
        }
    );
    let value = EndMarker::decode(records[0].value.unwrap()).unwrap();
    assert_eq!(
        value,
        EndMarker {
            version: 0,
            coordinator_epoch: 5
        }
    );
}

#[test]
fn batch_without_records() {
    let bytes = hex(&[
        "0000000000000064 00000031 00000009 02 1fe000e2 0000",
        "00000003",         // keeps four offsets
        "ffffffffffffffff", // no base timestamp
        "00000000000003e8",
        "ffffffffffffffff ffff ffffffff 00000000",
    ]);
    assert_eq!(empty_batch(100, 103, 9, 1000).unwrap(), bytes);
    let header = BatchHeader::parse(&bytes).unwrap();
    assert_eq!(
        (
            header.base_offset,
            header.last_offset(),
            header.next_offset()
        ),
        (100, 103, 104)
    );
    let mut scratch = Vec::new();
    assert_eq!(decoded(&bytes, &mut scratch), []);
    // One that was compressed before it lost its records.
    let mut compressed = bytes.clone();
    compressed[at::ATTRIBUTES + 1] = 4;
    reseal(&mut compressed);
    assert_eq!(decoded(&compressed, &mut scratch), []);
}

#[test]
fn ranges_of_batches_without_records() {
    let most = i32::MAX as u64;
    let last = i64::MAX as u64 - 1;
    assert!(empty_batch(5, 5 + most, 0, 0).is_ok());
    assert!(empty_batch(5, 6 + most, 0, 0).is_err());
    assert!(empty_batch(5, 4, 0, 0).is_err());
    assert!(empty_batch(last, last, 0, 0).is_ok());
    assert!(empty_batch(last, last + 1, 0, 0).is_err());
    assert!(empty_batch(u64::MAX, u64::MAX, 0, 0).is_err());
}

#[test]
fn what_a_header_may_say() {
    let change = |place: usize, bytes: &[u8]| {
        let mut batch = plain_bytes();
        batch[place..place + bytes.len()].copy_from_slice(bytes);
        BatchHeader::parse(&batch)
    };
    let bad = |place, bytes: &[u8], name: &str| {
        assert!(
            matches!(change(place, bytes), Err(FormatError::OutOfRange { field, .. }) if field == name),
            "{name} {bytes:02x?}"
        );
    };
    bad(at::MAGIC, &[1], "batch magic");
    bad(at::MAGIC, &[3], "batch magic");
    bad(at::LENGTH, &48i32.to_be_bytes(), "batch length");
    bad(at::LENGTH, &(-1i32).to_be_bytes(), "batch length");
    bad(
        at::LENGTH,
        &(MAX_BATCH_BYTES as i32 - 11).to_be_bytes(),
        "batch length",
    );
    assert_eq!(
        change(at::LENGTH, &(MAX_BATCH_BYTES as i32 - 12).to_be_bytes())
            .unwrap()
            .size(),
        MAX_BATCH_BYTES
    );
    assert_eq!(
        change(at::LENGTH, &49i32.to_be_bytes()).unwrap().size(),
        HEADER_LEN
    );
    bad(at::LAST_OFFSET_DELTA, &[0xff; 4], "last offset delta");
    bad(at::LAST_OFFSET_DELTA, &1i32.to_be_bytes(), "record count");
    bad(at::RECORD_COUNT, &4i32.to_be_bytes(), "record count");
    bad(at::RECORD_COUNT, &[0xff; 4], "record count");
    assert_eq!(
        change(at::RECORD_COUNT, &0i32.to_be_bytes())
            .unwrap()
            .record_count,
        0
    );
    bad(at::BASE_OFFSET, &[0xff; 8], "base offset");
    bad(
        at::BASE_OFFSET,
        &(i64::MAX - 2).to_be_bytes(),
        "base offset",
    );
    let largest = change(at::BASE_OFFSET, &(i64::MAX - 3).to_be_bytes()).unwrap();
    assert_eq!(largest.next_offset(), i64::MAX as u64);
}

#[test]
fn edits_of_what_is_no_batch_are_refused() {
    let mut batch = plain_bytes();
    assert!(set_placement(&mut batch, i64::MAX as u64 - 2, 0).is_err());
    assert!(set_placement(&mut batch, u64::MAX, 0).is_err());
    assert_eq!(batch, plain_bytes());
    assert!(set_placement(&mut batch, i64::MAX as u64 - 3, 0).is_ok());
    for len in 0..batch.len() {
        assert!(set_log_append_time(&mut batch[..len], 1).is_err());
        assert_eq!(
            set_placement(&mut batch[..len], 1, 1).is_ok(),
            len >= HEADER_LEN
        );
    }
}

#[test]
fn unknown_compression_is_refused() {
    let mut batch = plain_bytes();
    for id in 5..8 {
        batch[at::ATTRIBUTES + 1] = id;
        reseal(&mut batch);
        let mut scratch = Vec::new();
        let error = Batch::check(&batch)
            .unwrap()
            .records(&mut scratch)
            .unwrap_err();
        assert_eq!(error, FormatError::UnknownCompression { id: i16::from(id) });
    }
}

fn errors_of(batch: &[u8]) -> Vec<FormatError> {
    let mut scratch = Vec::new();
    let records = Batch::check(batch).unwrap().records(&mut scratch).unwrap();
    records.filter_map(Result::err).collect()
}

#[test]
fn the_section_holds_exactly_the_records_that_are_counted() {
    let mut fewer = plain_bytes();
    fewer[at::RECORD_COUNT + 3] = 2;
    reseal(&mut fewer);
    assert!(matches!(
        errors_of(&fewer)[..],
        [FormatError::Leftover { extra: 7, .. }]
    ));

    let mut more = plain_bytes();
    more.truncate(more.len() - 7);
    more[at::LENGTH + 3] -= 7;
    reseal(&mut more);
    assert_eq!(
        errors_of(&more),
        [FormatError::RecordCount {
            expected: 3,
            found: 2
        }]
    );

    let mut none = plain_bytes();
    none[at::RECORD_COUNT + 3] = 0;
    reseal(&mut none);
    assert!(matches!(
        errors_of(&none)[..],
        [FormatError::Leftover { extra: 28, .. }]
    ));
}

#[test]
fn offsets_rise_within_the_range() {
    // The offset delta of the second record, which is 1.
    let place = HEADER_LEN + 13;
    assert_eq!(plain_bytes()[place], 2);
    for (delta, error) in [
        (
            0,
            FormatError::OffsetOrder {
                delta: 0,
                previous: 0,
            },
        ),
        (
            4,
            FormatError::OffsetOrder {
                delta: 2,
                previous: 2,
            },
        ),
        (
            6,
            FormatError::OutOfRange {
                field: "offset delta",
                value: 3,
                min: 0,
                max: 2,
            },
        ),
        (
            1,
            FormatError::OutOfRange {
                field: "offset delta",
                value: -1,
                min: 0,
                max: 2,
            },
        ),
    ] {
        let mut batch = plain_bytes();
        batch[place] = delta;
        reseal(&mut batch);
        assert_eq!(errors_of(&batch), [error]);
    }
    // As compaction leaves it: a gap.
    let mut gap = plain_bytes();
    gap[at::LAST_OFFSET_DELTA + 3] = 9;
    gap[place] = 14;
    gap[place + 11] = 18;
    reseal(&mut gap);
    let mut scratch = Vec::new();
    assert_eq!(
        decoded(&gap, &mut scratch)
            .iter()
            .map(|r| r.offset)
            .collect::<Vec<_>>(),
        [0, 7, 9]
    );
}

#[test]
fn records_that_do_not_hold_name_what_is_wrong() {
    let mut header = BatchHeader::parse(&plain_bytes()).unwrap();
    header.record_count = 1;
    let error = |section: &[&str]| {
        let section = hex(section);
        let results: Vec<_> = Records::new(&section, &header).collect();
        assert_eq!(results.len(), 1);
        results[0].clone().unwrap_err()
    };
    let length = |field, value, max| FormatError::OutOfRange {
        field,
        value,
        min: -1,
        max,
    };
    assert_eq!(
        error(&["80"]),
        FormatError::Varint {
            field: "record length",
            position: 0
        }
    );
    assert_eq!(error(&["01 000000"]), length("record length", -1, 3));
    assert_eq!(
        error(&["00"]),
        FormatError::Varint {
            field: "timestamp delta",
            position: 2
        }
    );
    assert_eq!(
        error(&["04 0000"]),
        FormatError::Varint {
            field: "offset delta",
            position: 3
        }
    );
    assert_eq!(
        error(&["06 000000"]),
        FormatError::Varint {
            field: "key length",
            position: 4
        }
    );
    assert_eq!(error(&["08 00000003"]), length("key length", -2, 0));
    assert_eq!(error(&["0a 0000000461"]), length("key length", 2, 1));
    assert_eq!(error(&["0a 0000000103"]), length("value length", -2, 0));
    assert_eq!(
        error(&["0a 0000000101"]),
        FormatError::Varint {
            field: "header count",
            position: 6
        }
    );
    // A byte behind the last field, inside of the record.
    assert_eq!(
        error(&["0e 00000001010000"]),
        FormatError::RecordLength {
            position: 0,
            len: 8,
            used: 7
        }
    );
    let count = |value| FormatError::OutOfRange {
        field: "header count",
        value,
        min: 0,
        max: 1,
    };
    assert_eq!(error(&["10 000000010101 0000"]), count(-1));
    assert_eq!(error(&["10 000000010104 0000"]), count(2));
    assert_eq!(
        error(&["10 000000010102 0101"]),
        length("header name length", -1, 1)
    );
    assert_eq!(
        error(&["12 000000010102 026104"]),
        length("header value length", 2, 0)
    );
}

#[test]
fn one_record_on_its_own() {
    let bytes = plain_bytes();
    let header = BatchHeader::parse(&bytes).unwrap();
    let second = &bytes[HEADER_LEN + 10..HEADER_LEN + 21];
    let record = Record::parse(second, &header).unwrap();
    assert_eq!(
        (record.offset, record.timestamp, record.position, record.len),
        (1, 1001, 0, 11)
    );
    assert_eq!(&second[record.key_range().unwrap()], b"k2");
    assert!(Record::parse(&bytes[HEADER_LEN + 10..HEADER_LEN + 22], &header).is_err());
    assert!(Record::parse(&second[..10], &header).is_err());
}

#[test]
fn bytes_behind_a_batch_are_left_alone() {
    let mut bytes = plain_bytes();
    let len = bytes.len();
    bytes.extend([0xab; 100]);
    let batch = Batch::check(&bytes).unwrap();
    assert_eq!(
        (batch.bytes().len(), batch.payload().len()),
        (len, len - HEADER_LEN)
    );
}

fn every_kind() -> Vec<Vec<u8>> {
    let headers: &[(&str, Option<&[u8]>)] = &[("a", Some(b"1")), ("b", None)];
    let records: &[Given<'_>] = &[
        (1, Some(b"key"), Some(&[7; 40]), headers),
        (i64::MAX, None, None, &[]),
        (-5, Some(b""), Some(b""), headers),
    ];
    let types = [TimestampType::CreateTime, TimestampType::LogAppendTime];
    let mut batches: Vec<Vec<u8>> = Compression::ALL
        .into_iter()
        .flat_map(|compression| {
            types.map(|timestamp_type| build(compression, timestamp_type, records))
        })
        .collect();
    batches.push(empty_batch(7, 9, 1, 5).unwrap());
    batches
}

#[test]
fn every_truncation_is_found() {
    for batch in every_kind() {
        for len in 0..batch.len() {
            assert!(
                matches!(
                    Batch::check(&batch[..len]),
                    Err(FormatError::TooShort { .. })
                ),
                "{len}"
            );
        }
    }
}

#[test]
fn every_flipped_bit_is_found_or_changes_only_the_placement() {
    for mut batch in every_kind() {
        set_placement(&mut batch, 1 << 40, 77).unwrap();
        let good = BatchHeader::parse(&batch).unwrap();
        // Room behind, so that a longer length is not found for want of bytes.
        let len = batch.len();
        batch.resize(len * 2 + 70_000, 0);
        for bit in 0..len * 8 {
            let place = bit / 8;
            batch[place] ^= 1 << (bit % 8);
            if let Ok(found) = Batch::check(&batch) {
                let header = *found.header();
                assert!(
                    place < 8 || (12..16).contains(&place),
                    "bit {bit} was not found"
                );
                let placed = BatchHeader {
                    base_offset: good.base_offset,
                    leader_epoch: good.leader_epoch,
                    ..header
                };
                assert_eq!(placed, good, "bit {bit}");
            }
            batch[place] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn damage_under_a_right_checksum_does_not_panic() {
    for batch in every_kind() {
        for bit in at::ATTRIBUTES * 8..batch.len() * 8 {
            let mut bad = batch.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            reseal(&mut bad);
            let Ok(checked) = Batch::check(&bad) else {
                continue;
            };
            let mut scratch = Vec::new();
            if let Ok(records) = checked.records(&mut scratch) {
                let results: Vec<_> = records.collect();
                assert!(
                    results.iter().rev().skip(1).all(Result::is_ok),
                    "only the last may be an error"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Batch::check(&bytes).is_err());
        let _ = BatchHeader::parse(&bytes);
        let mut changed = bytes.clone();
        let _ = set_placement(&mut changed, 1, 1);
        let _ = set_log_append_time(&mut changed, 1);
    }

    #[test]
    fn any_header_under_a_right_checksum(
        mut bytes in proptest::collection::vec(any::<u8>(), HEADER_LEN..200),
        count in 0u8..9,
    ) {
        let length = (bytes.len() - LOG_OVERHEAD) as u32;
        bytes[at::BASE_OFFSET] &= 0x3f;
        bytes[at::LENGTH..at::LEADER_EPOCH].copy_from_slice(&length.to_be_bytes());
        bytes[at::MAGIC] = 2;
        bytes[at::LAST_OFFSET_DELTA] &= 0x7f;
        bytes[at::RECORD_COUNT..HEADER_LEN].copy_from_slice(&u32::from(count).to_be_bytes());
        reseal(&mut bytes);
        if let Ok(batch) = Batch::check(&bytes) {
            let mut scratch = Vec::new();
            if let Ok(records) = batch.records(&mut scratch) {
                prop_assert!(records.count() <= usize::from(count) + 1);
            }
        }
    }

    /// Lengths and counts are mostly small, so that many of these get far.
    #[test]
    fn any_record_section(
        section in proptest::collection::vec(prop_oneof![0u8..24, any::<u8>()], 0..120),
        record_count in 0u32..20,
        append_time: bool,
    ) {
        let mut header = BatchHeader::parse(&plain_bytes()).unwrap();
        header.record_count = record_count;
        header.last_offset_delta = 40;
        header.attributes = Attributes(if append_time { 8 } else { 0 });
        let mut end = 0;
        for record in Records::new(&section, &header).flatten() {
            prop_assert_eq!(record.position, end);
            end = record.position + record.len;
            prop_assert!(record.headers_position() <= end && end <= section.len());
            for (range, bytes) in [(record.key_range(), record.key), (record.value_range(), record.value)] {
                prop_assert_eq!(range.and_then(|range| section.get(range)), bytes);
            }
            prop_assert_eq!(record.headers.iter().count(), record.headers.len());
            let alone = Record::parse(&section[record.position..end], &header).unwrap();
            prop_assert_eq!((alone.offset, alone.key, alone.value), (record.offset, record.key, record.value));
        }
    }

    #[test]
    fn append_time_keeps_everything_else(timestamp: i64, base in 0..i64::MAX as u64 - 10) {
        for mut batch in every_kind() {
            set_placement(&mut batch, base, 3).unwrap();
            let before = BatchHeader::parse(&batch).unwrap();
            set_log_append_time(&mut batch, timestamp).unwrap();
            let after = *Batch::check(&batch).unwrap().header();
            prop_assert_eq!(after.attributes.timestamp_type(), TimestampType::LogAppendTime);
            prop_assert_eq!(after.max_timestamp, timestamp);
            let restored = BatchHeader {
                attributes: before.attributes,
                max_timestamp: before.max_timestamp,
                crc: before.crc,
                ..after
            };
            prop_assert_eq!(restored, before);
        }
    }
}
