//! What an import is told and what it tells.

/// How a Kafka log folder is taken over.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Of a folder with many topics, the only one to take over; of one partition's folder, the topic to take
    /// it over into, which may have another name than the folder. Default: every topic, each under its name.
    pub topic: Option<String>,
    /// The largest offset that the caller can handle: a log that reaches beyond it is refused before anything is
    /// written. Default: any.
    pub max_offset: Option<u64>,
}

/// What was taken over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// The topics, by name.
    pub topics: Vec<ImportedTopic>,
    /// The folders that were left out.
    pub skipped: Vec<SkippedFolder>,
    /// Whether `progress` asked to stop. Topics that the import had made are then gone again.
    pub stopped: bool,
}

/// One topic that was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedTopic {
    /// Its name in the store.
    pub name: String,
    /// Its partitions, by number.
    pub partitions: Vec<ImportedPartition>,
    /// Numbers below the highest one for which there was no folder: they are empty in the store.
    pub missing: Vec<u32>,
}

/// One partition that was taken over. Offsets of what was left out are counted from the log start on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportedPartition {
    /// Its number.
    pub partition: u32,
    /// The first offset that can be read.
    pub log_start: u64,
    /// The offset that the next record gets.
    pub log_end: u64,
    /// Records taken over.
    pub records: u64,
    /// Batches that hold them.
    pub batches: u64,
    /// Bytes of these batches.
    pub bytes: u64,
    /// Offsets of control records, such as the end of a transaction.
    pub control_offsets: u64,
    /// Offsets in transactions that were aborted.
    pub aborted_offsets: u64,
    /// Offsets in transactions that were neither committed nor aborted when the broker was stopped.
    pub unfinished_offsets: u64,
    /// Offsets that had no batch any more, or one without records, because compaction removed them.
    pub removed_offsets: u64,
    /// Bytes of an unfinished write at the log's end that were left out, zeros not counted.
    pub torn_bytes: u64,
}

/// A folder that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedFolder {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: &'static str,
}
