//! Promises of the control plane: a blocking engine call on libuv's pool. Node calls a task through C frames, so a
//! panic in it is caught here; left alone it would abort the process.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::{AsyncTask, ToNapiValue, TypeName};
use napi::{Env, Task};

use crate::error::NativeError;

type Work<T> = Box<dyn FnOnce() -> tidelog::Result<T> + Send>;

/// A blocking call whose outcome settles a promise.
pub struct Blocking<T>(Option<Work<T>>);

/// Runs `work` off the event loop and gives the promise of its outcome.
pub(crate) fn blocking<T>(
    work: impl FnOnce() -> tidelog::Result<T> + Send + 'static,
) -> AsyncTask<Blocking<T>>
where
    T: ToNapiValue + TypeName + Send + 'static,
{
    AsyncTask::new(Blocking(Some(Box::new(work))))
}

impl<T: ToNapiValue + TypeName + Send + 'static> Task for Blocking<T> {
    type Output = Result<T, NativeError>;
    type JsValue = T;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        let Some(work) = self.0.take() else {
            return Ok(Err(NativeError::unanswered()));
        };
        Ok(match catch_unwind(AssertUnwindSafe(work)) {
            Ok(outcome) => outcome.map_err(NativeError::from),
            Err(payload) => Err(NativeError::panicked(payload.as_ref())),
        })
    }

    fn resolve(&mut self, env: Env, output: Self::Output) -> napi::Result<T> {
        output.map_err(|error| error.rejection(env))
    }
}
