//! Reading with a filter, on real partitions: it gives what reading everything and filtering afterwards gives, moves on
//! over what it passes over, does a bounded piece of work at a time, and reports damage in what nobody would have been
//! given.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it has run"
)]

use std::fs::{self, OpenOptions as FileOptions};
use std::io::{Read, Seek, SeekFrom, Write};

use proptest::test_runner::{Config, TestRunner};
use tidelog::format::batch::Batch;
use tidelog::format::builder::BatchBuilder;
use tidelog::format::packed::{RecordRow, record_row};
use tidelog::format::record::Record;
use tidelog::{
    Compression, Durability, Error, Filter, OpenOptions, Partition, RecordBuffer, Store,
    TimestampType, TopicConfig,
};

fn config(segment_bytes: u64) -> TopicConfig {
    TopicConfig {
        segment_bytes,
        durability: Some(Durability::Buffered),
        ..TopicConfig::default()
    }
}

/// Records `k0`, `k1`, ... with a header `n` of their number, in batches.
fn fill(partition: &Partition, batches: u64, length: u64, value: usize, codec: Compression) {
    for batch in 0..batches {
        let mut builder = BatchBuilder::new(codec, TimestampType::CreateTime);
        for i in batch * length..(batch + 1) * length {
            let (key, n) = (format!("k{i}"), i.to_string());
            let headers = [
                ("n", Some(n.as_bytes())),
                ("even", (i % 2 == 0).then_some(&b"yes"[..])),
            ];
            let value = vec![i as u8; value];
            builder
                .append(
                    1000 + i as i64,
                    Some(key.as_bytes()),
                    Some(&value),
                    headers.into_iter(),
                )
                .unwrap();
        }
        partition.append(builder.finish().unwrap()).unwrap();
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    offset: u64,
    timestamp: i64,
    key: Vec<u8>,
    value: Vec<u8>,
    headers: Vec<u8>,
}

fn rows(buffer: &RecordBuffer) -> Vec<Row> {
    assert_eq!(buffer.table.len(), buffer.count as usize * RecordRow::LEN);
    let row = |row: &[u8]| {
        let f64_at = |at: usize| f64::from_le_bytes(row[at..at + 8].try_into().unwrap());
        let u32_at = |at: usize| u32::from_le_bytes(row[at..at + 4].try_into().unwrap()) as usize;
        let bytes = |at: usize| buffer.bytes[u32_at(at)..u32_at(at) + u32_at(at + 4)].to_vec();
        Row {
            offset: f64_at(record_row::OFFSET) as u64,
            timestamp: f64_at(record_row::TIMESTAMP) as i64,
            key: bytes(record_row::KEY_POSITION),
            value: bytes(record_row::VALUE_POSITION),
            // Their end is not told; what follows the first of them will do.
            headers: buffer.bytes[u32_at(record_row::HEADERS_POSITION)..][..4].to_vec(),
        }
    };
    buffer.table.chunks(RecordRow::LEN).map(row).collect()
}

/// Everything from an offset on, and how many reads it took.
fn filtered(partition: &Partition, from: u64, max: usize, filter: &Filter) -> (Vec<Row>, usize) {
    let (mut all, mut buffer, mut next, mut reads) = (Vec::new(), RecordBuffer::default(), from, 0);
    while next < partition.high_watermark() {
        partition
            .read_filtered(next, max, filter, &mut buffer)
            .unwrap();
        assert!(buffer.next > next, "it stands still at {next}");
        assert_eq!(buffer.high_watermark, partition.high_watermark());
        let found = rows(&buffer);
        assert!(
            found
                .iter()
                .all(|row| row.offset >= next && row.offset < buffer.next)
        );
        all.extend(found);
        next = buffer.next;
        reads += 1;
    }
    assert_eq!(next, partition.high_watermark());
    (all, reads)
}

/// The same by reading everything, and asking the filter about each record.
fn expected(partition: &Partition, from: u64, filter: &Filter) -> Vec<Row> {
    let (mut all, mut bytes, mut next) = (Vec::new(), Vec::new(), from);
    let name = partition.topic_name().to_owned();
    while next < partition.high_watermark() {
        let after = partition.read(next, 1 << 16, &mut bytes).unwrap().next;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let batch = Batch::check(rest).unwrap();
            let mut scratch = Vec::new();
            for record in batch.records(&mut scratch).unwrap() {
                let record: Record<'_> = record.unwrap();
                if record.offset < from || !filter.keeps(&name, partition.index(), &record) {
                    continue;
                }
                let (name, value) = record.headers.iter().next().unwrap();
                let (name, value) = (name, value.unwrap());
                let header = [
                    name.len() as u8 * 2,
                    name[0],
                    value.len() as u8 * 2,
                    value[0],
                ];
                all.push(Row {
                    offset: record.offset,
                    timestamp: record.timestamp,
                    key: record.key.unwrap().to_vec(),
                    value: record.value.unwrap().to_vec(),
                    headers: header.to_vec(),
                });
            }
            rest = &rest[batch.header().size()..];
        }
        next = after;
    }
    all
}

