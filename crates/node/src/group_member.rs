//! A consumer's membership in its group, and the events that it has to answer to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use napi::bindgen_prelude::{ClassInstance, Float64ArraySlice};
use napi_derive::napi;
use tidelog::{
    GroupEvent, GroupMember, GroupMembership, MemberDescription, MemberOptions, MemberState, Store,
};

use crate::completions::Inbox;
use crate::error::{NativeError, Thrown, thrown};
use crate::numbers::{from_u64, to_u64};
use crate::offsets;
use crate::ticket::Ticket;
use crate::topic::NativeTopic;

/// One consumer's place in its group.
#[napi]
pub struct NativeGroupMember {
    member: GroupMember,
    inbox: Arc<Inbox>,
    event: Arc<Mutex<Option<GroupEvent>>>,
}

/// How a member joins.
#[napi(object)]
pub struct NativeMemberOptions {
    /// The name of a static member.
    pub instance_id: Option<String>,
    /// The name of the strategy that its group shares partitions by.
    pub strategy: String,
    /// How long its event loop may stand still, in ms.
    pub session_timeout_ms: f64,
    /// How long it may be busy with what it was given, in ms.
    pub max_poll_interval_ms: f64,
}

/// A partition of a topic.
#[napi(object)]
pub struct NativeTopicPartition {
    pub topic: String,
    pub partition: u32,
}

/// A member, as others see it.
#[napi(object)]
pub struct NativeMemberDescription {
    pub id: String,
    pub instance_id: Option<String>,
    pub topics: Vec<String>,
    /// The partitions that it reads.
    pub owned: Vec<NativeTopicPartition>,
    /// "stable", "revoking", "waiting" or "away".
    pub state: String,
}

/// How many partitions a topic has.
#[napi(object)]
pub struct NativeTopicSize {
    pub topic: String,
    pub partitions: u32,
}

/// What a member has to do.
#[napi(object)]
pub struct NativeGroupEvent {
    /// "assign", "revoke", "assigned" or "lost".
    pub kind: String,
    pub generation: f64,
    /// To give up, or to begin with.
    pub partitions: Vec<NativeTopicPartition>,
    /// Whether it has all that is meant for it.
    pub complete: bool,
    /// Among whom partitions are to be shared.
    pub members: Vec<NativeMemberDescription>,
    /// What is to be shared.
    pub topics: Vec<NativeTopicSize>,
    /// Why it is a member no more.
    pub reason: Option<NativeError>,
}

/// The members of a group.
#[napi(object)]
pub struct NativeGroupMembership {
    pub generation: f64,
    pub strategy: Option<String>,
    /// Whether everyone has what is meant for them.
    pub stable: bool,
    pub members: Vec<NativeMemberDescription>,
    /// How many partitions each topic had when the group began to read it.
    pub began: Vec<NativeTopicSize>,
}

/// What the leader gives to one member.
#[napi(object)]
pub struct NativeShare {
    pub member: String,
    pub partitions: Vec<NativeTopicPartition>,
}

#[napi]
impl NativeGroupMember {
    pub(crate) fn join(
        store: &Store,
        inbox: Arc<Inbox>,
        group: &str,
        topics: &[ClassInstance<NativeTopic>],
        options: NativeMemberOptions,
    ) -> tidelog::Result<NativeGroupMember> {
        let millis = |name, value| to_u64(name, value).map(Duration::from_millis);
        let member = store.join_group(
            group,
            MemberOptions {
                topics: topics.iter().map(|topic| topic.topic().clone()).collect(),
                instance_id: options.instance_id,
                strategy: options.strategy,
                session_timeout: millis("sessionTimeoutMs", options.session_timeout_ms)?,
                max_poll_interval: millis("maxPollIntervalMs", options.max_poll_interval_ms)?,
            },
        )?;
        Ok(NativeGroupMember {
            member,
            inbox,
            event: Arc::default(),
        })
    }

    /// Its id in the group.
    #[napi(getter, catch_unwind)]
    pub fn id(&self) -> String {
        self.member.id().to_owned()
    }

    /// Answers once there is an event, which `event` gives. No numbers. One at a time.
    #[napi(catch_unwind)]
    pub fn next(&self, ticket: f64) -> Result<(), Thrown> {
        let number = to_u64("ticket", ticket).map_err(thrown)?;
        let ticket = Ticket::new(&self.inbox, number);
        let slot = Arc::clone(&self.event);
        self.member.next(move |event| match event {
            Ok(event) => {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(event);
                ticket.answer(Vec::new(), None);
            }
            Err(error) => ticket.answer(Vec::new(), Some(error)),
        });
        Ok(())
    }

    /// The event that `next` has told of.
    #[napi(catch_unwind)]
    pub fn event(&self) -> Result<Option<NativeGroupEvent>, Thrown> {
        let event = self
            .event
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        event.map(to_js).transpose().map_err(thrown)
    }

