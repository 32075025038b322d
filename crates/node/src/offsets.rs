//! Offsets that groups commit, on their way in and out.

use napi::bindgen_prelude::ClassInstance;
use napi_derive::napi;
use tidelog::{CommittedOffset, Error, OffsetCommit};

use crate::numbers::{from_i64, from_u64, to_u32, to_u64, to_usize};
use crate::topic::NativeTopic;

/// What a group has committed of one partition.
#[napi(object)]
pub struct NativeCommittedOffset {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset of the record to read next.
    pub offset: f64,
    /// The text that was committed with it.
    pub metadata: String,
    /// When it was committed, in ms since the epoch.
    pub timestamp: f64,
}

impl NativeCommittedOffset {
    pub(crate) fn from_core(committed: CommittedOffset) -> tidelog::Result<NativeCommittedOffset> {
        Ok(NativeCommittedOffset {
            topic: committed.topic,
            partition: committed.partition,
            offset: from_u64("offset", committed.offset)?,
            metadata: committed.metadata,
            timestamp: from_i64("timestamp", committed.timestamp)?,
        })
    }
}

/// Offsets to commit: `numbers` holds an index into `topics`, a partition and an offset for each, `metadata` a text for
/// each, or nothing at all.
pub(crate) fn commits(
    topics: &[ClassInstance<NativeTopic>],
    numbers: &[f64],
    metadata: Vec<String>,
) -> tidelog::Result<Vec<OffsetCommit>> {
    let (triples, rest) = numbers.as_chunks::<3>();
    if !rest.is_empty() {
        return Err(wrong("numbers", "holds a part of an offset"));
    }
    if !metadata.is_empty() && metadata.len() != triples.len() {
        return Err(wrong("metadata", "must be as many as the offsets, or none"));
    }
    let mut metadata = metadata.into_iter();
    triples
        .iter()
        .map(|[topic, partition, offset]| {
            let topic = topics
                .get(to_usize("topic", *topic)?)
                .ok_or_else(|| wrong("topic", "is not among the topics"))?;
            Ok(OffsetCommit {
                topic: topic.topic().clone(),
                partition: to_u32("partition", *partition)?,
                offset: to_u64("offset", *offset)?,
                metadata: metadata.next().unwrap_or_default(),
            })
        })
        .collect()
}

fn wrong(argument: &'static str, reason: &str) -> Error {
    Error::InvalidArgument {
        argument,
        reason: reason.to_owned(),
    }
}
