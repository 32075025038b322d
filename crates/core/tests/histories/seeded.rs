//! Anomalies put one at a time into a good history: the checker finds each of them.

use super::checker::{Anomaly, check};
use super::editing::*;
use super::events::*;
use super::good::good;

/// Its name, what puts it in, and what is to be found.
type Seeded = (&'static str, fn(&mut History), Anomaly);

#[test]
fn a_good_history_has_none() {
    let history = good();
    let found = check(&history);
    assert!(found.0.is_empty(), "{:#?}", found.0);
    for event in &history {
        assert_eq!(Event::parse(&event.line()).as_ref(), Some(event));
    }
}

#[test]
fn each_anomaly_is_found() {
    let seeded: [Seeded; 18] = [
        ("lost write", lost_write, Anomaly::LostWrite),
        ("duplicate", duplicate, Anomaly::Duplicate),
        ("reorder", reorder, Anomaly::NonmonotonicSend),
        ("aborted read", aborted_read, Anomaly::AbortedRead),
        (
            "half transaction",
            half_transaction,
            Anomaly::HalfTransaction,
        ),
        ("fractured poll", fractured_poll, Anomaly::FracturedPoll),
        (
            "inconsistent offset",
            inconsistent_offset,
            Anomaly::InconsistentOffset,
        ),
        ("skipped poll", skipped_poll, Anomaly::SkippedPoll),
        ("stale offset commit", stale_offsets, Anomaly::StaleOffsets),
        (
            "precommitted read",
            precommitted_read,
            Anomaly::PrecommittedRead,
        ),
        ("write cycle", write_cycle, Anomaly::WriteCycle),
        (
            "circular information flow",
            information_flow,
            Anomaly::CircularInformationFlow,
        ),
        (
            "intermediate read",
            intermediate_read,
            Anomaly::IntermediateRead,
        ),
        (
            "nonmonotonic poll",
            nonmonotonic_poll,
            Anomaly::NonmonotonicPoll,
        ),
        ("skipped send", skipped_send, Anomaly::SkippedSend),
        ("stale poll", stale_poll, Anomaly::StalePoll),
        ("wrong outcome", wrong_outcome, Anomaly::WrongOutcome),
        ("fenced commit", fenced_commit, Anomaly::FencedCommit),
    ];
    let mut found = 0;
    for (name, seed, anomaly) in seeded {
        let mut history = good();
        seed(&mut history);
        let all = check(&history);
        eprintln!("{name}: {:?}", all.0.keys());
        found += usize::from(all.has(anomaly));
    }
    assert_eq!(found, seeded.len());
}

fn lost_write(history: &mut History) {
    let last = acknowledged(history).pop().unwrap();
    let values: Vec<_> = last.sends.iter().map(|(_, value)| *value).collect();
    cut(reader(history), &values);
}

fn duplicate(history: &mut History) {
    let last = acknowledged(history).pop().unwrap();
    let (place, value) = last.sends[0];
    add(reader(history), place, value);
}

fn reorder(history: &mut History) {
    let (one, other, places) = neighbours(history, 1);
    let place = places[0];
    swap(
        history,
        place,
        value_in(&one, place),
        value_in(&other, place),
    );
}

fn write_cycle(history: &mut History) {
    let (one, other, places) = neighbours(history, 2);
    let place = places[0];
    swap(
        history,
        place,
        value_in(&one, place),
        value_in(&other, place),
    );
}

/// A transaction's poll has what the next one wrote in a partition in which it comes later.
fn information_flow(history: &mut History) {
    let (one, other, places) = neighbours(history, 1);
    let read = reader(history)
        .records
        .iter()
        .copied()
        .find(|read| read.value == value_in(&other, places[0]));
    let poll = Polled {
        worker: one.worker,
        transaction: one.transaction,
        jumped: true,
        from: [0; PLACES],
        ends: [0; PLACES],
        records: read.into_iter().collect(),
    };
    let begin = |event: &Event| matches!(event, Event::Begin(begun) if *begun == one);
    let at = history.iter().position(begin).unwrap();
    history.insert(at + 1, Event::Polled(poll));
}

fn aborted_read(history: &mut History) {
    let failed = |event: &Event| match event {
        Event::Fail { transaction } => Some(*transaction),
        _ => None,
    };
    let failed = history.iter().find_map(failed).unwrap();
    let sends = history.iter().find_map(|event| match event {
        Event::Begin(begun) if begun.transaction == failed => Some(begun.sends.clone()),
        _ => None,
    });
    for (place, value) in sends.unwrap() {
        add(reader(history), place, value);
    }
}

fn half_transaction(history: &mut History) {
    let last = acknowledged(history)
        .into_iter()
        .rfind(|begun| begun.sends.len() > 1);
    let (_, value) = *last.unwrap().sends.last().unwrap();
    cut(reader(history), &[value]);
}

fn fractured_poll(history: &mut History) {
    let two = |begun: &Begun| begun.sends.len() == 2 && begun.sends[0].0 != begun.sends[1].0;
    let (polled, begun) = seen(history, two);
    polled.records.retain(|read| read.value != begun.sends[1].1);
}

fn intermediate_read(history: &mut History) {
    let two = |begun: &Begun| begun.sends.len() == 2 && begun.sends[0].0 == begun.sends[1].0;
    let (polled, begun) = seen(history, two);
    polled.records.retain(|read| read.value != begun.sends[1].1);
}

fn inconsistent_offset(history: &mut History) {
    let other = acknowledged(history).pop().unwrap().sends[0].1;
    let (polled, begun) = seen(history, |_| true);
    let value = begun.sends[0].1;
    let mut reads = polled.records.iter_mut();
    reads.find(|read| read.value == value).unwrap().value = other;
}

fn skipped_poll(history: &mut History) {
    let (polled, begun) = seen(history, |begun| begun.sends.len() == 1);
    polled.records.retain(|read| read.value != begun.sends[0].1);
}

fn nonmonotonic_poll(history: &mut History) {
    let (polled, _) = seen(history, |_| true);
    let again = polled.records[0];
    polled.records.insert(1, again);
}

fn stale_poll(history: &mut History) {
    let last = polls(history).rfind(|polled| polled.worker != READER);
    let last = last.unwrap();
    let place = last.records[0].place;
    last.records.retain(|read| read.place != place);
    last.ends[place] = last.from[place];
}

/// Another's records are between two of one transaction.
fn skipped_send(history: &mut History) {
    let two = |begun: &Begun| begun.sends.len() == 2 && begun.sends[0].0 == begun.sends[1].0;
    let all = acknowledged(history);
    let n = all.iter().position(two).unwrap();
    let (place, last) = all[n].sends[1];
    let next = all[n + 1..].iter().find(|begun| count(begun, place) > 0);
    let next = value_in(next.unwrap(), place);
    history.retain(|event| !matches!(event, Event::Ok { .. }));
    for read in polls(history).flat_map(|polled| &mut polled.records) {
        if read.value == last || read.value == next {
            read.value ^= last ^ next;
        }
    }
}

fn stale_offsets(history: &mut History) {
    let mut before = None;
    for event in history.iter_mut() {
        let Event::Fetched {
            group: 0, offsets, ..
        } = event
        else {
            continue;
        };
        match before {
            Some(stale) if *offsets != stale => {
                *offsets = stale;
                return;
            }
            _ => before = offsets.is_some().then_some(*offsets),
        }
    }
    panic!("no group committed twice");
}

/// The commit is called after a poll that has seen it.
fn precommitted_read(history: &mut History) {
    let (polled, begun) = seen(history, |_| true);
    let polled = polled.clone();
    let is = |event: &Event| match event {
        Event::Commit { transaction, .. } | Event::Ok { transaction, .. } => {
            *transaction == begun.transaction
        }
        _ => false,
    };
    let moved: Vec<_> = history.extract_if(.., |event| is(event)).collect();
    let poll = |event: &Event| matches!(event, Event::Polled(p) if *p == polled);
    let at = history.iter().position(poll).unwrap();
    history.splice(at + 1..at + 1, moved);
}

fn wrong_outcome(history: &mut History) {
    let last = acknowledged(history).pop().unwrap();
    history.push(Event::Outcome {
        transaction: last.transaction,
        committed: false,
    });
}

/// Somebody has begun with a newer epoch before the commit is called.
fn fenced_commit(history: &mut History) {
    let last = acknowledged(history).pop().unwrap();
    let called = |event: &Event| matches!(event, Event::Commit { transaction, .. } if *transaction == last.transaction);
    let at = history.iter().position(called).unwrap();
    let newer = Begun {
        transaction: 1000,
        epoch: last.epoch + 1,
        sends: Vec::new(),
        ..last
    };
    history.insert(at, Event::Begin(newer));
}
