//! Who is in a group, and which partitions each member may read: KIP-848's reconciliation, with an assignment that one of
//! the members makes. A member gives partitions up before another one gets them, so **a partition has one owner at most**;
//! everything that changes the members, their topics or the partitions begins a new generation, of which the leader is
//! asked for an assignment. Nothing here waits or reads a clock: times are given.

mod member;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::mailbox::Mailbox;
use super::{GroupEvent, MemberDescription};
use crate::error::{Error, Result};
use member::Member;
pub(super) use member::Terms;

/// A partition by its topic's name and its number.
pub(super) type Partition = (String, u32);

/// The number of a member within its group, in the order of joining.
pub(super) type MemberNumber = u64;

/// How long a leader may take before another one is asked.
const LEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// The members of one group.
pub(super) struct Membership {
    group: String,
    strategy: Option<String>,
    generation: u64,
    /// The generation that the targets are of.
    assigned: u64,
    /// Who was asked for an assignment, and when.
    leader: Option<(MemberNumber, Instant)>,
    members: BTreeMap<MemberNumber, Member>,
    /// Partitions of the topics that members subscribe to.
    counts: BTreeMap<String, u32>,
    /// How many they had when the first member came that subscribes to them.
    began: BTreeMap<String, u32>,
    /// How many commits were admitted and are not over, by partition: nobody gets these before they are.
    committing: BTreeMap<Partition, u32>,
    /// Whether somebody waits for that.
    withheld: bool,
    joined: MemberNumber,
    /// Mailboxes that got something: they are to be emptied once no lock is held.
    notified: Vec<Arc<Mailbox>>,
}

