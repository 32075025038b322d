//! A copy that is made while writers go on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::store::*;
use crate::support::sending::*;
use crate::support::*;
use tidelog::io::{OsStorage, Storage};
use tidelog::{Durability, Store, TransactionOptions};

#[test]
fn a_copy_under_load_shows_one_moment() {
    let storage: Arc<dyn Storage> = Arc::new(OsStorage::new());
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("data"), quiet(&storage)).unwrap();
    let [left, right] = ["left", "right"].map(|name| {
        store
            .create_topic(name, small(1, Durability::Fsync))
            .unwrap()
    });
    let newest = store.create_topic("newest", compacted()).unwrap();
    let loose = store
        .create_topic("loose", small(1, Durability::Buffered))
        .unwrap();
    let ended = AtomicBool::new(false);
    let goes_on = || !ended.load(Ordering::Relaxed);
    std::thread::scope(|scope| {
        for id in 0..2u64 {
            let (store, left, right) = (&store, &left, &right);
            scope.spawn(move || {
                let name = format!("writer-{id}");
                let producer = store
                    .transactional_producer(&name, TransactionOptions::default())
                    .unwrap();
                let mut number = 0u64;
                while goes_on() {
                    let transaction = producer.begin().unwrap().number;
                    let value = value(id << 32 | number, 50);
                    send(&producer, transaction, left, &[(0, &value)]).unwrap();
                    send(&producer, transaction, right, &[(0, &value), (0, &value)]).unwrap();
                    // One writer's own: how many transactions of it there are.
                    let at = left.partition(0).unwrap().high_watermark();
                    let offsets = vec![offset_commit(left, 0, at)];
                    producer.send_offsets(transaction, &name, offsets).unwrap();
                    commit(&producer, transaction).unwrap();
                    number += 1;
                }
            });
        }
        let (newest, loose) = (&newest, &loose);
        scope.spawn(move || {
            let partition = newest.partition(0).unwrap();
            let mut number = 0;
            while goes_on() {
                partition.append(keyed((number % 3) as u8, number)).unwrap();
                number += 1;
            }
        });
        scope.spawn(move || {
            while goes_on() {
                newest.compact().unwrap();
            }
        });
        scope.spawn(move || {
            let partition = loose.partition(0).unwrap();
            let mut number = 0;
            while goes_on() {
                partition.append(batch(&[value(number, 30)])).unwrap();
                let high = partition.high_watermark();
                if number % 64 == 0 && high > 100 {
                    partition.delete_records(high - 100).unwrap();
                }
                number += 1;
            }
        });
        let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for number in 0..6 {
                let acknowledged = newest.partition(0).unwrap().high_watermark();
                let copy = folder.path().join(format!("copy-{number}"));
                store.backup(&copy, no_progress).unwrap();
                judge(&storage, &copy, acknowledged);
                std::fs::remove_dir_all(&copy).unwrap();
            }
        }));
        ended.store(true, Ordering::Relaxed);
        if let Err(panic) = judged {
            std::panic::resume_unwind(panic);
        }
    });
    store.close().unwrap();
}

/// What must be true of a copy of the store that is written to all the time.
fn judge(storage: &Arc<dyn Storage>, copy: &Path, acknowledged: u64) {
    all_holds(storage, copy);
    let store = opened(storage, copy);
    let of = |name: &str| {
        let partition = store.open_topic(name).unwrap().partition(0).unwrap();
        read_all(&partition).unwrap()
    };
    let (left, right) = (of("left"), of("right"));
    // Both halves of each transaction, or none; each writer's without a gap.
    let number = |value: &[u8]| u64::from_be_bytes(value[..8].try_into().unwrap());
    let mut halves: BTreeMap<u64, (u32, u32)> = BTreeMap::new();
    for (_, value) in &left {
        halves.entry(number(value)).or_default().0 += 1;
    }
    for (_, value) in &right {
        halves.entry(number(value)).or_default().1 += 1;
    }
    assert!(
        halves.values().all(|counts| *counts == (1, 2)),
        "{halves:?}"
    );
    for id in 0..2u64 {
        let own: Vec<u64> = halves
            .keys()
            .filter(|key| *key >> 32 == id)
            .map(|key| key & 0xffff_ffff)
            .collect();
        assert!(own.iter().copied().eq(0..own.len() as u64), "{own:?}");
        // What a writer has committed is of its last transaction that is here.
        let committed = store.committed_offsets(&format!("writer-{id}")).unwrap();
        match own.is_empty() {
            true => assert!(committed.is_empty()),
            false => assert!(committed[0].offset <= left.len() as u64, "{committed:?}"),
        }
    }
    // Each key's newest record below the end is there, whatever was compacted meanwhile.
    let end = store
        .open_topic("newest")
        .unwrap()
        .partition(0)
        .unwrap()
        .high_watermark();
    assert!(end >= acknowledged);
    let records = of("newest");
    for newest in end.saturating_sub(3)..end {
        assert!(
            records
                .iter()
                .any(|(offset, value)| *offset == newest && number(value) == newest),
            "{newest} of {end}"
        );
    }
    let loose = of("loose");
    assert!(loose.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0));
    assert!(loose.iter().all(|(offset, value)| number(value) == *offset));
    store.close().unwrap();
}
