//! Tells readers in other processes how far they may read: a small file in each partition's folder holds
//! its log start and high watermark, written a few milliseconds after they moved. It is never synced and
//! never believed by recovery.

use std::path::Path;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tidelog_format::published::Published;
use tidelog_io::{OpenMode, Storage};

use crate::error::{IoContext, Result};
use crate::sync::{Condvar, Mutex, lock};

pub(crate) const FILE_NAME: &str = "published";

/// The partitions whose ends moved since they were last written, by uid; and the way to wake and to end the
/// thread that writes them.
#[derive(Default)]
pub(crate) struct Changes {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Default)]
struct State {
    moved: Vec<u64>,
    stopped: bool,
}

impl Changes {
    pub fn add(&self, uid: u64) {
        let mut state = lock(&self.state);
        state.moved.push(uid);
        if state.moved.len() == 1 {
            drop(state);
            self.rung.notify_all();
        }
    }

    pub fn take(&self) -> Vec<u64> {
        std::mem::take(&mut lock(&self.state).moved)
    }

    pub fn stop(&self) {
        lock(&self.state).stopped = true;
        self.rung.notify_all();
    }

    /// Waits until something moved or the time is up; false once it is to end.
    pub fn wait(&self, until: Instant) -> bool {
        self.sleep(until, |state| !state.moved.is_empty())
    }

    /// Waits this long, whatever moves; false once it is to end.
    pub fn pause(&self, time: Duration) -> bool {
        self.sleep(Instant::now() + time, |_| false)
    }

    fn sleep(&self, until: Instant, is_enough: impl Fn(&State) -> bool) -> bool {
        let mut state = lock(&self.state);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.stopped || is_enough(&state) || left.is_zero() {
                return !state.stopped;
            }
            (state, _) = self
                .rung
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Writes a partition's ends. One small write, so that a reader sees the old or the new ones; if not, the
/// checksum tells.
pub(crate) fn store(storage: &dyn Storage, folder: &Path, ends: &Published) -> Result<()> {
    let path = folder.join(FILE_NAME);
    let file = storage
        .open(&path, OpenMode::Create)
        .during("open", &path)?;
    file.write_all_at(0, &ends.encode()).during("write", &path)
}

/// Reads a partition's ends; `None` when there are none yet or they are just being written.
pub(crate) fn load(storage: &dyn Storage, folder: &Path) -> Result<Option<Published>> {
    let path = folder.join(FILE_NAME);
    if !storage.exists(&path).during("look for", &path)? {
        return Ok(None);
    }
    let file = storage.open(&path, OpenMode::Read).during("open", &path)?;
    let mut bytes = [0; tidelog_format::published::LEN];
    if file.read_exact_at(0, &mut bytes).is_err() {
        return Ok(None);
    }
    Ok(Published::decode(&bytes).ok())
}
