//! A copy of an open store as of one moment, in a folder of its own, while writers go on. The moment is that of a
//! checkpoint: all of a transaction is before it, or nothing. Files that are never written again get a second name in the
//! copy; the others are copied up to where they ended then. The copy becomes a store when all of it is durable.

mod copy;
mod pin;
mod target;
mod verify;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::store::Store;
use copy::Copy;
use pin::Pins;
use target::Target;
pub use verify::verify_backup;

/// What a backup holds, and what it took.
#[derive(Debug, Clone, Default)]
pub struct BackupReport {
    /// The folder, absolute.
    pub folder: PathBuf,
    /// The moment that the copy shows, in ms since 1970.
    pub time_ms: i64,
    /// Topics, without the store's own.
    pub topics: u64,
    /// Partitions of these topics.
    pub partitions: u64,
    /// Bytes of files that copy and store share.
    pub bytes_linked: u64,
    /// Bytes that were copied.
    pub bytes_copied: u64,
    /// How long it took.
    pub duration: Duration,
}

/// Told of the bytes done and all bytes; false stops the backup.
pub(crate) type Progress<'a> = dyn FnMut(u64, u64) -> bool + 'a;

pub(crate) fn run(store: &Store, folder: &Path, progress: &mut Progress) -> Result<BackupReport> {
    let began = Instant::now();
    store.check_writable()?;
    let mut go_on = |done: u64, total: u64| {
        store.check()?;
        match progress(done, total) {
            true => Ok(()),
            false => Err(Error::Stopped),
        }
    };
    go_on(0, 0)?;
    let engine = store.engine();
    let target = Target::claim(engine, folder)?;
    let copied = copy_into(store, &target, &mut go_on);
    let (finished, report) = match copied {
        Ok(report) => (target.finish(), report),
        Err(error) => {
            target.give_up();
            return Err(error);
        }
    };
    finished?;
    Ok(BackupReport {
        duration: began.elapsed(),
        ..report
    })
}

fn copy_into(
    store: &Store,
    target: &Target,
    go_on: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<BackupReport> {
    let engine = store.engine();
    // Syncs most of what there is to sync, while nothing waits for it yet.
    engine.checkpoint(false)?;
    let mut pins = Pins::new(target);
    let copy = {
        let moment = engine.hold_still()?;
        for (log, mark) in &moment.partitions {
            // Callbacks wait: they may call what waits for this.
            store.check()?;
            pins.add(log, mark)?;
        }
        Copy::of(&moment)
    };
    copy.write(engine, target, &pins, go_on)
}
