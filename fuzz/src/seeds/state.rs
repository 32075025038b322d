//! Seeds of what is kept of producers, consumer groups and transactions.

use tidelog::format::offset_commit::{OffsetCommitKey, OffsetCommitValue};
use tidelog::format::producer_snapshot::{ProducerEntry, ProducerSnapshot, SequencedBatch};
use tidelog::format::transaction_state::{
    COMPLETE_COMMIT, StoredRun, TransactionEpoch, TransactionKey, TransactionValue,
};

use super::{Seed, flagged};

pub(super) fn add(seeds: &mut Vec<Seed>) {
    producers(seeds);
    offsets(seeds);
    transactions(seeds);
}

fn producers(seeds: &mut Vec<Seed>) {
    let batch = |first_sequence, last_sequence, base_offset| SequencedBatch {
        first_sequence,
        last_sequence,
        base_offset,
        timestamp: -1,
    };
    let producer = |producer_id, last_sequence, window| ProducerEntry {
        producer_id,
        epoch: 0,
        last_sequence,
        last_timestamp: 1_700_000_000_000,
        kept: producer_id == 1,
        window,
    };
    let snapshot = ProducerSnapshot {
        incarnation: 3,
        forgotten: 2 << 32,
        producers: vec![
            producer(1, 4, vec![batch(0, 0, 7), batch(1, 4, 8)]),
            producer(3 << 32, 1, vec![batch(i32::MAX - 1, 1, 20)]),
            producer(5, -1, vec![]),
        ],
    };
    let encoded = snapshot.encode();
    let kafka = &encoded[..10 + 3 * 46];
    let none = ProducerSnapshot {
        producers: vec![],
        ..snapshot
    };
    for (name, flags, bytes) in [
        ("three", 0, &encoded[..]),
        ("three-sealed", 1, &encoded),
        ("kafka", 1, kafka),
        ("none", 1, &none.encode()),
        ("none-kafka", 1, &kafka[..10]),
    ] {
        seeds.push(("producer_snapshot", name.into(), flagged(flags, bytes)));
    }
}

fn offsets(seeds: &mut Vec<Seed>) {
    let key = OffsetCommitKey {
        group: "billing".into(),
        topic: "orders".into(),
        partition: 1,
    };
    let value = |topic_id| OffsetCommitValue {
        offset: 42,
        leader_epoch: 3,
        metadata: "from ä".into(),
        commit_timestamp: 1_700_000_000_000,
        topic_id,
    };
    let newest = value(Some([7; 16])).encode();
    let mut other_tag = newest.clone();
    let tag = other_tag.len() - 18;
    other_tag[tag] = 5;
    let (offset, text, time) = ([0, 0, 0, 0, 0, 0, 0, 9], [0, 1, b'm'], [1; 8]);
    for (name, bytes) in [
        ("key", key.encode()),
        ("key-of-members", vec![0, 2, 0, 1, b'g']),
        ("value", newest),
        ("value-no-id", value(None).encode()),
        ("value-other-tag", other_tag),
        (
            "value-1",
            [&[0, 1], &offset[..], &text, &time, &time].concat(),
        ),
        ("value-2", [&[0, 2], &offset[..], &text, &time].concat()),
        (
            "value-3",
            [&[0, 3], &offset[..], &[0, 0, 0, 1], &text, &time].concat(),
        ),
    ] {
        seeds.push(("offset_commit", name.into(), bytes));
    }
}

fn transactions(seeds: &mut Vec<Seed>) {
    let epoch = TransactionEpoch {
        producer_id: 3 << 32,
        epoch: 1,
        committed: 9,
        before: 0b1101,
    };
    let run = StoredRun {
        topic_id: [7; 16],
        partition: 1,
        base_offset: 20,
        count: 3,
        timestamp: -1,
    };
    let value = TransactionValue {
        producer_id: 3 << 32,
        epoch: 1,
        timeout_ms: 60_000,
        status: COMPLETE_COMMIT,
        updated: 1_700_000_000_001,
        started: 1_700_000_000_000,
        history: vec![epoch; 2],
        runs: vec![run; 2],
    };
    let fresh = TransactionValue {
        status: 0,
        history: vec![],
        runs: vec![],
        ..value
    };
    // As Kafka has it while a transaction is open: two partitions of a topic, in both versions.
    let head = [0, 0, 0, 3, 0, 0, 0, 1, 0, 2, 0, 0, 0xea, 0x60, 1];
    let two = [0, 0, 0, 1, 0, 0, 0, 2];
    let first = [0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2];
    let open_0 = [&[0, 0], &head[..], &first, &two, &[1; 16]].concat();
    let open_1 = [
        &[0, 1],
        &head[..],
        &[2, 2, b't', 3],
        &two,
        &[0],
        &[1; 16],
        &[1, 2, 2, 0, 2],
    ]
    .concat();
    for (name, bytes) in [
        ("key", TransactionKey("billing".into()).encode()),
        ("key-of-name", TransactionKey("\0import".into()).encode()),
        ("committed", value.encode()),
        ("fresh", fresh.encode()),
        ("open-0", open_0),
        ("open-1", open_1),
    ] {
        seeds.push(("transaction_state", name.into(), bytes));
    }
}
