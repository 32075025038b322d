//! Rules of the journal, of recovery and of what hangs on them, that the simulation takes away, one at a time, to show that its checks
//! notice. In a program none is ever out, and the compiler removes the question.

/// A rule that can be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Frames of an earlier life do not count.
    Salt,
    /// Frames count on from one life to the next.
    Sequence,
    /// A frame counts only if its extents check out.
    CheckExtents,
    /// Extents are synced in the round of their frame.
    SyncExtents,
    /// A journaled partition is cut where the frames end.
    CutTails,
    /// What was cut is gone from the disk.
    RemoveTails,
    /// The leader epoch must not fall along a log.
    CheckEpochs,
    /// Recovery syncs what it keeps before it writes its checkpoint.
    SyncRecovered,
    /// Recovery syncs the folders of what it keeps.
    SyncRecoveredFolders,
    /// A journal file is recycled only when a checkpoint covers it.
    RecycleAfterCheckpoint,
    /// Files are recycled only when the checkpoint's slot is synced.
    RecycleAfterSlot,
    /// A checkpoint syncs the segments that it covers.
    SyncSegments,
    /// A checkpoint syncs the folders of new segments.
    SyncFolders,
    /// The ends of a checkpoint are those of one moment.
    NoteAtOnce,
    /// The checkpoint that recovery reads is synced before the other slot is written.
    SyncCheckpointRead,
    /// Segments are unlinked after the log start is durable, and below the durable recovery point.
    UnlinkAfterCheckpoint,
    /// Caches are dropped before recovery reads.
    DropCaches,
    /// The first failed sync is final.
    FirstFailureIsFinal,
    /// What is appended to several partitions at once is in one frame.
    OneFrame,
    /// A topic that begins to use the journal is checkpointed before its first frame.
    CheckpointBeforeJournal,
    /// The retry of a batch is answered when its original is durable.
    RetryAfterOriginal,
    /// Records are durable before an offset that covers them is committed.
    SyncBeforeOffsets,
    /// Only segments below the one where a recovery would begin are compacted.
    CleanBelowRecovery,
    /// What replaces segments is durable before they go.
    SyncCleaned,
    /// That it replaces them is durable before they go, and that they went before it gets the name of the first of them.
    SwapInOrder,
    /// Tombstones stay for as long as the topic says.
    KeepTombstones,
}

pub(crate) use switch::*;

#[cfg(not(test))]
mod switch {
    use super::Rule;

    #[inline(always)]
    pub(crate) fn is_out(_rule: Rule) -> bool {
        false
    }
}

#[cfg(test)]
mod switch {
    use super::Rule;
    use std::cell::RefCell;

    thread_local! {
        static OUT: RefCell<Vec<Rule>> = const { RefCell::new(Vec::new()) };
    }

    pub(crate) fn is_out(rule: Rule) -> bool {
        OUT.with_borrow(|out| out.contains(&rule))
    }

    /// Takes these rules away in this thread, until the next call.
    pub(crate) fn take_out(rules: &[Rule]) {
        OUT.set(rules.to_vec());
    }
}
