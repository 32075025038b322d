//! Members that join, stall, leave, vanish and come back at random, leaders that answer late, wrongly or not at all, topics
//! that grow and go: a partition has one owner at most all along, and one exactly when things rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;

const TOPICS: [&str; 3] = ["a", "b", "c"];
const SESSION: Duration = Duration::from_secs(45);
const POLL: Duration = Duration::from_secs(300);

/// Numbers that follow from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// A generation, its members and its partitions, of which a leader is to make an assignment.
type Question = (u64, Vec<MemberDescription>, Vec<(String, u32)>);

/// A consumer, with what it believes.
struct Actor {
    mailbox: Arc<Mailbox>,
    instance: Option<String>,
    /// What it reads.
    reads: BTreeSet<Partition>,
    /// What it was asked to give up, and has not yet.
    giving_up: Vec<Partition>,
    /// Asked for an assignment, and has not answered.
    asked: Option<Question>,
    lost: bool,
    /// Answers nothing, and its heart does not beat.
    stalled: bool,
}

struct World {
    group: Membership,
    random: Random,
    now: Instant,
    actors: Vec<Actor>,
    counts: BTreeMap<String, u32>,
    /// Commits that were admitted and wait for the disk, with who has begun them.
    commits: Vec<(Arc<Mailbox>, Vec<Partition>)>,
    names: u64,
    expelled: usize,
}

impl World {
    fn new(seed: u64) -> World {
        World {
            group: Membership::new("g"),
            random: Random(seed),
            now: Instant::now(),
            actors: Vec::new(),
            counts: TOPICS
                .iter()
                .map(|topic| ((*topic).to_owned(), 3))
                .collect(),
            commits: Vec::new(),
            names: 0,
            expelled: 0,
        }
    }

    fn join(&mut self) {
        let instance = self
            .random
            .one_in(3)
            .then(|| format!("fixed-{}", self.random.below(3)));
        let mask = 1 + self.random.below(7);
        let topics: Vec<String> = (0..3)
            .filter(|bit| mask >> bit & 1 == 1)
            .map(|bit| TOPICS[bit as usize].to_owned())
            .collect();
        self.names += 1;
        let counts = topics.iter().map(|t| (t.clone(), self.counts[t])).collect();
        let terms = Terms {
            id: format!("m{}", self.names),
            instance_id: instance.clone(),
            handle: 0,
            topics,
            session_timeout: SESSION,
            max_poll_interval: POLL,
        };
        let mailbox = Arc::new(Mailbox::default());
        let joined = self
            .group
            .join(terms, "any", counts, Arc::clone(&mailbox), self.now);
        mailbox.renumber(joined.unwrap());
        self.actors.push(Actor {
            mailbox,
            instance,
            reads: BTreeSet::new(),
            giving_up: Vec::new(),
            asked: None,
            lost: false,
            stalled: false,
        });
    }

    fn any(&mut self) -> Option<usize> {
        let len = self.actors.len() as u64;
        (len > 0).then(|| self.random.below(len) as usize)
    }

    /// Looks at its next event.
    fn hear(&mut self, index: usize) -> bool {
        let actor = &mut self.actors[index];
        let (answer, event) = std::sync::mpsc::channel();
        let next = Box::new(move |event| answer.send(event).unwrap());
        assert!(actor.mailbox.ask(next).is_ok());
        if let Some((next, event)) = actor.mailbox.take() {
            actor.mailbox.handed_out();
            next(event);
        }
        let Ok(event) = event.try_recv() else {
            actor.mailbox.forget();
            return false;
        };
        match event {
            Ok(GroupEvent::Assigned { partitions, .. }) => {
                for partition in partitions {
                    assert!(actor.reads.insert(partition), "it has it");
                }
            }
            Ok(GroupEvent::Revoke { partitions }) => {
                assert!(partitions.iter().all(|one| actor.reads.contains(one)));
                actor.giving_up.extend(partitions);
            }
            Ok(GroupEvent::Assign {
                generation,
                members,
                partitions,
            }) => actor.asked = Some((generation, members, partitions)),
            Ok(GroupEvent::Lost { .. }) => {
                actor.reads.clear();
                actor.lost = true;
            }
            Err(_) => assert!(actor.lost, "closed without a word"),
        }
        true
    }

