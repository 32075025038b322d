//! Contestants side by side: a round is cut into slices, and in each slice every contestant does a few operations,
//! beginning with another one each time. A disk that is slow for a while is slow for all.

use crate::latencies::{Latencies, Row};

/// Does so many operations, and notes how long each took.
pub type Work<'a> = Box<dyn FnMut(usize, &mut Latencies) + 'a>;

/// One row of a table, and how it is done.
pub struct Contestant<'a> {
    pub row: Row,
    pub work: Work<'a>,
}

impl<'a> Contestant<'a> {
    /// A contestant whose operations are timed one by one; each gets what `prepare` made before its clock started.
    pub fn one_by_one<T: 'a>(
        row: Row,
        mut prepare: impl FnMut() -> T + 'a,
        mut operation: impl FnMut(T) + 'a,
    ) -> Contestant<'a> {
        let work = move |count: usize, latencies: &mut Latencies| {
            for _ in 0..count {
                let prepared = prepare();
                latencies.time(|| operation(prepared));
            }
        };
        Contestant {
            row,
            work: Box::new(work),
        }
    }
}

/// One round: `slices` times `each` operations of every contestant.
pub fn take_turns(round: usize, slices: usize, each: usize, contestants: Vec<Contestant<'_>>) {
    let mut entered: Vec<_> = contestants
        .into_iter()
        .map(|contestant| (contestant, Latencies::default()))
        .collect();
    for (contestant, _) in &mut entered {
        // The first operations make files and wake threads: nobody's are counted.
        (contestant.work)(each.min(4), &mut Latencies::default());
    }
    for slice in 0..slices {
        let first = (round + slice) % entered.len().max(1);
        let (last, start) = entered.split_at_mut(first);
        for (contestant, latencies) in start.iter_mut().chain(last) {
            (contestant.work)(each, latencies);
        }
    }
    for (contestant, latencies) in entered {
        latencies.report(round, &contestant.row);
    }
}
