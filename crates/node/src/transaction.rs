//! Transactions of one transactional id. Records are copied out of JavaScript's memory when they are sent; encoding them
//! and the commit are work for the engine's threads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi::bindgen_prelude::{BigInt, ClassInstance, Float64ArraySlice};
use napi_derive::napi;
use tidelog::{TransactionNumber, TransactionOutcome, TransactionRun, TransactionalProducer};

use crate::completions::Inbox;
use crate::error::{Thrown, thrown};
use crate::group_member::NativeGroupMember;
use crate::numbers::{from_i64, from_u64, to_i16, to_u64};
use crate::offsets;
use crate::producer::{copied, give_back};
use crate::producer_id::to_producer_id;
use crate::ticket::Ticket;
use crate::topic::NativeTopic;

/// One transaction at a time. Made by `NativeStore.transactionalProducer`.
#[napi]
pub struct NativeTransactionalProducer {
    producer: TransactionalProducer,
    inbox: Arc<Inbox>,
    /// Names of the topics that the transaction sends to, in the order of first sends.
    topics: Mutex<Vec<String>>,
}

/// Names a transaction.
#[napi(object)]
pub struct NativeTransactionNumber {
    /// The producer id that its transactional id had.
    pub producer_id: BigInt,
    /// The epoch that it had.
    pub epoch: u32,
    /// Its number in that epoch.
    pub number: f64,
}

impl NativeTransactionNumber {
    pub(crate) fn into_core(self) -> tidelog::Result<TransactionNumber> {
        Ok(TransactionNumber {
            producer_id: to_producer_id(&self.producer_id)?,
            epoch: to_i16("epoch", f64::from(self.epoch))?,
            number: to_u64("number", self.number)?,
        })
    }

    fn from_core(number: TransactionNumber) -> tidelog::Result<NativeTransactionNumber> {
        Ok(NativeTransactionNumber {
            producer_id: BigInt::from(number.producer_id),
            epoch: u32::from(number.epoch.unsigned_abs()),
            number: from_u64("number", number.number)?,
        })
    }
}

/// What became of a transaction.
#[napi(object)]
pub struct NativeTransactionOutcome {
    /// "committed", "not-committed", or "open" while it may still be either.
    pub status: String,
    /// Where its records are; known of the last one committed under its id.
    pub runs: Option<Vec<NativeTransactionRun>>,
}

/// Records of one partition with consecutive offsets.
#[napi(object)]
pub struct NativeTransactionRun {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset of the first.
    pub base_offset: f64,
    /// How many there are.
    pub count: u32,
    /// The time of their append in ms where the topic uses it, else -1.
    pub timestamp: f64,
}

impl NativeTransactionOutcome {
    pub(crate) fn from_core(
        outcome: TransactionOutcome,
    ) -> tidelog::Result<NativeTransactionOutcome> {
        let (status, runs) = match outcome {
            TransactionOutcome::Committed(runs) => ("committed", runs),
            TransactionOutcome::NotCommitted => ("not-committed", None),
            TransactionOutcome::Open => ("open", None),
        };
        let runs = runs
            .map(|runs| runs.into_iter().map(run).collect::<tidelog::Result<_>>())
            .transpose()?;
        Ok(NativeTransactionOutcome {
            status: status.to_owned(),
            runs,
        })
    }
}

fn run(TransactionRun { topic, run }: TransactionRun) -> tidelog::Result<NativeTransactionRun> {
    Ok(NativeTransactionRun {
        topic,
        partition: run.partition,
        base_offset: from_u64("offset", run.base_offset)?,
        count: run.count,
        timestamp: from_i64("timestamp", run.timestamp)?,
    })
}

#[napi]
impl NativeTransactionalProducer {
    pub(crate) fn new(
        producer: TransactionalProducer,
        inbox: Arc<Inbox>,
    ) -> NativeTransactionalProducer {
        NativeTransactionalProducer {
            producer,
            inbox,
            topics: Mutex::default(),
        }
    }

    fn topics(&self) -> MutexGuard<'_, Vec<String>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a transaction, which must be the only one. Does not wait.
    #[napi(catch_unwind)]
    pub fn begin(&self) -> Result<NativeTransactionNumber, Thrown> {
        let begun = self.producer.begin().map_err(thrown)?;
        self.topics().clear();
        NativeTransactionNumber::from_core(begun).map_err(thrown)
    }

