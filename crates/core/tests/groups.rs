//! Groups as a Rust program uses them: what members are told, what they may commit, and who is refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use support::members::*;
use support::sending::*;
use tidelog::{
    Error, GroupEvent, MemberOptions, OpenOptions, Store, Topic, TopicChange, TopicConfig,
    TransactionOptions, TransactionalProducer,
};

fn open(folder: &tempfile::TempDir) -> Store {
    Store::open(folder.path(), OpenOptions::default()).unwrap()
}

/// A topic with 10 records in each partition.
fn filled(store: &Store, name: &str, partitions: u32) -> Topic {
    let config = TopicConfig {
        partitions,
        ..TopicConfig::default()
    };
    let topic = store.create_topic(name, config).unwrap();
    for partition in 0..partitions {
        let values: Vec<Vec<u8>> = (0..10).map(|n| support::value(n, 8)).collect();
        let partition = topic.partition(partition).unwrap();
        partition.append(support::batch(&values)).unwrap();
    }
    topic
}

fn options(topic: &Topic) -> MemberOptions {
    MemberOptions::new(vec![topic.clone()], "turns")
}

fn named(topic: &Topic, instance_id: &str) -> MemberOptions {
    MemberOptions {
        instance_id: Some(instance_id.to_owned()),
        ..options(topic)
    }
}

fn billing(store: &Store) -> TransactionalProducer {
    store
        .transactional_producer("billing", TransactionOptions::default())
        .unwrap()
}

/// The committed offsets of a group by partition.
fn committed(store: &Store, group: &str) -> Vec<(u32, u64)> {
    let committed = store.committed_offsets(group).unwrap().into_iter();
    let mut committed: Vec<_> = committed.map(|one| (one.partition, one.offset)).collect();
    committed.sort_unstable();
    committed
}

fn is_fenced(outcome: &Result<(), Error>) -> bool {
    matches!(outcome, Err(Error::FencedMember { .. }))
}

#[test]
fn a_partition_changes_hands_with_all_that_was_committed_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let orders = filled(&store, "orders", 2);
    let turns = || in_turn("orders", 2);
    let mut first = Member::join(&store, "shop", options(&orders)).unwrap();
    assert_eq!(first.assigned(turns()), places("orders", &[0, 1]));
    first.commit(&orders, 1, 3).unwrap();

    let mut second = Member::join(&store, "shop", options(&orders)).unwrap();
    assert_ne!(first.member.id(), second.member.id());
    let GroupEvent::Assign {
        generation,
        members,
        partitions,
    } = first.event()
    else {
        panic!();
    };
    assert_eq!((generation, partitions), (2, places("orders", &[2])));
    assert_eq!(members[0].owned, places("orders", &[0, 1]));
    assert_eq!(members[1].id, second.member.id());
    let shares = turns()(&members);
    first.member.assign(generation, shares).unwrap();
    assert_eq!(first.revoke(), places("orders", &[1]));

    // It still owns what it was asked for; nobody else does.
    assert!(!store.group_members("shop").unwrap().stable);
    assert!(second.event_within(Duration::from_millis(200)).is_none());
    assert!(is_fenced(&second.commit(&orders, 1, 4)));
    first.commit(&orders, 1, 7).unwrap();
    first.member.revoked(&places("orders", &[1]));
    assert!(is_fenced(&first.commit(&orders, 1, 8)));
    assert_eq!(second.assigned(turns()), places("orders", &[1]));
    assert_eq!(committed(&store, "shop"), [(1, 7)]);
    second.commit(&orders, 1, 9).unwrap();
    first.commit(&orders, 0, 5).unwrap();

    // All or none of it: one of them is another's.
    let both = [offset_commit(&orders, 0, 6), offset_commit(&orders, 1, 10)];
    let outcome = wait(|done| first.member.commit_offsets(&both, done));
    assert!(is_fenced(&outcome));
    assert!(!outcome.unwrap_err().retriable());
    assert_eq!(committed(&store, "shop"), [(0, 5), (1, 9)]);
    let group = store.group_members("shop").unwrap();
    assert!(group.stable && group.generation == 2);
    assert_eq!(group.strategy.as_deref(), Some("turns"));

    second.member.leave();
    assert!(is_fenced(&second.commit(&orders, 1, 10)));
    assert!(matches!(
        second.event_within(Duration::from_secs(20)),
        Some(Err(Error::Closed))
    ));
    // Told with none for the generation before, unless that was overtaken.
    let mut gained = first.assigned(turns());
    if gained.is_empty() {
        gained = first.assigned(turns());
    }
    assert_eq!(gained, places("orders", &[1]));
    store.close().unwrap();
}

