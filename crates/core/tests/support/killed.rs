//! A store that was killed with all it can have behind its checkpoint: frames in two files of the journal, with whole
//! batches and with the places of large ones, in two partitions; and a buffered partition beside them. Everything in
//! it was acknowledged, and record n of each partition is known.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tidelog::format::batch::BatchHeader;
use tidelog::format::checkpoint::Checkpoint;
use tidelog::format::journal::{Entry, Frame, FrameHeader, PAGE};
use tidelog::format::published::Published;
use tidelog::io::{CrashKind, SimulatedStorage, Storage};
use tidelog::{
    Compression, Durability, JournalOptions, OpenOptions, Partition, Store, TopicConfig,
};

use super::{EPOCH_MS, batch_at, bury, content, options, value};

pub const ROOT: &str = "/data";
pub const PARTITIONS: [Key; 3] = [("fast", 0), ("safe", 0), ("safe", 1)];

pub type Key = (&'static str, u32);
/// How many records each partition has.
pub type Ends = BTreeMap<Key, u64>;

/// What the newer slot of the checkpoint says of the life that was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slots {
    /// Its beginning; the older slot tells how the life before was closed.
    FirstOfLife,
    /// What it had appended in the middle; the older slot tells its beginning.
    SecondOfLife,
}

/// A frame that the checkpoint does not cover.
pub struct LiveFrame {
    pub path: PathBuf,
    pub position: u64,
    pub len: u64,
    pub sequence: u64,
    /// Where each partition ended before it.
    pub before: Ends,
}

pub struct Killed {
    pub disk: SimulatedStorage,
    pub ends: Ends,
    /// Where the partitions ended when the second slot of the life would be written.
    pub covered: Ends,
    /// In order.
    pub frames: Vec<LiveFrame>,
}

/// Small sizes, and nothing that happens by the clock.
pub fn killed_options(storage: &Arc<dyn Storage>) -> OpenOptions {
    OpenOptions {
        journal: JournalOptions {
            file_bytes: 64 << 10,
            files: 3,
            frame_bytes: 16 << 10,
            extent_bytes: 1500,
        },
        maintenance_interval: Duration::from_secs(3600),
        checkpoint_interval: Duration::from_secs(3600),
        ..options(storage, Durability::Fsync)
    }
}

pub fn open(disk: &SimulatedStorage) -> tidelog::Result<Store> {
    let storage: Arc<dyn Storage> = Arc::new(disk.process());
    Store::open(ROOT, killed_options(&storage))
}

/// The value of the record at an offset: some are large enough to be in their segment only.
pub fn value_at(key: Key, offset: u64) -> Vec<u8> {
    let partition = PARTITIONS.iter().position(|other| *other == key).unwrap() as u64;
    let len = if offset % 7 == 5 { 1600 } else { 90 };
    value(partition << 32 | offset, len)
}

/// The batch of these records, one ms apart.
pub fn batch_of(key: Key, offsets: std::ops::Range<u64>) -> Vec<u8> {
    let first_time = EPOCH_MS + offsets.start as i64;
    let values: Vec<_> = offsets.map(|offset| value_at(key, offset)).collect();
    batch_at(first_time, Compression::None, &values)
}

/// Appends to all partitions at once, `batches` each, and waits for the answers.
fn append(partitions: &[(Key, Partition)], ends: &mut Ends, batches: u64) {
    let (answer, answers) = mpsc::channel();
    let mut asked = 0;
    for _ in 0..batches {
        for (key, partition) in partitions {
            let end = ends.entry(*key).or_default();
            let next = *end + 1 + *end % 3;
            let answer = answer.clone();
            partition.append_with(batch_of(*key, *end..next), move |appended| {
                answer.send(appended).unwrap();
            });
            *end = next;
            asked += 1;
        }
    }
    for appended in answers.iter().take(asked) {
        appended.unwrap();
    }
}

