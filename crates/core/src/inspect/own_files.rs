//! The store's own files: the slots of its checkpoint and the frames of its journal. Beside a running writer both
//! change under the look; what does not hold is looked at again before it is called damaged.

use std::path::Path;
use std::time::Duration;

use tidelog_io::{OpenMode, Storage};

use super::Problem;
use crate::checkpoint::{self, FILE_NAME, Slot};
use crate::error::Result;
use crate::journal::{self, first_missing, valid_frames};

/// So many looks, this far apart, show the same of what nobody is just writing.
const LOOKS: usize = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// What does not hold of checkpoint and journal.
pub(super) fn verify_own_files(storage: &dyn Storage, store: &Path) -> Result<Vec<Problem>> {
    lasting(|| look(storage, store))
}

/// What several looks show: what is being written holds sooner or later; what is damaged never does.
pub(super) fn lasting(look: impl Fn() -> Result<Vec<Problem>>) -> Result<Vec<Problem>> {
    let mut seen = look()?;
    for _ in 1..LOOKS {
        if seen.is_empty() {
            break;
        }
        std::thread::sleep(PAUSE);
        let again = look()?;
        seen.retain(|problem| again.iter().any(|other| same(problem, other)));
    }
    Ok(seen)
}

fn same(one: &Problem, other: &Problem) -> bool {
    (&one.file, one.offset) == (&other.file, other.offset)
}

fn look(storage: &dyn Storage, store: &Path) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let (mut last, mut damaged) = (None, Vec::new());
    for (number, slot) in checkpoint::look(storage, store)?.into_iter().enumerate() {
        match slot {
            Slot::Holds(checkpoint) => {
                let newer = |best: &tidelog_format::checkpoint::Checkpoint| {
                    checkpoint.generation > best.generation
                };
                if last.as_ref().is_none_or(newer) {
                    last = Some(checkpoint);
                }
            }
            Slot::Empty => {}
            Slot::Damaged(reason) => damaged.push((number, reason)),
        }
    }
    for (number, reason) in damaged {
        let other = match last.is_some() {
            true => "the other one holds",
            false => "no other one holds, and the store can't be opened",
        };
        problems.push(Problem {
            file: store.join(FILE_NAME),
            position: 0,
            offset: number as u64,
            reason: format!("slot {number}: {reason}; {other}"),
            records_affected: last.is_none(),
        });
    }
    let Some(last) = last.filter(|last| !last.clean) else {
        return Ok(problems);
    };
    let files = journal::open_all(storage, &journal::folder(store), OpenMode::Read)?;
    let frames = valid_frames(&files)?;
    if let Some((missing, behind)) = first_missing(&frames, last.incarnation, last.frame)
        && let Some(file) = files.get(behind.file)
    {
        problems.push(Problem {
            file: file.path.clone(),
            position: behind.position,
            offset: missing,
            reason: format!(
                "frame {missing} does not hold although frame {} behind it does",
                behind.sequence
            ),
            records_affected: true,
        });
    }
    Ok(problems)
}
