//! Topics and partitions as a program holds them: handles on the engine's logs through one store handle.

use std::sync::Arc;

use tidelog_format::batch::{Batch, BatchHeader, set_max_timestamp};

use crate::catalog::id_text;
use crate::compaction::CompactionReport;
use crate::config::{Durability, TopicChange, TopicConfig};
use crate::engine::TopicState;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::partition::{Appended, Log, ReadResult, Terms};
use crate::point_reads;
use crate::record_buffer::RecordBuffer;
use crate::store::Store;
use crate::sync::read;

/// A topic: named, partitioned. Cheap to clone.
#[derive(Clone)]
pub struct Topic {
    store: Store,
    state: Arc<TopicState>,
}

/// What [`Topic::describe`] tells.
#[derive(Debug, Clone)]
pub struct TopicDescription {
    /// The topic's name.
    pub name: String,
    /// Its id, in Kafka's writing.
    pub id: String,
    /// Its configuration, with the durability in force.
    pub config: TopicConfig,
    /// Its partitions in order.
    pub partitions: Vec<PartitionDescription>,
}

/// The ends and the size of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionDescription {
    /// Its number.
    pub partition: u32,
    /// The first offset held.
    pub log_start_offset: u64,
    /// The offset after the last one that may be read.
    pub high_watermark: u64,
    /// The offset that the next record gets.
    pub log_end_offset: u64,
    /// Number of segment files.
    pub segments: usize,
    /// Bytes of record batches in them.
    pub bytes: u64,
    /// What is damaged, if opening found damage; the partition is then read-only.
    pub damage: Option<String>,
    /// Why the last attempt to compact it failed, if it did. It is tried again, but for damage that it found.
    pub compaction_failure: Option<String>,
}

impl PartitionDescription {
    fn of(log: &Log) -> PartitionDescription {
        // In this order, so that a partition that grows meanwhile still has its ends in order.
        let (log_start_offset, high_watermark, log_end_offset) =
            (log.log_start(), log.high_watermark(), log.log_end());
        PartitionDescription {
            partition: log.number(),
            log_start_offset,
            high_watermark,
            log_end_offset,
            segments: log.segments().len(),
            bytes: log.bytes(),
            damage: log.damage().map(Error::to_string),
            compaction_failure: log.compaction_failure(),
        }
    }
}

impl TopicState {
    /// Ends and sizes of all partitions. Does not wait for the disk.
    pub fn describe(&self) -> Vec<PartitionDescription> {
        let logs = read(&self.logs);
        logs.iter()
            .map(|log| PartitionDescription::of(log))
            .collect()
    }
}

impl Topic {
    pub(crate) fn new(store: Store, state: Arc<TopicState>) -> Topic {
        Topic { store, state }
    }

    /// The topic's name.
    pub fn name(&self) -> &str {
        &self.state.meta.name
    }

    /// The topic's id, in Kafka's writing (URL-safe base64).
    pub fn id(&self) -> String {
        id_text(&self.state.meta.id)
    }

    /// The configuration, with the durability in force.
    pub fn config(&self) -> TopicConfig {
        let mut config = TopicConfig::clone(&self.state.meta.config());
        config.durability = Some(self.state.meta.durability());
        config
    }

    /// Number of partitions.
    pub fn partition_count(&self) -> u32 {
        read(&self.state.logs).len() as u32
    }

    /// A partition by its number.
    ///
    /// # Errors
    /// [`Error::UnknownPartition`].
    pub fn partition(&self, number: u32) -> Result<Partition> {
        self.store.check()?;
        Ok(Partition {
            store: self.store.clone(),
            log: self.log(number)?,
        })
    }

    /// Whether the topic was deleted: everything fails with [`Error::TopicDeleted`] then. A store opened read-only learns of
    /// what its writer deletes a moment later.
    pub fn is_deleted(&self) -> bool {
        read(&self.state.logs)
            .iter()
            .any(|log| matches!(log.check(), Err(Error::TopicDeleted { .. })))
    }

