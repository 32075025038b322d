//! The store under test, one life after the other: on a simulated disk, which can lose its power, or a real one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidelog::io::{CrashKind, SimulatedStorage, Storage};
use tidelog::{
    Durability, OpenOptions, Partition, ProducerId, ProducerLane, RecordBuffer, Store, Topic,
    TopicConfig, TransactionNumber, TransactionOptions, TransactionalProducer,
};

use super::reference::Record;
use super::steps::At;
use crate::support::killed::killed_options;
use crate::support::{bury, topic};

const TOPICS: [(&str, u32, Durability); 2] = [
    ("safe", 2, Durability::Fsync),
    ("fast", 1, Durability::Buffered),
];

/// The topic and the number of a partition.
pub fn place(at: At) -> (&'static str, u32) {
    match at {
        0 | 1 => ("safe", at as u32),
        _ => ("fast", 0),
    }
}

/// The partitions that share a topic with this one.
pub fn beside(at: At) -> &'static [At] {
    if at < 2 { &[0, 1] } else { &[2] }
}

pub enum Disk {
    Simulated(SimulatedStorage),
    Real(Arc<dyn Storage>, tempfile::TempDir),
}

impl Disk {
    fn storage(&self) -> Arc<dyn Storage> {
        match self {
            Disk::Simulated(disk) => Arc::new(disk.process()),
            Disk::Real(storage, _) => Arc::clone(storage),
        }
    }

    fn root(&self) -> PathBuf {
        match self {
            Disk::Simulated(_) => PathBuf::from("/data"),
            Disk::Real(_, folder) => folder.path().to_owned(),
        }
    }
}

/// A transactional id as one life has it.
#[derive(Default)]
pub struct Held {
    pub producer: Option<TransactionalProducer>,
    /// Its predecessor, with the last transaction that it began.
    pub zombie: Option<(TransactionalProducer, Option<TransactionNumber>)>,
    pub begun: Option<TransactionNumber>,
}

pub struct Subject {
    disk: Disk,
    pub store: Store,
    pub topics: [Topic; 2],
    pub session: ProducerLane,
    pub named: Option<ProducerLane>,
    pub held: [Held; 2],
    /// Ids for batches that are encoded elsewhere, as long as there is the store.
    pub ids: [Option<ProducerId>; 3],
}

fn open(disk: &Disk) -> (Store, [Topic; 2]) {
    let options = OpenOptions {
        maintenance_interval: Duration::from_millis(1),
        ..killed_options(&disk.storage())
    };
    let store = Store::open(disk.root(), options).unwrap();
    let topics = TOPICS.map(|(name, ..)| topic(&store, name, config(name)));
    (store, topics)
}

pub fn config(name: &str) -> TopicConfig {
    let (_, partitions, durability) = TOPICS.iter().find(|(other, ..)| *other == name).unwrap();
    TopicConfig {
        partitions: *partitions,
        durability: Some(*durability),
        segment_bytes: 3000,
        index_interval_bytes: 300,
        ..TopicConfig::default()
    }
}

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Closed,
    Killed(u64),
    PowerLost(u64),
}

impl Subject {
    pub fn new(disk: Disk) -> Subject {
        let (store, topics) = open(&disk);
        Subject {
            disk,
            session: store.producer_lane(),
            store,
            topics,
            named: None,
            held: Default::default(),
            ids: [None; 3],
        }
    }

    pub fn partition(&self, at: At) -> Partition {
        self.topic(at).partition(place(at).1).unwrap()
    }

    pub fn topic(&self, at: At) -> &Topic {
        &self.topics[usize::from(at == 2)]
    }

    /// Ends the life, and begins another. A real disk can only be closed.
    pub fn live_again(&mut self, end: End) -> End {
        let end = match (&self.disk, end) {
            (Disk::Simulated(disk), End::Killed(seed)) => {
                disk.crash(CrashKind::Kill, seed);
                bury(self.store.clone());
                end
            }
            (Disk::Simulated(disk), End::PowerLost(seed)) => {
                disk.crash(CrashKind::PowerLoss, seed);
                bury(self.store.clone());
                end
            }
            _ => {
                self.store.close().unwrap();
                End::Closed
            }
        };
        (self.store, self.topics) = open(&self.disk);
        self.session = self.store.producer_lane();
        self.named = None;
        self.held = Default::default();
        let report = self.store.recovery();
        assert_eq!(report.clean, end == End::Closed);
        assert!(report.damaged.is_empty(), "{:?}", report.damaged);
        assert!(
            report.clamped_offsets.is_empty(),
            "{:?}",
            report.clamped_offsets
        );
        end
    }

    pub fn recreate(&mut self, at: At) {
        let (name, _) = place(at);
        self.store.delete_topic(name).unwrap();
        self.topics[usize::from(at == 2)] = self.store.create_topic(name, config(name)).unwrap();
    }

    /// Closes it, and has all files looked at.
    pub fn verify(self) {
        self.store.close().unwrap();
        let (storage, root) = (self.disk.storage(), self.disk.root());
        let report =
            tidelog::inspect::verify_store(&storage, Path::new(&root), |_, _| true).unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
    }

    /// The records from an offset to the end, in portions of about so many bytes.
    pub fn read(&self, at: At, mut offset: u64, max_bytes: usize) -> Vec<(u64, Record)> {
        let (partition, mut buffer) = (self.partition(at), RecordBuffer::default());
        let (end, mut found) = (partition.high_watermark(), Vec::new());
        while offset < end {
            partition
                .read_records(offset, max_bytes, &mut buffer)
                .unwrap();
            assert!(buffer.next > offset);
            found.extend(rows(&buffer).into_iter().map(Option::unwrap));
            offset = buffer.next;
        }
        found
    }

    pub fn options() -> TransactionOptions {
        TransactionOptions::default()
    }
}

/// The rows of a buffer, decoded by hand from the documented layout.
pub fn rows(buffer: &RecordBuffer) -> Vec<Option<(u64, Record)>> {
    let field = |at: u32, len: i32| {
        (len >= 0).then(|| buffer.bytes[at as usize..at as usize + len as usize].to_vec())
    };
    buffer
        .table
        .chunks_exact(40)
        .map(|row| {
            let f64_at = |at: usize| f64::from_le_bytes(row[at..at + 8].try_into().unwrap());
            let u32_at = |at: usize| u32::from_le_bytes(row[at..at + 4].try_into().unwrap());
            if f64_at(8).is_nan() {
                return None;
            }
            let mut at = u32_at(32) as usize;
            let mut take = || {
                let (len, used) = tidelog::format::varint::decode_i32(&buffer.bytes[at..]).unwrap();
                let start = at + used;
                at = start + len.max(0) as usize;
                field(start as u32, len)
            };
            let headers = (0..u32_at(36))
                .map(|_| (String::from_utf8(take().unwrap()).unwrap(), take()))
                .collect();
            Some((
                f64_at(8) as u64,
                Record {
                    time: Some(f64_at(0) as i64),
                    key: field(u32_at(16), u32_at(20) as i32),
                    value: field(u32_at(24), u32_at(28) as i32),
                    headers,
                },
            ))
        })
        .collect()
}
