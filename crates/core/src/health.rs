//! The latch of the first failure that leaves the disk's content unknown. Once set it never clears:
//! a sync that succeeds after one that failed proves nothing.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

#[derive(Debug, Default)]
pub(crate) struct Health {
    cause: OnceLock<String>,
    closed: AtomicBool,
}

impl Health {
    /// Refuses work on a store that is closed or has failed.
    pub fn check(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        self.check_disk()
    }

    /// Refuses to trust the disk after a failure; does not ask whether the store is closed.
    pub fn check_disk(&self) -> Result<()> {
        match self.cause.get() {
            Some(cause) => Err(Error::Poisoned {
                cause: cause.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Latches the first failure and gives the error that whoever waits is told.
    pub fn poison(&self, cause: impl ToString) -> Error {
        let cause = self.cause.get_or_init(|| cause.to_string());
        Error::Poisoned {
            cause: cause.clone(),
        }
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}