    /// Answers as a leader, in any way that is allowed, or one that is not.
    fn lead(&mut self, index: usize, rightly: bool) {
        let Some((generation, members, partitions)) = self.actors[index].asked.take() else {
            return;
        };
        let mut shares: BTreeMap<String, Vec<Partition>> = BTreeMap::new();
        for (topic, count) in partitions {
            let able: Vec<&MemberDescription> = members
                .iter()
                .filter(|m| m.topics.contains(&topic))
                .collect();
            for partition in 0..count {
                let member = &able[self.random.below(able.len() as u64) as usize];
                let share = shares.entry(member.id.clone()).or_default();
                share.push((topic.clone(), partition));
            }
        }
        let mut shares: Vec<_> = shares.into_iter().collect();
        let number = self.actors[index].mailbox.number();
        if !rightly {
            let kinds = if shares.is_empty() { 1 } else { 4 };
            match self.random.below(kinds) {
                0 => shares.push(("nobody".to_owned(), Vec::new())),
                1 => shares[0].1.push(("a".to_owned(), 99)),
                2 => {
                    let again = shares[0].1[0].clone();
                    shares[0].1.push(again);
                }
                _ => drop(shares[0].1.pop()),
            }
            let before = self.group.is_stable();
            let answer = self.group.assign(number, generation, shares, self.now);
            let is_current =
                generation == self.group.generation && self.group.assigned != generation;
            let is_leader = self
                .group
                .leader
                .is_some_and(|(leader, _)| leader == number);
            assert_eq!(answer.is_err(), is_current && is_leader);
            assert_eq!(before, self.group.is_stable());
            return;
        }
        self.group
            .assign(number, generation, shares, self.now)
            .unwrap();
    }

    fn give_up(&mut self, index: usize) {
        let actor = &mut self.actors[index];
        let gone = std::mem::take(&mut actor.giving_up);
        if gone.is_empty() || actor.lost {
            return;
        }
        actor.reads.retain(|partition| !gone.contains(partition));
        let number = actor.mailbox.number();
        self.group.revoked(number, &gone, self.now);
    }

    /// Commits offsets of some of what it reads, or of all.
    fn begin_commit(&mut self, index: usize) {
        let all = !self.random.one_in(3);
        let actor = &self.actors[index];
        let partitions: Vec<Partition> = actor
            .reads
            .iter()
            .filter(|(_, partition)| all || partition % 2 == 0)
            .cloned()
            .collect();
        let number = actor.mailbox.number();
        let is_member = self.group.members.contains_key(&number);
        match self.group.admit(Some(number), &partitions) {
            Ok(()) => {
                assert!(
                    is_member || partitions.is_empty(),
                    "a stale commit is admitted"
                );
                self.commits.push((Arc::clone(&actor.mailbox), partitions));
            }
            Err(Error::FencedMember { .. }) => assert!(!is_member),
            Err(other) => panic!("{other}"),
        }
    }

    fn end_commit(&mut self) {
        let nth = self.random.below(self.commits.len() as u64) as usize;
        if nth < self.commits.len() {
            let (_, partitions) = self.commits.swap_remove(nth);
            self.group.committed(&partitions, self.now);
        }
    }