#[test]
fn it_gives_what_filtering_afterwards_gives() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), OpenOptions::default()).unwrap();
    let filters = [
        "TRUE",
        "FALSE",
        "key LIKE 'k1%'",
        "headers.even = 'yes' AND offset > 100",
        "headers.even IS NULL AND NOT headers.n IN ('7', '131')",
        "headers.n / 7 * 7 = headers.n",
        "timestamp BETWEEN 1100 AND 1300 OR key = 'k5'",
        "topic = 'plain' OR headers.n > 590",
        "partition = 1",
        "offset = 433",
    ];
    let mut compared = 0;
    for (name, codec) in [
        ("plain", Compression::None),
        ("gzip", Compression::Gzip),
        ("snappy", Compression::Snappy),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd),
    ] {
        let topic = store.create_topic(name, config(1 << 14)).unwrap();
        let partition = topic.partition(0).unwrap();
        fill(&partition, 40, 15, 60, codec);
        for text in filters {
            let filter: Filter = text.parse().unwrap();
            for (from, max) in [(0, 1 << 20), (0, 1), (7, 2000), (433, 1 << 20), (600, 1)] {
                let found = filtered(&partition, from, max, &filter).0;
                assert_eq!(
                    found,
                    expected(&partition, from, &filter),
                    "{name} {text} {from}"
                );
                compared += 1;
            }
        }
    }
    println!("{compared} readings compared");
}

#[test]
fn random_ranges_and_sizes_agree_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), OpenOptions::default()).unwrap();
    let topic = store.create_topic("t", config(1 << 15)).unwrap();
    let partition = topic.partition(0).unwrap();
    for codec in [Compression::None, Compression::Lz4, Compression::None] {
        fill(&partition, 30, 11, 90, codec);
    }
    let strategy = (
        0_u64..990,
        0_u64..1400,
        0_u64..400,
        1_usize..40_000,
        0_u64..990,
    );
    let mut runner = TestRunner::new(Config::with_cases(300));
    runner
        .run(&strategy, |(low, high, time, max, from)| {
            let text = format!(
                "offset BETWEEN {low} AND {high} AND timestamp >= {} AND NOT headers.n = {low}",
                1000 + time
            );
            let filter: Filter = text.parse().unwrap();
            let found = filtered(&partition, from, max, &filter).0;
            assert_eq!(
                found,
                expected(&partition, from, &filter),
                "{text} from {from}"
            );
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_read_that_keeps_nothing_ends_and_tells_how_far_it_came() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), OpenOptions::default()).unwrap();
    let topic = store.create_topic("t", config(1 << 30)).unwrap();
    let partition = topic.partition(0).unwrap();
    // 28 MiB, of which 8 are looked through at a time.
    fill(&partition, 30, 15, 1 << 16, Compression::None);
    for nothing in ["headers.even = 'no'", "offset < 0"] {
        let (found, reads) = filtered(&partition, 0, 1 << 20, &nothing.parse().unwrap());
        assert_eq!((found.len(), reads), (0, 4), "{nothing}");
    }
    // Compressed to next to nothing, it counts as what it decompresses to.
    let topic = store.create_topic("z", config(1 << 30)).unwrap();
    let partition = topic.partition(0).unwrap();
    fill(&partition, 30, 15, 1 << 16, Compression::Zstd);
    let (_, reads) = filtered(
        &partition,
        0,
        1 << 20,
        &"headers.even = 'no'".parse().unwrap(),
    );
    assert_eq!(reads, 4);
    let (_, reads) = filtered(&partition, 0, 1 << 20, &"offset < 0".parse().unwrap());
    assert_eq!(
        reads, 1,
        "what is not decompressed does not count as if it were"
    );
}

