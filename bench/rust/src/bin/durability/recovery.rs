//! Opening a store whose process was killed, against what it had written: the store was never closed and its checkpoint
//! interval never ended, so only the engine's own bounds shorten the work. The limit beside it is reading the same segments
//! once.

use tidelog::{Durability, OpenOptions, Store};
use tidelog_bench::{LARGE, SMALL, Shape};

use crate::Setup;
use crate::killed::{Killed, TOPIC, killed};
use crate::latencies::{Latencies, Row, size_name};
use crate::page_cache::{PageCache, read_segments};

const MIB: [u64; 3] = [8, 64, 256];

pub fn measure(setup: &Setup, durability: Durability) {
    let states = PageCache::states(setup);
    for round in 0..setup.rounds {
        for mib in &MIB[..setup.count(MIB.len(), 1)] {
            for shape in [SMALL, LARGE] {
                for state in &states {
                    let bytes = mib << setup.count(20, 15);
                    let left = killed(&setup.folder, durability, shape, bytes);
                    one(round, &left, bytes, shape, *state, durability);
                }
            }
        }
    }
}

fn one(
    round: usize,
    left: &Killed,
    size: u64,
    shape: Shape,
    state: PageCache,
    durability: Durability,
) {
    let size = size_name(size);
    let what = format!("{size} of {} records, {}", shape.name, state.name());
    let row = |contestant, mode: &str, checked| Row {
        contestant,
        mode: format!("{mode}, {what}"),
        kind: what.clone(),
        bytes: left.bytes,
        checked,
        ..Row::default()
    };

    state.prepare();
    let mut reading = Latencies::default();
    let partition = left.folder.path().join(format!("{TOPIC}-0"));
    let read = reading.time(|| read_segments(&partition));
    assert!(
        read >= left.bytes,
        "{read} bytes of {} were read",
        left.bytes
    );

    state.prepare();
    let mut opening = Latencies::default();
    let options = OpenOptions {
        durability,
        ..OpenOptions::default()
    };
    let store = opening.time(|| Store::open(left.folder.path(), options).expect("an open store"));
    assert!(!store.recovery().clean, "the store was closed in order");
    let topic = store.open_topic(TOPIC).expect("the topic");
    let end = topic.partition(0).expect("a partition").high_watermark();
    assert_eq!(end, left.records, "{what}: acknowledged records");
    let checked = store.recovery().bytes_checked;
    store.close().expect("an orderly close");

    opening.report(round, &row("tidelog", "open after a kill", Some(checked)));
    reading.report(round, &row("file", "read the segments", None));
}
