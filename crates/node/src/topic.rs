//! A topic: what it is, changes to it, point reads, and the way to its partitions.

use napi::bindgen_prelude::{AsyncTask, Float64ArraySlice};
use napi_derive::napi;
use tidelog::{Error, Store, Topic};

use crate::completions::Completions;
use crate::error::{Thrown, thrown};
use crate::numbers::{from_u64, to_u32, to_u64};
use crate::options::{NativeTopicChange, NativeTopicConfig};
use crate::partition::NativePartition;
use crate::task::{Blocking, blocking};
use crate::ticket;

/// A topic of an open store. Made by `NativeStore.createTopic` and `openTopic`.
#[napi]
pub struct NativeTopic {
    store: Store,
    topic: Topic,
}

/// What a topic holds.
#[napi(object)]
pub struct NativeTopicDescription {
    /// Its name.
    pub name: String,
    /// Its id, in Kafka's writing.
    pub id: String,
    /// Its configuration, with the durability in force.
    pub config: NativeTopicConfig,
    /// Its partitions in order.
    pub partitions: Vec<NativePartitionDescription>,
}

/// The ends and the size of one partition.
#[napi(object)]
pub struct NativePartitionDescription {
    /// Its number.
    pub partition: u32,
    /// The first offset held.
    pub log_start_offset: f64,
    /// The offset after the last one that may be read.
    pub high_watermark: f64,
    /// The offset that the next record gets.
    pub log_end_offset: f64,
    /// Number of segment files.
    pub segments: f64,
    /// Bytes of record batches in them.
    pub bytes: f64,
    /// What is damaged, if opening the store found damage; the partition takes no appends then.
    pub damage: Option<String>,
    /// Why the last attempt to compact it failed, if it did.
    pub compaction_failure: Option<String>,
}

#[napi]
impl NativeTopic {
    pub(crate) fn new(store: Store, topic: Topic) -> NativeTopic {
        NativeTopic { store, topic }
    }

    pub(crate) fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The topic's name.
    #[napi(getter, catch_unwind)]
    pub fn name(&self) -> &str {
        self.topic.name()
    }

    /// The topic's id, in Kafka's writing.
    #[napi(getter, catch_unwind)]
    pub fn id(&self) -> String {
        self.topic.id()
    }

    /// Number of partitions.
    #[napi(getter, catch_unwind)]
    pub fn partition_count(&self) -> u32 {
        self.topic.partition_count()
    }

    /// Whether it was deleted, as far as this store knows.
    #[napi(getter, catch_unwind)]
    pub fn deleted(&self) -> bool {
        self.topic.is_deleted()
    }

    /// The configuration, with the durability in force.
    #[napi(catch_unwind)]
    pub fn config(&self) -> Result<NativeTopicConfig, Thrown> {
        NativeTopicConfig::from_core(&self.topic.config()).map_err(thrown)
    }

    /// Ends and sizes of all partitions.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeTopicDescription>")]
    pub fn describe(&self) -> AsyncTask<Blocking<NativeTopicDescription>> {
        let topic = self.topic.clone();
        blocking(move || describe(&topic))
    }

    /// Changes the configuration, durably. Fields that are absent stay as they are.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn alter(&self, change: NativeTopicChange) -> Result<AsyncTask<Blocking<()>>, Thrown> {
        let change = change.into_core().map_err(thrown)?;
        let topic = self.topic.clone();
        Ok(blocking(move || topic.alter(&change)))
    }

    /// Makes what was appended before durable, in all partitions.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn sync(&self) -> AsyncTask<Blocking<()>> {
        let topic = self.topic.clone();
        blocking(move || topic.sync())
    }

    /// A partition by its number.
    #[napi(catch_unwind)]
    pub fn partition(&self, index: f64) -> Result<NativePartition, Thrown> {
        let index = to_u32("partition", index).map_err(thrown)?;
        let partition = self.topic.partition(index).map_err(thrown)?;
        Ok(NativePartition::new(self.store.clone(), partition))
    }

    /// Reads single records. `wanted` holds pairs of partition and offset; the rows come in that order, with NaN for
    /// the offset of a record that is not there. Numbers: bytes, bytes of the table, rows. Then `Completions.take` or
    /// `discard`.
    #[napi(catch_unwind)]
    pub fn get(
        &self,
        completions: &Completions,
        ticket: f64,
        wanted: Float64ArraySlice,
    ) -> Result<(), Thrown> {
        let number = to_u64("ticket", ticket).map_err(thrown)?;
        let wanted = places(&wanted).map_err(thrown)?;
        let topic = self.topic.clone();
        ticket::read(completions.inbox(), &self.store, number, move |found| {
            topic.get(&wanted, found)?;
            Ok(vec![
                from_u64("bytes", found.bytes.len() as u64)?,
                from_u64("bytes", found.table.len() as u64)?,
                f64::from(found.count),
            ])
        })
        .map_err(thrown)
    }
}

fn describe(topic: &Topic) -> tidelog::Result<NativeTopicDescription> {
    let description = topic.describe()?;
    let partitions = description
        .partitions
        .into_iter()
        .map(|partition| {
            Ok(NativePartitionDescription {
                partition: partition.partition,
                log_start_offset: from_u64("logStartOffset", partition.log_start_offset)?,
                high_watermark: from_u64("highWatermark", partition.high_watermark)?,
                log_end_offset: from_u64("logEndOffset", partition.log_end_offset)?,
                segments: from_u64("segments", partition.segments as u64)?,
                bytes: from_u64("bytes", partition.bytes)?,
                damage: partition.damage,
                compaction_failure: partition.compaction_failure,
            })
        })
        .collect::<tidelog::Result<_>>()?;
    let config = NativeTopicConfig::from_core(&description.config)?;
    Ok(NativeTopicDescription {
        name: description.name,
        id: description.id,
        config,
        partitions,
    })
}

fn places(wanted: &[f64]) -> tidelog::Result<Vec<(u32, u64)>> {
    let (pairs, rest) = wanted.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Error::InvalidArgument {
            argument: "wanted",
            reason: "holds half a pair".to_owned(),
        });
    }
    pairs
        .iter()
        .map(|[partition, offset]| {
            Ok((to_u32("partition", *partition)?, to_u64("offset", *offset)?))
        })
        .collect()
}
