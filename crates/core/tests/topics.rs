//! Topics: created durably, refused by Kafka's rules, deleted with their files; handles that outlive them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use support::*;
use tidelog::{
    CleanupPolicy, CompactionConfig, Compression, Durability, Error, OpenOptions, Store,
    TimestampType, TopicChange, TopicConfig,
};

fn open(folder: &tempfile::TempDir) -> Store {
    Store::open(folder.path(), OpenOptions::default()).unwrap()
}

#[test]
fn a_topic_keeps_its_id_and_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let config = TopicConfig {
        partitions: 3,
        durability: Some(Durability::Buffered),
        compression: Compression::Zstd,
        timestamp_type: TimestampType::LogAppendTime,
        cleanup: CleanupPolicy::CompactAndDelete,
        compaction: CompactionConfig {
            min_dirty_ratio: 0.25,
            min_lag_ms: 5,
            max_lag_ms: Some(70),
            delete_retention_ms: 9,
        },
        retention_ms: Some(1000),
        retention_bytes: None,
        segment_bytes: 4096,
        segment_ms: 5000,
        index_interval_bytes: 100,
        max_batch_bytes: 2000,
        max_future_ms: 60_000,
    };
    let topic = store.create_topic("orders", config.clone()).unwrap();
    let id = topic.id();
    topic
        .alter(&TopicChange {
            partitions: Some(5),
            retention_bytes: Some(Some(9)),
            ..TopicChange::default()
        })
        .unwrap();
    store.close().unwrap();
    let store = open(&folder);
    let topic = store.open_topic("orders").unwrap();
    assert_eq!(topic.id(), id);
    assert_eq!(
        topic.config(),
        TopicConfig {
            partitions: 5,
            retention_bytes: Some(9),
            ..config
        }
    );
    assert_eq!(topic.partition_count(), 5);
    assert!(topic.partition(4).is_ok());
    assert!(matches!(
        topic.partition(5),
        Err(Error::UnknownPartition { count: 5, .. })
    ));
    assert_eq!(store.topics().unwrap(), ["orders"]);
    store.close().unwrap();
}

#[test]
fn names_and_values_out_of_range_are_refused_with_the_field_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    for name in ["", ".", "..", "a/b", "a b", "ä", &"x".repeat(250)] {
        let refused = store
            .create_topic(name, TopicConfig::default())
            .err()
            .unwrap();
        assert_eq!(refused.code(), "ERR_TIDELOG_INVALID_TOPIC_NAME", "{name}");
    }
    store
        .create_topic(&"x".repeat(249), TopicConfig::default())
        .unwrap();
    store.create_topic("a.b", TopicConfig::default()).unwrap();
    for name in ["a.b", "a_b", "A.b"] {
        assert_eq!(
            store
                .create_topic(name, TopicConfig::default())
                .err()
                .unwrap()
                .code(),
            "ERR_TIDELOG_TOPIC_EXISTS"
        );
    }
    let base = TopicConfig::default;
    for (field, config) in [
        (
            "partitions",
            TopicConfig {
                partitions: 0,
                ..base()
            },
        ),
        (
            "partitions",
            TopicConfig {
                partitions: 100_001,
                ..base()
            },
        ),
        (
            "segment.bytes",
            TopicConfig {
                segment_bytes: 1023,
                ..base()
            },
        ),
        (
            "segment.bytes",
            TopicConfig {
                segment_bytes: 1 << 31,
                ..base()
            },
        ),
        (
            "segment.ms",
            TopicConfig {
                segment_ms: 0,
                ..base()
            },
        ),
        (
            "retention.ms",
            TopicConfig {
                retention_ms: Some(0),
                ..base()
            },
        ),
        (
            "index.interval.bytes",
            TopicConfig {
                index_interval_bytes: 0,
                ..base()
            },
        ),
        (
            "max.message.bytes",
            TopicConfig {
                max_batch_bytes: (64 << 20) + 1,
                ..base()
            },
        ),
    ] {
        match store.create_topic("bad", config).err().unwrap() {
            Error::InvalidConfig { field: named, .. } => assert_eq!(named, field),
            other => panic!("{other}"),
        }
    }
    let topic = store.open_topic("a.b").unwrap();
    let fewer = topic.alter(&TopicChange {
        partitions: Some(0),
        ..TopicChange::default()
    });
    assert!(matches!(fewer, Err(Error::InvalidConfig { .. })));
    assert!(
        !folder.path().join("bad-0").exists(),
        "nothing is left of a refused topic"
    );
    store.close().unwrap();
}

