//! A commit that waits for the disk keeps its partitions from others, and nobody waiting: whoever beats, polls, looks, gives
//! up or leaves meanwhile goes on at once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use support::members::*;
use support::sending::*;
use tidelog::{
    Error, GroupEvent, JournalOptions, MemberOptions, OpenOptions, Store, Topic, TopicConfig,
    TransactionOptions,
};

/// A journal whose frames are soon full, and whose thread stands still until this is dropped.
struct Stopped {
    gate: Option<Sender<()>>,
    filler: Option<std::thread::JoinHandle<()>>,
}

impl Stopped {
    fn stop(topic: &Topic) -> Stopped {
        let (gate, wait) = channel::<()>();
        let partition = topic.partition(0).unwrap();
        let sent = Arc::new(AtomicU64::new(0));
        partition.append_with(support::batch(&[vec![0; 1000]]), move |_| {
            let _ = wait.recv();
        });
        let (filling, count) = (partition.clone(), Arc::clone(&sent));
        let filler = std::thread::spawn(move || {
            // Smaller than what is to find no room.
            for _ in 0..5000 {
                filling.append_with(support::batch(&[vec![0; 10]]), |_| ());
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        // Until nothing more goes in.
        let mut before = u64::MAX;
        while before != sent.load(Ordering::Relaxed) {
            before = sent.load(Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!(before < 5000, "the journal has room for all");
        Stopped {
            gate: Some(gate),
            filler: Some(filler),
        }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.gate.take();
        let _ = self.filler.take().unwrap().join();
    }
}

fn open(folder: &tempfile::TempDir) -> Store {
    let options = OpenOptions {
        journal: JournalOptions {
            frame_bytes: 4096,
            extent_bytes: 2048,
            ..JournalOptions::default()
        },
        ..OpenOptions::default()
    };
    Store::open(folder.path(), options).unwrap()
}

fn topic(store: &Store, name: &str) -> Topic {
    let topic = store.create_topic(name, TopicConfig::default()).unwrap();
    let values: Vec<Vec<u8>> = (0..10).map(|n| support::value(n, 8)).collect();
    topic
        .partition(0)
        .unwrap()
        .append(support::batch(&values))
        .unwrap();
    topic
}

/// How a partition leaves the member that is committing offsets of it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    GivenUp,
    Left,
    Replaced,
}

#[test]
fn a_commit_that_waits_keeps_its_partition_from_others_and_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let (orders, filler) = (topic(&store, "orders"), topic(&store, "filler"));
    let all = [Way::GivenUp, Way::Left, Way::Replaced];
    let ways = all.into_iter().flat_map(|way| [(way, false), (way, true)]);
    for (round, (way, in_transaction)) in ways.enumerate() {
        let group = format!("g{round}");
        let options = MemberOptions {
            instance_id: (way == Way::Replaced).then(|| "fixed".to_owned()),
            ..MemberOptions::new(vec![orders.clone()], "turns")
        };
        let mut first = Member::join(&store, &group, options.clone()).unwrap();
        first.assigned(in_turn("orders", 1));
        let mut second = match way {
            Way::Replaced => None,
            _ => Some(Member::join(&store, &group, options.clone()).unwrap()),
        };
        if let (Way::GivenUp, Some(second)) = (way, &second) {
            let GroupEvent::Assign { generation, .. } = first.event() else {
                panic!();
            };
            let all = (second.member.id().to_owned(), places("orders", &[0]));
            first.member.assign(generation, vec![all]).unwrap();
            first.revoke();
        }

        let producer = store
            .transactional_producer(&format!("t{round}"), TransactionOptions::default())
            .unwrap();
        let stopped = Stopped::stop(&filler);
        let (answer, answered) = channel();
        let member = first.member.clone();
        let offsets = vec![offset_commit(&orders, 0, 7)];
        let committer = std::thread::spawn(move || {
            if in_transaction {
                let number = producer.begin().unwrap().number;
                producer.send_offsets_of(number, &member, offsets).unwrap();
                answer.send(commit(&producer, number).map(|_| ())).unwrap();
            } else {
                let done = move |outcome: Result<(), Error>| answer.send(outcome).unwrap();
                member.commit_offsets(&offsets, done);
            }
        });
        std::thread::sleep(Duration::from_millis(100));
        assert!(answered.try_recv().is_err());

        // As an event loop would.
        let (member, looking, named) = (first.member.clone(), store.clone(), group.clone());
        let (done, is_done) = channel();
        let others = options.clone();
        let caller = std::thread::spawn(move || {
            member.heartbeat();
            member.polled(true);
            member.polled(false);
            assert!(!looking.group_members(&named).unwrap().members.is_empty());
            let mut joined = None;
            match way {
                Way::GivenUp => member.revoked(&places("orders", &[0])),
                Way::Left => member.leave(),
                Way::Replaced => joined = Some(Member::join(&looking, &named, others).unwrap()),
            }
            done.send(joined).unwrap();
        });
        let called = is_done.recv_timeout(Duration::from_secs(10));
        let joined = called.unwrap_or_else(|_| panic!("{way:?}: a call waits for the disk"));
        caller.join().unwrap();
        let second = second.get_or_insert_with(|| joined.unwrap());
        let mut held = second.event_within(Duration::from_millis(200));
        if let Some(Ok(GroupEvent::Assign {
            generation,
            members,
            ..
        })) = held
        {
            let shares = in_turn("orders", 1)(&members);
            second.member.assign(generation, shares).unwrap();
            held = second.event_within(Duration::from_millis(200));
        }
        assert!(
            held.is_none(),
            "{way:?}: {held:?} before the commit was over"
        );

        let group_now = store.group_members(&group).unwrap();
        assert!(
            group_now.members.iter().all(|one| one.owned.is_empty()),
            "{way:?}: {group_now:?} before the commit was over"
        );

        drop(stopped);
        committer.join().unwrap();
        let answer = answered.recv_timeout(Duration::from_secs(10)).unwrap();
        answer.unwrap();
        assert_eq!(
            second.assigned(in_turn("orders", 1)),
            places("orders", &[0])
        );
        let committed = store.committed_offsets(&group).unwrap();
        assert_eq!(
            committed[0].offset, 7,
            "{way:?}, in a transaction: {in_transaction}"
        );
        assert!(first.commit(&orders, 0, 8).is_err());
        second.commit(&orders, 0, 8).unwrap();
    }
    store.close().unwrap();
}
