//! The queue without Node: a channel plays the event loop.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::*;
use crate::ticket::Ticket;

fn completion(ticket: u64) -> Completion {
    Completion {
        ticket: ticket as f64,
        error: None,
        numbers: vec![1.0],
    }
}

fn found(bytes: &[u8]) -> RecordBuffer {
    RecordBuffer {
        bytes: bytes.to_vec(),
        table: vec![7; 40],
        ..RecordBuffer::default()
    }
}

/// An inbox that counts its wake-ups.
fn inbox() -> (Arc<Inbox>, Arc<AtomicUsize>) {
    let wakes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&wakes);
    let wake = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        true
    };
    (Arc::new(Inbox::new(wake)), wakes)
}

#[test]
fn no_wake_up_is_lost_between_many_threads() {
    const THREADS: u64 = 8;
    const EACH: u64 = 20_000;
    let (ring, rung) = mpsc::channel();
    let inbox = Arc::new(Inbox::new(move || ring.send(()).is_ok()));
    let pushers: Vec<_> = (0..THREADS)
        .map(|thread| {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || {
                (0..EACH).for_each(|n| inbox.answer(completion(thread * EACH + n)))
            })
        })
        .collect();
    let mut seen = vec![false; (THREADS * EACH) as usize];
    let mut count = 0;
    while count < THREADS * EACH {
        let woken = rung.recv_timeout(std::time::Duration::from_secs(10));
        assert!(
            woken.is_ok(),
            "answers wait and nobody was woken: {count} of {}",
            THREADS * EACH
        );
        for completion in inbox.drain() {
            let ticket = completion.ticket as usize;
            assert!(!seen[ticket], "answered twice");
            seen[ticket] = true;
            count += 1;
        }
    }
    pushers
        .into_iter()
        .for_each(|pusher| pusher.join().unwrap());
}

#[test]
fn one_wake_up_for_all_that_waits() {
    let (inbox, wakes) = inbox();
    (0..5).for_each(|n| inbox.answer(completion(n)));
    assert_eq!(wakes.load(Ordering::SeqCst), 1);
    assert_eq!(inbox.drain().len(), 5);
    inbox.answer(completion(5));
    assert_eq!(wakes.load(Ordering::SeqCst), 2);
}

#[test]
fn a_finished_read_stays_until_it_fits_and_its_buffer_is_used_again() {
    let (inbox, _) = inbox();
    inbox.enter(1, Open::Reading).unwrap();
    inbox.answer_entered(1, completion(1), Some(found(b"hello")));
    let (mut bytes, mut table) = ([0; 8], [0; 40]);
    assert!(inbox.take(1.0, &mut [0; 4], None).is_err());
    assert!(inbox.take(1.0, &mut bytes, Some(&mut [0; 39])).is_err());
    inbox.take(1.0, &mut bytes, Some(&mut table)).unwrap();
    assert_eq!((&bytes[..5], table), (b"hello".as_slice(), [7; 40]));
    assert!(inbox.take(1.0, &mut bytes, None).is_err());
    assert!(inbox.buffers.take().bytes.capacity() > 0);
}

#[test]
fn a_read_taken_back_is_not_answered_before_or_after_it_finished() {
    let (inbox, wakes) = inbox();
    inbox.enter(1, Open::Reading).unwrap();
    inbox.forget(1);
    assert!(!inbox.is_wanted(1));
    inbox.answer_entered(1, completion(1), Some(found(b"early")));
    assert_eq!(wakes.load(Ordering::SeqCst), 0);

    inbox.enter(2, Open::Reading).unwrap();
    inbox.answer_entered(2, completion(2), Some(found(b"late")));
    inbox.forget(2);
    assert!(inbox.drain().is_empty());
    assert!(inbox.lock().open.is_empty());
}

#[test]
fn a_ticket_is_used_once_at_a_time() {
    let (inbox, _) = inbox();
    inbox.enter(1, Open::Reading).unwrap();
    assert!(inbox.enter(1, Open::Waiting(None)).is_err());
    assert!(inbox.is_wanted(1));
}

#[test]
fn a_ticket_lost_in_a_panic_is_answered() {
    let (inbox, _) = inbox();
    let ticket = Ticket::new(&inbox, 3);
    let outcome = thread::spawn(move || {
        let _held = ticket;
        panic!("on purpose");
    })
    .join();
    assert!(outcome.is_err());
    let answers = inbox.drain();
    assert_eq!(answers.len(), 1);
    let error = answers[0].error.as_ref().unwrap();
    assert_eq!((answers[0].ticket, error.indefinite), (3.0, true));
}

#[test]
fn nothing_is_kept_once_the_event_loop_is_gone() {
    let inbox = Arc::new(Inbox::new(|| false));
    inbox.enter(1, Open::Reading).unwrap();
    inbox.enter(2, Open::Waiting(None)).unwrap();
    inbox.answer(completion(3));
    assert!(inbox.lock().closed);
    inbox.answer_entered(1, completion(1), Some(found(b"x")));
    inbox.enter(4, Open::Reading).unwrap();
    inbox.answer(completion(5));
    let state = inbox.lock();
    assert!(state.ready.is_empty() && state.open.is_empty());
}
