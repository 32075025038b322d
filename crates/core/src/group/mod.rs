//! Groups of consumers that share partitions (KIP-848, KIP-429, KIP-345). All members live in this process, in any of its
//! threads, so the coordinator is a table in memory: a member joins, is told what to read and what to give up, and commits
//! offsets of what it owns and of nothing else. How partitions are shared is decided by one of the members, the leader.

mod clock;
mod mailbox;
mod membership;
mod registry;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::answer::Answer;
use crate::coordinator::check_name;
use crate::coordinator::offsets::{Claim, OffsetCommit};
use crate::error::{Error, Result};
use crate::store::Store;
use crate::topic::Topic;
use membership::Terms;
pub(crate) use registry::{Admitted, GROUPS_MAX, Group, Groups, Member, too_many};

/// How a member joins a group.
#[derive(Clone)]
pub struct MemberOptions {
    /// The topics of which it wants to read partitions. At least one.
    pub topics: Vec<Topic>,
    /// The name of a static member, which keeps its partitions while it is away for less than its session timeout
    /// (KIP-345). Default none.
    pub instance_id: Option<String>,
    /// The name of the strategy by which the leader shares partitions: the same for all members.
    pub strategy: String,
    /// How long [`GroupMember::heartbeat`] may be missing, 1 s to 30 min. Default 45 s, Kafka's `session.timeout.ms`.
    pub session_timeout: Duration,
    /// How long it may be busy with what it was given, or give up partitions, 1 s to 24 h. Default 300 s, Kafka's
    /// `max.poll.interval.ms`.
    pub max_poll_interval: Duration,
}

impl MemberOptions {
    /// With the defaults.
    pub fn new(topics: Vec<Topic>, strategy: &str) -> MemberOptions {
        MemberOptions {
            topics,
            instance_id: None,
            strategy: strategy.to_owned(),
            session_timeout: Duration::from_secs(45),
            max_poll_interval: Duration::from_secs(300),
        }
    }

    fn validate(&self) -> Result<()> {
        let within = |argument, value: Duration, most: u64| {
            if (Duration::from_secs(1)..=Duration::from_secs(most)).contains(&value) {
                return Ok(());
            }
            let reason = format!(
                "must be 1000 to {} ms, not {}",
                most * 1000,
                value.as_millis()
            );
            Err(Error::InvalidArgument { argument, reason })
        };
        within("session_timeout", self.session_timeout, 1800)?;
        within("max_poll_interval", self.max_poll_interval, 86_400)?;
        check_name("strategy", &self.strategy)?;
        if let Some(instance_id) = &self.instance_id {
            check_name("instance_id", instance_id)?;
        }
        if self.topics.is_empty() {
            return Err(Error::InvalidArgument {
                argument: "topics",
                reason: "are none; subscribe to one at least".to_owned(),
            });
        }
        Ok(())
    }
}

/// What a member has to do. Events come in order, one for each [`GroupMember::next`].
#[derive(Debug, Clone)]
pub enum GroupEvent {
    /// It leads: it shares the partitions among the members and tells by [`GroupMember::assign`].
    Assign {
        /// The generation that it is asked for.
        generation: u64,
        /// Those among whom they are to be shared, in the order of joining.
        members: Vec<MemberDescription>,
        /// How many partitions the topics have that members subscribe to.
        partitions: Vec<(String, u32)>,
    },
    /// It gives these up: it stops reading them, commits, and says so by [`GroupMember::revoked`]. Until then nobody else
    /// gets them.
    Revoke {
        /// Topics and partitions.
        partitions: Vec<(String, u32)>,
    },
    /// These are its own from now on, and nobody else's. What was committed of them is durable. Told with none once for
    /// each generation in which it has all that is meant for it already.
    Assigned {
        /// The generation.
        generation: u64,
        /// Topics and partitions.
        partitions: Vec<(String, u32)>,
        /// Whether it has all that is meant for it now; if not, more is to come, once others have given it up.
        complete: bool,
    },
    /// It is a member no more, and owns nothing: others may read its partitions already. The last event.
    Lost {
        /// [`Error::FencedMember`] or [`Error::FencedInstance`].
        reason: Error,
    },
}

/// A member, as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDescription {
    /// Unique in its group.
    pub id: String,
    /// The name of a static member.
    pub instance_id: Option<String>,
    /// Those that it subscribes to.
    pub topics: Vec<String>,
    /// Topics and partitions that it owns, those that it is giving up included.
    pub owned: Vec<(String, u32)>,
    /// What it is at.
    pub state: MemberState,
}

/// What a member is at (KIP-848).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// It has what is meant for it, and nothing else.
    Stable,
    /// It is to give partitions up.
    Revoking,
    /// It waits for others to give partitions up.
    Waiting,
    /// A static member whose thread is gone, and which may come back until its session timeout.
    Away,
}

/// The members of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMembership {
    /// Rises with each change of members, their topics, or partitions.
    pub generation: u64,
    /// How partitions are shared; none without members.
    pub strategy: Option<String>,
    /// Whether every member has what is meant for it.
    pub stable: bool,
    /// In the order of joining.
    pub members: Vec<MemberDescription>,
    /// How many partitions each of their topics had when the first of them came: those beyond were added while the group
    /// was reading.
    pub began: Vec<(String, u32)>,
}

/// A member of a group. Clones are the same member; soon after the last of them was dropped it leaves, and so it does when
/// the store is closed through which it has joined. A static member stays known then, with its partitions, until its session
/// timeout.
#[derive(Clone)]
pub struct GroupMember(Arc<Handle>);

struct Handle {
    store: Store,
    member: Member,
}

