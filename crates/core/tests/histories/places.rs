//! The store that histories are made with: six partitions in two topics, that are polled as of one moment.

use std::path::Path;

use tidelog::format::batch::Batch;
use tidelog::{
    OpenOptions, Partition, Store, Topic, TopicConfig, TransactionOptions, TransactionalProducer,
};

use super::events::*;
use crate::support::topic;

const TOPICS: [&str; 2] = ["orders", "invoices"];

pub struct Places {
    pub store: Store,
    pub topics: Vec<Topic>,
    pub partitions: Vec<Partition>,
}

impl Places {
    pub fn open(folder: &Path) -> Places {
        let store = Store::open(folder, OpenOptions::default()).unwrap();
        let per_topic = (PLACES / TOPICS.len()) as u32;
        let config = || TopicConfig {
            partitions: per_topic,
            ..TopicConfig::default()
        };
        let topics: Vec<_> = TOPICS
            .iter()
            .map(|name| topic(&store, name, config()))
            .collect();
        let partitions = topics
            .iter()
            .flat_map(|topic| (0..per_topic).map(|number| topic.partition(number).unwrap()))
            .collect();
        Places {
            store,
            topics,
            partitions,
        }
    }

    pub fn at(&self, place: Place) -> (&Topic, u32) {
        let per_topic = PLACES / TOPICS.len();
        (&self.topics[place / per_topic], (place % per_topic) as u32)
    }

    pub fn place(&self, topic: &str, partition: u32) -> Place {
        let topic = TOPICS.iter().position(|name| *name == topic).unwrap();
        topic * (PLACES / TOPICS.len()) + partition as usize
    }

    /// Reads from these offsets up to the ends of one moment.
    pub fn poll(&self, worker: u64, from: [u64; PLACES]) -> Polled {
        let ends = self.store.high_watermarks(&self.partitions);
        let ends = <[u64; PLACES]>::try_from(ends).unwrap();
        let mut records = Vec::new();
        for place in 0..PLACES {
            self.read(place, from[place], ends[place], &mut records);
        }
        Polled {
            worker,
            transaction: 0,
            jumped: false,
            from,
            ends,
            records,
        }
    }

    fn read(&self, place: Place, from: u64, end: u64, records: &mut Vec<Read>) {
        let (mut bytes, mut scratch, mut next) = (Vec::new(), Vec::new(), from);
        while next < end {
            let before = next;
            next = self.partitions[place]
                .read(next, 1 << 16, &mut bytes)
                .unwrap()
                .next;
            if next == before {
                return;
            }
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let batch = Batch::check(rest).unwrap();
                for record in batch.records(&mut scratch).unwrap() {
                    let record = record.unwrap();
                    let value = record.value.unwrap().try_into().unwrap();
                    if (from..end).contains(&record.offset) {
                        records.push(Read {
                            place,
                            offset: record.offset,
                            value: u64::from_be_bytes(value),
                        });
                    }
                }
                rest = &rest[batch.bytes().len()..];
            }
        }
    }

    pub fn fetch(&self, group: u64) -> Option<[u64; PLACES]> {
        let committed = self
            .store
            .committed_offsets(&format!("group-{group}"))
            .unwrap();
        let mut offsets = [u64::MAX; PLACES];
        for known in &committed {
            offsets[self.place(&known.topic, known.partition)] = known.offset;
        }
        (!committed.is_empty()).then_some(offsets)
    }

    pub fn producer(&self, id: u64) -> TransactionalProducer {
        let options = TransactionOptions::default();
        self.store
            .transactional_producer(&format!("id-{id}"), options)
            .unwrap()
    }
}