impl Membership {
    pub fn new(group: &str) -> Membership {
        Membership {
            group: group.to_owned(),
            strategy: None,
            generation: 0,
            assigned: 0,
            leader: None,
            members: BTreeMap::new(),
            counts: BTreeMap::new(),
            began: BTreeMap::new(),
            committing: BTreeMap::new(),
            withheld: false,
            joined: 0,
            notified: Vec::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub fn strategy(&self) -> Option<&str> {
        self.strategy.as_deref()
    }

    /// Whether everyone has what is meant for them.
    pub fn is_stable(&self) -> bool {
        self.assigned == self.generation && self.members.values().all(Member::has_all)
    }

    pub fn describe(&self) -> Vec<MemberDescription> {
        self.members.values().map(Member::describe).collect()
    }

    /// How many partitions each topic had when the group began to read it.
    pub fn began(&self) -> Vec<(String, u32)> {
        let began = self.began.iter();
        began
            .map(|(topic, count)| (topic.clone(), *count))
            .collect()
    }

    /// Mailboxes to empty, now that they may be.
    pub fn take_notified(&mut self) -> Vec<Arc<Mailbox>> {
        std::mem::take(&mut self.notified)
    }

    /// Lets a member in. `counts` are the partitions of its topics.
    pub fn join(
        &mut self,
        terms: Terms,
        strategy: &str,
        counts: Vec<(String, u32)>,
        mailbox: Arc<Mailbox>,
        now: Instant,
    ) -> Result<MemberNumber> {
        let others = self.members.values();
        let alone = others
            .filter(|m| terms.instance_id.is_none() || m.terms.instance_id != terms.instance_id);
        if let Some(known) = &self.strategy
            && known != strategy
            && alone.count() > 0
        {
            return Err(Error::InconsistentStrategy {
                group: self.group.clone(),
                strategy: known.clone(),
                given: strategy.to_owned(),
            });
        }
        let read_before: BTreeSet<String> = self
            .members
            .values()
            .flat_map(|member| member.terms.topics.iter().cloned())
            .collect();
        self.strategy = Some(strategy.to_owned());
        self.joined += 1;
        let number = self.joined;
        let before = self.take_place_of(terms.instance_id.as_deref());
        let mut changed = before
            .as_ref()
            .is_none_or(|old| old.terms.topics != terms.topics);
        for (topic, count) in counts {
            if !read_before.contains(&topic) {
                self.began.insert(topic.clone(), count);
            }
            changed |= self.counts.insert(topic, count) != Some(count);
        }
        let (mut owned, target) =
            before.map_or_else(Default::default, |old| (old.owned, old.target));
        // What its predecessor is still committing comes to it, or to somebody else, when that is over.
        owned.retain(|partition| !self.committing.contains_key(partition));
        if !owned.is_empty() {
            mailbox.put(GroupEvent::Assigned {
                generation: self.generation,
                partitions: owned.iter().cloned().collect(),
                complete: false,
            });
            self.notified.push(Arc::clone(&mailbox));
        }
        self.members.insert(
            number,
            Member {
                terms,
                mailbox,
                connected: true,
                owned,
                revoking: BTreeSet::new(),
                target,
                told: 0,
                beat: now,
                busy_since: None,
                revoking_since: None,
            },
        );
        match changed || self.assigned < self.generation {
            // Who is asked for an assignment knows it by the id of the one before.
            true => self.begin_generation(now),
            false => self.settle(now),
        }
        Ok(number)
    }

    /// Takes a static member's predecessor out, which is fenced.
    fn take_place_of(&mut self, instance_id: Option<&str>) -> Option<Member> {
        let instance_id = instance_id?;
        let is_old = |(_, member): &(&MemberNumber, &Member)| {
            member.terms.instance_id.as_deref() == Some(instance_id)
        };
        let number = *self.members.iter().find(is_old)?.0;
        let old = self.members.remove(&number)?;
        if old.connected {
            old.mailbox.close(Some(Error::FencedInstance {
                group: self.group.clone(),
                instance_id: instance_id.to_owned(),
            }));
            self.notified.push(Arc::clone(&old.mailbox));
        }
        Some(old)
    }

    /// A member is gone; a static one whose handle was dropped may come back.
    pub fn leave(&mut self, number: MemberNumber, for_good: bool, now: Instant) {
        let Some(member) = self.members.get_mut(&number) else {
            return;
        };
        member.mailbox.close(None);
        self.notified.push(Arc::clone(&member.mailbox));
        if !for_good && member.terms.instance_id.is_some() {
            member.connected = false;
            member.beat = now;
            member.busy_since = None;
            // Nobody reads them: what it was to give up is free.
            let revoking = std::mem::take(&mut member.revoking);
            member
                .owned
                .retain(|partition| !revoking.contains(partition));
            member.revoking_since = None;
            if self.leader.is_some_and(|(leader, _)| leader == number) {
                self.ask(now);
            }
            return self.settle(now);
        }
        self.members.remove(&number);
        self.begin_generation(now);
    }

    /// All that have joined through a handle are gone.
    pub fn close_handle(&mut self, handle: u64, now: Instant) {
        let joined = |(number, member): (&MemberNumber, &Member)| {
            (member.connected && member.terms.handle == handle).then_some(*number)
        };
        let gone: Vec<MemberNumber> = self.members.iter().filter_map(joined).collect();
        for number in gone {
            self.leave(number, false, now);
        }
    }

    fn expel(&mut self, number: MemberNumber, reason: Error) {
        if let Some(member) = self.members.remove(&number) {
            member.mailbox.close(Some(reason));
            self.notified.push(member.mailbox);
        }
    }

    /// A topic has so many partitions now; none when it is gone.
    pub fn count_changed(&mut self, topic: &str, count: u32, now: Instant) {
        let Some(known) = self.counts.get_mut(topic) else {
            return;
        };
        if count == 0 {
            // One that is made again under its name is all new.
            self.began.insert(topic.to_owned(), 0);
        }
        if std::mem::replace(known, count) != count && !self.members.is_empty() {
            self.begin_generation(now);
        }
    }

    pub fn beat(&mut self, number: MemberNumber, now: Instant) {
        if let Some(member) = self.members.get_mut(&number) {
            member.beat = now;
        }
    }

    pub fn polled(&mut self, number: MemberNumber, busy: bool, now: Instant) {
        if let Some(member) = self.members.get_mut(&number) {
            (member.beat, member.busy_since) = (now, busy.then_some(now));
        }
    }

    /// The leader's assignment. One of an older generation, or of who is not asked any more, is too late.
    pub fn assign(
        &mut self,
        number: MemberNumber,
        generation: u64,
        assignment: Vec<(String, Vec<Partition>)>,
        now: Instant,
    ) -> Result<()> {
        if generation != self.generation
            || self.assigned == generation
            || self.leader.is_none_or(|(leader, _)| leader != number)
        {
            return Ok(());
        }
        let targets = self.checked(assignment)?;
        for (number, member) in &mut self.members {
            member.target = targets.get(number).cloned().unwrap_or_default();
        }
        (self.assigned, self.leader) = (generation, None);
        self.settle(now);
        Ok(())
    }

    /// By member: each partition that somebody subscribes to is given to exactly one who does.
    fn checked(
        &self,
        assignment: Vec<(String, Vec<Partition>)>,
    ) -> Result<BTreeMap<MemberNumber, BTreeSet<Partition>>> {
        let invalid = |reason: String| Error::InvalidAssignment {
            group: self.group.clone(),
            reason,
        };
        let mut wanted: BTreeSet<Partition> = self.partitions().collect();
        let mut targets = BTreeMap::new();
        for (id, partitions) in assignment {
            let found = self
                .members
                .iter()
                .find(|(_, member)| member.terms.id == id);
            let Some((number, member)) = found else {
                return Err(invalid(format!("it names {id:?}, which is no member")));
            };
            let target: &mut BTreeSet<Partition> = targets.entry(*number).or_default();
            for partition in partitions {
                let (topic, index) = &partition;
                if !member.terms.topics.contains(topic) {
                    return Err(invalid(format!(
                        "it gives {topic}-{index} to {id:?}, which does not subscribe to it"
                    )));
                }
                if !wanted.remove(&partition) {
                    return Err(invalid(format!(
                        "it gives {topic}-{index} twice, or there is no such partition"
                    )));
                }
                target.insert(partition);
            }
        }
        match wanted.first() {
            Some((topic, index)) => Err(invalid(format!("it gives {topic}-{index} to nobody"))),
            None => Ok(targets),
        }
    }

    /// What is to be shared.
    fn partitions(&self) -> impl Iterator<Item = Partition> {
        let topics: BTreeSet<&String> = self
            .members
            .values()
            .flat_map(|member| &member.terms.topics)
            .collect();
        let counts = topics
            .into_iter()
            .filter_map(|topic| self.counts.get_key_value(topic));
        counts.flat_map(|(topic, count)| (0..*count).map(|index| (topic.clone(), index)))
    }

    /// A member has stopped with these, and committed what it wanted to.
    pub fn revoked(&mut self, number: MemberNumber, partitions: &[Partition], now: Instant) {
        if let Some(member) = self.members.get_mut(&number) {
            for partition in partitions {
                if member.revoking.remove(partition) {
                    member.owned.remove(partition);
                }
            }
            if member.revoking.is_empty() {
                member.revoking_since = None;
            }
            self.settle(now);
        }
    }

    /// Lets offsets of these partitions be committed, by a member that owns them, or by somebody else while there are no
    /// members. Until that is over, nobody else gets them.
    pub fn admit(&mut self, number: Option<MemberNumber>, partitions: &[Partition]) -> Result<()> {
        match number {
            Some(number) => {
                if let Some((topic, partition)) = self.foreign(number, partitions) {
                    return Err(Error::FencedMember {
                        group: self.group.clone(),
                        reason: format!("{topic}-{partition} is not its own (any more)"),
                    });
                }
            }
            None if !self.members.is_empty() => {
                return Err(Error::GroupNotEmpty {
                    group: self.group.clone(),
                });
            }
            None => {}
        }
        for partition in partitions {
            *self.committing.entry(partition.clone()).or_default() += 1;
        }
        Ok(())
    }

    /// A commit that was admitted is entered in the journal, or given up.
    pub fn committed(&mut self, partitions: &[Partition], now: Instant) {
        for partition in partitions {
            let Some(count) = self.committing.get_mut(partition) else {
                continue;
            };
            *count -= 1;
            if *count == 0 {
                self.committing.remove(partition);
            }
        }
        if self.withheld {
            self.settle(now);
        }
    }

    /// The first of these partitions that a member does not own.
    fn foreign<'p>(
        &self,
        number: MemberNumber,
        partitions: &'p [Partition],
    ) -> Option<&'p Partition> {
        let owned = self.members.get(&number).map(|member| &member.owned);
        partitions
            .iter()
            .find(|partition| owned.is_none_or(|owned| !owned.contains(*partition)))
    }