    /// Shares the partitions out, as the leader of a generation.
    #[napi(catch_unwind)]
    pub fn assign(&self, generation: f64, shares: Vec<NativeShare>) -> Result<(), Thrown> {
        let generation = to_u64("generation", generation).map_err(thrown)?;
        let shares = shares
            .into_iter()
            .map(|share| (share.member, from_js(share.partitions)))
            .collect();
        self.member.assign(generation, shares).map_err(thrown)
    }

    /// It has given these up.
    #[napi(catch_unwind)]
    pub fn revoked(&self, partitions: Vec<NativeTopicPartition>) {
        self.member.revoked(&from_js(partitions));
    }

    /// Its event loop turns.
    #[napi(catch_unwind)]
    pub fn heartbeat(&self) {
        self.member.heartbeat();
    }

    /// Whether user code is busy with what it was given.
    #[napi(catch_unwind)]
    pub fn polled(&self, busy: bool) {
        self.member.polled(busy);
    }

    /// Commits offsets of its partitions, as `NativeStore.commitOffsets` takes them. No numbers.
    #[napi(catch_unwind)]
    pub fn commit_offsets(
        &self,
        ticket: f64,
        topics: Vec<ClassInstance<NativeTopic>>,
        numbers: Float64ArraySlice,
    ) -> Result<(), Thrown> {
        let number = to_u64("ticket", ticket).map_err(thrown)?;
        let offsets = offsets::commits(&topics, &numbers, Vec::new()).map_err(thrown)?;
        let ticket = Ticket::new(&self.inbox, number);
        let member = self.member.clone();
        // Records of `buffered` topics are synced first.
        self.member.spawn(move || {
            member.commit_offsets(&offsets, move |outcome| {
                ticket.answer(Vec::new(), outcome.err());
            });
        });
        Ok(())
    }

    /// Leaves the group, a static member for good.
    #[napi(catch_unwind)]
    pub fn leave(&self) {
        self.member.leave();
    }

    pub(crate) fn member(&self) -> &GroupMember {
        &self.member
    }
}

/// The members of a group.
pub(crate) fn members(store: &Store, group: &str) -> tidelog::Result<NativeGroupMembership> {
    let GroupMembership {
        generation,
        strategy,
        stable,
        members,
        began,
    } = store.group_members(group)?;
    Ok(NativeGroupMembership {
        generation: from_u64("generation", generation)?,
        strategy,
        stable,
        members: members.into_iter().map(describe).collect(),
        began: began
            .into_iter()
            .map(|(topic, partitions)| NativeTopicSize { topic, partitions })
            .collect(),
    })
}

fn to_js(event: GroupEvent) -> tidelog::Result<NativeGroupEvent> {
    let mut told = NativeGroupEvent {
        kind: String::new(),
        generation: 0.0,
        partitions: Vec::new(),
        complete: false,
        members: Vec::new(),
        topics: Vec::new(),
        reason: None,
    };
    let kind = match event {
        GroupEvent::Assign {
            generation,
            members,
            partitions,
        } => {
            let size = |(topic, partitions)| NativeTopicSize { topic, partitions };
            told.generation = from_u64("generation", generation)?;
            told.members = members.into_iter().map(describe).collect();
            told.topics = partitions.into_iter().map(size).collect();
            "assign"
        }
        GroupEvent::Revoke { partitions } => {
            told.partitions = from_core(partitions);
            "revoke"
        }
        GroupEvent::Assigned {
            generation,
            partitions,
            complete,
        } => {
            told.generation = from_u64("generation", generation)?;
            told.partitions = from_core(partitions);
            told.complete = complete;
            "assigned"
        }
        GroupEvent::Lost { reason } => {
            told.reason = Some(NativeError::from(reason));
            "lost"
        }
    };
    kind.clone_into(&mut told.kind);
    Ok(told)
}

fn describe(member: MemberDescription) -> NativeMemberDescription {
    NativeMemberDescription {
        id: member.id,
        instance_id: member.instance_id,
        topics: member.topics,
        owned: from_core(member.owned),
        state: match member.state {
            MemberState::Stable => "stable",
            MemberState::Revoking => "revoking",
            MemberState::Waiting => "waiting",
            MemberState::Away => "away",
        }
        .to_owned(),
    }
}

fn from_core(partitions: Vec<(String, u32)>) -> Vec<NativeTopicPartition> {
    partitions
        .into_iter()
        .map(|(topic, partition)| NativeTopicPartition { topic, partition })
        .collect()
}

fn from_js(partitions: Vec<NativeTopicPartition>) -> Vec<(String, u32)> {
    partitions
        .into_iter()
        .map(|one| (one.topic, one.partition))
        .collect()
}
