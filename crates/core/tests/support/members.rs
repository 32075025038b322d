//! Members of groups whose events are waited for.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tidelog::{
    Error, GroupEvent, GroupMember, MemberDescription, MemberOptions, Result, Store, Topic,
};

/// A topic's name and a partition of it.
pub type Place = (String, u32);

pub struct Member {
    pub member: GroupMember,
    told: Receiver<Result<GroupEvent>>,
    tell: Sender<Result<GroupEvent>>,
    asked: bool,
}

/// Longer than anything takes that is to come.
const PATIENCE: Duration = Duration::from_secs(20);

impl Member {
    pub fn join(store: &Store, group: &str, options: MemberOptions) -> Result<Member> {
        let (tell, told) = channel();
        Ok(Member {
            member: store.join_group(group, options)?,
            told,
            tell,
            asked: false,
        })
    }

    /// The next event, if there is one within this time.
    pub fn event_within(&mut self, time: Duration) -> Option<Result<GroupEvent>> {
        if !std::mem::replace(&mut self.asked, true) {
            let tell = self.tell.clone();
            self.member.next(move |event| {
                // Nobody may be listening any more.
                let _ = tell.send(event);
            });
        }
        match self.told.recv_timeout(time) {
            Ok(event) => {
                self.asked = false;
                Some(event)
            }
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("a call was dropped"),
        }
    }

    pub fn event(&mut self) -> GroupEvent {
        self.event_within(PATIENCE).expect("an event").unwrap()
    }

    /// Shares out as `share` has it when asked to, until it is told of what it owns.
    pub fn assigned(&mut self, share: impl Fn(&[MemberDescription]) -> Shares) -> Vec<Place> {
        loop {
            match self.event() {
                GroupEvent::Assign {
                    generation,
                    members,
                    ..
                } => self.member.assign(generation, share(&members)).unwrap(),
                GroupEvent::Assigned { partitions, .. } => return partitions,
                other => panic!("{other:?}"),
            }
        }
    }

    pub fn revoke(&mut self) -> Vec<Place> {
        match self.event() {
            GroupEvent::Revoke { partitions } => partitions,
            other => panic!("{other:?}"),
        }
    }

    pub fn lost(&mut self) -> Error {
        match self.event() {
            GroupEvent::Lost { reason } => reason,
            other => panic!("{other:?}"),
        }
    }

    pub fn commit(&self, topic: &Topic, partition: u32, offset: u64) -> Result<()> {
        let offsets = [super::sending::offset_commit(topic, partition, offset)];
        super::sending::wait(|done| self.member.commit_offsets(&offsets, done))
    }
}

/// What a leader answers.
pub type Shares = Vec<(String, Vec<Place>)>;

/// Partition by partition in turn.
pub fn in_turn(topic: &str, count: u32) -> impl Fn(&[MemberDescription]) -> Shares {
    move |members| {
        let share = |(n, member): (usize, &MemberDescription)| {
            let own = (n as u32..count).step_by(members.len());
            let own = own.map(|partition| (topic.to_owned(), partition));
            (member.id.clone(), own.collect())
        };
        members.iter().enumerate().map(share).collect()
    }
}

pub fn places(topic: &str, partitions: &[u32]) -> Vec<Place> {
    partitions.iter().map(|p| (topic.to_owned(), *p)).collect()
}
