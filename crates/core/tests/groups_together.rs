//! Many threads join, read, stall, vanish and leave under load, and lead rightly, wrongly or not at all. A plain book says
//! what was acknowledged: every offset of a partition is committed by one member, alone or in a transaction, in order and
//! without a gap, whoever owned it when; and once things rest every partition has exactly one owner.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test fails by panicking, and counts and seeds are to be seen"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use support::choices::Choices;
use support::members::*;
use support::sending::*;
use tidelog::io::{SimulatedStorage, Storage};
use tidelog::{
    Durability, Error, GroupEvent, MemberDescription, MemberOptions, Store, Topic, TopicChange,
    TopicConfig, TransactionOptions, TransactionalProducer,
};

const THREADS: u64 = 6;
const STEPS: u64 = 10_000;
const RECORDS: u64 = 20_000;
const LEAST: Duration = Duration::from_secs(8);
const TOPICS: [&str; 2] = ["a", "b"];
const GROUP: &str = "g";

/// What was acknowledged, by partition: each offset, and who committed it.
#[derive(Default)]
struct Book {
    committed: Mutex<BTreeMap<Place, BTreeMap<u64, String>>>,
    steps: AtomicU64,
    fenced: AtomicU64,
    stalls: AtomicU64,
    lost: AtomicU64,
    by_transaction: AtomicU64,
    phase: AtomicU64,
    /// Those who have joined to stay.
    resting: AtomicU64,
    arrived: AtomicU64,
    owned: Mutex<BTreeSet<Place>>,
}

/// Members come and go; all stay, and things come to rest; what they have is told.
const RESTING: u64 = 1;
const OVER: u64 = 2;
/// One of the threads has failed: the others end, too.
const FAILED: u64 = 3;

impl Book {
    fn acknowledged(&self, place: &Place, offset: u64, who: &str) {
        let mut committed = self.committed.lock().unwrap();
        let partition = committed.entry(place.clone()).or_default();
        if let Some(other) = partition.insert(offset, who.to_owned()) {
            panic!("{place:?} at {offset} by {other} and by {who}");
        }
    }
}

struct Alarm<'a>(&'a Book);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.phase.store(FAILED, Ordering::Relaxed);
        }
    }
}

struct Actor<'a> {
    book: &'a Book,
    store: &'a Store,
    topics: Vec<Topic>,
    choices: Choices,
    producer: TransactionalProducer,
    /// What it owns, with the offset that is committed.
    reads: BTreeMap<Place, u64>,
}