    fn step(&mut self) {
        match self.random.below(110) {
            100..105 => {
                if let Some(index) = self.any() {
                    self.begin_commit(index);
                }
            }
            105.. => self.end_commit(),
            0..6 if self.actors.len() < 8 => self.join(),
            6..8 => {
                if let Some(index) = self.any() {
                    let actor = self.actors.swap_remove(index);
                    let for_good = self.random.one_in(2);
                    self.group.leave(actor.mailbox.number(), for_good, self.now);
                }
            }
            8..10 => {
                if let Some(index) = self.any() {
                    self.actors[index].stalled ^= true;
                }
            }
            10..12 => {
                let topic = TOPICS[self.random.below(3) as usize];
                let count = self.random.below(6) as u32;
                self.counts.insert(topic.to_owned(), count);
                self.group.count_changed(topic, count, self.now);
            }
            12..20 => self.pass(Duration::from_secs(1 + self.random.0 % 9)),
            20..22 => self.pass(Duration::from_secs(40)),
            22..25 => {
                if let Some(index) = self.any() {
                    let number = self.actors[index].mailbox.number();
                    let busy = self.random.one_in(2);
                    self.group.polled(number, busy, self.now);
                }
            }
            25..60 => {
                if let Some(index) = self.any().filter(|i| !self.actors[*i].stalled) {
                    self.hear(index);
                }
            }
            60..80 => {
                if let Some(index) = self.any().filter(|i| !self.actors[*i].stalled) {
                    self.give_up(index);
                }
            }
            80..84 => {
                if let Some(index) = self.any() {
                    self.lead(index, false);
                }
            }
            _ => {
                if let Some(index) = self.any().filter(|i| !self.actors[*i].stalled) {
                    self.lead(index, true);
                }
            }
        }
        self.check();
    }

    /// Time passes; who is well is heard of.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        for actor in &self.actors {
            if !actor.stalled {
                self.group.beat(actor.mailbox.number(), self.now);
            }
        }
        let before = self.group.members.len();
        while self
            .group
            .next_deadline()
            .is_some_and(|due| due <= self.now)
        {
            self.group.expire(self.now);
        }
        self.expelled += before - self.group.members.len();
    }

    fn check(&mut self) {
        // What is told is not asked for here.
        self.group.take_notified();
        let mut owned = BTreeSet::new();
        for member in self.group.members.values() {
            for partition in &member.owned {
                assert!(
                    owned.insert(partition.clone()),
                    "{partition:?} has two owners"
                );
            }
            assert!(member.revoking.is_subset(&member.owned));
            assert!(member.revoking.is_empty() || !self.group.is_stable());
        }
        // What is being committed is nobody else's.
        for (mailbox, partitions) in &self.commits {
            for partition in partitions {
                let owner = self
                    .group
                    .members
                    .values()
                    .find(|one| one.owned.contains(partition));
                assert!(
                    owner.is_none_or(|owner| Arc::ptr_eq(&owner.mailbox, mailbox)),
                    "{partition:?} changes hands in the middle of a commit"
                );
            }
        }
        // Nobody who is a member reads what is not his, and nobody else can commit.
        for actor in &self.actors {
            let number = actor.mailbox.number();
            let is_member = self.group.members.contains_key(&number);
            let reads: Vec<Partition> = actor.reads.iter().cloned().collect();
            let is_fenced = self.group.foreign(number, &reads).is_some();
            assert_eq!(is_fenced, !is_member && !reads.is_empty());
        }
    }

    /// Everyone wakes up and answers until nothing happens any more.
    fn rest(&mut self) {
        // A static member that is away for good keeps its partitions until it expires.
        self.actors
            .iter_mut()
            .for_each(|actor| actor.stalled = false);
        self.pass(Duration::from_secs(1));
        self.now += SESSION;
        for actor in &self.actors {
            self.group.polled(actor.mailbox.number(), false, self.now);
        }
        self.pass(Duration::from_secs(0));
        while !self.commits.is_empty() {
            self.end_commit();
        }
        loop {
            let mut happened = false;
            for index in 0..self.actors.len() {
                while self.hear(index) && !self.actors[index].lost {
                    happened = true;
                }
                let actor = &self.actors[index];
                happened |= actor.asked.is_some() || !actor.giving_up.is_empty() && !actor.lost;
                self.lead(index, true);
                self.give_up(index);
                self.check();
            }
            self.actors.retain(|actor| !actor.lost);
            if !happened {
                break;
            }
        }
        assert!(self.group.is_stable());
        let mut read = BTreeSet::new();
        for actor in &self.actors {
            for partition in &actor.reads {
                assert!(
                    read.insert(partition.clone()),
                    "{partition:?} is read twice"
                );
            }
            let same =
                |other: &&Actor| other.instance.is_some() && other.instance == actor.instance;
            assert!(self.actors.iter().filter(same).count() <= 1);
        }
        let wanted: BTreeSet<Partition> = self.group.partitions().collect();
        assert_eq!(read, wanted, "of {} members", self.actors.len());
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "counts and seeds are to be seen")]
fn a_partition_has_one_owner_whatever_members_do() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap())
    };
    let first = number("TIDELOG_GROUP_SEED", 0);
    let (mut steps, mut expelled, mut generations) = (0, 0, 0);
    for seed in first..first + number("TIDELOG_GROUP_SEEDS", 200) {
        let mut world = World::new(seed);
        for _ in 0..10 {
            for _ in 0..100 {
                world.step();
                steps += 1;
            }
            world.rest();
        }
        expelled += world.expelled;
        generations += world.group.generation();
    }
    println!("{steps} steps from seed {first} on, {generations} generations, {expelled} expelled");
    assert!(
        expelled > 100 && generations > 1000,
        "{expelled}, {generations}"
    );
}

