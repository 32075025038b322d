//! A batch with a producer's sequence number is stored once, however often it is sent: over restarts, damaged and lost
//! snapshots, deleted records, and threads that send the same. Answers are compared with a plain list of what was
//! stored. The long form is `TIDELOG_RESTARTS=2000 cargo test --release -p tidelog --test idempotence`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier, mpsc};

use support::killed::{ROOT, open};
use support::sending::*;
use support::sequences::*;
use support::*;
use tidelog::format::batch::BatchHeader;
use tidelog::io::{CrashKind, OsStorage, SimulatedStorage, Storage};
use tidelog::{Appended, Condition, OpenOptions, Partition, Store, TopicConfig};

/// Sends all that was ever stored once more, and what neither follows nor repeats. Nothing is appended. Gives how many
/// batches were sent.
fn retry_all(partition: &Partition, producers: &mut [Known], context: &str) -> usize {
    let mut sent = 0;
    for known in producers {
        let epoch = known.epoch;
        let mut batches: Vec<_> = known.stored.iter().map(|(f, l, _)| (*f, *l)).collect();
        let next = known.next();
        batches.push((next + 1, next + 1));
        if next > 0 {
            batches.push((next - 1, next));
        }
        for batch in batches {
            assert!(!send_and_compare(partition, known, epoch, batch, context));
            sent += 1;
        }
    }
    sent
}

/// The headers of all batches that are in the log.
fn headers(partition: &Partition) -> Vec<BatchHeader> {
    let (mut found, mut bytes) = (Vec::new(), Vec::new());
    let mut offset = partition.log_start_offset();
    loop {
        let next = partition.read(offset, 1 << 16, &mut bytes).unwrap().next;
        if next == offset {
            return found;
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let header = BatchHeader::parse(rest).unwrap();
            rest = &rest[header.size()..];
            found.push(header);
        }
        offset = next;
    }
}

fn small_segments() -> TopicConfig {
    TopicConfig {
        segment_bytes: 3000,
        index_interval_bytes: 256,
        ..TopicConfig::default()
    }
}

fn partition(store: &Store) -> Partition {
    topic(store, "t", small_segments()).partition(0).unwrap()
}

/// A number below `bound`, from a linear congruence.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn restarts() -> u64 {
    let set = std::env::var("TIDELOG_RESTARTS").ok();
    set.and_then(|n| n.parse().ok()).unwrap_or(200)
}

