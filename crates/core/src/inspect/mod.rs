//! Looking into stores and segment files, for people and tools. Nothing here changes anything.

mod files;
mod indexes;
mod log_starts;
mod own_files;
mod report;
mod scan;
mod shape;
mod snapshots;
mod verify;

pub(crate) use indexes::{Ends, IndexedSegment, Writer, check_indexes};
pub use report::{Problem, VerifyReport};
pub use scan::{Scanned, SegmentScan, scan_segment};
pub(crate) use snapshots::check_snapshots;
pub use verify::verify_store;
