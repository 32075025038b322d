//! The journal's queue: whoever waits at it goes on, and what gathered is taken once and in order.

use std::sync::Arc;

use super::{done, explore, spawn};
use crate::journal::queue::{Gather, Queue};

/// What gathers here: numbers, two at most.
#[derive(Default)]
struct Pile(Vec<u32>);

impl Gather for Pile {
    type Group = Vec<u32>;

    fn take(&mut self) -> Option<Vec<u32>> {
        (!self.0.is_empty()).then(|| std::mem::take(&mut self.0))
    }
}

const ROOM: usize = 2;

/// Adds a number once there is room; false when the queue has ended.
fn add(queue: &Queue<Pile>, number: u32) -> bool {
    let mut at = queue.enter();
    while !at.has_ended() {
        if at.0.len() < ROOM {
            at.0.push(number);
            at.announce();
            return true;
        }
        at = at.wait_for_room();
    }
    false
}

fn take_all(queue: &Queue<Pile>) -> Vec<u32> {
    let mut taken = Vec::new();
    while let Some(group) = queue.take() {
        assert!(!group.is_empty() && group.len() <= ROOM);
        taken.extend(group);
    }
    taken
}

#[test]
fn all_that_gathers_is_taken_in_order() {
    explore(|| {
        let queue = Arc::new(Queue::new(Pile::default()));
        let taker = spawn({
            let queue = Arc::clone(&queue);
            move || take_all(&queue)
        });
        let adder = spawn({
            let queue = Arc::clone(&queue);
            move || (1..=3).all(|number| add(&queue, number))
        });
        assert!(add(&queue, 10));
        assert!(done(adder));
        queue.end();
        let mut taken = done(taker);
        let place = taken.iter().position(|number| *number == 10).unwrap();
        taken.remove(place);
        assert_eq!(taken, [1, 2, 3]);
    });
}

#[test]
fn the_end_lets_everyone_go_and_what_was_let_in_is_taken() {
    explore(|| {
        let queue = Arc::new(Queue::new(Pile(vec![8, 9])));
        let adders = [1, 2].map(|number| {
            let queue = Arc::clone(&queue);
            spawn(move || add(&queue, number))
        });
        queue.end();
        let mut taken = take_all(&queue);
        let mut added = vec![8, 9];
        for (number, was_added) in [1, 2].into_iter().zip(adders.map(done)) {
            if was_added {
                added.push(number);
            }
        }
        taken.sort_unstable();
        added.sort_unstable();
        assert_eq!(taken, added);
    });
}

#[test]
fn the_end_lets_those_go_who_wait_for_room_that_never_comes() {
    explore(|| {
        let queue = Arc::new(Queue::new(Pile(vec![8, 9])));
        let adders = [1, 2].map(|number| {
            let queue = Arc::clone(&queue);
            spawn(move || add(&queue, number))
        });
        queue.end();
        assert!(adders.map(done).into_iter().all(|added| !added));
        assert_eq!(take_all(&queue), [8, 9]);
    });
}

#[test]
fn room_that_is_made_is_seen_by_all_who_wait_for_it() {
    explore(|| {
        let queue = Arc::new(Queue::new(Pile(vec![8, 9])));
        let adders = [1, 2].map(|number| {
            let queue = Arc::clone(&queue);
            spawn(move || add(&queue, number))
        });
        queue.make_room(|pile| pile.0.clear());
        assert!(adders.map(done).into_iter().all(|added| added));
        let mut taken = queue.take().unwrap();
        taken.sort_unstable();
        assert_eq!(taken, [1, 2]);
    });
}