#[test]
fn answers_are_the_same_over_restarts_of_any_kind() {
    let (mut appends, mut answers, mut unknown_outcomes) = (0, 0, 0);
    let mut left = restarts();
    let mut kinds = [0; 4];
    for seed in 0.. {
        if left == 0 {
            break;
        }
        let (disk, mut random) = (SimulatedStorage::new(), Random(seed));
        let mut sessions: Vec<Known> = Vec::new();
        let mut shop: Option<Known> = None;
        for life in 0..left.min(20) {
            left -= 1;
            let context = format!("seed {seed}, life {life}");
            let store = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
            let partition = partition(&store);
            let id = store.init_producer_id(None).unwrap();
            sessions.push(Known::new(id.producer_id, id.epoch));
            // The same name in a new epoch: what the older ones have sent is behind it.
            let id = store.init_producer_id(Some("shop")).unwrap();
            if let Some(shop) = &shop {
                assert_eq!((id.producer_id, id.epoch), (shop.id, shop.epoch + 1));
            }
            let mut named = Known::new(id.producer_id, id.epoch);
            answers += retry_all(&partition, &mut sessions, &context);
            for step in 0..12 {
                let context = format!("{context}, step {step}");
                let pick = random.below(sessions.len() as u64 + 1) as usize;
                let known = sessions.get_mut(pick).unwrap_or(&mut named);
                let next = known.next();
                let first = match random.below(8) {
                    0 => next + 1 + random.below(3) as i32,
                    1 | 2 => random.below(next as u64 + 1) as i32,
                    _ => next,
                };
                let again = random.below(known.stored.len() as u64 + 1) as usize;
                let (mut epoch, mut batch) = (known.epoch, (first, first + random.below(3) as i32));
                match random.below(8) {
                    0 if known.id & 1 << 31 != 0 => epoch += 1 - 2 * random.below(2) as i16,
                    1 | 2 => {
                        if let Some((first, last, _)) = known.stored.get(again) {
                            batch = (*first, *last);
                        }
                    }
                    _ => {}
                }
                if epoch < 0 {
                    continue;
                }
                let appended = send_and_compare(&partition, known, epoch, batch, &context);
                appends += usize::from(appended);
                answers += usize::from(!appended);
                if random.below(30) == 0 {
                    // All of it goes; what is known of producers stays.
                    let end = partition.high_watermark();
                    assert_eq!(partition.delete_records(end).unwrap(), end, "{context}");
                }
            }
            let kind = random.below(4) as usize;
            kinds[kind] += 1;
            match kind {
                0 => store.close().unwrap(),
                1 | 2 => {
                    let kind = [CrashKind::Kill, CrashKind::PowerLoss][kind - 1];
                    disk.crash(kind, seed << 16 | life);
                    bury(store);
                }
                // In the middle of an append, of which nobody knows then whether it was stored.
                _ => {
                    let known = sessions.last_mut().unwrap();
                    let (first, last) = (known.next(), known.next() + 1);
                    let changes = disk.counters().changes + 1 + random.below(4);
                    disk.crash_at_change(changes);
                    let end = partition.log_end_offset();
                    let outcome = partition.append(known.batch(0, first, last));
                    let told = outcome.is_ok();
                    disk.crash(CrashKind::PowerLoss, seed << 16 | life);
                    bury(store);
                    let store = open(&disk).unwrap();
                    let partition = store.open_topic("t").unwrap().partition(0).unwrap();
                    match answer(partition.append(known.batch(0, first, last))) {
                        Answer::Original(offset) => assert_eq!(offset, end, "{context}"),
                        Answer::Appended(offset) if !told => assert_eq!(offset, end, "{context}"),
                        other => panic!("{context}: {other:?} after it was told {outcome:?}"),
                    }
                    known.stored.push((first, last, end));
                    unknown_outcomes += usize::from(!told);
                    store.close().unwrap();
                }
            }
            shop = Some(named);
        }
        // Of each producer every number is in the log once, from where the log begins.
        let store = open(&disk).unwrap();
        let partition = partition(&store);
        let start = partition.log_start_offset();
        let found = headers(&partition);
        for known in &sessions {
            let stored: Vec<_> = found
                .iter()
                .filter(|header| header.producer_id == known.id)
                .map(|header| (header.base_sequence, header.base_offset))
                .filter(|(_, offset)| *offset >= start)
                .collect();
            let expected: Vec<_> = known
                .stored
                .iter()
                .map(|(first, _, offset)| (*first, *offset))
                .filter(|(_, offset)| *offset >= start)
                .collect();
            assert_eq!(stored, expected, "seed {seed}: {known:?}");
        }
        store.close().unwrap();
    }
    assert!(kinds.iter().all(|n| *n > 20), "{kinds:?}");
    assert!(appends > 500 && answers > 1000, "{appends}, {answers}");
    assert!(unknown_outcomes > 5, "{unknown_outcomes}");
}

/// Three lives that were closed in order, with a snapshot each, so that two are there. Some sent much and some little.
fn three_lives(storage: &Arc<dyn Storage>, root: &Path) -> Vec<Known> {
    let mut producers: Vec<Known> = Vec::new();
    for life in 0..3 {
        let store = Store::open(root, killed::killed_options(storage)).unwrap();
        let partition = partition(&store);
        for _ in 0..2 {
            let id = store.init_producer_id(None).unwrap();
            producers.push(Known::new(id.producer_id, id.epoch));
        }
        for (n, known) in producers.iter_mut().enumerate() {
            for round in 0..2 + n as i32 % 3 {
                let batch = (known.next(), known.next() + round % 2);
                assert!(
                    send_and_compare(&partition, known, 0, batch, "at first"),
                    "{life}"
                );
            }
        }
        store.close().unwrap();
    }
    producers
}

/// The newest first.
fn snapshots(storage: &dyn Storage, root: &Path) -> Vec<PathBuf> {
    let folder = root.join("t-0");
    let mut found: Vec<_> = storage
        .read_dir(&folder)
        .unwrap()
        .into_iter()
        .filter(|entry| entry.name.ends_with(".snapshot"))
        .map(|entry| folder.join(entry.name))
        .collect();
    found.sort();
    found.reverse();
    found
}

#[test]
fn a_snapshot_with_any_byte_changed_is_passed_over() {
    let disk = SimulatedStorage::new();
    let producers = three_lives(
        &(Arc::new(disk.process()) as Arc<dyn Storage>),
        Path::new(ROOT),
    );
    let files = snapshots(&disk, Path::new(ROOT));
    assert_eq!(files.len(), 2);
    let whole = content(&disk, &files[0]);
    assert!(whole.len() > 500, "{}", whole.len());
    for at in 0..whole.len() {
        let disk = disk.duplicate();
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        set_content(&disk, &files[0], &bytes);
        if at % 2 == 0 {
            // Nothing to fall back on but the log.
            let mut bytes = content(&disk, &files[1]);
            let at = at % bytes.len();
            bytes[at] ^= 0x10;
            set_content(&disk, &files[1], &bytes);
        }
        let store = open(&disk).unwrap();
        let context = format!("byte {at}");
        retry_all(&partition(&store), &mut producers.clone(), &context);
        store.close().unwrap();
    }
}