    pub(crate) fn log(&self, number: u32) -> Result<Arc<Log>> {
        let logs = read(&self.state.logs);
        logs.get(number as usize)
            .cloned()
            .ok_or_else(|| Error::UnknownPartition {
                topic: self.name().to_owned(),
                partition: number,
                count: logs.len() as u32,
            })
    }

    /// Whether it is the same topic, and not one of the same name.
    pub(crate) fn is(&self, other: &Topic) -> bool {
        self.state.meta.id == other.state.meta.id
    }

    /// Refuses a topic that no transaction may write to.
    pub(crate) fn check_transactional(&self) -> Result<()> {
        let meta = &self.state.meta;
        if meta.is_internal() {
            return Err(meta.internal());
        }
        match meta.durability() {
            Durability::Fsync => Ok(()),
            Durability::Buffered => Err(meta.not_transactional()),
        }
    }

    pub(crate) fn check_partition(&self, number: u32) -> Result<()> {
        self.log(number).map(|_| ())
    }

    /// Ends and sizes of all partitions. Does not wait for the disk.
    pub fn describe(&self) -> Result<TopicDescription> {
        self.store.check()?;
        read(&self.state.logs)
            .iter()
            .try_for_each(|log| log.check())?;
        Ok(TopicDescription {
            name: self.name().to_owned(),
            id: self.id(),
            config: self.config(),
            partitions: self.state.describe(),
        })
    }

    /// Changes the configuration, durably. Blocks for the disk.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] names the field; nothing has changed then.
    pub fn alter(&self, change: &TopicChange) -> Result<()> {
        self.store.check_writable()?;
        self.store.engine().alter_topic(&self.state, change)
    }

    /// Compacts all partitions now, as far as they are durable and not being written to, whatever their ratio: what the
    /// store's cleaner does by itself when it is due. Takes as long as the bound of its disk use asks for.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the topic is not compacted; [`Error::StorageFull`], after which nothing is lost and it
    /// can be done again.
    pub fn compact(&self) -> Result<CompactionReport> {
        self.store.check_writable()?;
        self.store.engine().compact_topic(&self.state)
    }

    /// Reads single records: `wanted` names partitions and offsets; the rows come in that order. A record
    /// that is not there (below the log start, not below the high watermark, or compacted away) has a row
    /// whose offset is NaN. May wait for the disk.
    pub fn get(&self, wanted: &[(u32, u64)], out: &mut RecordBuffer) -> Result<()> {
        self.store.check()?;
        let logs: Vec<(Arc<Log>, u64)> = wanted
            .iter()
            .map(|(number, offset)| Ok((self.log(*number)?, *offset)))
            .collect::<Result<_>>()?;
        point_reads::read(
            &self.store.engine().context,
            logs.iter().map(|(log, offset)| (log, *offset)),
            out,
        )
    }

    /// Makes all partitions durable up to their present end. Blocks for the disk.
    pub fn sync(&self) -> Result<()> {
        self.store.check_writable()?;
        let logs = read(&self.state.logs).clone();
        logs.iter().try_for_each(|log| log.sync())
    }
}

/// One partition of a topic. Cheap to clone.
#[derive(Clone)]
pub struct Partition {
    store: Store,
    log: Arc<Log>,
}

/// A wait that can be given up; see [`Partition::wait_for`].
pub struct Waiter {
    log: Arc<Log>,
    id: u64,
}

impl Waiter {
    /// Forgets the wait. False if it has been answered already; else its callback is dropped uncalled.
    pub fn cancel(&self) -> bool {
        self.log.cancel_wait(self.id)
    }
}

impl Partition {
    /// The topic's name.
    pub fn topic_name(&self) -> &str {
        &self.log.topic().name
    }

    /// The partition's number.
    pub fn index(&self) -> u32 {
        self.log.number()
    }

    /// The first offset held.
    pub fn log_start_offset(&self) -> u64 {
        self.log.log_start()
    }