#[test]
fn what_is_being_committed_when_a_partition_changes_hands_is_seen_by_the_next_owner() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let orders = filled(&store, "orders", 1);
    for round in 0..20 {
        let group = format!("g{round}");
        let mut first = Member::join(&store, &group, options(&orders)).unwrap();
        first.assigned(in_turn("orders", 1));
        let mut second = Member::join(&store, &group, options(&orders)).unwrap();
        let GroupEvent::Assign { generation, .. } = first.event() else {
            panic!();
        };
        let all = (second.member.id().to_owned(), places("orders", &[0]));
        first.member.assign(generation, vec![all]).unwrap();
        let given_up = first.revoke();
        let (answer, answered) = std::sync::mpsc::channel();
        let offsets = [offset_commit(&orders, 0, 7)];
        let done = move |outcome| answer.send(outcome).unwrap();
        first.member.commit_offsets(&offsets, done);
        // Its answer is not waited for.
        first.member.revoked(&given_up);
        assert_eq!(second.assigned(in_turn("", 0)), given_up);
        assert_eq!(committed(&store, &group), [(0, 7)], "round {round}");
        answered.recv().unwrap().unwrap();
    }
    store.close().unwrap();
}

#[test]
fn a_transaction_of_a_member_commits_what_is_its_own_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let orders = filled(&store, "orders", 2);
    let invoices = filled(&store, "invoices", 1);
    let billing = billing(&store);
    let turns = || in_turn("orders", 2);
    let mut first = Member::join(&store, "shop", options(&orders)).unwrap();
    first.assigned(turns());

    let begin = |member: &Member, partition, offset| {
        let number = billing.begin().unwrap().number;
        send(&billing, number, &invoices, &[(0, b"x")]).unwrap();
        let offsets = vec![offset_commit(&orders, partition, offset)];
        billing
            .send_offsets_of(number, &member.member, offsets)
            .unwrap();
        number
    };
    commit(&billing, begin(&first, 0, 1)).unwrap();
    assert_eq!(committed(&store, "shop"), [(0, 1)]);
    let invoiced = || invoices.partition(0).unwrap().high_watermark();
    assert_eq!(invoiced(), 11);

    // Two members of one group in one transaction: each with what is its own.
    let mut second = Member::join(&store, "shop", options(&orders)).unwrap();
    let GroupEvent::Assign {
        generation,
        members,
        ..
    } = first.event()
    else {
        panic!();
    };
    first.member.assign(generation, turns()(&members)).unwrap();
    let given_up = first.revoke();
    let stale = begin(&first, 1, 5);
    first.member.revoked(&given_up);
    second.assigned(turns());
    let refused = commit(&billing, stale).map(|_| ());
    assert!(is_fenced(&refused), "{refused:?}");
    billing.abort(stale).unwrap();
    assert_eq!(
        (invoiced(), committed(&store, "shop")),
        (11, vec![(0, 1)]),
        "a refused commit has written something"
    );
    let together = begin(&first, 0, 2);
    let offsets = vec![offset_commit(&orders, 1, 3)];
    billing
        .send_offsets_of(together, &second.member, offsets)
        .unwrap();
    commit(&billing, together).unwrap();
    assert_eq!(committed(&store, "shop"), [(0, 2), (1, 3)]);

    // By the group's name it is refused as long as there are members.
    let by_name = billing.begin().unwrap().number;
    let offsets = vec![offset_commit(&orders, 0, 9)];
    billing.send_offsets(by_name, "shop", offsets).unwrap();
    assert!(matches!(
        commit(&billing, by_name),
        Err(Error::GroupNotEmpty { .. })
    ));
    assert_eq!(committed(&store, "shop"), [(0, 2), (1, 3)]);
    store.close().unwrap();
}

