//! Tidelog: an event log that lives inside your process.
//!
//! A [`Store`] is a folder. It holds topics; a topic has partitions; a partition is a log of records, each
//! at an offset, in Apache Kafka's record batch format. What a send that was acknowledged survives is the
//! topic's [`Durability`]: with `Fsync` the process being killed and power loss, with `Buffered` only the
//! former.
//!
//! ```
//! use tidelog::{OpenOptions, Store, TopicConfig};
//! use tidelog::format::{batch::TimestampType, builder::BatchBuilder, compression::Compression};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let store = Store::open(folder.path(), OpenOptions::default())?;
//! let orders = store.create_topic("orders", TopicConfig::default())?.partition(0)?;
//!
//! let mut batch = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
//! batch.append(1_700_000_000_000, Some(b"o-1"), Some(b"{\"total\":12}"), std::iter::empty())?;
//! let appended = orders.append(batch.finish()?)?; // durable when this returns
//!
//! let mut bytes = Vec::new();
//! orders.read(appended.base_offset, 1 << 20, &mut bytes)?;
//! store.close()?;
//! # Ok(())
//! # }
//! ```
//!
//! All calls block unless they say otherwise and can be made from many threads.

#![forbid(unsafe_code)]

mod answer;
mod backup;
mod bell;
mod catalog;
mod checkpoint;
mod compaction;
mod config;
mod context;
mod coordinator;
mod disk;
mod encode;
mod engine;
mod error;
mod fan_out;
mod filter;
mod group;
mod health;
pub mod import;
pub mod inspect;
mod journal;
mod knock_out;
mod metrics;
#[cfg(all(test, feature = "loom"))]
mod models;
mod partition;
mod point_reads;
mod produce;
mod producer_ids;
mod published;
mod record_buffer;
mod registry;
pub mod repair;
mod segment;
#[cfg(all(test, not(feature = "loom")))]
mod simulation;
mod store;
mod sync;
mod topic;
mod transaction;
mod workers;

pub use tidelog_format as format;
pub use tidelog_io as io;

pub use backup::{BackupReport, verify_backup};
pub use compaction::CompactionReport;
pub use config::{
    CleanupPolicy, CompactionConfig, CompactionOptions, Durability, OpenOptions, RecoveryProgress,
    TopicChange, TopicConfig,
};
pub use coordinator::offsets::{ClampedOffset, CommittedOffset, OffsetCommit};
pub use engine::{RecoveryReport, Retained};
pub use error::{Error, Result};
pub use filter::Filter;
pub use format::batch::TimestampType;
pub use format::compression::Compression;
pub use group::{
    GroupEvent, GroupMember, GroupMembership, MemberDescription, MemberOptions, MemberState,
};
pub use journal::JournalOptions;
pub use metrics::{
    JournalMetrics, Percentiles, StoreMetrics, SyncMetrics, TopicMetrics, Traffic,
    TransactionMetrics,
};
pub use partition::{Appended, ReadResult};
pub use produce::{Condition, ProduceOutcome, ProducerLane, Run};
pub use producer_ids::ProducerId;
pub use record_buffer::RecordBuffer;
pub use store::Store;
pub use topic::{Partition, PartitionDescription, Topic, TopicDescription, Waiter};
pub use transaction::{
    TransactionNumber, TransactionOptions, TransactionOutcome, TransactionRun,
    TransactionalProducer,
};