    /// The offset after the last one that may be read: the durable end of an `fsync` topic.
    pub fn high_watermark(&self) -> u64 {
        self.log.high_watermark()
    }

    /// The offset that the next record gets.
    pub fn log_end_offset(&self) -> u64 {
        self.log.log_end()
    }

    /// Appends an encoded record batch (version 2) and waits until it is as durable as the topic promises.
    /// Base offset, leader epoch and, where it is not that of the records, the newest time are set, as a broker does; all
    /// else is stored as given.
    ///
    /// # Errors
    /// [`Error::InvalidBatch`] if anything about it does not hold, [`Error::InvalidRecord`] for a record without a key in a
    /// topic that is compacted, [`Error::RecordTooLarge`],
    /// [`Error::StorageFull`], [`Error::Poisoned`] (the only one after which it may be stored).
    pub fn append(&self, mut batch: Vec<u8>) -> Result<Appended> {
        let header = self.check_foreign(&mut batch)?;
        let (answer, wait) = std::sync::mpsc::sync_channel(1);
        let done = move |appended| {
            let _ = answer.send(appended);
        };
        self.log
            .append_leading(&mut batch, &header, Terms::FOREIGN, Box::new(done));
        // The callback is always called; a sender that is gone means that its thread died.
        wait.recv().unwrap_or(Err(Error::Closed))
    }

    /// As [`Partition::append`], but returns once the batch is written and calls `done` when it is durable: before it
    /// returns (`buffered`), or on a thread of the core or one that waits in [`Partition::append`] (`fsync`). `done`
    /// must not wait.
    pub fn append_with(
        &self,
        mut batch: Vec<u8>,
        done: impl FnOnce(Result<Appended>) + Send + 'static,
    ) {
        let header = self.check_foreign(&mut batch);
        match header {
            Ok(header) => {
                self.log
                    .append(&mut batch, &header, Terms::FOREIGN, Box::new(done));
            }
            Err(error) => done(Err(error)),
        }
    }

    fn check_foreign(&self, batch: &mut [u8]) -> Result<BatchHeader> {
        self.store.check_writable()?;
        let keyed = self.log.topic().config().cleanup.compacts();
        let header = check_foreign(batch, keyed)?;
        self.store.know_producer(header.producer_id)?;
        Ok(header)
    }

    /// Puts whole record batches into `out`, cleared first: from the one that holds `offset` on, at least
    /// one, and no more than `max_bytes` beside that. Empty at the high watermark. May wait for the disk.
    ///
    /// # Errors
    /// [`Error::OffsetOutOfRange`], [`Error::Corruption`].
    pub fn read(&self, offset: u64, max_bytes: usize, out: &mut Vec<u8>) -> Result<ReadResult> {
        self.store.check()?;
        self.log.read(offset, max_bytes, out)
    }

    /// Decodes records from `offset` on, in the same measure as [`Partition::read`].
    pub fn read_records(
        &self,
        offset: u64,
        max_bytes: usize,
        out: &mut RecordBuffer,
    ) -> Result<()> {
        self.store.check()?;
        self.log.read_records(offset, max_bytes, out)
    }

    /// Decodes the records from `offset` on that a filter keeps. Reads on over what it does not until some
    /// `max_bytes` are kept, 8 MiB are read, or the high watermark is reached: `out.next` is behind all that was read,
    /// also where nothing is kept.
    ///
    /// # Errors
    /// Those of [`Partition::read`]. What is passed over is checked as well.
    pub fn read_filtered(
        &self,
        offset: u64,
        max_bytes: usize,
        filter: &Filter,
        out: &mut RecordBuffer,
    ) -> Result<()> {
        self.store.check()?;
        self.log.read_filtered(offset, max_bytes, filter, out)
    }

    /// The earliest record whose time is at or after `timestamp` (ms): its offset and its time. May wait for
    /// the disk.
    pub fn offset_for_time(&self, timestamp: i64) -> Result<Option<(u64, i64)>> {
        self.store.check()?;
        self.log.offset_for_time(timestamp)
    }

