//! A store: opening and closing it, its topics and its producers. A handle that is dropped without being closed, by
//! the garbage collector or with its worker, is closed by the engine on a thread of its own.

use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use napi::Status;
use napi::bindgen_prelude::{
    AsyncTask, ClassInstance, Float64ArraySlice, FnArgs, retain_current_module_for_unload_safety,
};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use tidelog::{Partition, RecoveryProgress, Retained, Store, TransactionOptions};

use crate::completions::Completions;
use crate::error::{NativeError, Thrown, thrown};
use crate::group_member::{self, NativeGroupMember, NativeGroupMembership, NativeMemberOptions};
use crate::metrics::NativeMetrics;
use crate::numbers::{from_u64, nearest, to_u64, to_usize};
use crate::offsets::{self, NativeCommittedOffset};
use crate::options::{NativeOpenOptions, NativeTopicConfig};
use crate::partition::NativePartition;
use crate::producer::NativeProducer;
use crate::producer_id::NativeProducerId;
use crate::progress::{NativeStop, Progress, reporter};
use crate::task::{Blocking, blocking};
use crate::ticket::Ticket;
use crate::topic::NativeTopic;
use crate::transaction::{
    NativeTransactionNumber, NativeTransactionOutcome, NativeTransactionalProducer,
};

/// `(topic, partition, logStartOffset, segments, bytes) => void`, which does not keep the event loop alive. What it has no
/// time for beyond so many calls is left out.
type OnRetention = ThreadsafeFunction<
    FnArgs<(String, f64, f64, f64, f64)>,
    (),
    FnArgs<(String, f64, f64, f64, f64)>,
    Status,
    false,
    true,
    1024,
>;

/// An open store.
#[napi]
pub struct NativeStore {
    store: Store,
}

/// What opening a store found and did.
#[napi(object)]
pub struct NativeRecovery {
    /// Whether the store had been closed in order, so that nothing needed checking.
    pub clean: bool,
    /// Bytes read and checked.
    pub bytes_checked: f64,
    /// Bytes cut off torn tails.
    pub bytes_cut: f64,
    /// Where cut bytes were kept.
    pub torn_files: Vec<String>,
    /// What is damaged below a partition's durable end; these partitions take no appends.
    pub damaged: Vec<NativeError>,
    /// How long it took.
    pub duration_ms: f64,
}

#[napi]
impl NativeStore {
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Opens the store in a folder, and recovers it first if need be. `progress` gets the bytes of the recovery that
    /// are done and about all of them now and then, not every time.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeStore>")]
    pub fn open(
        path: String,
        options: NativeOpenOptions,
        #[napi(ts_arg_type = "((done: number, total: number) => void) | null")] progress: Option<
            Progress,
        >,
        stop: Option<&NativeStop>,
    ) -> Result<AsyncTask<Blocking<NativeStore>>, Thrown> {
        // The engine's threads outlive a worker; Node must not unload the code that they run.
        retain_current_module_for_unload_safety();
        let mut options = options.into_core().map_err(thrown)?;
        let report = Mutex::new(reporter(progress, stop));
        options.on_recovery = Some(RecoveryProgress::new(move |done, all| {
            report.lock().unwrap_or_else(PoisonError::into_inner)(done, all)
        }));
        Ok(blocking(move || {
            Ok(NativeStore {
                store: Store::open(path, options)?,
            })
        }))
    }

    /// The store's folder, resolved.
    #[napi(getter, catch_unwind)]
    pub fn path(&self) -> String {
        self.store.path().to_string_lossy().into_owned()
    }

    /// The store's id.
    #[napi(getter, catch_unwind)]
    pub fn id(&self) -> &str {
        self.store.id()
    }

    /// Whether it was opened read-only.
    #[napi(getter, catch_unwind)]
    pub fn read_only(&self) -> bool {
        self.store.is_read_only()
    }

    /// What opening found and did.
    #[napi(getter, catch_unwind)]
    pub fn recovery(&self) -> NativeRecovery {
        let report = self.store.recovery();
        NativeRecovery {
            clean: report.clean,
            bytes_checked: nearest(report.bytes_checked),
            bytes_cut: nearest(report.bytes_cut),
            torn_files: report
                .torn_files
                .iter()
                .map(|file| file.to_string_lossy().into_owned())
                .collect(),
            damaged: report
                .damaged
                .iter()
                .cloned()
                .map(NativeError::from)
                .collect(),
            duration_ms: report.duration.as_secs_f64() * 1000.0,
        }
    }

