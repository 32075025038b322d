//! A history without an anomaly, made up: what three workers on a log in memory would have told, one call after another,
//! with a crash in the end.

use super::events::*;
use crate::support::choices::Choices;

const WORKERS: usize = 3;

#[derive(Default)]
struct Model {
    history: Vec<Event>,
    log: [Vec<u64>; PLACES],
    positions: [[u64; PLACES]; WORKERS],
    groups: [Option<[u64; PLACES]>; WORKERS],
}

impl Model {
    fn ends(&self) -> [u64; PLACES] {
        std::array::from_fn(|place| self.log[place].len() as u64)
    }

    fn poll(&mut self, worker: u64, from: [u64; PLACES], transaction: u64) {
        self.history.push(Event::Invoke { worker });
        let ends = self.ends();
        let read = |place: Place, offset: u64| Read {
            place,
            offset,
            value: self.log[place][offset as usize],
        };
        let records = (0..PLACES)
            .flat_map(|place| (from[place]..ends[place]).map(move |offset| read(place, offset)))
            .collect();
        self.history.push(Event::Polled(Polled {
            worker,
            transaction,
            jumped: worker == READER,
            from,
            ends,
            records,
        }));
    }

    fn fetch(&mut self, worker: u64, group: usize) {
        self.history.push(Event::Invoke { worker });
        self.history.push(Event::Fetched {
            worker,
            group: group as u64,
            offsets: self.groups[group],
        });
    }

    fn begin(&mut self, choices: &mut Choices, n: u64) -> Vec<(Place, u64)> {
        let sends: Vec<_> = (0..1 + choices.below(4))
            .map(|i| (choices.below(PLACES as u64) as Place, n << 3 | i))
            .collect();
        let worker = n % WORKERS as u64;
        self.history.push(Event::Begin(Begun {
            transaction: n,
            worker,
            id: worker,
            producer_id: 1 + worker as i64,
            epoch: (n / 100) as i16,
            number: 1 + n % 100,
            sends: sends.clone(),
        }));
        sends
    }

    fn append(&mut self, sends: &[(Place, u64)]) -> Vec<Placed> {
        let mut placed: Vec<Placed> = Vec::new();
        for (place, value) in sends {
            match placed.iter_mut().find(|run| run.place == *place) {
                Some(run) => run.count += 1,
                None => placed.push(Placed {
                    place: *place,
                    base: self.log[*place].len() as u64,
                    count: 1,
                }),
            }
            self.log[*place].push(*value);
        }
        placed
    }

    fn transaction(&mut self, choices: &mut Choices, n: u64) {
        let worker = n as usize % WORKERS;
        let sends = self.begin(choices, n);
        if choices.one_in(2) {
            self.poll(worker as u64, self.positions[worker], n);
            self.positions[worker] = self.ends();
        }
        if choices.one_in(8) {
            return self.history.push(Event::Fail { transaction: n });
        }
        let offsets = choices.one_in(2).then_some(self.positions[worker]);
        self.history.push(Event::Commit {
            transaction: n,
            group: worker as u64,
            offsets,
        });
        let placed = self.append(&sends);
        self.groups[worker] = offsets.or(self.groups[worker]);
        self.history.push(Event::Ok {
            transaction: n,
            placed,
        });
        self.fetch(worker as u64, worker);
    }
}

pub fn good() -> Vec<Event> {
    let (mut model, mut choices) = (Model::default(), Choices::new(5));
    for n in 1..=300 {
        model.transaction(&mut choices, n);
    }
    // Two are not answered any more; one of them is in the log.
    for n in [301, 302] {
        let sends = model.begin(&mut choices, n);
        model.history.push(Event::Commit {
            transaction: n,
            group: 0,
            offsets: None,
        });
        if n == 301 {
            model.append(&sends);
        }
    }
    model.history.push(Event::Crash);
    for transaction in [301, 302] {
        model.history.push(Event::Outcome {
            transaction,
            committed: transaction == 301,
        });
    }
    model.poll(READER, [0; PLACES], 0);
    (0..WORKERS).for_each(|group| model.fetch(READER, group));
    model.history
}
