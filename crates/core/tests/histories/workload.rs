//! The process that works on a store and tells its history on stdout until it is killed: eight workers, each with a
//! consumer and a group of its own and one group for all, that now and then take each other's transactional id over.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use tidelog::{Error, OffsetCommit, TransactionalProducer};

use super::events::*;
use super::places::Places;
use crate::support::choices::Choices;
use crate::support::sending::{commit, offset_commit, send};

pub const WORKERS: u64 = 8;
/// Transactions of one life have numbers from its own number << 32 on.
const LIFE: u32 = 32;

fn tell(event: &Event) {
    let mut line = event.line();
    line.push('\n');
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

/// Runs this many transactions.
pub fn live(folder: &Path, seed: u64, life: u64, transactions: u64) {
    let places = Places::open(folder);
    let begun = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (places, begun) = (&places, &begun);
            scope.spawn(move || {
                let mut worker = Worker {
                    places,
                    worker,
                    id: worker,
                    choices: Choices::new(seed ^ (life << 20 | worker) << 20),
                    position: [0; PLACES],
                    resumed: false,
                    producer: places.producer(worker),
                };
                loop {
                    let n = begun.fetch_add(1, Ordering::Relaxed);
                    if n >= transactions {
                        break;
                    }
                    worker.step(life << LIFE | (n + 1));
                }
            });
        }
    });
    places.store.close().unwrap();
}

struct Worker<'a> {
    places: &'a Places,
    worker: u64,
    /// The transactional id in use: its own, or one taken over.
    id: u64,
    choices: Choices,
    position: [u64; PLACES],
    /// Whether it has found its place in the log.
    resumed: bool,
    producer: TransactionalProducer,
}

impl Worker<'_> {
    fn step(&mut self, transaction: u64) {
        if self.choices.one_in(40) {
            self.id = self.choices.below(WORKERS);
            self.producer = self.places.producer(self.id);
        }
        if !self.resumed || self.choices.one_in(50) {
            self.resume();
        }
        if self.choices.one_in(6) {
            self.poll(0);
        }
        self.transaction(transaction);
    }

    /// Goes on where its group is, as after a restart.
    fn resume(&mut self) {
        let offsets = self.fetch(self.worker);
        self.position = offsets.unwrap_or([0; PLACES]);
        self.resumed = false;
        self.poll(0);
    }

    fn fetch(&self, group: u64) -> Option<[u64; PLACES]> {
        let worker = self.worker;
        tell(&Event::Invoke { worker });
        let offsets = self.places.fetch(group);
        tell(&Event::Fetched {
            worker,
            group,
            offsets,
        });
        offsets
    }

    fn poll(&mut self, transaction: u64) {
        let worker = self.worker;
        tell(&Event::Invoke { worker });
        let mut polled = self.places.poll(worker, self.position);
        polled.transaction = transaction;
        polled.jumped = !self.resumed;
        self.position = polled.ends;
        self.resumed = true;
        tell(&Event::Polled(polled));
    }

    fn transaction(&mut self, transaction: u64) {
        let number = loop {
            match self.producer.begin() {
                Ok(number) => break number,
                Err(Error::ProducerFenced { .. }) => {
                    self.id = self.worker;
                    self.producer = self.places.producer(self.id);
                }
                Err(error) => panic!("{error}"),
            }
        };
        let sends: Vec<_> = (0..1 + self.choices.below(4))
            .map(|n| {
                let place = self.choices.below(PLACES as u64) as Place;
                (place, transaction << 3 | n)
            })
            .collect();
        tell(&Event::Begin(Begun {
            transaction,
            worker: self.worker,
            id: self.id,
            producer_id: number.producer_id,
            epoch: number.epoch,
            number: number.number,
            sends: sends.clone(),
        }));
        let number = number.number;
        for (place, value) in sends {
            let (topic, partition) = self.places.at(place);
            send(
                &self.producer,
                number,
                topic,
                &[(partition, &value.to_be_bytes())],
            )
            .unwrap();
        }
        if self.choices.one_in(5) {
            self.poll(transaction);
        }
        let offsets = self.choices.one_in(3).then_some(self.position);
        let group = match self.choices.one_in(5) {
            true => GROUPS - 1,
            false => self.worker,
        };
        if let Some(offsets) = offsets {
            let commits = (0..PLACES)
                .map(|place| self.offset(place, offsets[place]))
                .collect();
            let group = format!("group-{group}");
            self.producer.send_offsets(number, &group, commits).unwrap();
        }
        if self.choices.one_in(10) {
            self.producer.abort(number).unwrap();
            return tell(&Event::Fail { transaction });
        }
        tell(&Event::Commit {
            transaction,
            group,
            offsets,
        });
        let outcome = commit(&self.producer, number);
        tell(&match outcome {
            Ok(runs) => {
                let placed = runs.iter().map(|run| Placed {
                    place: self.places.place(&run.topic, run.run.partition),
                    base: run.run.base_offset,
                    count: u64::from(run.run.count),
                });
                Event::Ok {
                    transaction,
                    placed: placed.collect(),
                }
            }
            Err(error) if error.indefinite() => Event::Info { transaction },
            Err(Error::ProducerFenced { .. }) => Event::Fail { transaction },
            Err(error) => panic!("{error}"),
        });
        if offsets.is_some() && self.choices.one_in(4) {
            self.fetch(group);
        }
    }

    fn offset(&self, place: Place, offset: u64) -> OffsetCommit {
        let (topic, partition) = self.places.at(place);
        offset_commit(topic, partition, offset)
    }
}