#[test]
fn what_is_known_is_the_same_with_snapshots_and_without() {
    let folder = tempfile::tempdir().unwrap();
    let storage = OpenOptions::default().storage;
    let mut producers = three_lives(&storage, folder.path());
    let files = snapshots(&OsStorage, folder.path());
    assert_eq!(files.len(), 2);
    let whole: Vec<_> = files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    let mut check = |context: &str| {
        let store = Store::open(folder.path(), killed::killed_options(&storage)).unwrap();
        retry_all(&partition(&store), &mut producers, context);
        store.close().unwrap();
    };
    let put_back = || {
        for (file, bytes) in files.iter().zip(&whole) {
            std::fs::write(file, bytes).unwrap();
        }
    };
    check("as they are");
    for len in [0, 1, 5, 6, 9, 10, 60, 200, whole[0].len() - 1] {
        std::fs::write(&files[0], &whole[0][..len]).unwrap();
        check(&format!("the newest ends at {len}"));
        std::fs::write(&files[1], &whole[1][..len.min(whole[1].len() - 1)]).unwrap();
        check(&format!("both end at {len}"));
        put_back();
    }
    let mut longer = whole[0].clone();
    longer.push(0);
    std::fs::write(&files[0], &longer).unwrap();
    check("a byte too many");
    put_back();
    std::fs::remove_file(&files[0]).unwrap();
    check("the newest is lost");
    put_back();
    std::fs::remove_file(&files[1]).unwrap();
    check("the older one is lost");
    for file in snapshots(&OsStorage, folder.path()) {
        std::fs::remove_file(file).unwrap();
    }
    check("all are lost");
}

/// A snapshot tells of records which an unclean end took; others have their offsets now.
#[test]
fn a_snapshot_of_another_past_is_passed_over() {
    let disk = SimulatedStorage::new();
    let store = open(&disk).unwrap();
    partition(&store);
    store.close().unwrap();
    let other = disk.duplicate();
    // Appends eight records of one producer.
    let eight = |disk: &SimulatedStorage| {
        let store = open(disk).unwrap();
        let id = store.init_producer_id(None).unwrap();
        let mut known = Known::new(id.producer_id, 0);
        for first in [0, 2, 4, 6] {
            let batch = (first, first + 1);
            assert!(send_and_compare(
                &partition(&store),
                &mut known,
                0,
                batch,
                "at first"
            ));
        }
        store.close().unwrap();
        known
    };
    let gone = eight(&other);
    open(&disk).unwrap().close().unwrap();
    let here = eight(&disk);
    assert_ne!(gone.id, here.id);
    let files = snapshots(&disk, Path::new(ROOT));
    assert_eq!(files, snapshots(&other, Path::new(ROOT)));
    set_content(&disk, &files[0], &content(&other, &files[0]));
    let store = open(&disk).unwrap();
    let mut producers = [
        here,
        Known {
            stored: vec![],
            ..gone
        },
    ];
    retry_all(&partition(&store), &mut producers, "of another past");
    store.close().unwrap();
}

/// Its floor is on disk before what it was read from goes.
#[test]
fn a_name_goes_on_where_it_ended_when_none_of_its_records_are_left() {
    for kind in [None, Some(CrashKind::Kill), Some(CrashKind::PowerLoss)] {
        let disk = SimulatedStorage::new();
        let send_as = |store: &Store, sequence: Option<i32>| {
            let lane = store.named_producer_lane("meter").unwrap();
            let topic = topic(store, "t", small_segments());
            let condition = Condition {
                expect_offset: None,
                sequence,
            };
            let sent = produce_if(&lane, &topic, (0, &[9; 200]), condition);
            (answer(sent), lane.last_sequence(&topic, 0).unwrap())
        };
        let store = open(&disk).unwrap();
        for n in 0..30 {
            let sent = send_as(&store, (n % 2 == 0).then_some(n));
            assert_eq!(sent, (Answer::Appended(n as u64), Some(n)));
        }
        assert_eq!(partition(&store).delete_records(30).unwrap(), 30);
        match kind {
            None => store.close().unwrap(),
            Some(kind) => {
                disk.crash(kind, 5);
                bury(store);
            }
        }
        for life in 0..3 {
            let store = open(&disk).unwrap();
            assert!(headers(&partition(&store)).is_empty());
            for (sequence, expected) in [
                (0, Answer::StoredSomewhere),
                (24, Answer::StoredSomewhere),
                (25, Answer::Original(25)),
                (29, Answer::Original(29)),
                (31, Answer::Gap(30)),
            ] {
                let sent = send_as(&store, Some(sequence));
                assert_eq!(sent, (expected, Some(29)), "{kind:?}, life {life}");
            }
            store.close().unwrap();
        }
        let store = open(&disk).unwrap();
        assert_eq!(send_as(&store, None), (Answer::Appended(30), Some(30)));
        store.close().unwrap();
    }
}

