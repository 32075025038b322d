//! A group of durable appends that are under way together: sixteen batches of 4 KiB for one partition, or one for each of
//! sixteen. The records and bytes are the same; what differs is the number of files. Beside it the disk's own answers: all
//! of it in one file with one `fdatasync`, and a file and a sync for each.

use std::sync::mpsc;

use tidelog::{Durability, Partition, TopicConfig};
use tidelog_bench::{Fixture, Shape, SyncedFile};

use crate::Setup;
use crate::latencies::Row;
use crate::turns::{Contestant, take_turns};

const TOGETHER: usize = 16;
const BATCH: Shape = Shape {
    name: "4 KiB",
    size: 1000,
    batch: 4,
};

pub fn measure(setup: &Setup) {
    let batch = BATCH.encoded(0);
    let all = batch.repeat(TOGETHER);
    let size = setup.count(64 << 20, 1 << 20);
    for round in 0..setup.rounds {
        let sixteen = TopicConfig {
            partitions: TOGETHER as u32,
            ..TopicConfig::default()
        };
        // One store, so that both go through the same threads; the first partition is that of the narrow group.
        let narrow = Fixture::below(&setup.folder, Durability::Fsync, TopicConfig::default());
        let wide = narrow
            .store
            .create_topic("wide", sixteen)
            .expect("a topic of sixteen partitions");
        let one = vec![narrow.partition.clone(); TOGETHER];
        let each: Vec<Partition> = (0..TOGETHER as u32)
            .map(|number| wide.partition(number).expect("a partition"))
            .collect();
        let mut file = SyncedFile::prewritten(&setup.folder, size);
        let mut files: Vec<_> = (0..TOGETHER)
            .map(|_| SyncedFile::prewritten(&setup.folder, size / TOGETHER))
            .collect();
        let batches = || vec![batch.clone(); TOGETHER];
        let bytes = all.len();
        let contestants = vec![
            Contestant::one_by_one(
                row("tidelog", "16 batches in one partition", bytes),
                batches,
                |batches| append_together(&one, batches),
            ),
            Contestant::one_by_one(
                row("tidelog", "a batch in each of 16 partitions", bytes),
                batches,
                |batches| append_together(&each, batches),
            ),
            Contestant::one_by_one(
                row("file", "one pwrite of all in place, fdatasync", bytes),
                || (),
                |()| file.write_durably(&all),
            ),
            Contestant::one_by_one(
                row("file", "16 files in place, each with its fdatasync", bytes),
                || (),
                |()| {
                    files.iter_mut().for_each(|file| file.write(&batch));
                    files.iter().for_each(SyncedFile::sync);
                },
            ),
        ];
        take_turns(round, setup.count(20, 2), setup.count(25, 2), contestants);
        let records = |partitions: &[Partition]| {
            partitions
                .iter()
                .map(Partition::high_watermark)
                .sum::<u64>()
        };
        assert_eq!(records(&one[..1]), records(&each));
    }
}

/// Hands over one batch for each and waits until the last of them is durable.
fn append_together(partitions: &[Partition], batches: Vec<Vec<u8>>) {
    let (done, outcomes) = mpsc::channel();
    for (partition, batch) in partitions.iter().zip(batches) {
        let done = done.clone();
        partition.append_with(batch, move |outcome| {
            let _ = done.send(outcome);
        });
    }
    drop(done);
    let mut durable = 0;
    for outcome in outcomes {
        outcome.expect("a durable append");
        durable += 1;
    }
    assert_eq!(durable, partitions.len());
}

fn row(contestant: &'static str, mode: &str, bytes: usize) -> Row {
    Row {
        contestant,
        mode: mode.to_owned(),
        kind: "group of 16".to_owned(),
        bytes: bytes as u64,
        ..Row::default()
    }
}