#[test]
fn a_group_with_members_is_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let orders = filled(&store, "orders", 1);
    commit_offset(&store, "shop", &orders, 0, 1).unwrap();
    let member = Member::join(&store, "shop", options(&orders)).unwrap();
    let _only = Member::join(&store, "new", options(&orders)).unwrap();
    assert_eq!(store.groups().unwrap(), ["new", "shop"]);
    assert!(matches!(
        commit_offset(&store, "shop", &orders, 0, 2),
        Err(Error::GroupNotEmpty { .. })
    ));
    assert!(matches!(
        store.delete_group("shop"),
        Err(Error::GroupNotEmpty { .. })
    ));
    assert_eq!(committed(&store, "shop"), [(0, 1)]);
    let other = MemberOptions {
        strategy: "other".to_owned(),
        ..options(&orders)
    };
    assert!(matches!(
        Member::join(&store, "shop", other.clone()),
        Err(Error::InconsistentStrategy { .. })
    ));
    assert_eq!(store.group_members("shop").unwrap().generation, 1);
    member.member.leave();
    commit_offset(&store, "shop", &orders, 0, 2).unwrap();
    let member = Member::join(&store, "shop", other).unwrap();
    member.member.leave();
    store.delete_group("shop").unwrap();
    assert_eq!(store.groups().unwrap(), ["new"]);
    store.close().unwrap();
}

#[test]
fn who_asks_for_nonsense_is_no_member() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let orders = filled(&store, "orders", 1);
    let gone = filled(&store, "gone", 1);
    store.delete_topic("gone").unwrap();
    let second = Duration::from_secs(1);
    let wrong = [
        MemberOptions::new(Vec::new(), "turns"),
        MemberOptions::new(vec![orders.clone()], ""),
        named(&orders, "a\nb"),
        MemberOptions {
            session_timeout: second / 2,
            ..options(&orders)
        },
        MemberOptions {
            session_timeout: second * 1801,
            ..options(&orders)
        },
        MemberOptions {
            max_poll_interval: second * 86_401,
            ..options(&orders)
        },
        MemberOptions::new(vec![orders.clone(), gone], "turns"),
    ];
    for options in wrong {
        assert!(store.join_group("shop", options).is_err());
    }
    assert!(store.join_group("", options(&orders)).is_err());
    assert!(store.groups().unwrap().is_empty());
    assert_eq!(store.group_members("shop").unwrap().members, []);
    // One call at a time.
    let mut member = Member::join(&store, "shop", options(&orders)).unwrap();
    member.assigned(in_turn("orders", 1));
    member.member.next(|_| ());
    let twice = wait(|done| member.member.next(done));
    assert!(matches!(twice, Err(Error::InvalidArgument { .. })));
    store.close().unwrap();
}

