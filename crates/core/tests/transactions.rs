//! Transactions as a Rust program uses them: all or nothing, fenced, retried, asked for later.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use support::sending::*;
use support::*;
use tidelog::{
    CompactionOptions, Durability, Error, OpenOptions, Store, Topic, TopicConfig,
    TransactionNumber, TransactionOptions, TransactionOutcome, TransactionalProducer,
};

fn open(folder: &tempfile::TempDir) -> Store {
    Store::open(folder.path(), OpenOptions::default()).unwrap()
}

fn partitions(partitions: u32) -> TopicConfig {
    TopicConfig {
        partitions,
        ..TopicConfig::default()
    }
}

fn producer(store: &Store, id: &str) -> TransactionalProducer {
    store
        .transactional_producer(id, TransactionOptions::default())
        .unwrap()
}

fn values(topic: &Topic, partition: u32) -> Vec<Vec<u8>> {
    let records = read_all(&topic.partition(partition).unwrap()).unwrap();
    records.into_iter().map(|(_, value)| value).collect()
}

#[test]
fn a_commit_shows_all_of_it_and_an_abort_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let orders = store.create_topic("orders", partitions(2)).unwrap();
    let invoices = store.create_topic("invoices", partitions(1)).unwrap();
    let billing = producer(&store, "billing");

    let aborted = billing.begin().unwrap();
    send(&billing, aborted.number, &orders, &[(0, b"a"), (1, b"b")]).unwrap();
    billing.abort(aborted.number).unwrap();
    billing.abort(aborted.number).unwrap();

    let first = billing.begin().unwrap();
    send(&billing, first.number, &orders, &[(0, b"c"), (1, b"d")]).unwrap();
    send(&billing, first.number, &invoices, &[(0, b"e"), (0, b"f")]).unwrap();
    send(&billing, first.number, &orders, &[(0, b"g")]).unwrap();
    assert_eq!(values(&orders, 0), Vec::<Vec<u8>>::new());
    let runs = commit(&billing, first.number).unwrap();
    let found: Vec<_> = runs
        .iter()
        .map(|run| {
            (
                run.topic.as_str(),
                run.run.partition,
                run.run.base_offset,
                run.run.count,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("orders", 0, 0, 2),
            ("orders", 1, 0, 1),
            ("invoices", 0, 0, 2)
        ]
    );
    assert_eq!(values(&orders, 0), [b"c", b"g"]);
    assert_eq!(values(&orders, 1), [b"d"]);
    assert_eq!(values(&invoices, 0), [b"e", b"f"]);
    // Tried again it answers the same, and appends nothing.
    assert_eq!(commit(&billing, first.number).unwrap(), runs);
    assert_eq!(values(&orders, 0).len(), 2);
    let over = |outcome: Result<(), Error>| {
        assert!(matches!(
            outcome,
            Err(Error::InvalidTransactionState { .. })
        ));
    };
    over(billing.abort(first.number));
    over(send(&billing, first.number, &orders, &[(0, b"x")]));
    over(commit(&billing, aborted.number).map(|_| ()));
    assert_eq!(store.topics().unwrap(), ["invoices", "orders"]);
    store.close().unwrap();
}

#[test]
fn who_waits_for_a_commit_gets_what_others_are_called_back_with() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let orders = store.create_topic("orders", partitions(1)).unwrap();
    std::thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let (store, orders) = (&store, &orders);
            scope.spawn(move || {
                let producer = producer(store, name);
                for _ in 0..50 {
                    let number = producer.begin().unwrap().number;
                    send(&producer, number, orders, &[(0, name.as_bytes())]).unwrap();
                    let runs = producer.commit_and_wait(number).unwrap();
                    assert_eq!(commit(&producer, number).unwrap(), runs);
                    let at = runs[0].run.base_offset as usize;
                    assert_eq!(values(orders, 0)[at], name.as_bytes());
                    assert!(producer.commit_and_wait(number + 1).is_err());
                }
            });
        }
    });
    assert_eq!(values(&orders, 0).len(), 150);
    store.close().unwrap();
}

#[test]
fn a_group_without_a_name_ends_the_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let orders = store.create_topic("orders", partitions(1)).unwrap();
    let billing = producer(&store, "billing");
    let number = billing.begin().unwrap().number;
    send(&billing, number, &orders, &[(0, b"a")]).unwrap();
    let nobody = billing.send_offsets(number, "", vec![offset_commit(&orders, 0, 0)]);
    assert!(matches!(nobody, Err(Error::InvalidArgument { .. })));
    assert!(matches!(
        commit(&billing, number),
        Err(Error::InvalidArgument { .. })
    ));
    assert!(values(&orders, 0).is_empty());
    store.close().unwrap();
}

