//! One member of a group: what it owns, what is meant for it, and when it was heard of.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{MemberDescription, Partition};
use crate::group::MemberState;
use crate::group::mailbox::Mailbox;

/// How a member takes part.
#[derive(Debug, Clone)]
pub(in crate::group) struct Terms {
    pub id: String,
    pub instance_id: Option<String>,
    /// The handle of the store through which it has joined.
    pub handle: u64,
    /// Sorted.
    pub topics: Vec<String>,
    pub session_timeout: Duration,
    pub max_poll_interval: Duration,
}

/// One of a group.
pub(super) struct Member {
    pub terms: Terms,
    pub mailbox: Arc<Mailbox>,
    /// False of a static member whose handle is gone, and which may come back.
    pub connected: bool,
    pub owned: BTreeSet<Partition>,
    /// Those of `owned` that it was asked to give up.
    pub revoking: BTreeSet<Partition>,
    pub target: BTreeSet<Partition>,
    /// The last generation of which it was told that it has all.
    pub told: u64,
    pub beat: Instant,
    pub busy_since: Option<Instant>,
    pub revoking_since: Option<Instant>,
}

impl Member {
    pub fn describe(&self) -> MemberDescription {
        MemberDescription {
            id: self.terms.id.clone(),
            instance_id: self.terms.instance_id.clone(),
            topics: self.terms.topics.clone(),
            owned: self.owned.iter().cloned().collect(),
            state: match self {
                Member {
                    connected: false, ..
                } => MemberState::Away,
                _ if !self.revoking.is_empty() => MemberState::Revoking,
                _ if self.has_all() => MemberState::Stable,
                _ => MemberState::Waiting,
            },
        }
    }

    /// Whether it has what is meant for it, and nothing else.
    pub fn has_all(&self) -> bool {
        self.owned == self.target && self.revoking.is_empty()
    }

    pub fn expired(&self, now: Instant) -> Option<&'static str> {
        let over = |since: Instant, limit| now.saturating_duration_since(since) >= limit;
        let Terms {
            session_timeout,
            max_poll_interval,
            ..
        } = self.terms;
        match self {
            _ if over(self.beat, session_timeout) => {
                Some("its event loop stood still for longer than sessionTimeoutMs")
            }
            Member {
                busy_since: Some(since),
                ..
            } if over(*since, max_poll_interval) => Some(
                "it was busy with what it was given for longer than maxPollIntervalMs; raise that, or handle less at a time",
            ),
            Member {
                revoking_since: Some(since),
                ..
            } if over(*since, max_poll_interval) => {
                Some("it did not give partitions up within maxPollIntervalMs")
            }
            _ => None,
        }
    }

    pub fn deadline(&self) -> Instant {
        let poll = [self.busy_since, self.revoking_since].into_iter().flatten();
        poll.map(|since| since + self.terms.max_poll_interval)
            .fold(self.beat + self.terms.session_timeout, Instant::min)
    }
}
