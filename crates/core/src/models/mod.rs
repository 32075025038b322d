//! The engine's threads under loom, which runs a model again and again, each time in another order, until it has tried
//! all that differ within the bound. It also lets loads give older values wherever their orderings allow it, and says so
//! when all threads wait. What runs are the engine's own structs, on a simulated disk; `npm run loom` runs them.

mod appends;
mod changes;
mod queue;
mod retention;
mod wake_ups;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::thread::JoinHandle;
use tidelog_format::batch::{Batch, BatchHeader, TimestampType};
use tidelog_format::builder::BatchBuilder;
use tidelog_io::{SimulatedStorage, Storage};

use crate::Compression;
use crate::config::{Durability, TopicConfig};
use crate::context::Context;
use crate::disk::Disk;
use crate::error::Result;
use crate::journal::{Files, Journal, JournalOptions};
use crate::partition::{Appended, Log, Terms, TopicMeta};
use crate::sync::RwLock;

/// How often a thread that could go on is stopped in favour of another, at most. Three find nearly all that is to be
/// found; `LOOM_MAX_PREEMPTIONS` says otherwise.
const PREEMPTIONS: usize = 3;
/// In words: the simulated disk needs more stack than loom gives.
const STACK: usize = 256 << 10 >> 3;

/// Runs a model in all orders, and fails if it was only ever run in one.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    builder.max_branches = 20_000;
    let model = Arc::new(model);
    let orders = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&orders);
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let model = Arc::clone(&model);
        done(spawn(move || model()));
    });
    let orders = orders.load(Ordering::Relaxed);
    assert!(
        orders > 1,
        "nothing in this model can happen in another order"
    );
    eprintln!("{orders} orders");
}

fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    loom::thread::Builder::new()
        .stack_size(STACK)
        .spawn(work)
        .unwrap()
}

fn done<T>(thread: JoinHandle<T>) -> T {
    thread.join().unwrap()
}

/// A store's inside: what partitions share, without threads.
struct Shop {
    disk: SimulatedStorage,
    context: Arc<Context>,
}

impl Shop {
    fn new(journal: JournalOptions) -> Shop {
        let disk = SimulatedStorage::new();
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let folder = PathBuf::from("journal");
        storage.create_dir(&folder).unwrap();
        let files = Files::new(&storage, folder, journal);
        let journal = Journal::new(files, journal, 0);
        Shop {
            disk,
            context: Arc::new(Context::new(Disk::new(storage), false, 1, 16, journal)),
        }
    }

    /// An empty partition, whose segments hold one batch each.
    fn log(&self, number: u32, durability: Durability) -> Arc<Log> {
        let topic = TopicMeta {
            name: "topic".to_owned(),
            id: [7; 16],
            config: RwLock::new(Arc::new(TopicConfig {
                segment_bytes: 1,
                ..TopicConfig::default()
            })),
            store_durability: durability,
        };
        let folder = PathBuf::from(format!("topic-{number}"));
        self.context.storage.create_dir(&folder).unwrap();
        Arc::new(Log::create(
            Arc::clone(&self.context),
            Arc::new(topic),
            number,
            folder,
        ))
    }
}

/// A batch of one record.
fn batch() -> (Vec<u8>, BatchHeader) {
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    builder
        .append(1, None, Some(b"value"), std::iter::empty())
        .unwrap();
    let batch = builder.finish().unwrap();
    let header = *Batch::check(&batch).unwrap().header();
    (batch, header)
}

fn append(log: &Arc<Log>, done: impl FnOnce(Result<Appended>) + Send + 'static) {
    let (mut batch, header) = batch();
    log.append(&mut batch, &header, Terms::FOREIGN, Box::new(done));
}

/// Appends as somebody who waits for the answer.
fn append_leading(log: &Arc<Log>, done: impl FnOnce(Result<Appended>) + Send + 'static) {
    let (mut batch, header) = batch();
    log.append_leading(&mut batch, &header, Terms::FOREIGN, Box::new(done));
}

/// Reads from `offset` to the high watermark, which has to be at least `end`, and gives where the reading ended.
fn read_to(log: &Log, mut offset: u64, end: u64) -> Result<u64> {
    let mut bytes = Vec::new();
    while offset < end {
        let next = log.read(offset, 1 << 20, &mut bytes)?.next;
        assert!(next > offset, "nothing below the high watermark");
        Batch::check(&bytes).unwrap();
        offset = next;
    }
    Ok(offset)
}
