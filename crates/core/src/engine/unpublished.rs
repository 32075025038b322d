//! Where partitions begin and end for a reader in another process when their `published` files do not say: by the checkpoint,
//! the journal and the logs, as an opening for writing would find it. Changes nothing.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use tidelog_format::checkpoint::Checkpoint;
use tidelog_format::journal::PartitionId;
use tidelog_format::published::Published;
use tidelog_io::{OpenMode, Storage};

use super::recovery::known_partitions;
use crate::catalog::{Catalog, StoredTopic};
use crate::checkpoint::CheckpointFile;
use crate::error::{IoContext, Result};
use crate::journal::{self, Known, Replay};
use crate::segment::{Expect, Scanner, listed};

/// What checkpoint and journal say of a topic's partitions.
pub(super) struct Unpublished {
    last: Checkpoint,
    known: HashMap<PartitionId, Known>,
}

impl Unpublished {
    pub fn of(storage: &Arc<dyn Storage>, catalog: &Catalog, topic: &StoredTopic) -> Result<Self> {
        let root = catalog.root();
        let (_, last) = CheckpointFile::open(&**storage, root, false)?;
        let mut known = known_partitions(catalog, std::slice::from_ref(topic), &last);
        if !last.clean {
            let folder = journal::folder(root);
            let files = journal::open_all(&**storage, &folder, OpenMode::Read)?;
            let mut nothing = |_: &Path, _: u64, _: &[u8]| ();
            Replay::new(&**storage, folder, &files, &mut known, &last)
                .telling(&mut nothing)
                .run(&last)?;
        }
        Ok(Unpublished { last, known })
    }

    /// What a partition's `published` file would say.
    pub fn ends(&self, storage: &dyn Storage, id: &PartitionId) -> Result<Published> {
        let is_it = |mark: &&tidelog_format::checkpoint::PartitionMark| {
            (mark.topic_id, mark.partition) == (id.topic_id, id.partition)
        };
        let log_start = self.last.partitions.iter().find(is_it);
        let log_start = log_start.map_or(0, |mark| mark.log_start);
        let end = match self.known.get(id) {
            None => log_start,
            Some(known) if self.last.clean || known.journaled => known.end.offset,
            Some(known) => end_of_log(storage, known)?,
        };
        Ok(Published {
            log_start,
            high_watermark: end.max(log_start),
            incarnation: self.last.incarnation,
        })
    }
}

/// How far the batches hold that follow what the checkpoint knows of.
fn end_of_log(storage: &dyn Storage, known: &Known) -> Result<u64> {
    let folder = &known.folder;
    let entries = storage.read_dir(folder).during("list", folder)?;
    let mut expect = Expect {
        offset: known.end.offset,
        epoch_min: i32::MIN,
        epoch_max: i32::MAX,
    };
    for segment in listed(folder, &entries) {
        let from = match segment.base == known.end.segment {
            true => known.end.position,
            false => 0,
        };
        if segment.base < known.end.segment || (from == 0 && segment.base != expect.offset) {
            continue;
        }
        let path = &segment.path;
        let file = storage.open(path, OpenMode::Read).during("open", path)?;
        let mut scanner = Scanner::new(&*file, from, segment.len, expect, true);
        while let Ok(Some(_)) = scanner.next() {}
        expect = scanner.expect();
        if scanner.position() < segment.len {
            break;
        }
    }
    Ok(expect.offset)
}
