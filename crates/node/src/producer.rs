//! A producer's ordered way into the engine. Records arrive packed, are copied out of JavaScript's memory, and the
//! call is over; encoding, writing and syncing happen on the engine's threads.

use std::sync::Arc;

use napi_derive::napi;
use tidelog::{Error, ProduceOutcome, ProducerLane, RecordBuffer, Run, Store};

use crate::completions::Inbox;
use crate::error::{Thrown, thrown};
use crate::numbers::{from_i64, from_u64, to_u64, to_usize};
use crate::ticket::Ticket;
use crate::topic::NativeTopic;

/// Calls are carried out in their order. Made by `NativeStore.producer`.
#[napi]
pub struct NativeProducer {
    lane: ProducerLane,
    inbox: Arc<Inbox>,
}

#[napi]
impl NativeProducer {
    pub(crate) fn new(store: &Store, inbox: &Arc<Inbox>) -> NativeProducer {
        NativeProducer {
            lane: store.producer_lane(),
            inbox: Arc::clone(inbox),
        }
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
        let table = prefix("tableLength", table, table_length).map_err(thrown)?;
        let bytes = prefix("bytesLength", bytes, bytes_length).map_err(thrown)?;
        let mut buffer = self.inbox.buffers.take();
        buffer.clear();
        buffer.table.extend_from_slice(table);
        buffer.bytes.extend_from_slice(bytes);
        let RecordBuffer { table, bytes, .. } = buffer;
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
                inbox.buffers.give_back(RecordBuffer {
                    table,
                    bytes,
                    ..RecordBuffer::default()
                });
                match numbers(&runs) {
                    Ok(numbers) => ticket.answer(numbers, error),
                    Err(unspeakable) => {
                        ticket.answer(Vec::new(), Some(error.unwrap_or(unspeakable)))
                    }
                }
            });
        Ok(())
    }
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