/// Numbers that a program gives are judged as those of any other, also those of a lane that has no name.
#[test]
fn a_lane_without_a_name_does_not_begin_in_the_middle() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), OpenOptions::default()).unwrap();
    let topic = topic(&store, "t", small_segments());
    let lane = store.producer_lane();
    let send = |sequence| {
        let condition = Condition {
            expect_offset: None,
            sequence,
        };
        answer(produce_if(&lane, &topic, (0, b"x"), condition))
    };
    assert_eq!(send(Some(5)), Answer::Unknown);
    assert_eq!(send(Some(0)), Answer::Appended(0));
    assert_eq!(send(Some(0)), Answer::Original(0));
    assert_eq!(send(Some(5)), Answer::Gap(1));
    assert_eq!(send(None), Answer::Appended(1));
    assert_eq!(send(Some(1)), Answer::Original(1));
    store.close().unwrap();
}

#[test]
fn threads_that_send_the_same_store_it_once() {
    const THREADS: usize = 16;
    const BATCHES: i32 = 60;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), OpenOptions::default()).unwrap();
    let partition = topic(&store, "t", TopicConfig::default())
        .partition(0)
        .unwrap();
    let new = || Known::new(store.init_producer_id(None).unwrap().producer_id, 0);
    // Each thread has its own producer, and shares another one with its neighbour.
    let own: Vec<Known> = (0..THREADS).map(|_| new()).collect();
    let shared: Vec<Known> = (0..THREADS / 2).map(|_| new()).collect();
    let barriers: Vec<Barrier> = (0..THREADS / 2).map(|_| Barrier::new(2)).collect();
    let answers: Vec<Vec<Appended>> = std::thread::scope(|scope| {
        let run = |thread: usize| {
            let (own, shared) = (&own[thread], &shared[thread / 2]);
            let (barrier, partition) = (&barriers[thread / 2], &partition);
            move || {
                let mut answers = Vec::new();
                for first in (0..BATCHES).map(|n| n * 2) {
                    let mine = partition.append(own.batch(0, first, first + 1)).unwrap();
                    assert!(!mine.duplicate);
                    let again = partition.append(own.batch(0, first, first + 1)).unwrap();
                    assert!(again.duplicate && again.base_offset == mine.base_offset);
                    barrier.wait();
                    let both = partition.append(shared.batch(0, first, first + 1));
                    answers.push(both.unwrap());
                }
                answers
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(run(n))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for pair in answers.chunks_exact(2) {
        for (one, other) in pair[0].iter().zip(&pair[1]) {
            assert_eq!(one.base_offset, other.base_offset);
            assert_ne!(one.duplicate, other.duplicate, "one of them was the first");
        }
    }
    let mut stored: HashMap<i64, Vec<i32>> = HashMap::new();
    for header in headers(&partition) {
        stored
            .entry(header.producer_id)
            .or_default()
            .push(header.base_sequence);
    }
    assert_eq!(stored.len(), THREADS + THREADS / 2);
    let all: Vec<i32> = (0..BATCHES).map(|n| n * 2).collect();
    assert!(stored.values().all(|sequences| *sequences == all));
    store.close().unwrap();
}

/// The power fails at the moment of the answer to a retry that was sent while its original was on its way.
#[test]
fn a_retry_is_answered_when_its_original_is_durable() {
    for seed in 0..100 {
        let disk = SimulatedStorage::new();
        let store = open(&disk).unwrap();
        let partition = partition(&store);
        let mut known = Known::new(store.init_producer_id(None).unwrap().producer_id, 0);
        assert!(send_and_compare(
            &partition,
            &mut known,
            0,
            (0, 0),
            "at first"
        ));
        let (told, answers) = mpsc::channel();
        partition.append_with(known.batch(0, 1, 3), |_| {});
        partition.append_with(known.batch(0, 1, 3), move |appended| {
            told.send(appended).unwrap();
        });
        let appended = answers.recv().unwrap();
        disk.crash(CrashKind::PowerLoss, seed);
        assert_eq!(answer(appended), Answer::Original(1));
        bury(store);
        let store = open(&disk).unwrap();
        let partition = store.open_topic("t").unwrap().partition(0).unwrap();
        assert_eq!(partition.high_watermark(), 4, "seed {seed}");
        let again = partition.append(known.batch(0, 1, 3));
        assert_eq!(answer(again), Answer::Original(1), "seed {seed}");
        store.close().unwrap();
    }
}
