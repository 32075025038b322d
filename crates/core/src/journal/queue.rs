//! Where appends gather while the previous ones are being made durable: one mutex, under which an append adds to
//! what is open, and one thread that takes whatever has gathered. No wake-up is lost: both sides look at the state
//! under the mutex before they wait, and it is changed only under it.

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;

use crate::sync::{Condvar, Mutex, MutexGuard, lock};

/// What gathers, and how it is taken.
pub(crate) trait Gather {
    type Group;

    /// What has gathered, if anything has.
    fn take(&mut self) -> Option<Self::Group>;
}

pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    gathered: Condvar,
    room: Condvar,
}

struct State<T> {
    content: T,
    ended: bool,
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

    /// Takes what has gathered, and waits for it; `None` once the queue has ended and is empty.
    pub fn take(&self) -> Option<T::Group> {
        let mut state = lock(&self.state);
        loop {
            if let Some(group) = state.content.take() {
                drop(state);
                self.room.notify_all();
                return Some(group);
            }
            if state.ended {
                return None;
            }
            state = self
                .gathered
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
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

impl<'a, T> Entrance<'a, T> {
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
        let queue = self.queue;
        drop(self);
        queue.gathered.notify_one();
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
