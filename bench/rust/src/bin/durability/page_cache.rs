//! The state of the page cache, which every figure about opening and reading depends on.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::Setup;
use crate::latencies::left_out;

/// What the page cache holds when the clock starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageCache {
    /// Whatever the process that wrote has left there, also what is not on the disk yet.
    Warm,
    /// Nothing: all was synced and dropped.
    Cold,
}

impl PageCache {
    /// The states that can be had here. Says aloud what can't.
    pub fn states(setup: &Setup) -> Vec<PageCache> {
        // A quick run is no reason to empty the caches of the whole machine.
        let dropped = if setup.quick {
            Err("a quick run leaves the caches of the machine alone".to_owned())
        } else {
            drop_all().map_err(|error| format!("only root can empty it ({error})"))
        };
        match dropped {
            Ok(()) => vec![PageCache::Warm, PageCache::Cold],
            Err(reason) => {
                left_out(&format!("opening with a cold page cache, {reason}"));
                vec![PageCache::Warm]
            }
        }
    }

    /// Brings it about.
    pub fn prepare(self) {
        if self == PageCache::Cold {
            drop_all().expect("an empty page cache");
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            PageCache::Warm => "warm",
            PageCache::Cold => "cold",
        }
    }
}

fn drop_all() -> std::io::Result<()> {
    // What is dirty can't be dropped.
    rustix::fs::sync();
    std::fs::write("/proc/sys/vm/drop_caches", "3")
}

/// Reads the segments of a partition from the first byte to the last; returns their number.
pub fn read_segments(partition: &Path) -> u64 {
    let mut chunk = vec![0; 1 << 20];
    let mut total = 0;
    for entry in std::fs::read_dir(partition).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let mut file = File::open(path).expect("a segment");
        loop {
            match file.read(&mut chunk).expect("a read") {
                0 => break,
                count => total += count as u64,
            }
        }
    }
    total
}