    fn begin_generation(&mut self, now: Instant) {
        self.generation += 1;
        if self.members.is_empty() {
            (self.assigned, self.leader, self.strategy) = (self.generation, None, None);
            self.counts.clear();
            self.began.clear();
            return;
        }
        self.ask(now);
    }

    /// Asks the member that has been there longest for an assignment.
    fn ask(&mut self, now: Instant) {
        let before = self.leader.take();
        let members = self.describe();
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for (topic, _) in self.partitions() {
            *counts.entry(topic).or_default() += 1;
        }
        let Some((number, leader)) = self.members.iter().find(|(_, member)| member.connected)
        else {
            // Only static members that may come back: whoever does is asked.
            return;
        };
        leader.mailbox.put(GroupEvent::Assign {
            generation: self.generation,
            members,
            partitions: counts.into_iter().collect(),
        });
        self.notified.push(Arc::clone(&leader.mailbox));
        // One that does not answer is not spared by being asked again.
        let since = before.filter(|(leader, _)| leader == number);
        self.leader = Some((*number, since.map_or(now, |(_, asked)| asked)));
    }

    /// Has members give up what is not theirs any more, and gives them what nobody else has.
    fn settle(&mut self, now: Instant) {
        if self.assigned != self.generation {
            return;
        }
        for member in self.members.values_mut() {
            let extra: Vec<Partition> = member
                .owned
                .iter()
                .filter(|one| !member.target.contains(*one) && !member.revoking.contains(*one))
                .cloned()
                .collect();
            if extra.is_empty() {
                continue;
            }
            if !member.connected {
                member.owned.retain(|partition| !extra.contains(partition));
                continue;
            }
            member.revoking.extend(extra.iter().cloned());
            member.revoking_since.get_or_insert(now);
            member.mailbox.put(GroupEvent::Revoke { partitions: extra });
            self.notified.push(Arc::clone(&member.mailbox));
        }
        let mut owned: BTreeSet<Partition> = self
            .members
            .values()
            .flat_map(|member| member.owned.iter().cloned())
            .collect();
        self.withheld = false;
        for member in self.members.values_mut() {
            let free = member.target.iter().filter(|one| !owned.contains(*one));
            let (held, gained): (Vec<_>, Vec<_>) = free
                .cloned()
                .partition(|one| self.committing.contains_key(one));
            self.withheld |= !held.is_empty();
            owned.extend(gained.iter().cloned());
            member.owned.extend(gained.iter().cloned());
            let has_all = member.has_all();
            if gained.is_empty() && (!has_all || member.told == self.generation) {
                continue;
            }
            if has_all {
                member.told = self.generation;
            }
            if member.connected {
                member.mailbox.put(GroupEvent::Assigned {
                    generation: self.generation,
                    partitions: gained,
                    complete: has_all,
                });
                self.notified.push(Arc::clone(&member.mailbox));
            }
        }
    }