#[test]
fn an_assignment_gives_each_partition_to_one_member_that_wants_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let orders = filled(&store, "orders", 2);
    let others = filled(&store, "others", 1);
    let mut first = Member::join(&store, "shop", options(&orders)).unwrap();
    let both = MemberOptions::new(vec![orders.clone(), others], "turns");
    let mut second = Member::join(&store, "shop", both).unwrap();
    let GroupEvent::Assign { generation, .. } = first.event() else {
        panic!();
    };
    assert_eq!(generation, 2);
    let (a, b) = (first.member.id().to_owned(), second.member.id().to_owned());
    let give = |own: &[u32], other: &[u32], to: &str| {
        let mut shares = vec![
            (a.clone(), places("orders", own)),
            (b.clone(), places("orders", other)),
        ];
        shares.push((to.to_owned(), places("others", &[0])));
        shares
    };
    let wrong = [
        ("a missing partition", give(&[0], &[], &b)),
        ("two owners", give(&[0, 1], &[1], &b)),
        ("twice", give(&[0, 0], &[1], &b)),
        ("no such partition", give(&[0, 2], &[1], &b)),
        ("no such member", give(&[0], &[1], "nobody")),
        ("no such subscription", give(&[0], &[1], &a)),
    ];
    for (what, shares) in wrong {
        let refused = first.member.assign(generation, shares);
        assert!(
            matches!(refused, Err(Error::InvalidAssignment { .. })),
            "{what}: {refused:?}"
        );
        assert!(!store.group_members("shop").unwrap().stable);
    }
    // Too late, or not asked: nothing happens.
    first.member.assign(1, give(&[0], &[], &b)).unwrap();
    second.member.assign(2, give(&[0], &[1], &b)).unwrap();
    assert!(!store.group_members("shop").unwrap().stable);
    first.member.assign(2, give(&[0], &[1], &b)).unwrap();
    assert_eq!(first.assigned(in_turn("", 0)), places("orders", &[0]));
    let mut gained = second.assigned(in_turn("", 0));
    gained.sort();
    assert_eq!(
        gained,
        [places("orders", &[1]), places("others", &[0])].concat()
    );
    store.close().unwrap();
}

#[test]
fn who_is_not_heard_of_is_stuck_or_does_not_lead_is_replaced_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let orders = filled(&store, "orders", 1);
    let turns = || in_turn("orders", 1);
    let began = Instant::now();
    let soon = |what, most: u64| {
        let took = began.elapsed();
        assert!(took < Duration::from_secs(most), "{what} took {took:?}");
    };

    // Its session: nobody calls `heartbeat`.
    let short = MemberOptions {
        session_timeout: Duration::from_secs(1),
        ..options(&orders)
    };
    let mut silent = Member::join(&store, "silent", short.clone()).unwrap();
    silent.assigned(turns());
    // Its handler: it is called far less often than the session would notice.
    let patient = MemberOptions {
        max_poll_interval: Duration::from_secs(1),
        ..options(&orders)
    };
    let mut busy = Member::join(&store, "busy", patient.clone()).unwrap();
    busy.assigned(turns());
    busy.member.polled(true);
    let mut idle = Member::join(&store, "idle", patient.clone()).unwrap();
    idle.assigned(turns());
    idle.member.polled(true);
    idle.member.polled(false);
    // It does not give up what it is asked for.
    let mut greedy = Member::join(&store, "greedy", patient).unwrap();
    greedy.assigned(turns());
    let mut heir = Member::join(&store, "greedy", options(&orders)).unwrap();
    match greedy.event() {
        GroupEvent::Assign { generation, .. } => {
            let all = (heir.member.id().to_owned(), places("orders", &[0]));
            greedy.member.assign(generation, vec![all]).unwrap();
        }
        other => panic!("{other:?}"),
    }
    greedy.revoke();

    for member in [&mut silent, &mut busy, &mut greedy] {
        assert!(matches!(member.lost(), Error::FencedMember { .. }));
        assert!(is_fenced(&member.commit(&orders, 0, 1)));
    }
    soon("expelling", 10);
    assert_eq!(heir.assigned(turns()), places("orders", &[0]));
    for group in ["silent", "busy"] {
        assert!(store.group_members(group).unwrap().members.is_empty());
    }
    idle.commit(&orders, 0, 1).unwrap();

    // A leader that does not answer is passed over after 5 s.
    let mute = Member::join(&store, "mute", options(&orders)).unwrap();
    let mut next = Member::join(&store, "mute", options(&orders)).unwrap();
    assert_eq!(next.assigned(turns()), places("orders", &[0]));
    soon("another leader", 20);
    drop(mute);
    store.close().unwrap();
}

