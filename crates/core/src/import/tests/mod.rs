//! Imports of small logs that are put together here as a broker would have written them, whole and damaged.
//! That a broker writes them so is what the fixture shows.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidelog_format::batch::{Batch, TimestampType, set_placement};
use tidelog_format::builder::BatchBuilder;
use tidelog_format::compression::Compression;
use tidelog_format::control::{ControlKey, ControlKind};
use tidelog_format::crc::crc32c;

use super::*;
use crate::config::OpenOptions;
use crate::topic::Partition;

mod damage;
mod fixture;
mod left_by_others;

const TIME: i64 = 1_700_000_000_000;
const TRANSACTIONAL: u8 = 1 << 4;
const CONTROL: u8 = 1 << 5;

/// A `log.dir` and a store to import it into.
struct Setup {
    kafka: TempDir,
    _folder: TempDir,
    store: Store,
}

impl Setup {
    fn new() -> Setup {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store"), OpenOptions::default()).unwrap();
        let kafka = tempfile::tempdir().unwrap();
        Setup {
            kafka,
            _folder: folder,
            store,
        }
    }

    fn segment(&self, partition: &str, base: u64, batches: &[Vec<u8>]) -> PathBuf {
        let folder = self.kafka.path().join(partition);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{base:020}.log"));
        fs::write(&path, batches.concat()).unwrap();
        path
    }

    fn log_start(&self, partition: &str, offset: u64) {
        let line = partition.replacen('-', " ", 1);
        fs::write(
            self.kafka.path().join("log-start-offset-checkpoint"),
            format!("0\n1\n{line} {offset}\n"),
        )
        .unwrap();
    }

    fn import(&self) -> Result<ImportReport> {
        self.import_from(self.kafka.path(), None)
    }

    fn import_from(&self, folder: &Path, topic: Option<&str>) -> Result<ImportReport> {
        let options = ImportOptions {
            topic: topic.map(str::to_owned),
            max_offset: Some((1 << 53) - 1),
        };
        import_kafka(&self.store, folder, &options, |_, _| true)
    }

    fn partition(&self, topic: &str, number: u32) -> Partition {
        self.store
            .open_topic(topic)
            .unwrap()
            .partition(number)
            .unwrap()
    }

    /// Imports one partition, `t-0`, and gives its report and what can be read.
    fn imported(&self) -> (ImportedPartition, Vec<(u64, String)>) {
        let report = self.import().unwrap();
        (
            report.topics[0].partitions[0].clone(),
            read(&self.partition("t", 0)),
        )
    }

    /// The message of an import that fails; nothing may be left in the store.
    fn refused(&self) -> String {
        let error = self.import().unwrap_err();
        assert_eq!(self.store.topics().unwrap(), Vec::<String>::new());
        error.to_string()
    }
}

/// Offsets and values of everything in a partition, which must have a batch for every offset.
fn read(partition: &Partition) -> Vec<(u64, String)> {
    let (mut found, mut bytes, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
    let start = partition.log_start_offset();
    let mut offset = start;
    while offset < partition.high_watermark() {
        let next = partition.read(offset, 1 << 16, &mut bytes).unwrap().next;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let batch = Batch::check(rest).unwrap();
            assert!(batch.header().base_offset <= offset, "a gap at {offset}");
            assert_eq!(batch.header().producer_id, -1);
            assert!(!batch.header().attributes.is_transactional());
            for record in batch.records(&mut scratch).unwrap() {
                let record = record.unwrap();
                if record.offset >= start {
                    found.push((
                        record.offset,
                        String::from_utf8(record.value.unwrap().to_vec()).unwrap(),
                    ));
                }
            }
            offset = batch.header().next_offset();
            rest = &rest[batch.bytes().len()..];
        }
        assert_eq!(offset, next);
    }
    assert_eq!(partition.high_watermark(), partition.log_end_offset());
    found
}

fn records(values: &[(u64, &str)]) -> Vec<(u64, String)> {
    values
        .iter()
        .map(|(offset, value)| (*offset, (*value).to_owned()))
        .collect()
}

/// A batch of records from an offset on.
fn data(base: u64, values: &[&str]) -> Vec<u8> {
    encoded(base, values.iter().map(|value| (None, *value)))
}

