//! What the benchmarks share: the records that every contestant is given, a fresh store, and the floors, a plain
//! file and one that is synced. Run with `cargo bench -p tidelog-bench`.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that can't go on must stop, and say why"
)]

mod framed_file;
mod shape;
mod synced_file;

pub use framed_file::FramedFile;
pub use shape::{LARGE, SMALL, Shape};
pub use synced_file::SyncedFile;

use std::path::Path;

use tempfile::TempDir;
use tidelog::{Durability, OpenOptions, Partition, Store, Topic, TopicConfig};

/// A store in a folder of its own that goes with it, with one topic.
pub struct Fixture {
    /// The store.
    pub store: Store,
    /// Its topic.
    pub topic: Topic,
    /// The topic's first partition.
    pub partition: Partition,
    // Declared last: the folder goes when the store is closed.
    _folder: TempDir,
}

impl Fixture {
    /// A store with nothing in it: durability `buffered`, a topic of one partition.
    pub fn empty() -> Fixture {
        Fixture::below(
            &std::env::temp_dir(),
            Durability::Buffered,
            TopicConfig::default(),
        )
    }

    /// As [`Fixture::empty`], with a choice of durability and topic, and of the disk that is measured.
    pub fn below(parent: &Path, durability: Durability, config: TopicConfig) -> Fixture {
        let folder = tempfile::tempdir_in(parent).expect("a temporary folder");
        let options = OpenOptions {
            durability,
            ..OpenOptions::default()
        };
        let store = Store::open(folder.path(), options).expect("an open store");
        let topic = store.create_topic("bench", config).expect("a topic");
        let partition = topic.partition(0).expect("a partition");
        Fixture {
            store,
            topic,
            partition,
            _folder: folder,
        }
    }

    /// A store that holds `batches` batches of this shape.
    pub fn filled(shape: Shape, batches: usize) -> Fixture {
        let fixture = Fixture::empty();
        for number in 0..batches {
            fixture
                .partition
                .append(shape.encoded(number))
                .expect("an append");
        }
        fixture
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // A failure to close can't change a figure that was taken already.
        let _ = self.store.close();
    }
}