impl Actor<'_> {
    fn phase(&self) -> u64 {
        let phase = self.book.phase.load(Ordering::Relaxed);
        assert_ne!(phase, FAILED, "another thread has failed");
        phase
    }

    /// One membership, from joining to its end; it is given when all is over.
    fn life(&mut self) -> Option<Member> {
        let mask = 1 + self.choices.below(3);
        let topics = self.topics.iter().enumerate();
        let topics = topics.filter(|(bit, _)| mask >> bit & 1 == 1);
        let joined_in = self.phase();
        let is_static = joined_in == 0 && self.choices.one_in(4);
        let mut options = MemberOptions {
            instance_id: is_static.then(|| format!("s{}", self.choices.below(3))),
            ..MemberOptions::new(topics.map(|(_, topic)| topic.clone()).collect(), "any")
        };
        if joined_in == 0 {
            options.session_timeout = Duration::from_secs(1);
            options.max_poll_interval = Duration::from_secs(1);
        }
        let mut member = Member::join(self.store, GROUP, options).unwrap();
        if joined_in != 0 {
            self.book.resting.fetch_add(1, Ordering::Relaxed);
        }
        self.reads.clear();
        let steps = 20 + self.choices.below(200);
        for step in 0.. {
            self.book.steps.fetch_add(1, Ordering::Relaxed);
            let phase = self.phase();
            if phase == OVER && self.has_all(&member) {
                return Some(member);
            }
            // Those who come to rest have time: a slow machine must not expel them.
            if joined_in == 0 && (phase != 0 || step > steps) {
                match self.choices.below(2) {
                    0 => member.member.leave(),
                    _ => drop(member),
                }
                return None;
            }
            member.member.heartbeat();
            if phase == 0 && self.choices.one_in(150) {
                self.book.stalls.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(900 + self.choices.below(500)));
            }
            match member.event_within(Duration::from_millis(1)) {
                Some(Ok(event)) => {
                    if !self.hear(&member, event) {
                        return None;
                    }
                }
                Some(Err(error)) => panic!("{error}"),
                None => self.read(&member),
            }
        }
        None
    }

    /// Whether it has heard of all that the group says is its own.
    fn has_all(&self, member: &Member) -> bool {
        let group = self.store.group_members(GROUP).unwrap();
        let mut members = group.members.into_iter();
        let mine = members.find(|one| one.id == member.member.id());
        mine.is_some_and(|mine| self.reads.keys().eq(&mine.owned))
    }

    /// False at its end.
    fn hear(&mut self, member: &Member, event: GroupEvent) -> bool {
        match event {
            GroupEvent::Assign {
                generation,
                members,
                partitions,
            } => self.lead(member, generation, &members, &partitions),
            GroupEvent::Assigned { partitions, .. } => {
                let committed = self.store.committed_offsets(GROUP).unwrap();
                for place in partitions {
                    let found = committed
                        .iter()
                        .find(|one| one.topic == place.0 && one.partition == place.1);
                    let offset = found.map_or(0, |found| found.offset);
                    let before = self.reads.insert(place, offset);
                    assert_eq!(before, None, "it was its own already");
                }
            }
            GroupEvent::Revoke { partitions } => {
                for place in &partitions {
                    if self.choices.one_in(2) {
                        self.commit(member, place);
                    }
                    self.reads.remove(place).expect("what it is to give up");
                }
                member.member.revoked(&partitions);
            }
            GroupEvent::Lost { reason } => {
                self.book.lost.fetch_add(1, Ordering::Relaxed);
                assert!(matches!(
                    reason,
                    Error::FencedMember { .. } | Error::FencedInstance { .. }
                ));
                // It goes on for a while, as one that has not heard of it.
                for place in self.reads.clone().into_keys() {
                    assert!(!self.commit(member, &place), "a stale commit was accepted");
                }
                return false;
            }
        }
        true
    }

    fn lead(
        &mut self,
        member: &Member,
        generation: u64,
        members: &[MemberDescription],
        partitions: &[(String, u32)],
    ) {
        let rightly = self.phase() != 0;
        let mut shares: BTreeMap<String, Vec<Place>> = BTreeMap::new();
        for (topic, count) in partitions {
            let able = members.iter().filter(|one| one.topics.contains(topic));
            let able: Vec<_> = able.collect();
            for partition in 0..*count {
                let to = able[self.choices.below(able.len() as u64) as usize];
                let share = shares.entry(to.id.clone()).or_default();
                share.push((topic.clone(), partition));
            }
        }
        let shares: Shares = shares.into_iter().collect();
        if !rightly && self.choices.one_in(5) {
            let mut wrong = shares.clone();
            wrong.push(("nobody".to_owned(), Vec::new()));
            let refused = member.member.assign(generation, wrong);
            assert!(matches!(
                refused,
                Ok(()) | Err(Error::InvalidAssignment { .. })
            ));
        }
        if rightly || !self.choices.one_in(20) {
            member.member.assign(generation, shares).unwrap();
        }
    }

    /// Commits the next offset of something that it owns.
    fn read(&mut self, member: &Member) {
        if self.reads.is_empty() {
            return;
        }
        let nth = self.choices.below(self.reads.len() as u64) as usize;
        let place = self.reads.keys().nth(nth).unwrap().clone();
        member.member.polled(true);
        self.commit(member, &place);
        member.member.polled(false);
    }

    fn commit(&mut self, member: &Member, place: &Place) -> bool {
        let next = self.reads[place] + 1;
        let topic = self.topics.iter().find(|one| one.name() == place.0);
        let topic = topic.unwrap();
        let outcome = match self.choices.one_in(3) {
            true => {
                let number = self.producer.begin().unwrap().number;
                let offsets = vec![offset_commit(topic, place.1, next)];
                self.producer
                    .send_offsets_of(number, &member.member, offsets)
                    .unwrap();
                let outcome = commit(&self.producer, number).map(|_| ());
                match &outcome {
                    Ok(()) => self.book.by_transaction.fetch_add(1, Ordering::Relaxed),
                    Err(_) => {
                        self.producer.abort(number).unwrap();
                        0
                    }
                };
                outcome
            }
            false => member.commit(topic, place.1, next),
        };
        match outcome {
            Ok(()) => {
                self.book.acknowledged(place, next, member.member.id());
                self.reads.insert(place.clone(), next);
                true
            }
            Err(Error::FencedMember { .. }) => {
                self.book.fenced.fetch_add(1, Ordering::Relaxed);
                false
            }
            // All of it is read, or a partition is new.
            Err(Error::OffsetOutOfRange { .. }) => false,
            Err(other) => panic!("{other}"),
        }
    }
}

