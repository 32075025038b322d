//! Small stores on simulated disks, each made once and then copied for every input: what was written to them is known,
//! and the copy is the fuzzer's to damage.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tidelog::format::TimestampType;
use tidelog::format::builder::BatchBuilder;
use tidelog::io::SimulatedStorage;
use tidelog::{
    Compression, Durability, JournalOptions, OpenOptions, Partition, Store, Topic, TopicConfig,
};

use crate::disk;

/// The folder of every store here.
pub(crate) const ROOT: &str = "/data";
/// Records are stamped from here on, a millisecond an offset.
pub(crate) const EPOCH_MS: i64 = 1_700_000_000_000;

/// How the life of a store ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// In order.
    Closed,
    /// Killed, with frames in the journal that no checkpoint covers.
    Killed,
    /// Killed in its second life, so that the journal holds frames of two.
    KilledAgain,
}

/// Records with their offsets.
pub(crate) type Values = Vec<(u64, Vec<u8>)>;

/// A store whose records are known.
pub(crate) struct Image {
    disk: SimulatedStorage,
    /// By topic and partition.
    pub written: BTreeMap<(String, u32), Values>,
    /// All of them, wherever they were written.
    pub all: BTreeSet<(u64, Vec<u8>)>,
    /// Its files, sorted.
    pub files: Vec<PathBuf>,
}

impl Image {
    /// The one image of a store that ended like this.
    pub fn of(end: End) -> &'static Image {
        static IMAGES: [OnceLock<Image>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
        IMAGES[end as usize].get_or_init(|| Image::make(end))
    }

    /// A disk with a copy of the store.
    pub fn copy(&self) -> SimulatedStorage {
        self.disk.duplicate()
    }

    fn make(end: End) -> Image {
        let disk = SimulatedStorage::new();
        let mut written = BTreeMap::new();
        let store = open(&disk).unwrap();
        for (name, durability, partitions) in [
            ("a", Durability::Fsync, 2),
            ("b", Durability::Buffered, 1),
            ("c", Durability::Fsync, 1),
        ] {
            let config = TopicConfig {
                partitions,
                durability: Some(durability),
                segment_bytes: 1024,
                index_interval_bytes: 1,
                ..TopicConfig::default()
            };
            store.create_topic(name, config).unwrap();
        }
        fill(&store, 0, &mut written);
        let disk = match end {
            End::Closed => {
                store.close().unwrap();
                disk
            }
            End::Killed => {
                let killed = disk.duplicate();
                store.close().unwrap();
                killed
            }
            End::KilledAgain => {
                let first = disk.duplicate();
                store.close().unwrap();
                let store = open(&first).unwrap();
                fill(&store, 1, &mut written);
                let killed = first.duplicate();
                store.close().unwrap();
                killed
            }
        };
        let files = disk::files(&disk, Path::new(ROOT));
        let all = written.values().flatten().cloned().collect();
        Image {
            disk,
            written,
            all,
            files,
        }
    }
}

/// Options under which nothing happens by itself, and the journal is small.
pub(crate) fn options(disk: &SimulatedStorage) -> OpenOptions {
    let never = Duration::from_secs(1_000_000);
    OpenOptions {
        maintenance_interval: never,
        checkpoint_interval: never,
        journal: JournalOptions {
            file_bytes: 64 << 10,
            files: 2,
            frame_bytes: 16 << 10,
            extent_bytes: 400,
        },
        storage: Arc::new(disk.clone()),
        ..OpenOptions::default()
    }
}

/// Opens the store of a disk.
pub(crate) fn open(disk: &SimulatedStorage) -> tidelog::Result<Store> {
    Store::open(ROOT, options(disk))
}

/// All partitions of a topic.
pub(crate) fn partitions(topic: &Topic) -> Vec<Partition> {
    (0..topic.partition_count())
        .map(|number| topic.partition(number).unwrap())
        .collect()
}

/// A batch of these values, the first of which gets this offset.
pub(crate) fn batch(compression: Compression, first: u64, values: &[Vec<u8>]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(compression, TimestampType::CreateTime);
    for (number, value) in values.iter().enumerate() {
        let time = EPOCH_MS.saturating_add_unsigned(first + number as u64);
        let headers = [("h", Some(&b"x"[..]))];
        builder
            .append(time, Some(b"key"), Some(value), headers.into_iter())
            .unwrap();
    }
    builder.finish().unwrap()
}

/// Some batches of several sizes and codecs into every partition: segments roll, and some batches are extents.
fn fill(store: &Store, life: u64, written: &mut BTreeMap<(String, u32), Values>) {
    for name in store.topics().unwrap() {
        for partition in partitions(&store.open_topic(&name).unwrap()) {
            let values = written
                .entry((name.clone(), partition.index()))
                .or_default();
            for number in 0..8 {
                let first = partition.log_end_offset();
                let codec = Compression::ALL[(number % 5) as usize];
                let len = if number == 5 { 500 } else { 40 };
                let batch_values: Vec<Vec<u8>> = (0..1 + number % 4)
                    .map(|n| value(&name, partition.index(), first + n, life, len))
                    .collect();
                let appended = partition
                    .append(batch(codec, first, &batch_values))
                    .unwrap();
                assert_eq!(appended.base_offset, first);
                values.extend((first..).zip(batch_values));
            }
        }
    }
}

/// Tells where it was written; no two are the same.
fn value(topic: &str, partition: u32, offset: u64, life: u64, len: usize) -> Vec<u8> {
    let mut value = format!("{topic}-{partition} {offset} in life {life} ").into_bytes();
    value.resize(len, b'.');
    value
}
