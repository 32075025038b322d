//! What producers hand over: packed records, batches with producer ids, and answers that are waited for.

use tidelog::format::batch::{Sequenced, TimestampType};
use tidelog::format::builder::BatchBuilder;
use tidelog::{
    Appended, Compression, Condition, OffsetCommit, ProduceOutcome, ProducerLane, Result, Store,
    Topic, TransactionRun, TransactionalProducer,
};

/// Records of these partitions and values, packed as `tidelog::format::packed` has it.
pub fn packed(records: &[(u32, &[u8])]) -> (Vec<u8>, Vec<u8>) {
    let (mut table, mut bytes) = (Vec::new(), Vec::new());
    for (partition, value) in records {
        table.extend_from_slice(&f64::NAN.to_le_bytes());
        table.extend_from_slice(&partition.to_le_bytes());
        table.extend_from_slice(&(-1i32).to_le_bytes());
        table.extend_from_slice(&(value.len() as i32).to_le_bytes());
        table.extend_from_slice(&0u32.to_le_bytes());
        bytes.extend_from_slice(value);
    }
    (table, bytes)
}

/// Waits for what `begin` is called back with.
pub fn wait<T: Send + 'static>(begin: impl FnOnce(Box<dyn FnOnce(T) + Send>)) -> T {
    let (answer, wait) = std::sync::mpsc::channel();
    begin(Box::new(move |outcome| answer.send(outcome).unwrap()));
    wait.recv().unwrap()
}

pub fn produce(lane: &ProducerLane, topic: &Topic, records: &[(u32, &[u8])]) -> ProduceOutcome {
    let (table, bytes) = packed(records);
    wait(|done| lane.produce(topic, table, bytes, done))
}

pub fn produce_if(
    lane: &ProducerLane,
    topic: &Topic,
    record: (u32, &[u8]),
    condition: Condition,
) -> Result<Appended> {
    let (table, bytes) = packed(&[record]);
    wait(|done| {
        lane.produce_if(topic, table, bytes, condition, |appended, _, _| {
            done(appended);
        });
    })
}

pub fn send(
    producer: &TransactionalProducer,
    number: u64,
    topic: &Topic,
    records: &[(u32, &[u8])],
) -> Result<()> {
    let (table, bytes) = packed(records);
    producer.send(number, topic, &table, &bytes)
}

pub fn commit(producer: &TransactionalProducer, number: u64) -> Result<Vec<TransactionRun>> {
    wait(|done| producer.commit(number, done))
}

pub fn commit_offset(
    store: &Store,
    group: &str,
    topic: &Topic,
    partition: u32,
    offset: u64,
) -> Result<()> {
    let offsets = [offset_commit(topic, partition, offset)];
    wait(|done| store.commit_offsets(group, &offsets, done))
}

pub fn offset_commit(topic: &Topic, partition: u32, offset: u64) -> OffsetCommit {
    OffsetCommit {
        topic: topic.clone(),
        partition,
        offset,
        metadata: String::new(),
    }
}

/// A batch of a producer, one record for each value.
pub fn sequenced(
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    values: &[Vec<u8>],
) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    for value in values {
        builder
            .append(super::EPOCH_MS, None, Some(value), std::iter::empty())
            .unwrap();
    }
    builder
        .finish_for(Sequenced {
            producer_id,
            producer_epoch,
            base_sequence,
        })
        .unwrap()
}
