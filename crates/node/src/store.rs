//! A store: opening and closing it, its topics and its producers. A handle that is dropped without being closed, by
//! the garbage collector or with its worker, is closed by the engine on a thread of its own.

use std::sync::{Mutex, PoisonError};

use napi::bindgen_prelude::{AsyncTask, retain_current_module_for_unload_safety};
use napi_derive::napi;
use tidelog::{RecoveryProgress, Store};

use crate::completions::Completions;
use crate::error::{NativeError, Thrown, thrown};
use crate::numbers::nearest;
use crate::options::{NativeOpenOptions, NativeTopicConfig};
use crate::producer::NativeProducer;
use crate::progress::{NativeStop, Progress, reporter};
use crate::task::{Blocking, blocking};
use crate::topic::NativeTopic;

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
        NativeProducer::new(&self.store, completions.inbox())
    }
}