    /// Makes a topic, durably.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeTopic>")]
    pub fn create_topic(
        &self,
        name: String,
        config: NativeTopicConfig,
    ) -> Result<AsyncTask<Blocking<NativeTopic>>, Thrown> {
        let config = config.into_core().map_err(thrown)?;
        let store = self.store.clone();
        Ok(blocking(move || {
            let topic = store.create_topic(&name, config)?;
            Ok(NativeTopic::new(store, topic))
        }))
    }

    /// Opens a topic that exists.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeTopic>")]
    pub fn open_topic(&self, name: String) -> AsyncTask<Blocking<NativeTopic>> {
        let store = self.store.clone();
        blocking(move || {
            let topic = store.open_topic(&name)?;
            Ok(NativeTopic::new(store, topic))
        })
    }

    /// The names of all topics, sorted.
    #[napi(catch_unwind, ts_return_type = "Promise<Array<string>>")]
    pub fn topics(&self) -> AsyncTask<Blocking<Vec<String>>> {
        let store = self.store.clone();
        blocking(move || store.topics())
    }

    /// Deletes a topic with its records.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn delete_topic(&self, name: String) -> AsyncTask<Blocking<()>> {
        let store = self.store.clone();
        blocking(move || store.delete_topic(&name))
    }

    /// What the store has done since it was opened in this process, and how it stands.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeMetrics>")]
    pub fn metrics(&self) -> AsyncTask<Blocking<NativeMetrics>> {
        let store = self.store.clone();
        blocking(move || NativeMetrics::from_core(store.metrics()?))
    }

    /// Calls `told` each time that retention has deleted records of a partition, with the topic, the partition, the first
    /// offset that is still held, and the segments and bytes that are gone. It does not keep the event loop alive.
    #[napi(catch_unwind)]
    pub fn on_retention(
        &self,
        #[napi(
            ts_arg_type = "(topic: string, partition: number, logStartOffset: number, segments: number, bytes: number) => void"
        )]
        told: OnRetention,
    ) -> Result<(), Thrown> {
        let tell = move |retained: &Retained| {
            told.call(
                FnArgs::from((
                    retained.topic.clone(),
                    f64::from(retained.partition),
                    nearest(retained.log_start_offset),
                    retained.segments as f64,
                    nearest(retained.bytes),
                )),
                ThreadsafeFunctionCallMode::NonBlocking,
            );
        };
        self.store.on_retention(tell).map_err(thrown)
    }

    /// Makes everything appended before durable, in all topics.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn sync(&self) -> AsyncTask<Blocking<()>> {
        let store = self.store.clone();
        blocking(move || store.sync())
    }

    /// Closes this handle; what hangs on it fails from now on, and who waits is answered. The last handle of the
    /// process closes the engine. Closing again does nothing.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn close(&self) -> AsyncTask<Blocking<()>> {
        let store = self.store.clone();
        blocking(move || store.close())
    }

    /// A producer, whose answers go to `completions`.
    #[napi(catch_unwind)]
    pub fn producer(&self, completions: &Completions) -> NativeProducer {
        NativeProducer::new(self.store.producer_lane(), completions.inbox().clone())
    }

    /// A producer of a lasting name, which is registered durably; an older one of the name is fenced.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeProducer>")]
    pub fn named_producer(
        &self,
        completions: &Completions,
        name: String,
    ) -> AsyncTask<Blocking<NativeProducer>> {
        let (store, inbox) = (self.store.clone(), completions.inbox().clone());
        blocking(move || {
            Ok(NativeProducer::new(
                store.named_producer_lane(&name)?,
                inbox,
            ))
        })
    }

    /// A producer id for encoded batches: a fresh one, or that of a transactional id with its epoch raised durably.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeProducerId>")]
    pub fn init_producer_id(
        &self,
        transactional_id: Option<String>,
    ) -> AsyncTask<Blocking<NativeProducerId>> {
        let store = self.store.clone();
        blocking(move || {
            let id = store.init_producer_id(transactional_id.as_deref())?;
            Ok(NativeProducerId::from(id))
        })
    }

    /// Takes a transactional id over.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeTransactionalProducer>")]
    pub fn transactional_producer(
        &self,
        completions: &Completions,
        id: String,
        timeout_ms: f64,
        max_bytes: f64,
    ) -> Result<AsyncTask<Blocking<NativeTransactionalProducer>>, Thrown> {
        let options = TransactionOptions {
            timeout: Duration::from_millis(to_u64("timeoutMs", timeout_ms).map_err(thrown)?),
            max_bytes: to_usize("maxBytes", max_bytes).map_err(thrown)?,
        };
        let (store, inbox) = (self.store.clone(), completions.inbox().clone());
        Ok(blocking(move || {
            let producer = store.transactional_producer(&id, options)?;
            Ok(NativeTransactionalProducer::new(producer, inbox))
        }))
    }

    /// What became of a transaction; the runs are known of the last one of its id.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeTransactionOutcome>")]
    pub fn transaction_outcome(
        &self,
        id: String,
        number: NativeTransactionNumber,
    ) -> Result<AsyncTask<Blocking<NativeTransactionOutcome>>, Thrown> {
        let number = number.into_core().map_err(thrown)?;
        let store = self.store.clone();
        Ok(blocking(move || {
            NativeTransactionOutcome::from_core(store.transaction_outcome(&id, number)?)
        }))
    }

    /// Commits offsets for a group: `numbers` holds an index into `topics`, a partition and an offset for each, and
    /// `metadata` a text for each, or nothing. No numbers.
    #[napi(catch_unwind)]
    pub fn commit_offsets(
        &self,
        completions: &Completions,
        ticket: f64,
        group: String,
        topics: Vec<ClassInstance<NativeTopic>>,
        numbers: Float64ArraySlice,
        metadata: Vec<String>,
    ) -> Result<(), Thrown> {
        let number = to_u64("ticket", ticket).map_err(thrown)?;
        let offsets = offsets::commits(&topics, &numbers, metadata).map_err(thrown)?;
        let ticket = Ticket::new(completions.inbox(), number);
        let store = self.store.clone();
        // Records of `buffered` topics are synced first.
        self.store.spawn(move || {
            store.commit_offsets(&group, &offsets, move |outcome| {
                ticket.answer(Vec::new(), outcome.err());
            });
        });
        Ok(())
    }

    /// Joins a group.
    #[napi(catch_unwind)]
    pub fn join_group(
        &self,
        completions: &Completions,
        group: String,
        topics: Vec<ClassInstance<NativeTopic>>,
        options: NativeMemberOptions,
    ) -> Result<NativeGroupMember, Thrown> {
        let inbox = Arc::clone(completions.inbox());
        NativeGroupMember::join(&self.store, inbox, &group, &topics, options).map_err(thrown)
    }

    /// The members of a group. Does not wait.
    #[napi(catch_unwind)]
    pub fn group_members(&self, group: String) -> Result<NativeGroupMembership, Thrown> {
        group_member::members(&self.store, &group).map_err(thrown)
    }

    /// What a group has committed.
    #[napi(catch_unwind, ts_return_type = "Promise<Array<NativeCommittedOffset>>")]
    pub fn committed_offsets(
        &self,
        group: String,
    ) -> AsyncTask<Blocking<Vec<NativeCommittedOffset>>> {
        let store = self.store.clone();
        blocking(move || {
            store
                .committed_offsets(&group)?
                .into_iter()
                .map(NativeCommittedOffset::from_core)
                .collect()
        })
    }

    /// The names of all groups that have members or have committed something.
    #[napi(catch_unwind, ts_return_type = "Promise<Array<string>>")]
    pub fn groups(&self) -> AsyncTask<Blocking<Vec<String>>> {
        let store = self.store.clone();
        blocking(move || store.groups())
    }

    /// Forgets what a group has committed.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn delete_group(&self, group: String) -> AsyncTask<Blocking<()>> {
        let store = self.store.clone();
        blocking(move || store.delete_group(&group))
    }

    /// The high watermarks of partitions as they are in one moment, in their order. Does not wait.
    #[napi(catch_unwind)]
    pub fn high_watermarks(
        &self,
        partitions: Vec<ClassInstance<NativePartition>>,
    ) -> Result<Vec<f64>, Thrown> {
        let partitions: Vec<Partition> = partitions
            .iter()
            .map(|partition| partition.partition().clone())
            .collect();
        self.store
            .high_watermarks(&partitions)
            .into_iter()
            .map(|offset| from_u64("highWatermark", offset))
            .collect::<tidelog::Result<_>>()
            .map_err(thrown)
    }
}
