//! One partition: its ends, and ticketed appends, reads and waits. The getters never wait.

use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;
use tidelog::{Partition, ProducerLane, Store};

use crate::completions::Completions;
use crate::error::{Thrown, thrown};
use crate::filter::NativeFilter;
use crate::numbers::{from_i64, from_u64, to_i64, to_u64, to_usize};
use crate::task::{Blocking, blocking};
use crate::ticket::{self, Ticket};

/// A partition of an open topic. Made by `NativeTopic.partition`.
#[napi]
pub struct NativePartition {
    store: Store,
    partition: Partition,
    appends: ProducerLane,
}

#[napi]
impl NativePartition {
    pub(crate) fn new(store: Store, partition: Partition) -> NativePartition {
        let appends = store.producer_lane();
        NativePartition {
            store,
            partition,
            appends,
        }
    }

    pub(crate) fn partition(&self) -> &Partition {
        &self.partition
    }

    /// The topic's name.
    #[napi(getter, catch_unwind)]
    pub fn topic(&self) -> &str {
        self.partition.topic_name()
    }

    /// The partition's number.
    #[napi(getter, catch_unwind)]
    pub fn index(&self) -> u32 {
        self.partition.index()
    }

    /// The first offset held.
    #[napi(getter, catch_unwind)]
    pub fn log_start_offset(&self) -> Result<f64, Thrown> {
        from_u64("logStartOffset", self.partition.log_start_offset()).map_err(thrown)
    }

    /// The offset after the last one that may be read.
    #[napi(getter, catch_unwind)]
    pub fn high_watermark(&self) -> Result<f64, Thrown> {
        from_u64("highWatermark", self.partition.high_watermark()).map_err(thrown)
    }

    /// The offset that the next record gets.
    #[napi(getter, catch_unwind)]
    pub fn log_end_offset(&self) -> Result<f64, Thrown> {
        from_u64("logEndOffset", self.partition.log_end_offset()).map_err(thrown)
    }

    /// The earliest record at or after a time: its offset and its time, or null.
    #[napi(catch_unwind, ts_return_type = "Promise<[number, number] | null>")]
    pub fn offset_for_time(
        &self,
        ms: f64,
    ) -> Result<AsyncTask<Blocking<Option<Vec<f64>>>>, Thrown> {
        let ms = to_i64("ms", ms).map_err(thrown)?;
        let partition = self.partition.clone();
        Ok(blocking(move || match partition.offset_for_time(ms)? {
            Some((offset, time)) => Ok(Some(vec![
                from_u64("offset", offset)?,
                from_i64("timestamp", time)?,
            ])),
            None => Ok(None),
        }))
    }

    /// Deletes the records before an offset; gives the new log start offset.
    #[napi(catch_unwind, ts_return_type = "Promise<number>")]
    pub fn delete_records(&self, before: f64) -> Result<AsyncTask<Blocking<f64>>, Thrown> {
        let before = to_u64("before", before).map_err(thrown)?;
        let partition = self.partition.clone();
        Ok(blocking(move || {
            from_u64("logStartOffset", partition.delete_records(before)?)
        }))
    }

    /// Makes what was appended before durable.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn sync(&self) -> AsyncTask<Blocking<()>> {
        let partition = self.partition.clone();
        blocking(move || partition.sync())
    }

    /// Appends an encoded record batch, copied before this returns. Numbers: base offset, last offset, time of the
    /// append in ms or -1, and 1 if it was in the log already, else 0. Appends through one handle are carried out in the order of the calls.
    #[napi(catch_unwind)]
    pub fn append(
        &self,
        completions: &Completions,
        ticket: f64,
        batch: &[u8],
    ) -> Result<(), Thrown> {
        let number = to_u64("ticket", ticket).map_err(thrown)?;
        let ticket = Ticket::new(completions.inbox(), number);
        self.appends
            .append(&self.partition, batch.to_vec(), move |appended| {
                ticket.answer_with(appended.and_then(|appended| {
                    Ok(vec![
                        from_u64("offset", appended.base_offset)?,
                        from_u64("offset", appended.last_offset)?,
                        from_i64("timestamp", appended.timestamp)?,
                        f64::from(u8::from(appended.duplicate)),
                    ])
                }));
            });
        Ok(())
    }

    /// Reads whole record batches from the one that holds `offset` on: at least one, and no more than `maxBytes`
    /// beside that. Numbers: bytes, the offset to read on from. Then `Completions.take` or `discard`.
    #[napi(catch_unwind)]
    pub fn read(
        &self,
        completions: &Completions,
        ticket: f64,
        offset: f64,
        max_bytes: f64,
    ) -> Result<(), Thrown> {
        let (number, offset, max_bytes) = place(ticket, offset, max_bytes).map_err(thrown)?;
        let partition = self.partition.clone();
        ticket::read(completions.inbox(), &self.store, number, move |found| {
            found.clear();
            let next = partition.read(offset, max_bytes, &mut found.bytes)?.next;
            Ok(vec![
                from_u64("bytes", found.bytes.len() as u64)?,
                from_u64("next", next)?,
            ])
        })
        .map_err(thrown)
    }

    /// Reads decoded records from `offset` on, in the same measure; with a filter those that it keeps, and a bounded number
    /// of bytes that are looked through for them. Numbers: bytes, bytes of the table, records, the offset to read on from,
    /// high watermark, log start offset. Then `Completions.take` or `discard`.
    #[napi(catch_unwind)]
    pub fn read_records(
        &self,
        completions: &Completions,
        ticket: f64,
        offset: f64,
        max_bytes: f64,
        filter: Option<&NativeFilter>,
    ) -> Result<(), Thrown> {
        let (number, offset, max_bytes) = place(ticket, offset, max_bytes).map_err(thrown)?;
        let partition = self.partition.clone();
        let filter = filter.map(|filter| filter.filter().clone());
        ticket::read(completions.inbox(), &self.store, number, move |found| {
            match filter {
                Some(filter) => partition.read_filtered(offset, max_bytes, &filter, found)?,
                None => partition.read_records(offset, max_bytes, found)?,
            }
            Ok(vec![
                from_u64("bytes", found.bytes.len() as u64)?,
                from_u64("bytes", found.table.len() as u64)?,
                f64::from(found.count),
                from_u64("next", found.next)?,
                from_u64("highWatermark", found.high_watermark)?,
                from_u64("logStartOffset", found.log_start)?,
            ])
        })
        .map_err(thrown)
    }

    /// Answers once the high watermark is above `offset`, or with an error when the store closes or the topic goes.
    /// No numbers.
    #[napi(catch_unwind)]
    pub fn wait_for(
        &self,
        completions: &Completions,
        ticket: f64,
        offset: f64,
    ) -> Result<(), Thrown> {
        let number = to_u64("ticket", ticket).map_err(thrown)?;
        let offset = to_u64("offset", offset).map_err(thrown)?;
        ticket::wait(completions.inbox(), &self.partition, number, offset).map_err(thrown)
    }

    /// Gives a wait up. No later `drain` answers it.
    #[napi(catch_unwind)]
    pub fn cancel_wait(&self, completions: &Completions, ticket: f64) -> Result<(), Thrown> {
        completions
            .inbox()
            .forget(to_u64("ticket", ticket).map_err(thrown)?);
        Ok(())
    }
}

fn place(ticket: f64, offset: f64, max_bytes: f64) -> tidelog::Result<(u64, u64, usize)> {
    Ok((
        to_u64("ticket", ticket)?,
        to_u64("offset", offset)?,
        to_usize("maxBytes", max_bytes)?,
    ))
}
