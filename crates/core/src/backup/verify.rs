//! A check of a copy that changes nothing: everything that a check of a store looks at, and that each log ends where the
//! checkpoint says, so that an opening finds all of it and needs no recovery.

use std::path::Path;
use std::sync::Arc;

use tidelog_format::checkpoint::{Checkpoint, PartitionMark};
use tidelog_io::Storage;

use crate::catalog::{Catalog, id_text, topic_id_of};
use crate::checkpoint::CheckpointFile;
use crate::engine::folder::{no_store, store_id};
use crate::error::{IoContext, Result};
use crate::inspect::{Problem, Scanned, VerifyReport, scan_segment, verify_store};
use crate::segment::listed;

/// Checks a backup that is not open: that it is a complete store, every batch and index, and that each partition ends where
/// the checkpoint says. Changes nothing. `progress` gets the bytes done and all bytes, and stops it by giving false.
///
/// # Errors
/// [`crate::Error::NotAStore`], also for one that was not finished; [`crate::Error::CorruptFile`] for a checkpoint or a
/// topic's file that can't be read, [`crate::Error::UnsupportedVersion`], [`crate::Error::Io`].
pub fn verify_backup(
    storage: &Arc<dyn Storage>,
    path: &Path,
    progress: impl FnMut(u64, u64) -> bool,
) -> Result<VerifyReport> {
    store_id(&**storage, path)?.ok_or_else(|| no_store(&**storage, path))?;
    let (_, last) = CheckpointFile::open(&**storage, path, false)?;
    let mut report = verify_store(&**storage, path, progress)?;
    report.problems.extend(check_ends(storage, path, &last)?);
    Ok(report)
}

fn check_ends(storage: &Arc<dyn Storage>, path: &Path, last: &Checkpoint) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let mut problem = |file: &Path, position, offset, reason: String| {
        problems.push(Problem {
            file: file.to_owned(),
            position,
            offset,
            reason,
            records_affected: true,
        });
    };
    if !last.clean {
        let reason = "it was opened since it was made, and not closed in order: open and close it";
        problem(path, 0, 0, reason.to_owned());
        return Ok(problems);
    }
    let catalog = Catalog::new(Arc::clone(storage), path.to_owned());
    for topic in catalog.load()? {
        for number in 0..topic.config.partitions {
            let folder = catalog.partition_folder(&topic.name, number);
            let belongs = topic_id_of(&**storage, &folder)?;
            if belongs.as_deref() != Some(&id_text(&topic.id)) {
                let reason = format!("it is not the folder of topic {:?}", topic.name);
                problem(&folder, 0, 0, reason);
                continue;
            }
            let of = |mark: &&PartitionMark| (mark.topic_id, mark.partition) == (topic.id, number);
            let Some(mark) = last.partitions.iter().find(of) else {
                problem(&folder, 0, 0, "the checkpoint does not know it".to_owned());
                continue;
            };
            if mark.damaged {
                problem(
                    &folder,
                    0,
                    mark.recovery_point,
                    "it was damaged when it was copied".to_owned(),
                );
                continue;
            }
            if let Some((file, position, found)) = end_of(&**storage, &folder, mark)? {
                let reason = format!(
                    "the log ends at offset {found}, and at {} by the checkpoint",
                    mark.recovery_point
                );
                problem(&file, position, mark.recovery_point, reason);
            }
        }
    }
    Ok(problems)
}

/// Where the log of a partition ends, if that is not where its mark says.
fn end_of(
    storage: &dyn Storage,
    folder: &Path,
    mark: &PartitionMark,
) -> Result<Option<(std::path::PathBuf, u64, u64)>> {
    let entries = storage.read_dir(folder).during("list", folder)?;
    let segments = listed(folder, &entries);
    let Some(end) = segments.last() else {
        let empty = mark.recovery_point == mark.log_start;
        return Ok((!empty).then(|| (folder.to_owned(), 0, 0)));
    };
    let (mut position, mut next) = (0, end.base);
    for scanned in scan_segment(storage, &end.path)? {
        match scanned {
            Scanned::Batch {
                position: at,
                header,
            } => {
                position = at + header.size() as u64;
                next = header.next_offset();
            }
            // It is among what does not hold already.
            Scanned::Damage { .. } => return Ok(None),
        }
    }
    let fits = (end.base, position, next)
        == (
            mark.recovery_segment,
            mark.recovery_position,
            mark.recovery_point,
        )
        && end.len == position;
    let starts = segments
        .first()
        .is_none_or(|first| first.base <= mark.log_start);
    Ok((!(fits && starts)).then(|| (end.path.clone(), position, next)))
}