#[test]
fn a_static_member_keeps_its_partitions_while_it_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let orders = filled(&store, "orders", 2);
    let turns = || in_turn("orders", 2);
    let brief = MemberOptions {
        session_timeout: Duration::from_secs(2),
        ..named(&orders, "one")
    };
    let mut one = Member::join(&store, "shop", brief.clone()).unwrap();
    one.assigned(turns());
    drop(one);
    let mut again = Member::join(&store, "shop", brief.clone()).unwrap();
    assert_eq!(again.assigned(turns()), places("orders", &[0, 1]));
    assert_eq!(store.group_members("shop").unwrap().generation, 1);

    // Its name is taken while it is there.
    let mut twin = Member::join(&store, "shop", brief).unwrap();
    let fenced = again.lost();
    assert!(matches!(fenced, Error::FencedInstance { .. }));
    assert_eq!(fenced.code(), "ERR_TIDELOG_FENCED_INSTANCE");
    assert!(is_fenced(&again.commit(&orders, 0, 1)));
    assert_eq!(twin.assigned(turns()), places("orders", &[0, 1]));
    twin.commit(&orders, 0, 2).unwrap();
    assert_eq!(store.group_members("shop").unwrap().generation, 1);
    drop(again);

    // It does not come back: its session ends, and others get what was its own.
    let mut other = Member::join(&store, "shop", options(&orders)).unwrap();
    drop(twin);
    assert_eq!(other.assigned(turns()), places("orders", &[1]));
    assert_eq!(other.assigned(turns()), places("orders", &[0]));
    assert_eq!(committed(&store, "shop"), [(0, 2)]);
    // A static one that says so is gone at once.
    let last = Member::join(&store, "shop", named(&orders, "two")).unwrap();
    assert_eq!(store.group_members("shop").unwrap().members.len(), 2);
    last.member.leave();
    assert_eq!(store.group_members("shop").unwrap().members.len(), 1);
    store.close().unwrap();
}

#[test]
fn partitions_that_come_and_go_are_shared_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let orders = filled(&store, "orders", 1);
    let mut member = Member::join(&store, "shop", options(&orders)).unwrap();
    member.assigned(in_turn("orders", 1));
    let more = TopicChange {
        partitions: Some(3),
        ..TopicChange::default()
    };
    orders.alter(&more).unwrap();
    assert_eq!(
        member.assigned(in_turn("orders", 3)),
        places("orders", &[1, 2])
    );
    store.delete_topic("orders").unwrap();
    match member.event() {
        GroupEvent::Assign {
            generation,
            partitions,
            ..
        } => {
            assert_eq!((generation, partitions.len()), (3, 0));
            member.member.assign(generation, Vec::new()).unwrap();
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(member.revoke(), places("orders", &[0, 1, 2]));
    store.close().unwrap();
}

#[test]
fn members_go_with_the_handle_that_they_came_through() {
    let folder = tempfile::tempdir().unwrap();
    let (store, other) = (open(&folder), open(&folder));
    let orders = filled(&store, "orders", 1);
    let elsewhere = other.open_topic("orders").unwrap();
    let mut first = Member::join(&store, "shop", options(&orders)).unwrap();
    first.assigned(in_turn("orders", 1));
    first.commit(&orders, 0, 4).unwrap();
    let mut second = Member::join(&other, "shop", options(&elsewhere)).unwrap();
    while first.event_within(Duration::from_millis(100)).is_some() {}
    store.close().unwrap();
    assert!(matches!(
        first.event_within(Duration::from_secs(20)),
        Some(Err(Error::Closed))
    ));
    assert_eq!(
        second.assigned(in_turn("orders", 1)),
        places("orders", &[0])
    );
    assert_eq!(committed(&other, "shop"), [(0, 4)]);
    assert!(matches!(first.commit(&orders, 0, 5), Err(Error::Closed)));
    other.close().unwrap();
    assert!(other.join_group("shop", options(&elsewhere)).is_err());
    drop((first, second));

    // A group's members end with the process that they are in; its offsets stay.
    let store = open(&folder);
    assert!(store.group_members("shop").unwrap().members.is_empty());
    assert_eq!(committed(&store, "shop"), [(0, 4)]);
    let orders = store.open_topic("orders").unwrap();
    let mut member = Member::join(&store, "shop", options(&orders)).unwrap();
    member.assigned(in_turn("orders", 1));
    member.commit(&orders, 0, 6).unwrap();
    store.close().unwrap();
}