impl Killed {
    pub fn new(slots: Slots) -> Killed {
        let disk = SimulatedStorage::new();
        let mut ends = Ends::new();
        let store = open(&disk).unwrap();
        for (name, durability, partitions) in [
            ("safe", Durability::Fsync, 2),
            ("fast", Durability::Buffered, 1),
        ] {
            let config = TopicConfig {
                partitions,
                durability: Some(durability),
                segment_bytes: 3500,
                index_interval_bytes: 256,
                ..TopicConfig::default()
            };
            store.create_topic(name, config).unwrap();
        }
        append(&all(&store), &mut ends, 10);
        store.close().unwrap();

        let store = open(&disk).unwrap();
        let partitions = all(&store);
        append(&partitions, &mut ends, 2);
        if slots == Slots::SecondOfLife {
            // Deletes nothing, and makes a checkpoint.
            partitions[0].1.delete_records(0).unwrap();
        }
        let covered = ends.clone();
        append(&partitions, &mut ends, 3);
        // One at a time, so that each has a frame of its own.
        for round in 0..15 {
            append(&partitions[round % 3..=round % 3], &mut ends, 1);
            append(&partitions[1..2], &mut ends, 1);
        }
        wait_until_published(&disk, &ends);
        disk.crash(CrashKind::Kill, 1);
        bury(store);
        let frames = live_frames(&disk, &ends);
        assert!(frames.len() > 15, "{} frames", frames.len());
        assert_ne!(frames[0].path, frames[frames.len() - 1].path);
        Killed {
            disk,
            ends,
            covered,
            frames,
        }
    }

    /// All files of the store with this end of the name, sorted.
    pub fn files(&self, ending: &str) -> Vec<PathBuf> {
        files_below(&self.disk, Path::new(ROOT))
            .into_iter()
            .filter(|path| path.to_string_lossy().ends_with(ending))
            .collect()
    }
}

/// The checkpoint's slots that hold, the newer one first, with where they begin.
pub fn slots(disk: &SimulatedStorage) -> Vec<(u64, Checkpoint)> {
    let bytes = content(disk, &Path::new(ROOT).join("checkpoint"));
    let half = bytes.len() / 2;
    let mut slots: Vec<_> = [0, half]
        .into_iter()
        .filter_map(|at| Some((at as u64, Checkpoint::decode(&bytes[at..at + half]).ok()?)))
        .collect();
    slots.sort_by_key(|(_, checkpoint)| std::cmp::Reverse(checkpoint.generation));
    slots
}

fn all(store: &Store) -> Vec<(Key, Partition)> {
    let open = |key: Key| {
        let partition = store.open_topic(key.0).unwrap().partition(key.1).unwrap();
        (key, partition)
    };
    PARTITIONS.into_iter().map(open).collect()
}

fn files_below(storage: &dyn Storage, folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in storage.read_dir(folder).unwrap() {
        let path = folder.join(entry.name);
        match entry.is_dir {
            true => files.extend(files_below(storage, &path)),
            false => files.push(path),
        }
    }
    files
}

/// What other processes are told follows by itself.
fn wait_until_published(disk: &SimulatedStorage, ends: &Ends) {
    let deadline = Instant::now() + Duration::from_secs(60);
    for ((topic, partition), end) in ends {
        let path = Path::new(ROOT).join(format!("{topic}-{partition}/published"));
        let told = || {
            let there = disk.exists(&path).unwrap();
            there.then(|| Published::decode(&content(disk, &path)).ok())?
        };
        while told().is_none_or(|told| told.high_watermark != *end) {
            assert!(Instant::now() < deadline, "{} stays behind", path.display());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn live_frames(disk: &SimulatedStorage, ends: &Ends) -> Vec<LiveFrame> {
    let (_, newest) = slots(disk).swap_remove(0);
    let mut found = BTreeMap::new();
    for path in files_below(disk, &Path::new(ROOT).join("journal")) {
        let bytes = content(disk, &path);
        for position in (0..bytes.len()).step_by(PAGE) {
            let Some(header) = FrameHeader::parse(&bytes[position..]) else {
                continue;
            };
            let frame = &bytes[position..position + header.len as usize];
            if header.incarnation == newest.incarnation && header.sequence > newest.frame {
                found.insert(header.sequence, (path.clone(), position, frame.to_vec()));
            }
        }
    }
    // From the last to the first, so that each is known by what it appends.
    let mut before = ends.clone();
    let mut frames = Vec::new();
    for (sequence, (path, position, bytes)) in found.into_iter().rev() {
        for entry in Frame::check(&bytes).unwrap().entries() {
            let (place, batch) = match entry.unwrap() {
                Entry::Batch { place, batch } => (place, batch),
                Entry::Extent { place, header } => (place, header.as_slice()),
                Entry::Release { .. } => continue,
            };
            let base = BatchHeader::parse(batch).unwrap().base_offset;
            // Only the topic `safe` goes through the journal.
            let end = before
                .get_mut(&("safe", place.partition.partition))
                .unwrap();
            *end = base.min(*end);
        }
        frames.push(LiveFrame {
            path,
            position: position as u64,
            len: bytes.len() as u64,
            sequence,
            before: before.clone(),
        });
    }
    frames.reverse();
    frames
}
