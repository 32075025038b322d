//! The journal's queue: whoever waits at it goes on, and what gathered is taken once and in order.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{done, explore, spawn};
use crate::journal::queue::{Gather, Queue};
use crate::sync::atomic::AtomicBool;

/// What gathers here: numbers, two at most.
#[derive(Default)]
struct Pile(Vec<u32>);

impl Gather for Pile {
    type Group = Vec<u32>;

    fn take(&mut self) -> Option<Vec<u32>> {
        (!self.0.is_empty()).then(|| std::mem::take(&mut self.0))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
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
        queue.done(|_| ());
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

#[test]
fn what_gathers_while_an_adder_is_at_work_is_taken_by_the_thread() {
    explore(|| {
        let queue = Arc::new(Queue::new(Pile::default()));
        let mut at = queue.enter();
        at.0.push(10);
        assert_eq!(at.take_or_announce().unwrap(), [10]);
        let taker = spawn({
            let queue = Arc::clone(&queue);
            move || queue.take().unwrap()
        });
        let adder = spawn({
            let queue = Arc::clone(&queue);
            move || add(&queue, 1)
        });
        queue.done(|_| ());
        assert!(done(adder));
        // It is waited for in vain if neither has told the thread.
        assert_eq!(done(taker), [1]);
    });
}

#[test]
fn the_end_comes_when_what_an_adder_took_is_done() {
    explore(|| {
        let queue = Arc::new(Queue::new(Pile::default()));
        let at_work = Arc::new(AtomicBool::new(false));
        let adder = spawn({
            let (queue, at_work) = (Arc::clone(&queue), Arc::clone(&at_work));
            move || {
                let mut at = queue.enter();
                if at.has_ended() {
                    return;
                }
                at.0.push(1);
                at_work.store(true, Ordering::Relaxed);
                let group = at.take_or_announce().unwrap();
                assert_eq!(group, [1]);
                at_work.store(false, Ordering::Relaxed);
                queue.done(|_| ());
            }
        });
        queue.end();
        assert!(take_all(&queue).is_empty());
        assert!(!at_work.load(Ordering::Relaxed));
        done(adder);
    });
}
