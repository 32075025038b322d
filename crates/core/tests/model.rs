//! Appends, reads, searches and openings in any order, against a plain list of records; on the real file
//! system, and through one that hands out a byte at a time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use support::*;
use tidelog::format::builder::BatchBuilder;
use tidelog::io::{OneByteStorage, OsStorage, Storage};
use tidelog::{
    Compression, Durability, OpenOptions, Partition, RecordBuffer, Store, TimestampType,
    TopicConfig,
};

/// A record as it should come back.
#[derive(Debug, Clone, PartialEq)]
struct Expected {
    time: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

#[derive(Debug, Clone)]
enum Step {
    Append(Compression, Vec<Expected>),
    ReadFrom(prop::sample::Index, usize),
    Get(prop::sample::Index),
    Time(i64),
    DeleteBefore(prop::sample::Index),
    Reopen,
}

fn record() -> impl Strategy<Value = Expected> {
    let bytes = || prop::option::of(prop::collection::vec(any::<u8>(), 0..80));
    let headers = prop::collection::vec(("[a-z_]{0,9}", bytes()), 0..3);
    (0..500_i64, bytes(), bytes(), headers).prop_map(|(time, key, value, headers)| Expected {
        time: EPOCH_MS + time,
        key,
        value,
        headers,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let codec = prop::sample::select(vec![
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ]);
    prop_oneof![
        6 => (codec, prop::collection::vec(record(), 1..12)).prop_map(|(c, r)| Step::Append(c, r)),
        2 => (any::<prop::sample::Index>(), 1..2000_usize).prop_map(|(at, max)| Step::ReadFrom(at, max)),
        2 => any::<prop::sample::Index>().prop_map(Step::Get),
        2 => (EPOCH_MS - 1..EPOCH_MS + 501).prop_map(Step::Time),
        1 => any::<prop::sample::Index>().prop_map(Step::DeleteBefore),
        1 => Just(Step::Reopen),
    ]
}

struct Subject {
    storage: Arc<dyn Storage>,
    folder: tempfile::TempDir,
    store: Store,
    partition: Partition,
}

impl Subject {
    fn new(storage: Arc<dyn Storage>) -> Subject {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), options(&storage, Durability::Buffered)).unwrap();
        let config = TopicConfig {
            segment_bytes: 3000,
            index_interval_bytes: 300,
            ..TopicConfig::default()
        };
        let partition = store
            .create_topic("t", config)
            .unwrap()
            .partition(0)
            .unwrap();
        Subject {
            storage,
            folder,
            store,
            partition,
        }
    }

    fn reopen(&mut self) {
        self.store.close().unwrap();
        self.store = Store::open(
            self.folder.path(),
            options(&self.storage, Durability::Buffered),
        )
        .unwrap();
        assert!(self.store.recovery().clean);
        self.partition = self.store.open_topic("t").unwrap().partition(0).unwrap();
    }
}

fn encode(compression: Compression, records: &[Expected]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(compression, TimestampType::CreateTime);
    for r in records {
        let headers = r
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()));
        builder
            .append(r.time, r.key.as_deref(), r.value.as_deref(), headers)
            .unwrap();
    }
    builder.finish().unwrap()
}

/// The rows of a buffer, decoded by hand from the documented layout.
fn rows(buffer: &RecordBuffer) -> Vec<Option<(u64, Expected)>> {
    let field = |at: u32, len: i32| {
        (len >= 0).then(|| buffer.bytes[at as usize..at as usize + len as usize].to_vec())
    };
    buffer
        .table
        .chunks_exact(40)
        .map(|row| {
            let f64_at = |at: usize| f64::from_le_bytes(row[at..at + 8].try_into().unwrap());
            let u32_at = |at: usize| u32::from_le_bytes(row[at..at + 4].try_into().unwrap());
            if f64_at(8).is_nan() {
                return None;
            }
            let mut at = u32_at(32) as usize;
            let mut take = || {
                let (len, used) = tidelog::format::varint::decode_i32(&buffer.bytes[at..]).unwrap();
                let start = at + used;
                at = start + len.max(0) as usize;
                field(start as u32, len)
            };
            let headers = (0..u32_at(36))
                .map(|_| (String::from_utf8(take().unwrap()).unwrap(), take()))
                .collect();
            Some((
                f64_at(8) as u64,
                Expected {
                    time: f64_at(0) as i64,
                    key: field(u32_at(16), u32_at(20) as i32),
                    value: field(u32_at(24), u32_at(28) as i32),
                    headers,
                },
            ))
        })
        .collect()
}

