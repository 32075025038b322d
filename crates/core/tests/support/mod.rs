//! Shared by the suites: encoded batches with known content, and reading all of it back.

#![allow(dead_code, reason = "each suite uses a part of it")]

pub mod children;
pub mod choices;
pub mod damage;
pub mod killed;
pub mod members;
pub mod opening;
pub mod sending;
pub mod sequences;

use std::path::Path;
use std::sync::Arc;

use tidelog::format::batch::{Batch, TimestampType};
use tidelog::format::builder::BatchBuilder;
use tidelog::io::{OpenMode, Storage};
use tidelog::{Compression, Durability, OpenOptions, Partition, Store, Topic, TopicConfig};

/// 2023-11-14; records of the suites are stamped from here on.
pub const EPOCH_MS: i64 = 1_700_000_000_000;

/// A batch of records whose values are `values`, one ms apart from `first_time` on.
pub fn batch_at(first_time: i64, compression: Compression, values: &[Vec<u8>]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(compression, TimestampType::CreateTime);
    for (n, value) in values.iter().enumerate() {
        builder
            .append(
                first_time + n as i64,
                Some(b"key"),
                Some(value),
                std::iter::empty(),
            )
            .unwrap();
    }
    builder.finish().unwrap()
}

pub fn batch(values: &[Vec<u8>]) -> Vec<u8> {
    batch_at(EPOCH_MS, Compression::None, values)
}

/// A value that tells its number and has this length.
pub fn value(number: u64, len: usize) -> Vec<u8> {
    let mut value = number.to_be_bytes().to_vec();
    value.resize(len.max(8), (number % 251) as u8);
    value
}

pub fn options(storage: &Arc<dyn Storage>, durability: Durability) -> OpenOptions {
    OpenOptions {
        durability,
        storage: Arc::clone(storage),
        ..OpenOptions::default()
    }
}

/// Ends the threads of a process that was killed, whose calls all fail: none may be left when the test ends, since what
/// it holds in its last moments looks leaked.
pub fn bury(store: Store) {
    let _ = store.close();
}

pub fn topic(store: &Store, name: &str, config: TopicConfig) -> Topic {
    match store.open_topic(name) {
        Ok(topic) => topic,
        Err(_) => store.create_topic(name, config).unwrap(),
    }
}

/// All values of a partition with their offsets, by whole batches.
pub fn read_all(partition: &Partition) -> tidelog::Result<Vec<(u64, Vec<u8>)>> {
    read_from(partition, partition.log_start_offset())
}

pub fn read_from(partition: &Partition, offset: u64) -> tidelog::Result<Vec<(u64, Vec<u8>)>> {
    match read_up_to_damage(partition, offset) {
        (records, None) => Ok(records),
        (_, Some(error)) => Err(error),
    }
}

/// The records from an offset on, and what kept the rest from being read, if anything did.
pub fn read_up_to_damage(
    partition: &Partition,
    mut offset: u64,
) -> (Vec<(u64, Vec<u8>)>, Option<tidelog::Error>) {
    let (mut out, mut bytes, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
    let from = offset;
    loop {
        let next = match partition.read(offset, 1 << 16, &mut bytes) {
            Ok(read) => read.next,
            Err(error) => return (out, Some(error)),
        };
        if next == offset {
            return (out, None);
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let batch = Batch::check(rest).unwrap();
            for record in batch.records(&mut scratch).unwrap() {
                let record = record.unwrap();
                if record.offset >= from {
                    out.push((record.offset, record.value.unwrap().to_vec()));
                }
            }
            rest = &rest[batch.bytes().len()..];
        }
        offset = next;
    }
}

/// The one segment file of a partition whose base offset is `base`.
pub fn segment_path(root: &Path, topic: &str, partition: u32, base: u64) -> std::path::PathBuf {
    root.join(format!("{topic}-{partition}"))
        .join(format!("{base:020}.log"))
}

pub fn content(storage: &dyn Storage, path: &Path) -> Vec<u8> {
    let file = storage.open(path, OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

pub fn set_content(storage: &dyn Storage, path: &Path, bytes: &[u8]) {
    let file = storage.open(path, OpenMode::Create).unwrap();
    file.set_len(0).unwrap();
    file.write_all_at(0, bytes).unwrap();
    file.sync_all().unwrap();
}
