//! What a store is made of beside its logs: `meta.properties`, a file for each topic, a folder for each partition that says
//! whose it is, and what readers are told. Beside a writer topics come and go under the look.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidelog_format::file_name;
use tidelog_format::published::Published;
use tidelog_io::{DirEntry, OpenMode, Storage};

use super::own_files::lasting;
use super::report::Problem;
use crate::catalog::{Catalog, StoredTopic, TOPICS, gone_topic, id_text, topic_id_of};
use crate::engine::folder::{META, store_id};
use crate::error::{Error, IoContext, Result};
use crate::published;
use crate::segment::listed;

pub(super) fn verify_shape(storage: &Arc<dyn Storage>, store: &Path) -> Result<Vec<Problem>> {
    lasting(|| look(storage, store))
}

fn look(storage: &Arc<dyn Storage>, store: &Path) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let meta = store.join(META);
    match store_id(&**storage, store) {
        Ok(Some(_)) => {}
        Ok(None) => problems.push(Problem::of(
            &meta,
            "it is missing, and without it this is no store".to_owned(),
            true,
        )),
        Err(Error::NotAStore { reason, .. }) => problems.push(Problem::of(&meta, reason, true)),
        Err(error) => problems.push(Problem::told_by(error)?),
    }
    let catalog = Catalog::new(Arc::clone(storage), store.to_owned());
    let topics = store.join(TOPICS);
    let mut known: HashSet<String> = HashSet::new();
    match storage.read_dir(&topics).during("list", &topics) {
        Ok(entries) => {
            for entry in entries.iter().filter(|entry| !entry.is_dir) {
                match catalog.load_one(&entry.name) {
                    Ok(Some(topic)) => {
                        for number in 0..topic.config.partitions {
                            let folder = catalog.partition_folder(&topic.name, number);
                            problems.extend(look_at_folder(&**storage, &topic, &folder));
                        }
                    }
                    // Deleted since the folder was listed.
                    Ok(None) => continue,
                    Err(Error::CorruptFile { .. }) if catalog.is_no_topics(&entry.name)? => {
                        continue;
                    }
                    Err(error) => problems.push(Problem::told_by(error)?),
                }
                known.insert(entry.name.clone());
            }
            problems.extend(nobodys(&**storage, store, &known)?);
        }
        Err(error) => problems.push(Problem::told_by(error)?),
    }
    Ok(problems)
}

/// What is wrong with a partition's folder itself.
fn look_at_folder(storage: &dyn Storage, topic: &StoredTopic, folder: &Path) -> Vec<Problem> {
    match storage.read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let reason = "the partition's folder is missing".to_owned();
            return vec![Problem::of(folder, reason, true)];
        }
        Err(error) => return vec![Problem::of(folder, format!("list: {error}"), true)],
        Ok(_) => {}
    }
    let mut problems = Vec::new();
    let ours = id_text(&topic.id);
    match topic_id_of(storage, folder) {
        Ok(Some(found)) if found == ours => {}
        Ok(Some(found)) => {
            let reason = format!(
                "it is of the topic with id {found}, and {:?} has id {ours}",
                topic.name
            );
            problems.push(Problem::of(folder, reason, true));
        }
        Ok(None) => {
            let reason = "it does not say to which topic it belongs".to_owned();
            problems.push(Problem::of(folder, reason, false));
        }
        Err(error) => problems.extend(Problem::told_by(error)),
    }
    problems.extend(look_at_published(storage, folder));
    problems
}

fn look_at_published(storage: &dyn Storage, folder: &Path) -> Option<Problem> {
    let path = folder.join(published::FILE_NAME);
    let read = || -> Result<std::result::Result<(), String>> {
        if !storage.exists(&path).during("look for", &path)? {
            return Ok(Ok(()));
        }
        let file = storage.open(&path, OpenMode::Read).during("open", &path)?;
        let mut bytes = vec![0; file.len().during("measure", &path)?.min(4096) as usize];
        file.read_exact_at(0, &mut bytes).during("read", &path)?;
        Ok(Published::decode(&bytes)
            .map(|_| ())
            .map_err(|error| error.to_string()))
    };
    match read() {
        Ok(Ok(())) => None,
        Ok(Err(reason)) => {
            let reason = format!(
                "{reason}; readers go by checkpoint, journal and log, and the next writer makes it again"
            );
            Some(Problem::of(&path, reason, false))
        }
        Err(error) => Problem::told_by(error).ok(),
    }
}

/// Topics whose file is gone although a folder with records is there.
fn nobodys(storage: &dyn Storage, store: &Path, known: &HashSet<String>) -> Result<Vec<Problem>> {
    let entries = storage.read_dir(store).during("list", store)?;
    // A deletion that a crash cut short is finished by the next opening.
    let going: Vec<String> = entries
        .iter()
        .filter_map(|entry| gone_topic(&entry.name))
        .collect();
    let mut problems: Vec<Problem> = Vec::new();
    for folder in partition_folders(storage, store, &entries) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let Some((topic, _)) = file_name::parse_partition_folder(&name) else {
            continue;
        };
        let holds = storage.read_dir(&folder).is_ok_and(|entries| {
            listed(&folder, &entries)
                .iter()
                .any(|segment| segment.len > 0)
        });
        let is_going =
            || matches!(topic_id_of(storage, &folder), Ok(Some(id)) if going.contains(&id));
        if known.contains(topic) || !holds || is_going() {
            continue;
        }
        let reason = format!(
            "it is missing, and {} holds records of this topic",
            folder.display()
        );
        let problem = Problem::of(&store.join(TOPICS).join(topic), reason, true);
        if problems.iter().all(|other| other.file != problem.file) {
            problems.push(problem);
        }
    }
    Ok(problems)
}

/// The folders named like partitions, also those that are links.
pub(super) fn partition_folders(
    storage: &dyn Storage,
    store: &Path,
    entries: &[DirEntry],
) -> impl Iterator<Item = PathBuf> {
    entries
        .iter()
        .filter(|entry| file_name::parse_partition_folder(&entry.name).is_some())
        .map(|entry| (entry.is_dir, store.join(&entry.name)))
        .filter(|(is_dir, path)| *is_dir || storage.read_dir(path).is_ok())
        .map(|(_, path)| path)
}
