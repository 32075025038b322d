//! Where logs begin, as the store's newest checkpoint has it: of the segments before, which hold nothing any more, a crash
//! may leave some.

use std::collections::HashMap;
use std::path::Path;

use tidelog_format::file_name;
use tidelog_io::Storage;

use crate::catalog::{id_text, topic_id_of};
use crate::checkpoint::{self, Slot};
use crate::error::Result;

/// Log start offsets, by topic id in text and partition.
#[derive(Default)]
pub(super) struct LogStarts(HashMap<(String, u32), u64>);

impl LogStarts {
    pub fn of(storage: &dyn Storage, store: &Path) -> Result<LogStarts> {
        let holds = |slot| match slot {
            Slot::Holds(checkpoint) => Some(checkpoint),
            Slot::Empty | Slot::Damaged(_) => None,
        };
        let slots = checkpoint::look(storage, store)?.into_iter();
        let newest = slots
            .filter_map(holds)
            .max_by_key(|checkpoint| checkpoint.generation);
        let marks = newest.map_or_else(Vec::new, |newest| newest.partitions);
        let start = |mark: &tidelog_format::checkpoint::PartitionMark| {
            ((id_text(&mark.topic_id), mark.partition), mark.log_start)
        };
        Ok(LogStarts(marks.iter().map(start).collect()))
    }

    /// That of the partition in a folder; 0 where nothing is known of it.
    pub fn in_folder(&self, storage: &dyn Storage, folder: &Path) -> Result<u64> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let Some((_, partition)) = file_name::parse_partition_folder(&name) else {
            return Ok(0);
        };
        let topic = topic_id_of(storage, folder)?.unwrap_or_default();
        Ok(self.0.get(&(topic, partition)).copied().unwrap_or(0))
    }
}
