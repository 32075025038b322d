//! One durable send of a 1 KiB record after the other, plain and as a transaction, each awaited, beside what the disk
//! needs for as much: one write and one `fdatasync`.

use tidelog::{Durability, TopicConfig, TransactionOptions};
use tidelog_bench::{Fixture, Shape, SyncedFile};

use crate::Setup;
use crate::latencies::Row;
use crate::turns::{Contestant, take_turns};

const RECORD: Shape = Shape {
    name: "1 KiB",
    size: 1024,
    batch: 1,
};
const PAGE: usize = 4096;

pub fn measure(setup: &Setup) {
    let batch = RECORD.encoded(0);
    let page = vec![0x5A; PAGE];
    let packed = (RECORD.packed_table(), RECORD.payloads(0));
    let size = setup.count(64 << 20, 1 << 20);
    for round in 0..setup.rounds {
        let fixture = Fixture::below(&setup.folder, Durability::Fsync, TopicConfig::default());
        let partition = &fixture.partition;
        let producer = fixture
            .store
            .transactional_producer("one", TransactionOptions::default())
            .expect("a transactional id");
        let mut pages = SyncedFile::prewritten(&setup.folder, size);
        let mut exact = SyncedFile::prewritten(&setup.folder, size).unaligned();
        let mut growing = SyncedFile::growing(&setup.folder);
        let contestants = vec![
            Contestant::one_by_one(
                row("tidelog", "append to an fsync topic", batch.len()),
                || batch.clone(),
                |batch| {
                    let _ = partition.append(batch).expect("a durable append");
                },
            ),
            Contestant::one_by_one(
                row("tidelog", "a transaction of one record", RECORD.size),
                || producer.begin().expect("a transaction").number,
                |number| {
                    let (topic, producer) = (&fixture.topic, &producer);
                    let sent = producer.send(number, topic, &packed.0, &packed.1);
                    sent.expect("room in memory");
                    let _ = producer.commit_and_wait(number).expect("a commit");
                },
            ),
            Contestant::one_by_one(
                row("file", "pwrite of 4 KiB in place, fdatasync", PAGE),
                || (),
                |()| pages.write_durably(&page),
            ),
            Contestant::one_by_one(
                row(
                    "file",
                    "pwrite of the batch in place, unaligned, fdatasync",
                    batch.len(),
                ),
                || (),
                |()| exact.write_durably(&batch),
            ),
            Contestant::one_by_one(
                row(
                    "file",
                    "pwrite of the batch behind the end, fdatasync",
                    batch.len(),
                ),
                || (),
                |()| growing.write_durably(&batch),
            ),
        ];
        take_turns(round, setup.count(40, 2), setup.count(50, 5), contestants);
        assert_eq!(partition.high_watermark(), partition.log_end_offset());
    }
}

fn row(contestant: &'static str, mode: &str, bytes: usize) -> Row {
    Row {
        contestant,
        mode: mode.to_owned(),
        kind: "single".to_owned(),
        bytes: bytes as u64,
        ..Row::default()
    }
}