/// A transaction's batch.
fn transactional(base: u64, producer: i64, values: &[&str]) -> Vec<u8> {
    stamped(data(base, values), producer, TRANSACTIONAL)
}

/// The control batch at the end of a transaction.
fn marker(base: u64, producer: i64, kind: ControlKind) -> Vec<u8> {
    let key = ControlKey { version: 0, kind }.encode();
    let batch = encoded(base, [(Some(key.as_slice()), "\0\0\0\0\0\0")].into_iter());
    stamped(batch, producer, TRANSACTIONAL | CONTROL)
}

fn encoded<'a>(base: u64, records: impl Iterator<Item = (Option<&'a [u8]>, &'a str)>) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    for (key, value) in records {
        let headers = std::iter::empty::<(&str, Option<&[u8]>)>();
        builder
            .append(TIME, key, Some(value.as_bytes()), headers)
            .unwrap();
    }
    let mut batch = builder.finish().unwrap();
    set_placement(&mut batch, base, 3).unwrap();
    batch
}

fn stamped(mut batch: Vec<u8>, producer: i64, attributes: u8) -> Vec<u8> {
    batch[22] |= attributes;
    batch[43..51].copy_from_slice(&producer.to_be_bytes());
    batch[51..57].copy_from_slice(&[0, 1, 0, 0, 0, 9]);
    let crc = crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

fn aborted_entry(producer: i64, first: u64, last: u64) -> Vec<u8> {
    let mut entry = vec![0, 0];
    for field in [producer as u64, first, last, last + 1] {
        entry.extend(field.to_be_bytes());
    }
    entry
}

#[test]
fn offsets_go_on_over_segments_and_after_the_import() {
    let setup = Setup::new();
    setup.segment("t-0", 0, &[data(0, &["a", "b"]), data(2, &["c"])]);
    setup.segment("t-0", 3, &[data(3, &["d"])]);
    setup.segment("t-0", 4, &[]);
    let (report, found) = setup.imported();
    assert_eq!(found, records(&[(0, "a"), (1, "b"), (2, "c"), (3, "d")]));
    assert_eq!(
        (
            report.log_start,
            report.log_end,
            report.records,
            report.batches
        ),
        (0, 4, 4, 3)
    );
    let appended = setup.partition("t", 0).append(data(0, &["e"])).unwrap();
    assert_eq!(appended.base_offset, 4);
}

#[test]
fn an_import_survives_the_store_being_closed() {
    let setup = Setup::new();
    setup.segment("t-0", 7, &[data(8, &["a", "b"]), data(12, &["c"])]);
    setup.log_start("t-0", 9);
    setup.import().unwrap();
    let path = setup.store.path().to_owned();
    setup.store.close().unwrap();
    let store = Store::open(path, OpenOptions::default()).unwrap();
    let partition = store.open_topic("t").unwrap().partition(0).unwrap();
    assert_eq!(read(&partition), records(&[(9, "b"), (12, "c")]));
    assert_eq!(
        (partition.log_start_offset(), partition.log_end_offset()),
        (9, 13)
    );
}

#[test]
fn only_committed_transactions_are_kept() {
    let setup = Setup::new();
    setup.segment(
        "t-0",
        0,
        &[
            transactional(0, 7, &["aborted"]),
            transactional(1, 8, &["committed", "too"]),
            data(3, &["plain"]),
            transactional(4, 7, &["aborted as well"]),
            marker(5, 8, ControlKind::Commit),
        ],
    );
    setup.segment(
        "t-0",
        6,
        &[
            marker(6, 7, ControlKind::Abort),
            transactional(7, 7, &["the next of the same producer"]),
            marker(8, 7, ControlKind::Commit),
            transactional(9, 9, &["never", "finished"]),
            data(11, &["behind it"]),
        ],
    );
    let (report, found) = setup.imported();
    let kept = [
        (1, "committed"),
        (2, "too"),
        (3, "plain"),
        (7, "the next of the same producer"),
        (11, "behind it"),
    ];
    assert_eq!(found, records(&kept));
    assert_eq!(
        (
            report.control_offsets,
            report.aborted_offsets,
            report.unfinished_offsets
        ),
        (3, 2, 2)
    );
    assert_eq!((report.log_end, report.removed_offsets), (12, 0));
}

#[test]
fn an_index_of_aborted_transactions_must_agree_with_the_log() {
    let setup = Setup::new();
    let log = setup.segment(
        "t-0",
        0,
        &[
            transactional(0, 7, &["a"]),
            marker(1, 7, ControlKind::Abort),
            transactional(2, 7, &["b"]),
            marker(3, 7, ControlKind::Commit),
        ],
    );
    let index = log.with_extension("txnindex");
    fs::write(&index, aborted_entry(7, 2, 3)).unwrap();
    assert!(setup.refused().contains("commits offsets 2 to 3"));
    fs::write(&index, &aborted_entry(7, 0, 1)[..33]).unwrap();
    assert!(setup.refused().contains("txnindex"));
    fs::write(&index, aborted_entry(7, 0, 1)).unwrap();
    assert_eq!(setup.imported().1, records(&[(2, "b")]));
}

#[test]
fn what_compaction_removed_stays_a_gap() {
    let setup = Setup::new();
    setup.segment("t-0", 0, &[data(5, &["a"]), empty(6, 9), data(20, &["b"])]);
    setup.segment("t-0", 5_000_000_000, &[data(5_000_000_007, &["c"])]);
    setup.segment("t-0", 5_000_000_100, &[]);
    let (report, found) = setup.imported();
    assert_eq!(found, records(&[(5, "a"), (20, "b"), (5_000_000_007, "c")]));
    assert_eq!((report.log_start, report.log_end), (0, 5_000_000_100));
    assert_eq!((report.records, report.removed_offsets), (3, 5_000_000_097));
}

fn empty(base: u64, last: u64) -> Vec<u8> {
    tidelog_format::batch::empty_batch(base, last, 0, TIME).unwrap()
}

#[test]
fn records_below_the_log_start_are_gone() {
    let setup = Setup::new();
    setup.segment(
        "t-0",
        0,
        &[
            data(0, &["a", "b"]),
            data(2, &["c", "d", "e"]),
            data(5, &["f"]),
        ],
    );
    setup.log_start("t-0", 3);
    let (report, found) = setup.imported();
    assert_eq!(found, records(&[(3, "d"), (4, "e"), (5, "f")]));
    assert_eq!(
        (report.log_start, report.log_end, report.records),
        (3, 6, 3)
    );
    assert_eq!(setup.partition("t", 0).log_start_offset(), 3);
}

#[test]
fn a_log_without_any_record_left_keeps_its_next_offset() {
    for (batches, start) in [
        (vec![], 40),
        (vec![data(40, &["a"])], 41),
        (vec![data(40, &["a", "b"])], 90),
    ] {
        let setup = Setup::new();
        setup.segment("t-0", 40, &batches);
        setup.log_start("t-0", start);
        let (report, found) = setup.imported();
        assert_eq!(found, []);
        assert_eq!(
            (report.log_start, report.log_end, report.records),
            (start, start, 0)
        );
        let partition = setup.partition("t", 0);
        assert_eq!(
            (partition.log_start_offset(), partition.log_end_offset()),
            (start, start)
        );
        assert_eq!(
            partition.append(data(0, &["b"])).unwrap().base_offset,
            start
        );
    }
}

#[test]
fn a_log_of_nothing_but_an_unfinished_transaction() {
    let setup = Setup::new();
    setup.segment("t-0", 0, &[transactional(0, 1, &["a", "b"])]);
    let (report, found) = setup.imported();
    assert_eq!(found, []);
    assert_eq!((report.log_end, report.unfinished_offsets), (2, 2));
}

#[test]
fn partitions_without_a_folder_are_empty_and_named() {
    let setup = Setup::new();
    setup.segment("t-3", 0, &[data(0, &["a"])]);
    setup.segment("t-1", 0, &[]);
    let report = setup.import().unwrap();
    assert_eq!(report.topics[0].missing, [0, 2]);
    assert_eq!(setup.store.open_topic("t").unwrap().partition_count(), 4);
    assert_eq!(read(&setup.partition("t", 3)), records(&[(0, "a")]));
}

#[test]
fn internal_and_passing_folders_are_skipped() {
    let setup = Setup::new();
    setup.segment("t-0", 0, &[data(0, &["a"])]);
    setup.segment("__consumer_offsets-0", 0, &[data(0, &["b"])]);
    setup.segment("t-1.0123456789abcdef-delete", 0, &[data(0, &["c"])]);
    let report = setup.import().unwrap();
    let skipped: Vec<&str> = report
        .skipped
        .iter()
        .map(|folder| folder.name.as_str())
        .collect();
    assert_eq!(
        skipped,
        ["__consumer_offsets-0", "t-1.0123456789abcdef-delete"]
    );
    assert_eq!(setup.store.topics().unwrap(), ["t"]);
}

#[test]
fn one_topic_or_one_partition_can_be_chosen() {
    let setup = Setup::new();
    setup.segment("a-0", 0, &[data(0, &["x"])]);
    let folder = setup.segment("b-1", 3, &[data(3, &["y"])]);
    setup.log_start("b-1", 4);
    assert!(
        setup
            .import_from(setup.kafka.path(), Some("c"))
            .unwrap_err()
            .to_string()
            .contains("\"c\"")
    );
    setup.import_from(setup.kafka.path(), Some("a")).unwrap();
    let report = setup
        .import_from(folder.parent().unwrap(), Some("renamed"))
        .unwrap();
    assert_eq!(setup.store.topics().unwrap(), ["a", "renamed"]);
    assert_eq!(
        (
            report.topics[0].missing.as_slice(),
            report.topics[0].partitions[0].log_start
        ),
        ([0].as_slice(), 4)
    );
}

#[test]
fn nothing_to_import_is_an_error() {
    let setup = Setup::new();
    assert!(setup.refused().contains("neither partition folders"));
    assert!(matches!(
        setup.import_from(&setup.kafka.path().join("none"), None),
        Err(Error::Io { .. })
    ));
}

#[test]
fn a_topic_with_records_is_refused_before_anything_is_written() {
    let setup = Setup::new();
    setup.segment("a-0", 0, &[data(0, &["x"])]);
    setup.segment("b-0", 0, &[data(0, &["y"])]);
    let b = setup
        .store
        .create_topic("b", TopicConfig::default())
        .unwrap();
    b.partition(0).unwrap().append(data(0, &["z"])).unwrap();
    assert!(matches!(setup.import().unwrap_err(), Error::TopicExists { name, .. } if name == "b"));
    assert_eq!(setup.store.topics().unwrap(), ["b"]);
}

#[test]
fn an_empty_topic_is_filled_if_it_is_wide_enough() {
    let setup = Setup::new();
    setup.segment("t-1", 0, &[data(0, &["x"])]);
    let topic = setup
        .store
        .create_topic("t", TopicConfig::default())
        .unwrap();
    assert!(
        setup
            .import()
            .unwrap_err()
            .to_string()
            .contains("has 1 partitions")
    );
    let wider = crate::config::TopicChange {
        partitions: Some(3),
        ..Default::default()
    };
    topic.alter(&wider).unwrap();
    setup.import().unwrap();
    assert_eq!(read(&setup.partition("t", 1)), records(&[(0, "x")]));
}

#[test]
fn a_stopped_import_leaves_nothing() {
    let setup = Setup::new();
    let log = setup.segment(
        "t-0",
        0,
        &[data(0, &["a"]), data(1, &["b"]), data(2, &["c"])],
    );
    let size = fs::metadata(log).unwrap().len();
    for stop_at in 1..=6 {
        let mut calls = Vec::new();
        let report = import_kafka(
            &setup.store,
            setup.kafka.path(),
            &ImportOptions::default(),
            |done, total| {
                calls.push((done, total));
                calls.len() < stop_at
            },
        )
        .unwrap();
        assert!(report.stopped && report.topics.is_empty(), "{stop_at}");
        assert_eq!(setup.store.topics().unwrap(), Vec::<String>::new());
        assert_eq!(calls.last(), Some(&(size / 3 * stop_at as u64, 2 * size)));
    }
}

#[test]
fn the_time_of_a_record_does_not_matter() {
    let setup = Setup::new();
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    for time in [4_102_444_800_000, 0, TIME] {
        let headers = std::iter::empty::<(&str, Option<&[u8]>)>();
        builder.append(time, None, Some(b"v"), headers).unwrap();
    }
    setup.segment("t-0", 0, &[builder.finish().unwrap()]);
    setup.import().unwrap();
    let partition = setup.partition("t", 0);
    assert_eq!(
        partition.offset_for_time(TIME).unwrap(),
        Some((0, 4_102_444_800_000))
    );
}