#[test]
fn a_static_member_comes_back_to_its_partitions_without_a_new_generation() {
    let mut group = Membership::new("g");
    let now = Instant::now();
    let join = |group: &mut Membership, id: &str, instance: &str| {
        let mailbox = Arc::new(Mailbox::default());
        let terms = Terms {
            id: id.to_owned(),
            instance_id: Some(instance.to_owned()),
            handle: 0,
            topics: vec!["a".to_owned()],
            session_timeout: SESSION,
            max_poll_interval: POLL,
        };
        let counts = vec![("a".to_owned(), 2)];
        let number = group.join(terms, "any", counts, Arc::clone(&mailbox), now);
        mailbox.renumber(number.unwrap());
        mailbox
    };
    let event = |mailbox: &Mailbox| {
        let (answer, event) = std::sync::mpsc::channel();
        let next = Box::new(move |event| answer.send(event).unwrap());
        assert!(mailbox.ask(next).is_ok());
        let (next, taken) = mailbox.take().unwrap();
        mailbox.handed_out();
        next(taken);
        event.try_recv().unwrap().unwrap()
    };
    let both = vec![("a".to_owned(), 0), ("a".to_owned(), 1)];
    let first = join(&mut group, "m1", "x");
    assert!(matches!(event(&first), GroupEvent::Assign { .. }));
    let share = vec![("m1".to_owned(), both.clone())];
    group.assign(first.number(), 1, share, now).unwrap();
    let GroupEvent::Assigned { partitions, .. } = event(&first) else {
        panic!();
    };
    assert_eq!(partitions, both);
    group.leave(first.number(), false, now);
    let again = join(&mut group, "m2", "x");
    assert_eq!(group.generation(), 1);
    let GroupEvent::Assigned { partitions, .. } = event(&again) else {
        panic!();
    };
    assert_eq!(partitions, both);
    // One that is still there is fenced.
    let third = join(&mut group, "m3", "x");
    assert!(matches!(
        event(&again),
        GroupEvent::Lost {
            reason: Error::FencedInstance { .. }
        }
    ));
    let place = [("a".to_owned(), 0)];
    assert!(group.foreign(again.number(), &place).is_some());
    assert!(group.foreign(third.number(), &place).is_none());
}
