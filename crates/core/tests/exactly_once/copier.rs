//! The process that copies records from a topic to another until there are no more, or it is killed, and tells on stdout
//! what it commits. A twin of it goes on with a producer that was taken over.

use std::io::Write;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use tidelog::format::batch::Batch;
use tidelog::{
    Error, OpenOptions, Partition, Store, Topic, TransactionOptions, TransactionalProducer,
};

use crate::support::choices::Choices;
use crate::support::sending::{commit, commit_offset, offset_commit, produce, send};

/// How the outputs and the offsets of their inputs are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Both by a transaction.
    Together,
    /// Outputs without a transaction, offsets after them.
    Plain,
    /// Outputs by a transaction, offsets after it.
    OffsetsAfter,
    /// Outputs by a transaction, offsets before it.
    OffsetsBefore,
}

pub const MODES: [Mode; 4] = [
    Mode::Together,
    Mode::Plain,
    Mode::OffsetsAfter,
    Mode::OffsetsBefore,
];
pub const INPUTS: u32 = 2;
pub const OUTPUTS: u32 = 3;
const ID: &str = "copier";
const GROUP: &str = "copier";

/// A record is its key's number and its own among those of the key.
pub fn key_of(value: &[u8]) -> u32 {
    u32::from_be_bytes(value[..4].try_into().unwrap())
}