    /// Calls `wake` once: when the high watermark is above `offset` (before this returns, if it is), or with
    /// an error when the store closes or the topic is deleted. It is called on a thread of the core and must
    /// not wait.
    pub fn wait_for(
        &self,
        offset: u64,
        wake: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<Waiter> {
        self.store.check()?;
        let id = self
            .log
            .wait_for(self.store.handle_id(), offset, Box::new(wake))?;
        if let Err(error) = self.store.check() {
            self.log.close_waiters(self.store.handle_id());
            return Err(error);
        }
        Ok(Waiter {
            log: Arc::clone(&self.log),
            id,
        })
    }

    /// Deletes the records before an offset, at most up to the high watermark; gives the new log start. It is
    /// durable when this returns. Blocks for the disk.
    pub fn delete_records(&self, before: u64) -> Result<u64> {
        self.store.check_writable()?;
        if self.log.topic().is_internal() {
            return Err(self.log.topic().internal());
        }
        let start = self.log.raise_start(before)?;
        self.store.engine().checkpoint(false)?;
        // Readers in other processes learn where the log begins now before its files go. A full disk must not keep them.
        let _ = self.log.publish_ends();
        self.log.unlink_below_start()?;
        Ok(start)
    }

    /// Makes everything appended before durable. Blocks for the disk.
    pub fn sync(&self) -> Result<()> {
        self.store.check_writable()?;
        self.log.sync()
    }

    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Makes what was imported durable and readable.
    pub(crate) fn seal_import(&self) -> Result<()> {
        self.log.seal_import()?;
        self.store.engine().checkpoint(false)
    }

    /// Appends a batch that keeps its offsets, for taking over a log; see [`crate::import`].
    pub(crate) fn append_imported(&self, batch: Vec<u8>) -> Result<()> {
        self.store.check_writable()?;
        self.log.append_imported(batch)
    }
}

/// Checks all of a batch that another program has encoded, and corrects the newest time in its header.
fn check_foreign(bytes: &mut [u8], keyed: bool) -> Result<BatchHeader> {
    let batch = &*bytes;
    let invalid = |reason: &str| Error::InvalidBatch {
        reason: reason.to_owned(),
    };
    let checked = Batch::check(batch).map_err(|error| Error::invalid_batch(&error))?;
    let header = *checked.header();
    if header.size() != batch.len() {
        return Err(invalid("bytes follow the batch; append one at a time"));
    }
    if header.attributes.is_control() || header.attributes.is_transactional() {
        return Err(invalid(
            "control and transactional batches can't be appended",
        ));
    }
    if header.attributes.has_delete_horizon() {
        return Err(invalid(
            "it has a delete horizon, which only compaction gives",
        ));
    }
    if header.producer_id >= 0 && (header.producer_epoch < 0 || header.base_sequence < 0) {
        return Err(invalid(
            "it carries a producer id, but no epoch or no sequence number",
        ));
    }
    if header.record_count == 0 || header.record_count != header.last_offset_delta + 1 {
        return Err(invalid("its records do not have one offset each"));
    }
    let mut scratch = Vec::new();
    let records = checked
        .records(&mut scratch)
        .map_err(|error| Error::invalid_batch(&error))?;
    let mut newest = i64::MIN;
    for (index, record) in records.enumerate() {
        let record = record.map_err(|error| Error::invalid_batch(&error))?;
        if record.offset != header.base_offset + index as u64 {
            return Err(invalid("its records' offsets do not follow each other"));
        }
        if keyed && record.key.is_none() {
            return Err(Error::keyless(index));
        }
        if record.timestamp < 0 {
            return Err(invalid("a record has a negative timestamp"));
        }
        newest = newest.max(record.timestamp);
    }
    if newest == header.max_timestamp {
        return Ok(header);
    }
    set_max_timestamp(bytes, newest)
        .and_then(|()| BatchHeader::parse(bytes))
        .map_err(|error| Error::invalid_batch(&error))
}
