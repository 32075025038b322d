//! What makes a folder a store: its `meta.properties`, written last, and the lock of its one writer.

use std::path::Path;

use tidelog_format::checkpoint::Checkpoint;
use tidelog_format::properties::Properties;
use tidelog_io::{LockAttempt, OpenMode, Storage, WriterLock};

use crate::catalog::TOPICS;
use crate::checkpoint::{self, CheckpointFile};
use crate::config::OpenOptions;
use crate::error::{Error, IoContext, Result};
use crate::journal;

pub(crate) const META: &str = "meta.properties";
pub(crate) const LOCK: &str = ".lock";
/// Raised when an older Tidelog could no longer read what this one writes.
const FORMAT_VERSION: u32 = 1;
/// The `meta.properties` of a backup that is not complete yet: it has this name until everything else is durable.
pub(crate) const UNFINISHED: &str = "backup.unfinished";

pub(crate) fn no_store(storage: &dyn Storage, path: &Path) -> Error {
    let reason = match storage.exists(&path.join(UNFINISHED)) {
        Ok(true) => "it holds a backup that was not finished; make the backup again".to_owned(),
        _ => format!("it has no {META}"),
    };
    Error::NotAStore {
        path: path.to_owned(),
        reason,
    }
}

/// The store's id, if the folder is a store of a version that is known here.
pub(crate) fn store_id(storage: &dyn Storage, path: &Path) -> Result<Option<String>> {
    let file_path = path.join(META);
    if !storage.exists(&file_path).during("look for", &file_path)? {
        return Ok(None);
    }
    let file = storage
        .open(&file_path, OpenMode::Read)
        .during("open", &file_path)?;
    let mut bytes = vec![0; file.len().during("measure", &file_path)?.min(1 << 16) as usize];
    file.read_exact_at(0, &mut bytes)
        .during("read", &file_path)?;
    let other = |reason: &str| Error::NotAStore {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let text = String::from_utf8(bytes).map_err(|_| other("its meta.properties is not text"))?;
    let properties = Properties::parse(&text)
        .map_err(|error| other(&format!("its meta.properties: {error}")))?;
    let Some(version) = properties.get("tidelog.format.version") else {
        return Err(other(
            "its meta.properties is another program's, such as a Kafka broker's; import it instead",
        ));
    };
    let version: u32 = version
        .parse()
        .map_err(|_| other("its format version is not a number"))?;
    if version > FORMAT_VERSION {
        return Err(Error::UnsupportedVersion {
            path: file_path,
            found: version,
            supported: FORMAT_VERSION,
        });
    }
    let id = properties
        .get("cluster.id")
        .ok_or_else(|| other("its meta.properties has no cluster.id"))?;
    Ok(Some(id.to_owned()))
}

/// A store is made in an empty folder only, or in one where a crash cut that short.
pub(super) fn check_vacant(options: &OpenOptions, path: &Path) -> Result<()> {
    if !options.create {
        return Err(no_store(&*options.storage, path));
    }
    const OWN: [&str; 5] = [
        LOCK,
        TOPICS,
        journal::FOLDER,
        checkpoint::FILE_NAME,
        "meta.tmp",
    ];
    // What file systems, desktops and version control put into folders that are empty to their user.
    const HARMLESS: [&str; 10] = [
        "lost+found",
        ".snapshot",
        ".snapshots",
        ".gitkeep",
        ".gitignore",
        ".keep",
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        ".directory",
    ];
    let entries = options.storage.read_dir(path).during("list", path)?;
    if entries.iter().any(|entry| entry.name == UNFINISHED) {
        return Err(no_store(&*options.storage, path));
    }
    let known = |name: &str| OWN.contains(&name) || HARMLESS.contains(&name);
    match entries.iter().find(|entry| !known(&entry.name)) {
        None => Ok(()),
        Some(entry) => Err(Error::NotAStore {
            path: path.to_owned(),
            reason: format!(
                "it holds {:?}; a store is made in an empty folder only",
                entry.name
            ),
        }),
    }
}

pub(crate) fn take_lock(storage: &dyn Storage, path: &Path) -> Result<Box<dyn WriterLock>> {
    let file = path.join(LOCK);
    match storage.lock(&file).during("lock", &file)? {
        LockAttempt::Held(held) => Ok(held),
        LockAttempt::Busy { pid } => Err(Error::StoreLocked {
            path: path.to_owned(),
            pid,
        }),
    }
}

/// Whether the lock that was just taken keeps others out.
pub(super) fn lock_holds(storage: &dyn Storage, path: &Path) -> Result<bool> {
    let file = path.join(LOCK);
    let second = storage.lock(&file).during("lock", &file)?;
    Ok(matches!(second, LockAttempt::Busy { .. }))
}

pub(super) fn unfit(path: &Path, kind: &str) -> Error {
    Error::UnsupportedFileSystem {
        path: path.to_owned(),
        kind: kind.to_owned(),
    }
}

/// Makes an empty store; `meta.properties` comes last and makes it one.
pub(super) fn create_store(storage: &dyn Storage, path: &Path) -> Result<String> {
    let topics = path.join(TOPICS);
    if !storage.exists(&topics).during("look for", &topics)? {
        storage.create_dir(&topics).during("create", &topics)?;
    }
    CheckpointFile::create(
        storage,
        path,
        &Checkpoint {
            clean: true,
            ..Checkpoint::default()
        },
    )?;
    storage.sync_dir(path).during("sync", path)?;

    let id = crate::catalog::id_text(uuid::Uuid::new_v4().as_bytes());
    let new = path.join("meta.tmp");
    write_meta(storage, &new, &id)?;
    become_store(storage, path, &new)?;
    Ok(id)
}

/// Writes what will make a folder the store of this id, under a name that does not.
pub(crate) fn write_meta(storage: &dyn Storage, new: &Path, id: &str) -> Result<()> {
    let mut properties = Properties::default();
    properties.set("version", "1".to_owned());
    properties.set("cluster.id", id.to_owned());
    properties.set("tidelog.format.version", FORMAT_VERSION.to_string());
    let file = storage.open(new, OpenMode::Create).during("create", new)?;
    file.set_len(0).during("shorten", new)?;
    file.write_all_at(0, properties.to_text().as_bytes())
        .during("write", new)?;
    file.sync_all().during("sync", new)
}

/// Makes the folder a store, whose other files are durable.
pub(crate) fn become_store(storage: &dyn Storage, path: &Path, new: &Path) -> Result<()> {
    let meta = path.join(META);
    storage.rename(new, &meta).during("rename", new)?;
    storage.sync_dir(path).during("sync", path)
}
