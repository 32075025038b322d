//! The groups of a store that have members. The lock of a group is never held while waiting for anything, so that Node's
//! event loop may take it; callbacks are called without it. A commit, which may wait for long, is admitted under the lock
//! and then goes on without: until it is over, its partitions are withheld from others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock::{Clock, TICK};
use super::mailbox::Mailbox;
use super::membership::{MemberNumber, Membership, Partition, Terms};
use super::{GroupEvent, GroupMembership};
use crate::bell::Bell;
use crate::context::Context;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::sync::{Mutex, lock};

/// Most groups of one store.
pub(crate) const GROUPS_MAX: usize = 10_000;

#[derive(Default)]
pub(crate) struct Groups {
    by_name: Mutex<HashMap<String, Arc<Group>>>,
    /// Rung when a deadline comes before the one that is waited for.
    pub deadlines: Arc<Bell>,
    pub clock: Clock,
}

/// A group with the lock that its members are under.
pub(crate) struct Group {
    name: String,
    state: Mutex<State>,
}

struct State {
    membership: Membership,
    /// When the deadlines are looked at next at the latest.
    watched: Option<Instant>,
}

/// A member's place in its group.
#[derive(Clone)]
pub(crate) struct Member(Arc<Seat>);

struct Seat {
    id: String,
    group: Arc<Group>,
    mailbox: Arc<Mailbox>,
}

/// A commit that was let in: until this is dropped, nobody else gets its partitions.
pub(crate) struct Admitted<'a> {
    engine: &'a Engine,
    group: &'a Group,
    partitions: Vec<Partition>,
}

impl Groups {
    /// The group of this name, with members or without.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for one too many.
    pub fn of(&self, name: &str) -> Result<Arc<Group>> {
        let mut groups = lock(&self.by_name);
        if let Some(group) = groups.get(name) {
            return Ok(Arc::clone(group));
        }
        if groups.len() >= GROUPS_MAX {
            groups.retain(|_, group| {
                Arc::strong_count(group) > 1 || !lock(&group.state).membership.is_empty()
            });
        }
        if groups.len() >= GROUPS_MAX {
            return Err(too_many());
        }
        let group = Arc::new(Group {
            name: name.to_owned(),
            state: Mutex::new(State {
                membership: Membership::new(name),
                watched: None,
            }),
        });
        groups.insert(name.to_owned(), Arc::clone(&group));
        Ok(group)
    }

    /// Lets a member in; its id is made here. `counts` tells the partitions of its topics.
    pub(super) fn join(
        &self,
        engine: &Engine,
        name: &str,
        mut terms: Terms,
        strategy: &str,
        counts: impl FnOnce() -> Result<Vec<(String, u32)>>,
    ) -> Result<Member> {
        let group = self.of(name)?;
        let mailbox = Arc::new(Mailbox::default());
        let number = engine.context.next_uid();
        let stem = terms.instance_id.as_deref().unwrap_or("member");
        terms.id = format!("{stem}-{number}");
        let id = terms.id.clone();
        group.change(engine, |membership| {
            // Not before: whoever changes them tells the groups afterwards, and finds this member or is found by it.
            let counts = counts()?;
            let entered = Arc::clone(&mailbox);
            let joined = membership.join(terms, strategy, counts, entered, self.clock.now())?;
            mailbox.renumber(joined);
            Ok(())
        })?;
        Ok(Member(Arc::new(Seat { id, group, mailbox })))
    }

    pub(super) fn describe(&self, name: &str) -> GroupMembership {
        let known = lock(&self.by_name).get(name).cloned();
        let Some(group) = known else {
            return GroupMembership {
                generation: 0,
                strategy: None,
                stable: true,
                members: Vec::new(),
                began: Vec::new(),
            };
        };
        let membership = &lock(&group.state).membership;
        GroupMembership {
            generation: membership.generation(),
            strategy: membership.strategy().map(str::to_owned),
            stable: membership.is_stable(),
            members: membership.describe(),
            began: membership.began(),
        }
    }

    /// The names of groups that have members.
    pub fn with_members(&self) -> Vec<String> {
        let groups = self.all().into_iter();
        groups
            .filter(|group| !lock(&group.state).membership.is_empty())
            .map(|group| group.name.clone())
            .collect()
    }

    /// A topic has got partitions, or is gone.
    pub fn topic_changed(&self, engine: &Engine, topic: &str) {
        for group in self.all() {
            group.change(engine, |membership| {
                // As it is now: two changes may be told of in any order.
                let count = engine.partition_count(topic);
                membership.count_changed(topic, count, self.clock.now());
            });
        }
    }

    /// A handle of the store closes: who has joined through it is gone, static members until they come back.
    pub fn close_handle(&self, engine: &Engine, handle: u64) {
        for group in self.all() {
            group.change(engine, |membership| {
                membership.close_handle(handle, self.clock.now());
            });
        }
    }

