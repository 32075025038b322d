//! Compaction: of topics whose cleanup policy asks for it the newest record of each key stays. A pass reads the part of a
//! partition that was not cleaned yet and notes the newest offset of each key, as many as the memory holds; then it writes the
//! segments up to there anew, without what is older, oldest first, a group at a time. Offsets never change, and every offset
//! is still held by a batch, so that logs continue without a gap here, too, and damage is found as anywhere else.
//!
//! Rules and names: Kafka's (`LogCleaner`, KIP-58, KIP-354, KIP-534), but that records without a key stay, and that gaps are
//! held by empty batches.

mod cleaner;
mod dirty;
mod offset_map;
mod pass;
mod retained;
mod throttle;

pub(crate) use cleaner::{compact, run};
pub use pass::CompactionReport;
#[cfg(all(test, not(feature = "loom")))]
pub(crate) use pass::Pass;

#[cfg(all(test, not(feature = "loom")))]
mod tests;
