//! What anomalies are put into a history with.

use super::events::*;

pub type History = Vec<Event>;

pub fn polls(history: &mut History) -> impl DoubleEndedIterator<Item = &mut Polled> {
    history.iter_mut().filter_map(|event| match event {
        Event::Polled(polled) => Some(polled),
        _ => None,
    })
}

/// The one that reads everything after the crash.
pub fn reader(history: &mut History) -> &mut Polled {
    polls(history).next_back().unwrap()
}

/// Transactions that were acknowledged, in order, with the values that they sent.
pub fn acknowledged(history: &History) -> Vec<Begun> {
    let committed = |begun: &&Begun| {
        history.iter().any(
            |event| matches!(event, Event::Ok { transaction, .. } if *transaction == begun.transaction),
        )
    };
    let begun = history.iter().filter_map(|event| match event {
        Event::Begin(begun) => Some(begun),
        _ => None,
    });
    begun.filter(committed).cloned().collect()
}

pub fn count(begun: &Begun, place: Place) -> usize {
    begun.sends.iter().filter(|(to, _)| *to == place).count()
}

/// Adds a value behind all others.
pub fn add(polled: &mut Polled, place: Place, value: u64) {
    let offset = polled.ends[place];
    polled.records.push(Read {
        place,
        offset,
        value,
    });
    polled.ends[place] += 1;
}

/// Takes values away that are the last ones of their partitions.
pub fn cut(polled: &mut Polled, values: &[u64]) {
    for value in values.iter().rev() {
        let at = polled.records.iter().position(|read| read.value == *value);
        let read = polled.records.remove(at.unwrap());
        for behind in polled.records.iter_mut().filter(|r| r.place == read.place) {
            behind.offset -= u64::from(behind.offset > read.offset);
        }
        polled.ends[read.place] -= 1;
    }
}

/// Has two values change places, whoever saw them.
pub fn swap(history: &mut History, place: Place, one: u64, other: u64) {
    for read in polls(history).flat_map(|polled| &mut polled.records) {
        if read.place == place && (read.value == one || read.value == other) {
            read.value ^= one ^ other;
        }
    }
    let (one, other) = (one >> 3, other >> 3);
    let mut bases = Vec::new();
    for again in [false, true] {
        for event in history.iter_mut() {
            let Event::Ok {
                transaction,
                placed,
            } = event
            else {
                continue;
            };
            if *transaction != one && *transaction != other {
                continue;
            }
            let run = placed.iter_mut().find(|run| run.place == place).unwrap();
            match again {
                false => bases.push(run.base),
                true => run.base = bases.pop().unwrap(),
            }
        }
    }
}

/// Two that follow each other, with a record each in `shared` partitions.
pub fn neighbours(history: &History, shared: usize) -> (Begun, Begun, Vec<Place>) {
    let all = acknowledged(history);
    let next = |one: usize, place| (one + 1..all.len()).find(|n| count(&all[*n], place) > 0);
    for (n, one) in all.iter().enumerate() {
        let places: Vec<_> = (0..PLACES).filter(|p| count(one, *p) == 1).collect();
        for place in &places {
            let Some(other) = next(n, *place) else {
                continue;
            };
            let both: Vec<_> = places
                .iter()
                .copied()
                .filter(|p| count(&all[other], *p) == 1 && next(n, *p) == Some(other))
                .collect();
            if both.len() >= shared {
                return (one.clone(), all[other].clone(), both);
            }
        }
    }
    panic!("no two transactions share {shared} partitions");
}

pub fn value_in(begun: &Begun, place: Place) -> u64 {
    begun.sends.iter().find(|(to, _)| *to == place).unwrap().1
}

/// A poll of a worker that saw all of a transaction with this, and the transaction.
pub fn seen(history: &mut History, is: impl Fn(&Begun) -> bool) -> (&mut Polled, Begun) {
    let wanted: Vec<_> = acknowledged(history).into_iter().filter(is).collect();
    for polled in polls(history).filter(|polled| polled.worker != READER) {
        let saw = |begun: &&Begun| {
            let value = begun.sends[0].1;
            polled.records.iter().any(|read| read.value == value)
        };
        if let Some(begun) = wanted.iter().find(saw) {
            let begun = begun.clone();
            return (polled, begun);
        }
    }
    panic!("no poll saw such a transaction");
}
