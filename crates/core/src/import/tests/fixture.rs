//! What a real broker left (`__test__/kafka/fixture`), held against what its own consumer read from it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tidelog_format::batch::Batch;

use super::*;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/kafka/fixture")
}

/// Everything that can be read from a partition, as lines like those of the fixture.
fn lines(topic: &str, partition: &Partition) -> Vec<String> {
    let (mut lines, mut bytes, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
    let (start, end) = (partition.log_start_offset(), partition.high_watermark());
    let mut offset = start;
    while offset < end {
        offset = partition.read(offset, 4096, &mut bytes).unwrap().next;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let batch = Batch::check(rest).unwrap();
            let time = match batch.header().attributes.timestamp_type() {
                TimestampType::CreateTime => "CreateTime",
                TimestampType::LogAppendTime => "LogAppendTime",
            };
            for record in batch
                .records(&mut scratch)
                .unwrap()
                .map(|record| record.unwrap())
            {
                if record.offset < start {
                    continue;
                }
                let headers: Vec<String> = record
                    .headers
                    .iter()
                    .map(|(name, value)| format!("[{},{}]", base64(Some(name)), base64(value)))
                    .collect();
                let mut line = format!(
                    "{{\"topic\":\"{topic}\",\"partition\":{},",
                    partition.index()
                );
                write!(
                    line,
                    "\"offset\":{},\"timestamp\":{},",
                    record.offset, record.timestamp
                )
                .unwrap();
                write!(
                    line,
                    "\"timestampType\":\"{time}\",\"key\":{},",
                    base64(record.key)
                )
                .unwrap();
                write!(
                    line,
                    "\"value\":{},\"headers\":[{}]}}",
                    base64(record.value),
                    headers.join(",")
                )
                .unwrap();
                lines.push(line);
            }
            rest = &rest[batch.bytes().len()..];
        }
    }
    lines
}

fn base64(bytes: Option<&[u8]>) -> String {
    bytes.map_or("null".to_owned(), |bytes| {
        format!("\"{}\"", STANDARD.encode(bytes))
    })
}

#[test]
fn every_record_that_kafka_would_serve_is_served() {
    let expected = fs::read_to_string(fixture().join("expected.jsonl")).unwrap();
    let setup = Setup::new();
    let report = setup.import_from(&fixture().join("log"), None).unwrap();
    let names: Vec<&str> = report
        .topics
        .iter()
        .map(|topic| topic.name.as_str())
        .collect();
    assert_eq!(names, ["appended", "compacted", "events", "trimmed"]);
    let skipped: Vec<&str> = report
        .skipped
        .iter()
        .map(|folder| folder.name.as_str())
        .collect();
    assert_eq!(skipped, ["__transaction_state-0"]);
    let mut compared = 0;
    for topic in &report.topics {
        for imported in &topic.partitions {
            let of = format!(
                "{{\"topic\":\"{}\",\"partition\":{},",
                topic.name, imported.partition
            );
            let mut wanted = expected.lines().filter(|line| line.starts_with(&of));
            // The first line tells where the partition begins and ends.
            let ends = wanted.next().unwrap();
            assert!(
                ends.contains(&format!("\"start\":{},", imported.log_start)),
                "{ends}"
            );
            assert!(
                ends.contains(&format!("\"end\":{}}}", imported.log_end)),
                "{ends}"
            );
            let wanted: Vec<&str> = wanted.collect();
            let partition = setup.partition(&topic.name, imported.partition);
            assert_eq!(lines(&topic.name, &partition), wanted);
            assert_eq!(partition.log_start_offset(), imported.log_start);
            assert_eq!(partition.log_end_offset(), imported.log_end);
            assert_eq!(imported.records as usize, wanted.len(), "{of}");
            let left_out =
                imported.control_offsets + imported.aborted_offsets + imported.unfinished_offsets;
            let offsets = imported.records + imported.removed_offsets + left_out;
            assert_eq!(offsets, imported.log_end - imported.log_start, "{of}");
            compared += wanted.len();
        }
    }
    assert!(compared > 300);
    let events = &report.topics[2].partitions[1];
    assert_eq!((events.aborted_offsets, events.unfinished_offsets), (16, 3));
    assert!(report.topics[1].partitions[0].removed_offsets > 0);
}

/// Every byte of a segment is flipped, one at a time: either the import is refused, or no record is another.
#[test]
fn no_flipped_bit_changes_a_record() {
    let expected = fs::read_to_string(fixture().join("expected.jsonl")).unwrap();
    let wanted: Vec<&str> = expected
        .lines()
        .filter(|line| line.starts_with("{\"topic\":\"events\",\"partition\":1,\"offset\""))
        .collect();
    let source = fixture().join("log/events-1");
    let setup = Setup::new();
    let folder = setup.kafka.path().join("events-1");
    fs::create_dir(&folder).unwrap();
    for entry in fs::read_dir(&source).unwrap().map(|entry| entry.unwrap()) {
        fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    let log = folder.join("00000000000000000000.log");
    let whole = fs::read(&log).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&log, &bytes).unwrap();
        if setup.import().is_ok() {
            // Nothing but the leader epoch is outside of all checks, and it is not served.
            assert_eq!(
                lines("events", &setup.partition("events", 1)),
                wanted,
                "byte {at}"
            );
            setup.store.delete_topic("events").unwrap();
        }
        assert_eq!(setup.store.topics().unwrap(), Vec::<String>::new());
    }
}
