//! The check of a whole store, or of one partition's folder. Of a store that nobody writes to, a survey judges, which also
//! says what a repair would do: so both find the same, and what an opening would. Beside a writer its files are looked at one
//! by one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidelog_format::file_name;
use tidelog_io::{DirEntry, Storage};

use super::files::{Folder, verify_folders};
use super::log_starts::LogStarts;
use super::own_files::verify_own_files;
use super::report::{Findings, Problem, VerifyReport};
use super::scan::writer_of;
use super::shape::{partition_folders, verify_shape};
use crate::checkpoint::{self, Slot};
use crate::engine::folder::{LOCK, UNFINISHED, no_store, store_id};
use crate::error::{Error, IoContext, Result};
use crate::repair;

/// Checks every batch, every index entry and every snapshot of producers under a store's folder, or under one
/// partition's. A store that nobody writes to is held against its checkpoint, its journal and its topics as well. Of one
/// that is being written, what lies behind the published end is left out, and what is deleted meanwhile. `progress` gets the
/// bytes done and all bytes, and stops the check by giving false.
///
/// # Errors
/// [`Error::NotAStore`] if it is neither, [`Error::UnsupportedVersion`], [`Error::Io`] if the folder can't be listed.
pub fn verify_store(
    storage: &Arc<dyn Storage>,
    path: &Path,
    progress: impl FnMut(u64, u64) -> bool,
) -> Result<VerifyReport> {
    let entries = storage.read_dir(path).during("list", path)?;
    let is_segment =
        |entry: &DirEntry| !entry.is_dir && file_name::parse_log(&entry.name).is_some();
    let mut findings = Findings::default();
    if entries.iter().any(is_segment) {
        let folder = Folder {
            path: path.to_owned(),
            by: writer_of(&**storage, path),
            log_start: 0,
        };
        verify_folders(&**storage, &[folder], &mut findings, progress)?;
    } else {
        refuse_others(&**storage, path, &entries)?;
        verify_whole(storage, path, &mut findings, progress)?;
    }
    Ok(findings.into_report())
}

/// Refuses what is no store. One whose `meta.properties` is lost is still one.
fn refuse_others(storage: &dyn Storage, path: &Path, entries: &[DirEntry]) -> Result<()> {
    let has = |name: &str| entries.iter().any(|entry| entry.name == name);
    let ours = has(checkpoint::FILE_NAME) && !has(UNFINISHED);
    let is_partition = |entry: &DirEntry| file_name::parse_partition_folder(&entry.name).is_some();
    match store_id(storage, path) {
        Err(Error::NotAStore { .. } | Error::Io { .. }) if ours => Ok(()),
        Ok(None) if ours && entries.iter().any(is_partition) => Ok(()),
        Ok(None) => Err(no_store(storage, path)),
        found => found.map(|_| ()),
    }
}

fn verify_whole(
    storage: &Arc<dyn Storage>,
    path: &Path,
    findings: &mut Findings,
    mut progress: impl FnMut(u64, u64) -> bool,
) -> Result<()> {
    for problem in verify_shape(storage, path)? {
        findings.add(problem);
    }
    if let Some(before) = at_rest(&**storage, path)? {
        let plan = repair::plan_of(storage, path, &mut progress);
        // What was found while a writer came is worth nothing.
        if at_rest(&**storage, path)? == Some(before) {
            match plan {
                Ok(plan) => {
                    findings.take_plan(path, plan);
                    return Ok(());
                }
                Err(error) => findings.add(Problem::told_by(error)?),
            }
        }
    }
    match verify_own_files(&**storage, path) {
        Ok(problems) => problems
            .into_iter()
            .for_each(|problem| findings.add(problem)),
        Err(error) => findings.add(Problem::told_by(error)?),
    }
    let log_starts = LogStarts::of(&**storage, path).unwrap_or_default();
    let folder = |folder: PathBuf| Folder {
        by: super::Writer::Tidelog,
        log_start: log_starts.in_folder(&**storage, &folder).unwrap_or(0),
        path: folder,
    };
    let entries = storage.read_dir(path).during("list", path)?;
    let folders: Vec<Folder> = partition_folders(&**storage, path, &entries)
        .map(folder)
        .collect();
    verify_folders(&**storage, &folders, findings, progress)
}

/// The number of the newest checkpoint of a store that nobody writes to, and whether it was closed in order. `None` if
/// somebody writes.
fn at_rest(storage: &dyn Storage, path: &Path) -> Result<Option<(u64, bool)>> {
    let slots = match checkpoint::look(storage, path) {
        Err(error @ Error::UnsupportedVersion { .. }) => return Err(error),
        slots => slots.into_iter().flatten(),
    };
    let of = |slot| match slot {
        Slot::Holds(checkpoint) => Some((checkpoint.generation, checkpoint.clean)),
        Slot::Empty | Slot::Damaged(_) => None,
    };
    let newest = slots.filter_map(of).max().unwrap_or_default();
    // An opening says in the checkpoint that the store is not closed, before it changes anything else.
    let is_closed = newest.1;
    let lock = path.join(LOCK);
    // Who may not even ask takes the files one by one.
    let is_written = !is_closed && storage.is_locked(&lock).unwrap_or(true);
    Ok((!is_written).then_some(newest))
}