#[test]
fn what_is_kept_is_bounded_and_nothing_else_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), OpenOptions::default()).unwrap();
    let topic = store.create_topic("t", config(1 << 30)).unwrap();
    let partition = topic.partition(0).unwrap();
    fill(&partition, 100, 100, 100, Compression::None);
    let mut buffer = RecordBuffer::default();
    let one: Filter = "headers.n / 100 * 100 = headers.n".parse().unwrap();
    partition
        .read_filtered(0, 1 << 20, &one, &mut buffer)
        .unwrap();
    assert_eq!(buffer.count, 100);
    assert!(
        buffer.bytes.len() < 100 * 150,
        "{} bytes",
        buffer.bytes.len()
    );
    // Whole batches are kept: one more than fits.
    let all: Filter = "TRUE".parse().unwrap();
    partition
        .read_filtered(0, 30_000, &all, &mut buffer)
        .unwrap();
    assert_eq!(buffer.count % 100, 0);
    assert!(
        (30_000..50_000).contains(&buffer.bytes.len()),
        "{} bytes",
        buffer.bytes.len()
    );
    // A buffer that held more gives no old bytes.
    partition
        .read_filtered(9_950, 1, &"offset >= 9999".parse().unwrap(), &mut buffer)
        .unwrap();
    assert_eq!(rows(&buffer).len(), 1);
    assert_eq!(buffer.next, 10_000);
    let outside = partition.read_filtered(10_001, 1, &all, &mut buffer);
    assert!(matches!(outside, Err(Error::OffsetOutOfRange { .. })));
    partition
        .read_filtered(10_000, 1, &all, &mut buffer)
        .unwrap();
    assert_eq!((buffer.count, buffer.next), (0, 10_000));
}

#[test]
fn damage_is_reported_where_nothing_would_be_kept_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), OpenOptions::default()).unwrap();
    let topic = store.create_topic("t", config(1 << 30)).unwrap();
    let partition = topic.partition(0).unwrap();
    fill(&partition, 10, 10, 50, Compression::None);
    let path = folder.path().join("t-0/00000000000000000000.log");
    let size = fs::metadata(&path).unwrap().len();
    let third = {
        let mut bytes = Vec::new();
        partition.read(0, 1, &mut bytes).unwrap();
        let first = bytes.len() as u64;
        partition.read(10, 1, &mut bytes).unwrap();
        first + bytes.len() as u64
    };
    assert!(third < size);
    // The newest time of the batch, by which it could be passed over, and a byte of a record.
    for (at, filter) in [
        (35, "timestamp >= 1025"),
        (35, "timestamp < 0"),
        (100, "offset = 5000"),
        (100, "key = 'k3'"),
    ] {
        flip(&path, third + at);
        let filter: Filter = filter.parse().unwrap();
        let mut buffer = RecordBuffer::default();
        partition
            .read_filtered(0, 1 << 20, &filter, &mut buffer)
            .unwrap();
        assert_eq!(buffer.next, 20);
        let damaged = partition.read_filtered(20, 1 << 20, &filter, &mut buffer);
        assert!(
            matches!(damaged, Err(Error::Corruption { offset: 20, .. })),
            "{damaged:?}"
        );
        flip(&path, third + at);
    }
    let (found, _) = filtered(
        &partition,
        0,
        1 << 20,
        &"timestamp >= 1025".parse().unwrap(),
    );
    assert_eq!(found.len(), 75);
}

fn flip(path: &std::path::Path, at: u64) {
    let mut file = FileOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte[0] ^ 0x40]).unwrap();
}
