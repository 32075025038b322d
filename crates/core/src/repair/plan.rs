//! What a repair would give up, and what one did: for whoever is asked, and for programs.

use std::path::PathBuf;

/// What is damaged, and what a repair gives up to mend it. Everything that is not named here is kept.
#[derive(Debug, Clone, Default)]
pub struct RepairPlan {
    /// Partitions looked at.
    pub partitions: u64,
    /// Segments looked at.
    pub segments: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Batches in them that hold.
    pub batches: u64,
    /// Records in those.
    pub records: u64,
    /// Whether all of the store was looked at; without that nothing can be repaired.
    pub complete: bool,
    /// Why the checkpoint can't be used, if it can't. A new one is made from what the segments and the journal hold.
    /// What it alone knew is given up: records that were deleted may be back, down to the first offset of the first
    /// segment.
    pub checkpoint: Option<String>,
    /// A slot of the checkpoint that does not hold, although the other one does. Nothing is lost with it.
    pub checkpoint_slot: Option<String>,
    /// Frames of the journal that are given up.
    pub journal: Option<LostFrames>,
    /// Offsets whose records are given up. They stay in use: no other record ever gets one of them.
    pub lost: Vec<LostRange>,
    /// Batches that are kept whole, with their place put right.
    pub mended: Vec<MendedBatch>,
    /// Indexes that are made again from the log.
    pub indexes: Vec<PathBuf>,
    /// Snapshots of producers that are made again from the log.
    pub snapshots: Vec<PathBuf>,
}

impl RepairPlan {
    /// Whether nothing is damaged.
    pub fn is_empty(&self) -> bool {
        self.checkpoint.is_none()
            && self.checkpoint_slot.is_none()
            && self.journal.is_none()
            && self.lost.is_empty()
            && self.mended.is_empty()
            && self.indexes.is_empty()
            && self.snapshots.is_empty()
    }

    /// Whether a repair gives something up, be it only certainty.
    pub fn gives_up(&self) -> bool {
        self.checkpoint.is_some() || self.journal.is_some() || !self.lost.is_empty()
    }
}

/// Frames of the journal that were durable and do not hold any more. What they told of is in `lost` as far as the
/// segments do not hold it and frames behind them, or readers in other processes, were told of it.
#[derive(Debug, Clone)]
pub struct LostFrames {
    /// A file of the journal that shows it.
    pub file: PathBuf,
    /// What shows it.
    pub reason: String,
    /// First and last number of each run of frames that is lost.
    pub frames: Vec<(u64, u64)>,
    /// Frames behind them that hold, and are kept.
    pub kept: u64,
}

/// Offsets that are given up.
#[derive(Debug, Clone)]
pub struct LostRange {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The segment that holds them, or should.
    pub file: PathBuf,
    /// The first damaged byte in it.
    pub position: u64,
    /// How many bytes are damaged; 0 where they are missing.
    pub bytes: u64,
    /// The first offset.
    pub first: u64,
    /// The offset behind the last one; the same as `first` where only bytes between batches are given up.
    pub next: u64,
    /// What does not hold.
    pub reason: String,
    /// Where a repair has kept the damaged bytes.
    pub kept: Option<PathBuf>,
}

/// A batch whose records hold, in front of which an offset or leader epoch was damaged.
#[derive(Debug, Clone)]
pub struct MendedBatch {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// Its segment.
    pub file: PathBuf,
    /// Its position in bytes.
    pub position: u64,
    /// Its first offset.
    pub offset: u64,
}

/// What a repair did: the plan, with the places of the damaged bytes.
#[derive(Debug, Clone, Default)]
pub struct RepairReport {
    /// What was given up, and where the damaged bytes are.
    pub done: RepairPlan,
}