fn filled(store: &Store, name: &str) -> Topic {
    let config = TopicConfig {
        partitions: 3,
        ..TopicConfig::default()
    };
    let topic = store.create_topic(name, config).unwrap();
    (0..3).for_each(|partition| fill(&topic, partition));
    topic
}

fn fill(topic: &Topic, partition: u32) {
    let values: Vec<Vec<u8>> = (0..RECORDS).map(|n| support::value(n, 8)).collect();
    let partition = topic.partition(partition).unwrap();
    partition.append(support::batch(&values)).unwrap();
}

#[test]
fn no_offset_is_committed_twice_whoever_owns_what_when() {
    let seed = std::env::var("TIDELOG_GROUP_SEED").map_or(1, |text| text.parse().unwrap());
    let disk: Arc<dyn Storage> = Arc::new(SimulatedStorage::new());
    let store = Store::open("/data", support::options(&disk, Durability::Fsync)).unwrap();
    let topics: Vec<Topic> = TOPICS.iter().map(|name| filled(&store, name)).collect();
    let book = Book::default();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (book, store, topics) = (&book, &store, topics.clone());
            scope.spawn(move || {
                let _alarm = Alarm(book);
                let producer = store
                    .transactional_producer(&format!("t{thread}"), TransactionOptions::default())
                    .unwrap();
                let mut actor = Actor {
                    book,
                    store,
                    topics,
                    choices: Choices::new(seed * THREADS + thread),
                    producer,
                    reads: BTreeMap::new(),
                };
                let last = loop {
                    if let Some(member) = actor.life() {
                        break member;
                    }
                };
                for place in actor.reads.into_keys() {
                    let mut owned = book.owned.lock().unwrap();
                    assert!(owned.insert(place.clone()), "{place:?} has two owners");
                }
                book.arrived.fetch_add(1, Ordering::Relaxed);
                while book.arrived.load(Ordering::Relaxed) < THREADS
                    && book.phase.load(Ordering::Relaxed) == OVER
                {
                    last.member.heartbeat();
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        let _alarm = Alarm(&book);
        let pause = || std::thread::sleep(Duration::from_millis(20));
        while book.steps.load(Ordering::Relaxed) < STEPS || began.elapsed() < LEAST {
            pause();
            if book.phase.load(Ordering::Relaxed) == FAILED {
                return;
            }
            if began.elapsed() > LEAST / 2 && topics[0].partition_count() == 3 {
                let more = TopicChange {
                    partitions: Some(4),
                    ..TopicChange::default()
                };
                topics[0].alter(&more).unwrap();
                fill(&topics[0], 3);
            }
        }
        book.phase.store(RESTING, Ordering::Relaxed);
        let patience = Instant::now() + Duration::from_secs(30);
        loop {
            let group = store.group_members(GROUP).unwrap();
            let resting = book.resting.load(Ordering::Relaxed);
            if resting >= THREADS && group.stable && group.members.len() as u64 == THREADS {
                break;
            }
            assert!(Instant::now() < patience, "it comes to no rest: {group:?}");
            pause();
        }
        book.phase.store(OVER, Ordering::Relaxed);
    });

    let committed = store.committed_offsets(GROUP).unwrap();
    let mut count = 0;
    for (place, offsets) in book.committed.lock().unwrap().iter() {
        let last = offsets.len() as u64;
        assert!(offsets.keys().copied().eq(1..=last), "{place:?} has a gap");
        let found = committed
            .iter()
            .find(|one| one.topic == place.0 && one.partition == place.1);
        assert_eq!(found.unwrap().offset, last, "{place:?}");
        count += last;
    }
    let subscribed = |topic: &str| book.owned.lock().unwrap().iter().any(|one| one.0 == topic);
    let wanted = [("a", 4), ("b", 3)]
        .into_iter()
        .filter(|(topic, _)| subscribed(topic));
    let wanted: u32 = wanted.map(|(_, partitions)| partitions).sum();
    assert_eq!(book.owned.lock().unwrap().len() as u32, wanted);
    let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let generation = store.group_members(GROUP).unwrap().generation;
    println!(
        "seed {seed}: {} steps, {generation} generations, {} stalls, {} lost, {count} commits ({} by transactions), {} fenced",
        number(&book.steps),
        number(&book.stalls),
        number(&book.lost),
        number(&book.by_transaction),
        number(&book.fenced),
    );
    assert!(number(&book.lost) > 0 && number(&book.fenced) > 0 && count > 0);
    store.close().unwrap();
}