fn run(storage: Arc<dyn Storage>, steps: &[Step]) {
    let mut subject = Subject::new(storage);
    let mut model: Vec<Expected> = Vec::new();
    let mut start = 0;
    let mut buffer = RecordBuffer::default();
    for step in steps {
        let end = model.len() as u64;
        match step {
            Step::Append(compression, records) => {
                let appended = subject
                    .partition
                    .append(encode(*compression, records))
                    .unwrap();
                assert_eq!(appended.base_offset, end);
                model.extend(records.iter().cloned());
                assert_eq!(appended.last_offset, model.len() as u64 - 1);
            }
            Step::ReadFrom(at, max) => {
                let mut offset = start + at.index((end - start) as usize + 1) as u64;
                let mut read = Vec::new();
                let first = offset;
                while offset < end {
                    subject
                        .partition
                        .read_records(offset, *max, &mut buffer)
                        .unwrap();
                    assert!(buffer.next > offset);
                    read.extend(rows(&buffer).into_iter().map(Option::unwrap));
                    offset = buffer.next;
                }
                let expected: Vec<_> = (first..end)
                    .map(|o| (o, model[o as usize].clone()))
                    .collect();
                assert_eq!(read, expected);
            }
            Step::Get(at) => {
                let offset = at.index(model.len() + 2) as u64;
                let topic = subject.store.open_topic("t").unwrap();
                topic.get(&[(0, offset), (0, end)], &mut buffer).unwrap();
                let got = rows(&buffer);
                let expected = (offset >= start && offset < end)
                    .then(|| (offset, model[offset as usize].clone()));
                assert_eq!(got, [expected, None]);
            }
            Step::Time(time) => {
                let found = subject.partition.offset_for_time(*time).unwrap();
                let expected = (start..end).find(|o| model[*o as usize].time >= *time);
                assert_eq!(found, expected.map(|o| (o, model[o as usize].time)));
            }
            Step::DeleteBefore(at) => {
                let before = at.index(model.len() + 1) as u64;
                start = start.max(before);
                assert_eq!(subject.partition.delete_records(before).unwrap(), start);
            }
            Step::Reopen => subject.reopen(),
        }
        assert_eq!(subject.partition.log_start_offset(), start);
        assert_eq!(subject.partition.high_watermark(), model.len() as u64);
    }
    subject.store.close().unwrap();
    let report =
        tidelog::inspect::verify_store(&OsStorage, subject.folder.path(), |_, _| true).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_a_list_of_records(steps in prop::collection::vec(step(), 1..40)) {
        run(OpenOptions::default().storage, &steps);
    }

    #[test]
    fn does_so_when_the_system_does_a_byte_a_call(steps in prop::collection::vec(step(), 1..12)) {
        run(Arc::new(OneByteStorage::new(Arc::new(OsStorage))), &steps);
    }
}

#[test]
fn log_append_time_is_given_by_the_append_and_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), OpenOptions::default()).unwrap();
    let config = TopicConfig {
        timestamp_type: TimestampType::LogAppendTime,
        ..TopicConfig::default()
    };
    let partition = store
        .create_topic("t", config)
        .unwrap()
        .partition(0)
        .unwrap();
    let mut last = 0;
    for n in 0..20 {
        let appended = partition
            .append(batch(&[value(n, 10), value(n, 10)]))
            .unwrap();
        assert!(appended.timestamp >= last && appended.timestamp > EPOCH_MS);
        last = appended.timestamp;
        let mut buffer = RecordBuffer::default();
        partition
            .read_records(appended.base_offset, 1, &mut buffer)
            .unwrap();
        let times: Vec<_> = rows(&buffer)
            .into_iter()
            .map(|row| row.unwrap().1.time)
            .collect();
        assert_eq!(times, [last, last]);
    }
    assert_eq!(partition.offset_for_time(last + 1).unwrap(), None);
    store.close().unwrap();
}
