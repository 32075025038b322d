//! A callback that two may answer, of whom the first does: the call that refuses at once, or the thread that finishes
//! the work later.

use std::sync::Arc;

use crate::error::Result;
use crate::sync::{Mutex, lock};

type Done<T> = Box<dyn FnOnce(Result<T>) + Send>;

pub(crate) struct Answer<T>(Arc<Mutex<Option<Done<T>>>>);

impl<T> Clone for Answer<T> {
    fn clone(&self) -> Answer<T> {
        Answer(Arc::clone(&self.0))
    }
}

impl<T> Answer<T> {
    pub fn new(done: impl FnOnce(Result<T>) + Send + 'static) -> Answer<T> {
        Answer(Arc::new(Mutex::new(Some(Box::new(done)))))
    }

    /// Calls back, unless somebody has.
    pub fn give(&self, answer: Result<T>) {
        let done = lock(&self.0).take();
        if let Some(done) = done {
            done(answer);
        }
    }
}

/// Waits for what `begin` calls back with, unless it fails at once.
pub(crate) fn wait<T, R>(
    begin: impl FnOnce(Box<dyn FnOnce(Result<T>) + Send>) -> Result<R>,
) -> Result<(R, T)>
where
    T: Send + 'static,
{
    let (answer, wait) = std::sync::mpsc::sync_channel(1);
    let begun = begin(Box::new(move |outcome| {
        let _ = answer.send(outcome);
    }))?;
    // The callback is always called; one that is gone means that its thread died.
    let outcome = wait.recv().unwrap_or(Err(crate::error::Error::Closed))?;
    Ok((begun, outcome))
}
