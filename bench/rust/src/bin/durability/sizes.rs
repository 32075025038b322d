//! Durable appends of batches of 4 KiB to 4 MiB: one at a time, and four under way. The limit beside each is a write of as
//! many bytes in place and one `fdatasync`; where a log falls behind it by a factor of two, it writes everything twice.

use std::collections::VecDeque;
use std::sync::mpsc;
use std::time::Instant;

use tidelog::{Durability, Partition, TopicConfig};
use tidelog_bench::{Fixture, Shape, SyncedFile};

use crate::Setup;
use crate::latencies::{Latencies, Row, size_name};
use crate::turns::{Contestant, take_turns};

const KIB: [usize; 6] = [4, 16, 64, 256, 1024, 4096];
const WINDOW: usize = 4;
const SLICES: usize = 8;

pub fn measure(setup: &Setup) {
    let config = TopicConfig {
        max_batch_bytes: 8 << 20,
        ..TopicConfig::default()
    };
    for round in 0..setup.rounds {
        for kib in KIB {
            let shape = Shape {
                name: "batch",
                size: 1024,
                batch: kib,
            };
            let batch = shape.encoded(0);
            let fixture = Fixture::below(&setup.folder, Durability::Fsync, config.clone());
            let overlapping = fixture
                .store
                .create_topic("overlapping", config.clone())
                .and_then(|topic| topic.partition(0))
                .expect("another topic");
            let mut in_place = SyncedFile::prewritten(
                &setup.folder,
                setup.count(64 << 20, 1 << 20).max(2 * batch.len()),
            );
            let mut growing = SyncedFile::growing(&setup.folder);
            let row = |contestant, mode: &str| row(contestant, mode, kib, batch.len());
            let contestants = vec![
                Contestant::one_by_one(
                    row("tidelog", "one awaited at a time"),
                    || batch.clone(),
                    |batch| {
                        let _ = fixture.partition.append(batch).expect("a durable append");
                    },
                ),
                Contestant {
                    row: row("tidelog", "4 under way"),
                    work: Box::new(|count, latencies| {
                        under_way(&overlapping, &batch, count, latencies);
                    }),
                },
                Contestant::one_by_one(
                    row("file", "pwrite in place, fdatasync"),
                    || (),
                    |()| in_place.write_durably(&batch),
                ),
                Contestant::one_by_one(
                    row("file", "pwrite behind the end, fdatasync"),
                    || (),
                    |()| growing.write_durably(&batch),
                ),
            ];
            // As many bytes of each size, within reason: enough operations for a p99 of small ones.
            let each = ((64 << 20) / SLICES / batch.len()).clamp(4, 64);
            take_turns(
                round,
                setup.count(SLICES, 1),
                setup.count(each, 2),
                contestants,
            );
        }
    }
}

/// Appends with so many under way that the disk never waits for the next one.
fn under_way(partition: &Partition, batch: &[u8], count: usize, latencies: &mut Latencies) {
    let mut batches = VecDeque::from(vec![batch.to_vec(); count]);
    let (done, outcomes) = mpsc::channel();
    let start = Instant::now();
    for finished in 0..count {
        let wanted = if finished == 0 { WINDOW } else { 1 };
        for batch in batches.drain(..wanted.min(batches.len())) {
            let done = done.clone();
            partition.append_with(batch, move |outcome| {
                let _ = done.send(outcome);
            });
        }
        outcomes
            .recv()
            .expect("an outcome")
            .expect("a durable append");
    }
    latencies.add_together(start.elapsed(), count);
}

fn row(contestant: &'static str, mode: &str, kib: usize, bytes: usize) -> Row {
    let size = size_name((kib << 10) as u64);
    Row {
        contestant,
        mode: format!("{size}, {mode}"),
        kind: size,
        bytes: bytes as u64,
        ..Row::default()
    }
}