    /// Adds packed records: the first `tableLength` bytes of `table` and `bytesLength` of `bytes`, which may be reused
    /// as soon as this returns. No numbers. Carried out in turn with the producer's other calls.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments)]
    pub fn send(
        &self,
        ticket: f64,
        transaction: f64,
        topic: &NativeTopic,
        table: &[u8],
        table_length: f64,
        bytes: &[u8],
        bytes_length: f64,
    ) -> Result<(), Thrown> {
        let number = to_u64("ticket", ticket).map_err(thrown)?;
        let transaction = to_u64("transaction", transaction).map_err(thrown)?;
        let (table, bytes) =
            copied(&self.inbox, table, table_length, bytes, bytes_length).map_err(thrown)?;
        let topic = topic.topic().clone();
        {
            let mut topics = self.topics();
            if !topics.iter().any(|known| known == topic.name()) {
                topics.push(topic.name().to_owned());
            }
        }
        let (producer, inbox) = (self.producer.clone(), Arc::clone(&self.inbox));
        let ticket = Ticket::new(&self.inbox, number);
        self.producer.spawn(move || {
            let sent = producer.send(transaction, &topic, &table, &bytes);
            give_back(&inbox, table, bytes);
            ticket.answer(Vec::new(), sent.err());
        });
        Ok(())
    }

    /// Adds offsets to commit, as `NativeStore.commitOffsets` takes them. No numbers. Carried out in turn with the
    /// producer's other calls.
    #[napi(catch_unwind)]
    pub fn send_offsets(
        &self,
        ticket: f64,
        transaction: f64,
        group: String,
        topics: Vec<ClassInstance<NativeTopic>>,
        numbers: Float64ArraySlice,
        metadata: Vec<String>,
    ) -> Result<(), Thrown> {
        let transaction = to_u64("transaction", transaction).map_err(thrown)?;
        let number = to_u64("ticket", ticket).map_err(thrown)?;
        let offsets = offsets::commits(&topics, &numbers, metadata).map_err(thrown)?;
        let producer = self.producer.clone();
        let ticket = Ticket::new(&self.inbox, number);
        self.producer.spawn(move || {
            let sent = producer.send_offsets(transaction, &group, offsets);
            ticket.answer(Vec::new(), sent.err());
        });
        Ok(())
    }

    /// As `sendOffsets`, of partitions of a group's member.
    #[napi(catch_unwind)]
    pub fn send_offsets_of(
        &self,
        ticket: f64,
        transaction: f64,
        member: &NativeGroupMember,
        topics: Vec<ClassInstance<NativeTopic>>,
        numbers: Float64ArraySlice,
        metadata: Vec<String>,
    ) -> Result<(), Thrown> {
        let transaction = to_u64("transaction", transaction).map_err(thrown)?;
        let number = to_u64("ticket", ticket).map_err(thrown)?;
        let offsets = offsets::commits(&topics, &numbers, metadata).map_err(thrown)?;
        let (producer, member) = (self.producer.clone(), member.member().clone());
        let ticket = Ticket::new(&self.inbox, number);
        self.producer.spawn(move || {
            let sent = producer.send_offsets_of(transaction, &member, offsets);
            ticket.answer(Vec::new(), sent.err());
        });
        Ok(())
    }

    /// Commits the transaction. Numbers are, for each run of consecutive offsets: its topic's place among those sent
    /// to, in the order of first sends, partition, base offset, count, time of the append in ms or -1.
    #[napi(catch_unwind)]
    pub fn commit(&self, ticket: f64, transaction: f64) -> Result<(), Thrown> {
        let number = to_u64("ticket", ticket).map_err(thrown)?;
        let transaction = to_u64("transaction", transaction).map_err(thrown)?;
        let ticket = Ticket::new(&self.inbox, number);
        let (producer, topics) = (self.producer.clone(), self.topics().clone());
        // It waits for locks, and for room in the journal.
        self.producer.spawn(move || {
            producer.commit(transaction, move |outcome| {
                ticket.answer_with(outcome.and_then(|runs| numbers(&topics, &runs)));
            });
        });
        Ok(())
    }

    /// Drops the transaction. No numbers. Carried out in turn with the producer's other calls: one of them may be waiting
    /// for the disk.
    #[napi(catch_unwind)]
    pub fn abort(&self, ticket: f64, transaction: f64) -> Result<(), Thrown> {
        let number = to_u64("ticket", ticket).map_err(thrown)?;
        let transaction = to_u64("transaction", transaction).map_err(thrown)?;
        let ticket = Ticket::new(&self.inbox, number);
        let producer = self.producer.clone();
        self.producer.spawn(move || {
            ticket.answer(Vec::new(), producer.abort(transaction).err());
        });
        Ok(())
    }
}

fn numbers(topics: &[String], runs: &[TransactionRun]) -> tidelog::Result<Vec<f64>> {
    let mut numbers = Vec::with_capacity(runs.len() * 5);
    for TransactionRun { topic, run } in runs {
        // A topic that nothing was sent to has no runs.
        let Some(place) = topics.iter().position(|known| known == topic) else {
            continue;
        };
        numbers.extend([
            from_u64("topic", place as u64)?,
            f64::from(run.partition),
            from_u64("offset", run.base_offset)?,
            f64::from(run.count),
            from_i64("timestamp", run.timestamp)?,
        ]);
    }
    Ok(numbers)
}
