//! The events of one member, in order. They are put in under the group's lock, and handed out without it, one each time
//! that the member asks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use super::GroupEvent;
use super::membership::MemberNumber;
use crate::error::{Error, Result};
use crate::sync::{Mutex, lock};

/// Called once, with the next event.
pub(super) type Next = Box<dyn FnOnce(Result<GroupEvent>) + Send>;

#[derive(Default)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    /// The member that it is of, under the group's lock.
    number: AtomicU64,
}

#[derive(Default)]
struct State {
    events: VecDeque<GroupEvent>,
    /// Nothing comes behind the events that are there.
    closed: bool,
    waiting: Option<Next>,
    /// An event was taken and is not handed out yet.
    under_way: bool,
}

impl Mailbox {
    pub fn number(&self) -> MemberNumber {
        self.number.load(Ordering::Acquire)
    }

    pub fn renumber(&self, number: MemberNumber) {
        self.number.store(number, Ordering::Release);
    }

    /// Puts an event behind the others, in place of those that it makes void: however long a member does not ask, what
    /// waits for it is bounded by its partitions.
    pub fn put(&self, event: GroupEvent) {
        let mut state = lock(&self.state);
        if state.closed {
            return;
        }
        match event {
            GroupEvent::Assign { .. } => state
                .events
                .retain(|old| !matches!(old, GroupEvent::Assign { .. })),
            GroupEvent::Assigned { .. } => state.events.retain(
                |old| !matches!(old, GroupEvent::Assigned { partitions, .. } if partitions.is_empty()),
            ),
            _ => {}
        }
        state.events.push_back(event);
    }

    /// It is a member no more. What it was to begin with or to give up is void; it is told why, if it did not leave itself.
    pub fn close(&self, reason: Option<Error>) {
        let mut state = lock(&self.state);
        if !state.closed {
            state.events.clear();
            let lost = reason.map(|reason| GroupEvent::Lost { reason });
            state.events.extend(lost);
            state.closed = true;
        }
    }

    /// Asks for the next event, which `take` then gives. Refused before the last one was handed out.
    pub fn ask(&self, next: Next) -> std::result::Result<(), Next> {
        let mut state = lock(&self.state);
        if state.waiting.is_some() || state.under_way {
            return Err(next);
        }
        state.waiting = Some(next);
        Ok(())
    }

    /// The event that whoever waits is to get, if there are both. `handed_out` is called when he gets it.
    pub fn take(&self) -> Option<(Next, Result<GroupEvent>)> {
        let mut state = lock(&self.state);
        state.waiting.as_ref()?;
        let event = match state.events.pop_front() {
            Some(event) => Ok(event),
            None if state.closed => Err(Error::Closed),
            None => return None,
        };
        let next = state.waiting.take()?;
        state.under_way = true;
        Some((next, event))
    }

    /// The event that was taken arrives: another one may be asked for.
    pub fn handed_out(&self) {
        lock(&self.state).under_way = false;
    }

    /// Nobody waits any more.
    #[cfg(test)]
    pub fn forget(&self) {
        lock(&self.state).waiting = None;
    }
}