fn tell(line: &str) {
    let line = format!("{line}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

struct Copier {
    store: Store,
    input: Topic,
    output: Topic,
    batch: usize,
    choices: Choices,
}

/// Inputs, and where to go on behind them.
struct Taken {
    records: Vec<(u32, Vec<u8>)>,
    next: [u64; INPUTS as usize],
}

pub fn live(folder: &Path, mode: Mode, seed: u64, batch: usize) {
    let store = Store::open(folder, OpenOptions::default()).unwrap();
    let mut copier = Copier {
        input: store.open_topic("input").unwrap(),
        output: store.open_topic("output").unwrap(),
        store,
        batch,
        choices: Choices::new(seed),
    };
    match mode {
        Mode::Together => copier.together(),
        _ => copier.apart(mode),
    }
    copier.store.close().unwrap();
}

impl Copier {
    fn producer(&self) -> TransactionalProducer {
        let options = TransactionOptions::default();
        self.store.transactional_producer(ID, options).unwrap()
    }

    fn pause(&mut self, from_us: u64, to_us: u64) {
        let pause = from_us + self.choices.below(to_us - from_us);
        std::thread::sleep(Duration::from_micros(pause));
    }

    fn committed(&self) -> [u64; INPUTS as usize] {
        let mut next = [0; INPUTS as usize];
        for known in self.store.committed_offsets(GROUP).unwrap() {
            next[known.partition as usize] = known.offset;
        }
        next
    }

    /// The next inputs from there on, none in the end.
    fn take(&self, from: [u64; INPUTS as usize]) -> Taken {
        let (mut records, mut next) = (Vec::new(), from);
        for partition in 0..INPUTS {
            let room = (self.batch - records.len()) / (INPUTS - partition) as usize;
            let log = self.input.partition(partition).unwrap();
            let next = &mut next[partition as usize];
            for value in read(&log, next, room) {
                records.push((key_of(&value) % OUTPUTS, value));
            }
        }
        Taken { records, next }
    }

    fn fill(&self, producer: &TransactionalProducer, taken: &Taken, offsets: bool) -> u64 {
        let number = producer.begin().unwrap().number;
        let records: Vec<_> = taken.records.iter().map(|(p, v)| (*p, &v[..])).collect();
        send(producer, number, &self.output, &records).unwrap();
        if offsets {
            let offsets = (0..INPUTS)
                .map(|p| offset_commit(&self.input, p, taken.next[p as usize]))
                .collect();
            producer.send_offsets(number, GROUP, offsets).unwrap();
        }
        number
    }

    fn together(&mut self) {
        let (to_zombie, orders) = mpsc::channel();
        let zombie = std::thread::spawn(move || zombie(&orders));
        // Whoever had the id in the life before has not ended, as far as it knows.
        let mut producer = self.producer();
        loop {
            let taken = self.take(self.committed());
            if taken.records.is_empty() {
                break;
            }
            let number = self.fill(&producer, &taken, true);
            if self.choices.one_in(3) {
                // The id is taken over before or while the commit is called: by whom it is copied then, is open.
                let old = producer.clone();
                match self.choices.one_in(2) {
                    true => {
                        let (answer, raced) = mpsc::channel();
                        let race = std::thread::spawn(move || {
                            old.commit(number, move |outcome| answer.send(outcome).unwrap());
                        });
                        if self.choices.one_in(2) {
                            self.pause(0, 50);
                        }
                        producer = self.producer();
                        // What is committed now is what counts, whether or not the twin has been answered.
                        let taken = self.take(self.committed());
                        race.join().unwrap();
                        match raced.recv().unwrap() {
                            Ok(_) => tell("raced committed"),
                            Err(Error::ProducerFenced { .. }) => tell("raced fenced"),
                            Err(error) => panic!("{error}"),
                        }
                        if taken.records.is_empty() {
                            break;
                        }
                        let number = self.fill(&producer, &taken, true);
                        commit(&producer, number).unwrap();
                    }
                    false => {
                        producer = self.producer();
                        to_zombie.send((old, number)).unwrap();
                        let number = self.fill(&producer, &taken, true);
                        commit(&producer, number).unwrap();
                    }
                }
            } else {
                commit(&producer, number).unwrap();
            }
            tell("commit");
            self.pause(0, 3000);
        }
        drop(to_zombie);
        zombie.join().unwrap();
    }

    fn apart(&mut self, mode: Mode) {
        let producer = self.producer();
        let lane = self.store.producer_lane();
        let mut from = self.committed();
        loop {
            let taken = self.take(from);
            if taken.records.is_empty() {
                return;
            }
            if mode == Mode::OffsetsBefore {
                self.commit_offsets(&taken);
                self.pause(2000, 6000);
            }
            if mode == Mode::Plain {
                let records: Vec<_> = taken.records.iter().map(|(p, v)| (*p, &v[..])).collect();
                assert!(produce(&lane, &self.output, &records).error.is_none());
            } else {
                let number = self.fill(&producer, &taken, false);
                commit(&producer, number).unwrap();
            }
            if mode != Mode::OffsetsBefore {
                self.pause(2000, 6000);
                self.commit_offsets(&taken);
            }
            from = taken.next;
            tell("commit");
            self.pause(0, 500);
        }
    }

    fn commit_offsets(&self, taken: &Taken) {
        for partition in 0..INPUTS {
            let next = taken.next[partition as usize];
            commit_offset(&self.store, GROUP, &self.input, partition, next).unwrap();
        }
    }
}

/// Goes on with producers whose id was taken over: the transaction that was open, again, and new ones.
fn zombie(orders: &mpsc::Receiver<(TransactionalProducer, u64)>) {
    for (producer, number) in orders {
        for _ in 0..2 {
            match commit(&producer, number) {
                Ok(_) => tell("zombie accepted"),
                Err(Error::ProducerFenced { .. }) => tell("zombie fenced"),
                Err(error) => panic!("{error}"),
            }
        }
        producer.abort(number).unwrap();
        match producer.begin() {
            Ok(_) => tell("zombie accepted"),
            Err(Error::ProducerFenced { .. }) => tell("zombie fenced"),
            Err(error) => panic!("{error}"),
        }
    }
}

/// At most this many values from an offset on, which is moved behind them.
fn read(log: &Partition, next: &mut u64, room: usize) -> Vec<Vec<u8>> {
    let (mut values, mut bytes, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
    while values.len() < room {
        log.read(*next, 1 << 12, &mut bytes).unwrap();
        if bytes.is_empty() {
            break;
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let batch = Batch::check(rest).unwrap();
            for record in batch.records(&mut scratch).unwrap() {
                let record = record.unwrap();
                if record.offset >= *next && values.len() < room {
                    *next = record.offset + 1;
                    values.push(record.value.unwrap().to_vec());
                }
            }
            rest = &rest[batch.bytes().len()..];
        }
    }
    values
}
