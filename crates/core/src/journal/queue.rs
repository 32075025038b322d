//! Where appends gather while the previous ones are being made durable: one mutex, under which an append adds to
//! what is open, and one thread that takes whatever has gathered, unless somebody who has added to it takes it himself.
//! What was taken is under way until it is done, and nothing is taken meanwhile. No wake-up is lost: all look at the
//! state under the mutex before they wait, it is changed only under it, and whoever is done wakes the thread if
//! something has gathered meanwhile.

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;

use crate::sync::{Condvar, Mutex, MutexGuard, lock};

/// What gathers, and how it is taken.
pub(crate) trait Gather {
    type Group;

    /// What has gathered, if anything has.
    fn take(&mut self) -> Option<Self::Group>;

    /// Whether nothing has gathered.
    fn is_empty(&self) -> bool;
}

pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    gathered: Condvar,
    room: Condvar,
}

struct State<T> {
    content: T,
    /// Something was taken and is not done yet.
    under_way: bool,
    ended: bool,
}

impl<T: Gather> State<T> {
    fn take(&mut self) -> Option<T::Group> {
        if self.under_way {
            return None;
        }
        let group = self.content.take();
        self.under_way = group.is_some();
        group
    }
}

/// The queue while nobody else may change it.
pub(crate) struct Entrance<'a, T> {
    queue: &'a Queue<T>,
    state: MutexGuard<'a, State<T>>,
}

impl<T: Gather> Queue<T> {
    pub fn new(content: T) -> Queue<T> {
        Queue {
            state: Mutex::new(State {
                content,
                under_way: false,
                ended: false,
            }),
            gathered: Condvar::new(),
            room: Condvar::new(),
        }
    }

    pub fn enter(&self) -> Entrance<'_, T> {
        Entrance {
            queue: self,
            state: lock(&self.state),
        }
    }

    /// Takes what has gathered, and waits for it; `None` once the queue has ended, is empty, and nothing is under way.
    pub fn take(&self) -> Option<T::Group> {
        let mut state = lock(&self.state);
        loop {
            if let Some(group) = state.take() {
                drop(state);
                self.room.notify_all();
                return Some(group);
            }
            if state.ended && !state.under_way {
                return None;
            }
            state = self
                .gathered
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What was taken is done; the content is changed with it.
    pub fn done(&self, change: impl FnOnce(&mut T)) {
        let mut state = lock(&self.state);
        change(&mut state.content);
        state.under_way = false;
        let goes_on = state.ended || !state.content.is_empty();
        drop(state);
        if goes_on {
            self.gathered.notify_one();
        }
        self.room.notify_all();
    }

    /// Changes the content, and wakes whoever waits for room.
    pub fn make_room(&self, change: impl FnOnce(&mut T)) {
        change(&mut lock(&self.state).content);
        self.room.notify_all();
    }

    /// Nothing more is let in; what has gathered is still taken.
    pub fn end(&self) {
        lock(&self.state).ended = true;
        self.gathered.notify_all();
        self.room.notify_all();
    }
}

impl<'a, T: Gather> Entrance<'a, T> {
    pub fn has_ended(&self) -> bool {
        self.state.ended
    }

    /// Lets others in until room was made, or might have been.
    pub fn wait_for_room(self) -> Entrance<'a, T> {
        let Entrance { queue, state } = self;
        let state = queue
            .room
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner);
        Entrance { queue, state }
    }

    /// Leaves, and tells the thread that something has gathered.
    pub fn announce(self) {
        let Entrance { queue, state } = self;
        // Whoever is at work looks again when he is done.
        let is_due = !state.under_way && !state.content.is_empty();
        drop(state);
        if is_due {
            queue.gathered.notify_one();
        }
    }

    /// Leaves with what has gathered, to do the thread's work; if it can't be taken now, the thread will.
    pub fn take_or_announce(mut self) -> Option<T::Group> {
        let Some(group) = self.state.take() else {
            self.announce();
            return None;
        };
        let queue = self.queue;
        drop(self);
        queue.room.notify_all();
        Some(group)
    }
}

impl<T> Deref for Entrance<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.state.content
    }
}

impl<T> DerefMut for Entrance<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.state.content
    }
}
