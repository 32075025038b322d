//! A producer's ordered way into the engine. Records arrive packed, are copied out of JavaScript's memory, and the
//! call is over; encoding, writing and syncing happen on the engine's threads.

use std::sync::Arc;

use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;
use tidelog::{Condition, Error, ProduceOutcome, ProducerLane, RecordBuffer, Run};

use crate::completions::Inbox;
use crate::error::{Thrown, thrown};
use crate::numbers::{from_i64, from_u64, to_i32, to_u32, to_u64, to_usize};
use crate::task::{Blocking, blocking};
use crate::ticket::Ticket;
use crate::topic::NativeTopic;

/// Calls are carried out in their order. Made by `NativeStore.producer` and `namedProducer`.
#[napi]
pub struct NativeProducer {
    lane: ProducerLane,
    inbox: Arc<Inbox>,
}

#[napi]
impl NativeProducer {
    pub(crate) fn new(lane: ProducerLane, inbox: Arc<Inbox>) -> NativeProducer {
        NativeProducer { lane, inbox }
    }

    /// Appends packed records: the first `tableLength` bytes of `table` and `bytesLength` of `bytes`, which may be
    /// reused as soon as this returns. The completion's numbers are, for each run of consecutive offsets that was
    /// appended: partition, base offset, count, time of the append in ms or -1. An error beside them says why the
    /// rest is missing.
    #[napi(catch_unwind)]
    pub fn produce(
        &self,
        ticket: f64,
        topic: &NativeTopic,
        table: &[u8],
        table_length: f64,
        bytes: &[u8],
        bytes_length: f64,
    ) -> Result<(), Thrown> {
        let number = to_u64("ticket", ticket).map_err(thrown)?;
        let (table, bytes) =
            copied(&self.inbox, table, table_length, bytes, bytes_length).map_err(thrown)?;
        let ticket = Ticket::new(&self.inbox, number);
        let inbox = Arc::clone(&self.inbox);
        self.lane
            .produce(topic.topic(), table, bytes, move |outcome| {
                let ProduceOutcome {
                    runs,
                    error,
                    table,
                    bytes,
                } = outcome;
                give_back(&inbox, table, bytes);
                match numbers(&runs) {
                    Ok(numbers) => ticket.answer(numbers, error),
                    Err(unspeakable) => {
                        ticket.answer(Vec::new(), Some(error.unwrap_or(unspeakable)))
                    }
                }
            });
        Ok(())
    }

    /// Appends the one packed record, behind what was handed over before, if it gets the offset `expectOffset` and has
    /// the sequence `sequence`, where these are given. Numbers: offset, time of the append in ms or -1, and 1 if it
    /// was in the log already, else 0.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments)]
    pub fn produce_if(
        &self,
        ticket: f64,
        topic: &NativeTopic,
        table: &[u8],
        table_length: f64,
        bytes: &[u8],
        bytes_length: f64,
        expect_offset: Option<f64>,
        sequence: Option<f64>,
    ) -> Result<(), Thrown> {
        let number = to_u64("ticket", ticket).map_err(thrown)?;
        let condition = condition(expect_offset, sequence).map_err(thrown)?;
        let (table, bytes) =
            copied(&self.inbox, table, table_length, bytes, bytes_length).map_err(thrown)?;
        let ticket = Ticket::new(&self.inbox, number);
        let inbox = Arc::clone(&self.inbox);
        self.lane.produce_if(
            topic.topic(),
            table,
            bytes,
            condition,
            move |appended, table, bytes| {
                give_back(&inbox, table, bytes);
                ticket.answer_with(appended.and_then(|appended| {
                    Ok(vec![
                        from_u64("offset", appended.base_offset)?,
                        from_i64("timestamp", appended.timestamp)?,
                        f64::from(u8::from(appended.duplicate)),
                    ])
                }));
            },
        );
        Ok(())
    }

    /// The sequence of this producer's last record in a partition, -1 where there is none.
    #[napi(catch_unwind, ts_return_type = "Promise<number>")]
    pub fn last_sequence(
        &self,
        topic: &NativeTopic,
        partition: f64,
    ) -> Result<AsyncTask<Blocking<f64>>, Thrown> {
        let partition = to_u32("partition", partition).map_err(thrown)?;
        let (lane, topic) = (self.lane.clone(), topic.topic().clone());
        Ok(blocking(move || {
            let last = lane.last_sequence(&topic, partition)?;
            Ok(last.map_or(-1.0, f64::from))
        }))
    }
}

/// Records, copied into buffers of the pool.
pub(crate) fn copied(
    inbox: &Inbox,
    table: &[u8],
    table_length: f64,
    bytes: &[u8],
    bytes_length: f64,
) -> tidelog::Result<(Vec<u8>, Vec<u8>)> {
    let table = prefix("tableLength", table, table_length)?;
    let bytes = prefix("bytesLength", bytes, bytes_length)?;
    let mut buffer = inbox.buffers.take();
    buffer.clear();
    buffer.table.extend_from_slice(table);
    buffer.bytes.extend_from_slice(bytes);
    Ok((buffer.table, buffer.bytes))
}

/// Ends that.
pub(crate) fn give_back(inbox: &Inbox, table: Vec<u8>, bytes: Vec<u8>) {
    inbox.buffers.give_back(RecordBuffer {
        table,
        bytes,
        ..RecordBuffer::default()
    });
}

fn condition(expect_offset: Option<f64>, sequence: Option<f64>) -> tidelog::Result<Condition> {
    Ok(Condition {
        expect_offset: expect_offset
            .map(|offset| to_u64("expectOffset", offset))
            .transpose()?,
        sequence: sequence
            .map(|sequence| to_i32("sequence", sequence))
            .transpose()?,
    })
}

fn prefix<'a>(argument: &'static str, given: &'a [u8], length: f64) -> tidelog::Result<&'a [u8]> {
    let length = to_usize(argument, length)?;
    given.get(..length).ok_or_else(|| Error::InvalidArgument {
        argument,
        reason: format!("is {length}, beyond the {} bytes given", given.len()),
    })
}

fn numbers(runs: &[Run]) -> tidelog::Result<Vec<f64>> {
    let mut numbers = Vec::with_capacity(runs.len() * 4);
    for run in runs {
        numbers.extend([
            f64::from(run.partition),
            from_u64("offset", run.base_offset)?,
            f64::from(run.count),
            from_i64("timestamp", run.timestamp)?,
        ]);
    }
    Ok(numbers)
}
