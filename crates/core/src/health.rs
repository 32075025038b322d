//! The latch of the first failure that leaves the disk's content unknown. Once set it never clears:
//! a sync that succeeds after one that failed proves nothing.

use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::knock_out::{self, Rule};
use crate::sync::atomic::AtomicBool;

#[derive(Debug, Default)]
pub(crate) struct Health {
    cause: OnceLock<String>,
    /// Damage that forbids writing, of the store as a whole.
    damage: OnceLock<Error>,
    closed: AtomicBool,
}

impl Health {
    /// Refuses writing to a store that is closed, damaged or has failed.
    pub fn check(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        if let Some(damage) = self.damage.get() {
            return Err(damage.clone());
        }
        self.check_disk()
    }

    /// The store is damaged: what is there is read, and nothing written.
    pub fn set_damage(&self, damage: Error) {
        let _ = self.damage.set(damage);
    }

    pub fn damage(&self) -> Option<&Error> {
        self.damage.get()
    }

    /// Refuses to trust the disk after a failure; does not ask whether the store is closed.
    pub fn check_disk(&self) -> Result<()> {
        match self.cause.get() {
            Some(_) if knock_out::is_out(Rule::FirstFailureIsFinal) => Ok(()),
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