#[test]
fn offsets_commit_with_the_records_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let orders = store.create_topic("orders", partitions(1)).unwrap();
    let lane = store.producer_lane();
    produce(&lane, &orders, &[(0, b"1"), (0, b"2"), (0, b"3")]);
    let billing = producer(&store, "billing");

    let first = billing.begin().unwrap().number;
    let offset = |n| vec![offset_commit(&orders, 0, n)];
    billing.send_offsets(first, "shop", offset(2)).unwrap();
    billing.abort(first).unwrap();
    assert!(store.committed_offsets("shop").unwrap().is_empty());

    let second = billing.begin().unwrap().number;
    billing.send_offsets(second, "shop", offset(1)).unwrap();
    billing.send_offsets(second, "shop", offset(2)).unwrap();
    commit(&billing, second).unwrap();
    let committed = store.committed_offsets("shop").unwrap();
    assert_eq!(committed.len(), 1);
    assert_eq!(
        (committed[0].topic.as_str(), committed[0].offset),
        ("orders", 2)
    );

    let third = billing.begin().unwrap().number;
    billing.send_offsets(third, "shop", offset(4)).unwrap();
    assert!(matches!(
        commit(&billing, third),
        Err(Error::OffsetOutOfRange { offset: 4, .. })
    ));
    billing.abort(third).unwrap();

    commit_offset(&store, "shop", &orders, 0, 3).unwrap();
    commit_offset(&store, "other", &orders, 0, 1).unwrap();
    store.close().unwrap();
    let store = open(&folder);
    assert_eq!(store.groups().unwrap(), ["other", "shop"]);
    assert_eq!(store.committed_offsets("shop").unwrap()[0].offset, 3);
    store.delete_group("other").unwrap();
    assert_eq!(store.groups().unwrap(), ["shop"]);
    // A topic that is made again has no offsets of the one before.
    store.delete_topic("orders").unwrap();
    store.create_topic("orders", partitions(1)).unwrap();
    assert!(store.committed_offsets("shop").unwrap().is_empty());
    store.close().unwrap();
    let store = open(&folder);
    assert!(store.committed_offsets("shop").unwrap().is_empty());
    assert!(store.groups().unwrap().is_empty());
    store.close().unwrap();
}

#[test]
fn whoever_initializes_an_id_fences_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let orders = store.create_topic("orders", partitions(1)).unwrap();
    let old = producer(&store, "billing");
    let open_one = old.begin().unwrap().number;
    send(&old, open_one, &orders, &[(0, b"zombie")]).unwrap();
    let new = producer(&store, "billing");
    let fenced = |error| assert!(matches!(error, Error::ProducerFenced { .. }), "{error}");
    fenced(commit(&old, open_one).unwrap_err());
    fenced(commit(&old, open_one).unwrap_err());
    old.abort(open_one).unwrap();
    fenced(old.begin().unwrap_err());
    let number = new.begin().unwrap();
    assert_eq!(number.epoch, 1);
    send(&new, number.number, &orders, &[(0, b"alive")]).unwrap();
    commit(&new, number.number).unwrap();
    assert_eq!(values(&orders, 0), [b"alive"]);
    store.close().unwrap();
    // Also in the next life.
    let store = open(&folder);
    let number = producer(&store, "billing").begin().unwrap();
    assert_eq!(number.epoch, 2);
    let orders = store.open_topic("orders").unwrap();
    let partition = orders.partition(0).unwrap();
    let stale = sequenced(number.producer_id, 1, 1, &[value(1, 8)]);
    fenced(partition.append(stale).unwrap_err());
    store.close().unwrap();
}

#[test]
fn outcomes_can_be_asked_for_in_a_later_life() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let orders = store.create_topic("orders", partitions(1)).unwrap();
    let billing = producer(&store, "billing");
    let mut numbers = Vec::new();
    for n in 0..10 {
        let number = billing.begin().unwrap();
        send(&billing, number.number, &orders, &[(0, b"x")]).unwrap();
        if n % 3 == 0 {
            billing.abort(number.number).unwrap();
        } else {
            commit(&billing, number.number).unwrap();
        }
        numbers.push(number);
    }
    let open_one = billing.begin().unwrap();
    let outcome = |store: &Store, number| store.transaction_outcome("billing", number);
    assert_eq!(outcome(&store, open_one).unwrap(), TransactionOutcome::Open);
    store.close().unwrap();
    let store = open(&folder);
    producer(&store, "billing");
    for (n, number) in numbers.iter().enumerate() {
        let known = outcome(&store, *number).unwrap();
        match n % 3 {
            0 => assert_eq!(known, TransactionOutcome::NotCommitted, "{n}"),
            _ => assert!(matches!(known, TransactionOutcome::Committed(_)), "{n}"),
        }
    }
    assert_eq!(
        outcome(&store, open_one).unwrap(),
        TransactionOutcome::NotCommitted
    );
    let Ok(TransactionOutcome::Committed(Some(runs))) = outcome(&store, numbers[8]) else {
        panic!("the last one's runs are known");
    };
    assert_eq!(
        (runs[0].topic.as_str(), runs[0].run.base_offset),
        ("orders", 5)
    );
    let never = TransactionNumber {
        producer_id: 7,
        epoch: 0,
        number: 1,
    };
    assert!(matches!(
        outcome(&store, never),
        Err(Error::UnknownOutcome { .. })
    ));
    assert!(matches!(
        store.transaction_outcome("nobody", never),
        Err(Error::UnknownOutcome { .. })
    ));
    store.close().unwrap();
}