impl Store {
    /// Joins a group. Does not wait for anybody: what comes of it is told by events. It is a member until it leaves, is
    /// dropped, or expelled.
    ///
    /// # Errors
    /// [`Error::InconsistentStrategy`], [`Error::InvalidArgument`], [`Error::TopicDeleted`].
    pub fn join_group(&self, group: &str, options: MemberOptions) -> Result<GroupMember> {
        self.check_writable()?;
        check_name("group", group)?;
        options.validate()?;
        let engine = self.engine();
        let topics: BTreeSet<&str> = options.topics.iter().map(Topic::name).collect();
        let terms = Terms {
            id: String::new(),
            instance_id: options.instance_id,
            handle: self.handle_id(),
            topics: topics.into_iter().map(str::to_owned).collect(),
            session_timeout: options.session_timeout,
            max_poll_interval: options.max_poll_interval,
        };
        let counts = || {
            let count = |topic: &Topic| {
                topic.log(0)?.check()?;
                Ok((topic.name().to_owned(), topic.partition_count()))
            };
            options.topics.iter().map(count).collect()
        };
        let groups = &engine.coordinator.groups;
        let member = groups.join(engine, group, terms, &options.strategy, counts)?;
        if let Err(closed) = self.check() {
            groups.close_handle(engine, self.handle_id());
            return Err(closed);
        }
        Ok(GroupMember(Arc::new(Handle {
            store: self.clone(),
            member,
        })))
    }

    /// The members of a group; none of one that nobody is in. Does not wait.
    pub fn group_members(&self, group: &str) -> Result<GroupMembership> {
        self.check()?;
        check_name("group", group)?;
        Ok(self.engine().coordinator.groups.describe(group))
    }
}

impl GroupMember {
    /// Its id in the group.
    pub fn id(&self) -> &str {
        self.0.member.id()
    }

    /// Calls `done` once, with the next event, when there is one: on the calling thread, on another that changes the
    /// group, or on one of the core's. To be asked again only then. Does not wait.
    ///
    /// # Errors
    /// To `done`: [`Error::Closed`] once it has left, after the last event, or when the store is closed;
    /// [`Error::InvalidArgument`] at once for a call before the last one is answered.
    pub fn next(&self, done: impl FnOnce(Result<GroupEvent>) + Send + 'static) {
        let mailbox = self.0.member.mailbox();
        match mailbox.ask(Box::new(done)) {
            Ok(()) => registry::hand_out(&self.0.store.engine().context, Arc::clone(mailbox)),
            Err(done) => done(Err(Error::InvalidArgument {
                argument: "next",
                reason: "was called before the last call was answered".to_owned(),
            })),
        }
    }

    /// The leader's assignment: topics and partitions by member id. Each partition that somebody subscribes to must be given
    /// to exactly one member that does. One that comes too late changes nothing.
    ///
    /// # Errors
    /// [`Error::InvalidAssignment`]; another assignment may be given then, or another leader is asked after 5 s.
    pub fn assign(
        &self,
        generation: u64,
        assignment: Vec<(String, Vec<(String, u32)>)>,
    ) -> Result<()> {
        self.with(|group, number, now| group.assign(number, generation, assignment, now))
    }

    /// It has given these partitions up.
    pub fn revoked(&self, partitions: &[(String, u32)]) {
        self.with(|group, number, now| group.revoked(number, partitions, now));
    }

    /// It is alive. To be called several times within its session timeout.
    pub fn heartbeat(&self) {
        self.with(|group, number, now| group.beat(number, now));
    }

    /// It is `busy` with records that it was given, from now on, or has asked for more.
    pub fn polled(&self, busy: bool) {
        self.with(|group, number, now| group.polled(number, busy, now));
    }

    /// As [`Store::commit_offsets`], of partitions that it owns, those that it is giving up included. Until it returns,
    /// nobody else gets them, whatever becomes of the member meanwhile. Blocks for the disk; `done` may be called on the
    /// journal's thread and must not wait.
    ///
    /// # Errors
    /// To `done`: [`Error::FencedMember`] if one of them is not its own (any more); nothing is committed then.
    pub fn commit_offsets(
        &self,
        offsets: &[OffsetCommit],
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) {
        let (answer, store) = (Answer::new(done), &self.0.store);
        let committed = store.check_writable().and_then(|()| {
            let offsets = offsets
                .iter()
                .map(OffsetCommit::of_log)
                .collect::<Result<_>>()?;
            let engine = store.engine();
            let member = &self.0.member;
            let claim = Claim::Member(member.clone());
            engine
                .coordinator
                .commit_offsets(engine, member.group(), offsets, claim, &answer)
        });
        if let Err(error) = committed {
            answer.give(Err(error));
        }
    }

    /// Leaves the group, a static member for good. Its partitions go to others at once.
    pub fn leave(&self) {
        self.with(|group, number, now| group.leave(number, true, now));
    }

    /// Runs a job on the core's threads.
    pub fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.0.store.spawn(job);
    }

    pub(crate) fn member(&self) -> &Member {
        &self.0.member
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut membership::Membership, membership::MemberNumber, Instant) -> T,
    ) -> T {
        let engine = self.0.store.engine();
        let now = engine.coordinator.groups.clock.now();
        let work = |group: &mut membership::Membership, number| work(group, number, now);
        self.0.member.with(engine, work)
    }
}

impl Drop for Handle {
    /// On a thread that may wait: it is dropped wherever a callback or a transaction ends.
    fn drop(&mut self) {
        let (store, member) = (self.store.clone(), self.member.clone());
        self.store.spawn(move || {
            let engine = store.engine();
            let now = engine.coordinator.groups.clock.now();
            member.with(engine, |group, number| group.leave(number, false, now));
        });
    }
}
