//! A check of a copy that changes nothing: everything that a check of a store looks at, and that it was closed in order with
//! all partitions whole, so that an opening finds all of it and needs no recovery.

use std::path::Path;
use std::sync::Arc;

use tidelog_format::checkpoint::Checkpoint;
use tidelog_format::journal::PartitionId;
use tidelog_io::Storage;

use crate::catalog::Catalog;
use crate::checkpoint::CheckpointFile;
use crate::engine::folder::{no_store, store_id};
use crate::engine::recovery::by_partition;
use crate::error::Result;
use crate::inspect::{Problem, VerifyReport, verify_store};

/// Checks a backup that is not open: that it is a complete store, every batch and index, and that each partition ends where
/// the checkpoint says. Changes nothing. `progress` gets the bytes done and all bytes, and stops it by giving false.
///
/// # Errors
/// [`crate::Error::NotAStore`], also for one that was not finished; [`crate::Error::CorruptFile`] for a checkpoint
/// that can't be read, [`crate::Error::UnsupportedVersion`], [`crate::Error::Io`].
pub fn verify_backup(
    storage: &Arc<dyn Storage>,
    path: &Path,
    progress: impl FnMut(u64, u64) -> bool,
) -> Result<VerifyReport> {
    store_id(&**storage, path)?.ok_or_else(|| no_store(&**storage, path))?;
    let (_, last) = CheckpointFile::open(&**storage, path, false)?;
    let mut report = verify_store(storage, path, progress)?;
    report.problems.extend(check_marks(storage, path, &last)?);
    Ok(report)
}

fn check_marks(storage: &Arc<dyn Storage>, path: &Path, last: &Checkpoint) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let mut problem = |file: &Path, offset, reason: &str| {
        problems.push(Problem {
            file: file.to_owned(),
            position: 0,
            offset,
            reason: reason.to_owned(),
            records_affected: true,
        });
    };
    if !last.clean {
        let reason = "it was opened since it was made, and not closed in order: open and close it";
        problem(path, 0, reason);
        return Ok(problems);
    }
    let catalog = Catalog::new(Arc::clone(storage), path.to_owned());
    let marks = by_partition(last);
    // Topics that can't be read are among what does not hold already.
    for topic in catalog.load().unwrap_or_default() {
        for number in 0..topic.config.partitions {
            let folder = catalog.partition_folder(&topic.name, number);
            let id = PartitionId {
                topic_id: topic.id,
                partition: number,
            };
            match marks.get(&id) {
                None => problem(&folder, 0, "the checkpoint does not know it"),
                Some(mark) if mark.damaged => {
                    let reason = "it was damaged when it was copied";
                    problem(&folder, mark.recovery_point, reason);
                }
                Some(_) => {}
            }
        }
    }
    Ok(problems)
}