#[test]
fn what_a_transaction_may_not_do_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let buffered = TopicConfig {
        durability: Some(Durability::Buffered),
        ..TopicConfig::default()
    };
    let logs = store.create_topic("logs", buffered).unwrap();
    let orders = store.create_topic("orders", partitions(1)).unwrap();
    let small = TransactionOptions {
        max_bytes: 1 << 10,
        ..TransactionOptions::default()
    };
    let billing = store.transactional_producer("billing", small).unwrap();
    let number = billing.begin().unwrap().number;
    let refused = send(&billing, number, &logs, &[(0, b"x")]).unwrap_err();
    assert!(
        refused.to_string().contains("\"logs\" is buffered"),
        "{refused}"
    );
    assert!(matches!(
        billing.begin(),
        Err(Error::InvalidTransactionState { .. })
    ));
    billing.abort(number).unwrap();

    let number = billing.begin().unwrap().number;
    let large = send(&billing, number, &orders, &[(0, &[7; 2000])]).unwrap_err();
    assert!(matches!(
        large,
        Error::TransactionTooLarge { limit: 1024, .. }
    ));
    assert!(commit(&billing, number).is_err());
    billing.abort(number).unwrap();
    assert!(values(&orders, 0).is_empty());

    let brief = TransactionOptions {
        timeout: Duration::from_millis(1),
        ..TransactionOptions::default()
    };
    let billing = store.transactional_producer("billing", brief).unwrap();
    let number = billing.begin().unwrap().number;
    std::thread::sleep(Duration::from_millis(5));
    let late = send(&billing, number, &orders, &[(0, b"x")]).unwrap_err();
    assert!(matches!(late, Error::TransactionTimedOut { timeout_ms: 1 }));
    assert!(matches!(
        commit(&billing, number),
        Err(Error::TransactionTimedOut { .. })
    ));
    assert!(billing.begin().is_ok());

    for id in ["", "a\0b", &"x".repeat(1025)] {
        let options = TransactionOptions::default();
        assert!(store.transactional_producer(id, options).is_err(), "{id:?}");
        assert!(store.named_producer_lane(id).is_err(), "{id:?}");
    }
    for name in ["__transaction_state", "__consumer_offsets"] {
        assert!(store.create_topic(name, partitions(1)).is_err());
        assert!(store.delete_topic(name).is_err());
    }
    let state = store.open_topic("__transaction_state").unwrap();
    let partition = state.partition(0).unwrap();
    assert!(partition.append(batch(&[value(1, 8)])).is_err());
    assert!(partition.delete_records(0).is_err());
    store.close().unwrap();
}

/// 200 partitions, with more bytes than a frame of the journal takes in.
#[test]
fn a_transaction_larger_than_a_frame_is_whole_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let wide = store.create_topic("wide", partitions(200)).unwrap();
    let billing = producer(&store, "billing");
    let number = billing.begin().unwrap().number;
    let value = vec![5; 100 << 10];
    for partition in 0..200 {
        send(
            &billing,
            number,
            &wide,
            &[(partition, &value), (partition, b"last")],
        )
        .unwrap();
    }
    commit(&billing, number).unwrap();
    for partition in 0..200 {
        let values = values(&wide, partition);
        assert_eq!(values.len(), 2);
        assert_eq!(values[1], b"last");
    }
    store.close().unwrap();
}

/// Both internal topics are much shorter than what was written to them.
#[test]
fn the_logs_of_the_store_itself_stay_short() {
    let folder = tempfile::tempdir().unwrap();
    let options = || OpenOptions {
        checkpoint_interval: Duration::from_millis(50),
        compaction: CompactionOptions {
            interval: Duration::from_millis(50),
            ..CompactionOptions::default()
        },
        ..OpenOptions::default()
    };
    let store = Store::open(folder.path(), options()).unwrap();
    let orders = store.create_topic("orders", partitions(1)).unwrap();
    produce(&store.producer_lane(), &orders, &[(0, b"1"), (0, b"2")]);
    let metadata = "m".repeat(4000);
    let offset = || {
        let mut commit = offset_commit(&orders, 0, 1);
        commit.metadata = metadata.clone();
        commit
    };
    let (answer, answers) = std::sync::mpsc::channel();
    let commits = 9000;
    for _ in 0..commits {
        let answer = answer.clone();
        store.commit_offsets("shop", &[offset()], move |done| answer.send(done).unwrap());
    }
    for _ in 0..commits {
        answers.recv().unwrap().unwrap();
    }
    let topic = store.open_topic("__consumer_offsets").unwrap();
    let bytes = || topic.describe().unwrap().partitions[0].bytes;
    for _ in 0..200 {
        if bytes() < 20 << 20 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(bytes() < 20 << 20, "{} bytes of 36 MB written", bytes());
    store.close().unwrap();
    let store = Store::open(folder.path(), options()).unwrap();
    assert_eq!(
        store.committed_offsets("shop").unwrap()[0].metadata,
        metadata
    );
    store.close().unwrap();
}