#[test]
fn a_deleted_topic_is_gone_with_its_files_and_wakes_who_waits() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let topic = store
        .create_topic(
            "t",
            TopicConfig {
                partitions: 2,
                ..TopicConfig::default()
            },
        )
        .unwrap();
    let partition = topic.partition(1).unwrap();
    partition.append(batch(&[value(1, 10)])).unwrap();
    let (send, woken) = std::sync::mpsc::channel();
    let _waiter = partition
        .wait_for(1, move |answer| send.send(answer).unwrap())
        .unwrap();
    store.delete_topic("t").unwrap();
    assert!(matches!(
        woken.recv_timeout(Duration::from_secs(5)).unwrap(),
        Err(Error::TopicDeleted { .. })
    ));
    assert!(matches!(
        partition.append(batch(&[value(1, 10)])),
        Err(Error::TopicDeleted { .. })
    ));
    assert!(matches!(
        read_all(&partition),
        Err(Error::TopicDeleted { .. })
    ));
    assert!(matches!(
        store.delete_topic("t"),
        Err(Error::UnknownTopic { .. })
    ));
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(
        left.iter()
            .all(|name| !name.to_string_lossy().contains("t-")
                && !name.to_string_lossy().contains("deleted")),
        "{left:?}"
    );

    // Made again under the same name it begins anew.
    let again = store.create_topic("t", TopicConfig::default()).unwrap();
    assert_ne!(again.id(), topic.id());
    assert_eq!(
        again
            .partition(0)
            .unwrap()
            .append(batch(&[value(9, 10)]))
            .unwrap()
            .base_offset,
        0
    );
    store.close().unwrap();
}

#[test]
fn a_folder_that_is_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.doc"), "years of work").unwrap();
    let refused = Store::open(folder.path(), OpenOptions::default())
        .err()
        .unwrap();
    assert_eq!(refused.code(), "ERR_TIDELOG_NOT_A_STORE");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let store_folder = folder.path().join("store");
    let store = Store::open(&store_folder, OpenOptions::default()).unwrap();
    let orphan = store_folder.join("orders-0");
    std::fs::create_dir(&orphan).unwrap();
    std::fs::write(orphan.join("00000000000000000000.log"), "not empty").unwrap();
    assert_eq!(
        store
            .create_topic("orders", TopicConfig::default())
            .err()
            .unwrap()
            .code(),
        "ERR_TIDELOG_TOPIC_EXISTS"
    );
    assert_eq!(
        std::fs::read_to_string(orphan.join("00000000000000000000.log")).unwrap(),
        "not empty"
    );
    store.close().unwrap();

    let meta = store_folder.join("meta.properties");
    let newer = std::fs::read_to_string(&meta)
        .unwrap()
        .replace("format.version=1", "format.version=2");
    std::fs::write(&meta, newer).unwrap();
    let refused = Store::open(&store_folder, OpenOptions::default())
        .err()
        .unwrap();
    assert!(
        matches!(
            refused,
            Error::UnsupportedVersion {
                found: 2,
                supported: 1,
                ..
            }
        ),
        "{refused}"
    );
}

#[test]
fn handles_share_an_engine_and_a_closed_one_answers_so() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(&folder);
    let topic = first.create_topic("t", TopicConfig::default()).unwrap();
    let second = open(&folder);
    let other = second.open_topic("t").unwrap().partition(0).unwrap();
    let (send, woken) = std::sync::mpsc::channel();
    let _waiter = topic
        .partition(0)
        .unwrap()
        .wait_for(0, move |answer| send.send(answer).unwrap())
        .unwrap();
    first.close().unwrap();
    first.close().unwrap();
    assert!(matches!(
        woken.recv_timeout(Duration::from_secs(5)).unwrap(),
        Err(Error::Closed)
    ));
    assert!(matches!(topic.partition(0), Err(Error::Closed)));
    assert!(matches!(first.topics(), Err(Error::Closed)));
    other.append(batch(&[value(1, 10)])).unwrap();
    drop(second);
    assert_eq!(
        read_all(&other).unwrap().len(),
        1,
        "a partition in use keeps the engine open"
    );
    drop(other);
    drop(topic);
    // The last handle's drop closes on a thread of its own; opening waits for it.
    let store = open(&folder);
    assert!(store.recovery().clean);
    store.close().unwrap();
}

#[test]
fn two_durabilities_for_one_engine_contradict_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let options = OpenOptions {
        durability: Durability::Buffered,
        ..OpenOptions::default()
    };
    assert_eq!(
        Store::open(folder.path(), options).err().unwrap().code(),
        "ERR_TIDELOG_INVALID_ARGUMENT"
    );
    store.close().unwrap();
}

#[test]
fn a_segment_keeps_its_largest_size_when_segments_are_made_larger() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let config = TopicConfig {
        durability: Some(Durability::Buffered),
        segment_bytes: 1 << 20,
        ..TopicConfig::default()
    };
    let topic = store.create_topic("t", config).unwrap();
    let partition = topic.partition(0).unwrap();
    partition.append(batch(&[value(0, 1000)])).unwrap();
    let larger = TopicChange {
        segment_bytes: Some(1 << 30),
        ..TopicChange::default()
    };
    topic.alter(&larger).unwrap();
    for n in 1..=70 {
        partition.append(batch(&[value(n, 1_000_000)])).unwrap();
    }
    let read = read_all(&partition).unwrap();
    assert_eq!(read.len(), 71);
    assert_eq!(read[70], (70, value(70, 1_000_000)));
    store.close().unwrap();
}