    /// Expels who has not been heard of, or is stuck, for too long, and asks another leader.
    pub fn expire(&mut self, now: Instant) {
        let expired: Vec<(MemberNumber, &'static str)> = self
            .members
            .iter()
            .filter_map(|(number, member)| Some((*number, member.expired(now)?)))
            .collect();
        for (number, why) in &expired {
            let reason = Error::FencedMember {
                group: self.group.clone(),
                reason: (*why).to_owned(),
            };
            self.expel(*number, reason);
        }
        if !expired.is_empty() {
            return self.begin_generation(now);
        }
        if let Some((number, asked)) = self.leader
            && now.saturating_duration_since(asked) >= LEADER_TIMEOUT
        {
            // It goes to the end of the line: the next one is asked, and itself again after that.
            if let Some(slow) = self.members.remove(&number) {
                self.joined += 1;
                slow.mailbox.renumber(self.joined);
                self.members.insert(self.joined, slow);
            }
            self.leader = None;
            self.ask(now);
        }
    }

    /// When `expire` has something to do at the earliest.
    pub fn next_deadline(&self) -> Option<Instant> {
        let members = self.members.values().map(Member::deadline);
        members
            .chain(self.leader.map(|(_, asked)| asked + LEADER_TIMEOUT))
            .min()
    }
}

#[cfg(all(test, not(feature = "loom")))]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod tests;
