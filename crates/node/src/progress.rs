//! How long work tells of its progress and is stopped: a weak thread-safe function with room for one call, so that
//! what the event loop has no time for is left out, and a flag that JavaScript sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use napi::Status;
use napi::bindgen_prelude::FnArgs;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use crate::numbers::nearest;

/// `(done, total) => void`
pub(crate) type Progress =
    ThreadsafeFunction<FnArgs<(f64, f64)>, (), FnArgs<(f64, f64)>, Status, false, true, 1>;

/// Ends work that was given it, soon.
#[napi]
#[derive(Default)]
pub struct NativeStop {
    asked: Arc<AtomicBool>,
}

#[napi]
impl NativeStop {
    /// Not asked yet.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> NativeStop {
        NativeStop::default()
    }

    /// Asks the work to end.
    #[napi(catch_unwind)]
    pub fn stop(&self) {
        self.asked.store(true, Ordering::Release);
    }
}

/// What the engine calls with the bytes done and all bytes; it gives false once the work shall stop.
pub(crate) fn reporter(
    progress: Option<Progress>,
    stop: Option<&NativeStop>,
) -> impl FnMut(u64, u64) -> bool + Send + use<> {
    let asked = stop.map(|stop| Arc::clone(&stop.asked)).unwrap_or_default();
    move |done, total| {
        if let Some(progress) = &progress {
            progress.call(
                FnArgs::from((nearest(done), nearest(total))),
                ThreadsafeFunctionCallMode::NonBlocking,
            );
        }
        !asked.load(Ordering::Acquire)
    }
}