    /// Expels who is due, and says how long it may be until this is called again; `None` while there are no members.
    pub fn expire(&self, engine: &Engine) -> Option<Duration> {
        let now = self.clock.now();
        let expire = |group: Arc<Group>| {
            group.with(
                engine,
                |State {
                     membership,
                     watched,
                 }| {
                    while membership.next_deadline().is_some_and(|due| due <= now) {
                        membership.expire(now);
                    }
                    *watched = membership.next_deadline();
                    *watched
                },
            )
        };
        let due = self.all().into_iter().filter_map(expire).min()?;
        Some(due.saturating_duration_since(now).min(TICK))
    }

    fn all(&self) -> Vec<Arc<Group>> {
        lock(&self.by_name).values().cloned().collect()
    }
}

impl Group {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lets offsets of these partitions be committed, by a member that owns them, or by nobody's name while there are no
    /// members.
    ///
    /// # Errors
    /// [`Error::FencedMember`], [`Error::GroupNotEmpty`].
    pub fn admit<'a>(
        &'a self,
        engine: &'a Engine,
        member: Option<&Member>,
        partitions: Vec<Partition>,
    ) -> Result<Admitted<'a>> {
        let number = match member.map(|member| &*member.0) {
            Some(seat) if !std::ptr::eq(&*seat.group, self) => {
                return Err(Error::FencedMember {
                    group: self.name.clone(),
                    reason: format!("{} is a member of another group", seat.id),
                });
            }
            seat => seat.map(|seat| &seat.mailbox),
        };
        let mut state = lock(&self.state);
        // As it is under the lock: another leader is numbered anew.
        let number = number.map(|mailbox| mailbox.number());
        state.membership.admit(number, &partitions)?;
        Ok(Admitted {
            engine,
            group: self,
            partitions,
        })
    }

    /// Changes the members.
    fn change<T>(&self, engine: &Engine, work: impl FnOnce(&mut Membership) -> T) -> T {
        self.with(
            engine,
            |State {
                 membership,
                 watched,
             }| {
                let done = work(membership);
                let due = membership.next_deadline();
                if due.is_some_and(|due| watched.is_none_or(|watched| due < watched)) {
                    *watched = due;
                    engine.coordinator.groups.deadlines.ring();
                }
                done
            },
        )
    }

    /// Works under the lock, and hands out what members are told of it.
    fn with<T>(&self, engine: &Engine, work: impl FnOnce(&mut State) -> T) -> T {
        let (done, notified) = self.locked(work);
        for mailbox in notified {
            hand_out(&engine.context, mailbox);
        }
        done
    }

    fn locked<T>(&self, work: impl FnOnce(&mut State) -> T) -> (T, Vec<Arc<Mailbox>>) {
        let mut state = lock(&self.state);
        let done = work(&mut state);
        (done, state.membership.take_notified())
    }
}

impl Drop for Admitted<'_> {
    /// Whoever commits holds locks still: what others are told of it is handed out elsewhere.
    fn drop(&mut self) {
        let now = self.engine.coordinator.groups.clock.now();
        let committed = |state: &mut State| state.membership.committed(&self.partitions, now);
        let ((), notified) = self.group.locked(committed);
        let context = &self.engine.context;
        for mailbox in notified {
            let elsewhere = Arc::clone(context);
            context.workers.spawn(move || hand_out(&elsewhere, mailbox));
        }
    }
}

impl Member {
    pub fn id(&self) -> &str {
        &self.0.id
    }

    pub fn group(&self) -> &str {
        &self.0.group.name
    }

    pub(super) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.0.mailbox
    }

    pub(super) fn with<T>(
        &self,
        engine: &Engine,
        work: impl FnOnce(&mut Membership, MemberNumber) -> T,
    ) -> T {
        let seat = &*self.0;
        seat.group
            .change(engine, |membership| work(membership, seat.mailbox.number()))
    }
}

/// The refusal of a group too many.
pub(crate) fn too_many() -> Error {
    Error::InvalidArgument {
        argument: "group",
        reason: format!("the store has {GROUPS_MAX} groups, which is the most; delete some"),
    }
}

/// Hands an event to who waits for it. What is gained is told when all that others have committed of it can be seen. Does
/// not wait.
pub(super) fn hand_out(context: &Arc<Context>, mailbox: Arc<Mailbox>) {
    let Some((next, event)) = mailbox.take() else {
        return;
    };
    let gains =
        matches!(&event, Ok(GroupEvent::Assigned { partitions, .. }) if !partitions.is_empty());
    let arrive = move || {
        mailbox.handed_out();
        next(event);
    };
    if !gains {
        return arrive();
    }
    // An append is written with the journal's lock held, and its thread must not be kept by whoever is told. Where the
    // journal fails nothing more is committed, and reading goes on.
    let (workers, elsewhere) = (context.workers.clone(), Arc::clone(context));
    context.workers.spawn(move || {
        let journal = &elsewhere.journal;
        journal.after(Box::new(move |_| workers.spawn(arrive)));
    });
}
