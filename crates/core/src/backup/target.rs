//! The folder of a backup. What will be its `meta.properties` stands there under another name from first to last, so that a
//! backup that was cut short is told from a store, and from anything else that must not be touched.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidelog_format::file_name;
use tidelog_io::{DirEntry, Storage, WriterLock};

use crate::catalog::{self, TOPICS, remove_folder, staging_name};
use crate::engine::Engine;
use crate::engine::folder::{LOCK, META, UNFINISHED, become_store, take_lock, write_meta};
use crate::error::{Error, IoContext, Result};
use crate::registry::create_folders;
use crate::{checkpoint, journal};

const PROBE: &str = "backup.tmp";

pub(super) struct Target {
    pub storage: Arc<dyn Storage>,
    pub path: PathBuf,
    /// A folder in the store where files are kept that still have to be copied: where the target is on another file system.
    pub staging: Option<PathBuf>,
    made: bool,
    _lock: Box<dyn WriterLock>,
}

impl Target {
    /// Takes a folder that is empty, not there, or holds a backup that was cut short.
    pub fn claim(engine: &Engine, folder: &Path) -> Result<Target> {
        // Not by the store's own disk: a sync that fails here says nothing of the store.
        let storage = Arc::clone(engine.context.disk.inner());
        let made = !storage.exists(folder).during("look for", folder)?;
        check_outside(&*storage, engine, folder)?;
        if made {
            create_folders(&storage, folder)?;
        }
        let path = storage.canonicalize(folder).during("resolve", folder)?;
        check_outside(&*storage, engine, &path)?;
        check_vacant(&*storage, &path)?;
        let lock = take_lock(&*storage, &path)?;
        // Another backup may have been finished here meanwhile.
        let unfinished = check_vacant(&*storage, &path)?;
        let mut target = Target {
            storage,
            path,
            staging: None,
            made,
            _lock: lock,
        };
        if unfinished {
            target.clear()?;
        }
        let begun = target.begin(engine);
        if let Err(error) = begun {
            target.give_up();
            return Err(error);
        }
        Ok(target)
    }

    fn begin(&mut self, engine: &Engine) -> Result<()> {
        let (storage, path) = (&*self.storage, &self.path);
        write_meta(storage, &path.join(UNFINISHED), &engine.id)?;
        storage.sync_dir(path).during("sync", path)?;
        let (meta, probe) = (engine.path.join(META), path.join(PROBE));
        match storage.hard_link(&meta, &probe) {
            Ok(()) => return storage.remove_file(&probe).during("remove", &probe),
            Err(error) if is_refused(error.kind()) => {}
            Err(error) => return Err(error).during("link", &probe),
        }
        let staging = engine.path.join(staging_name());
        storage.create_dir(&staging).during("create", &staging)?;
        let probe = staging.join(PROBE);
        let linked = storage.hard_link(&meta, &probe);
        let removed = linked.and_then(|()| storage.remove_file(&probe));
        match removed {
            Ok(()) => {
                self.staging = Some(staging);
                Ok(())
            }
            // No links at all: what a link would keep is copied while the store is held still.
            Err(_) => storage.remove_dir(&staging).during("remove", &staging),
        }
    }

    /// Makes it a store. Everything in it is durable.
    pub fn finish(self) -> Result<()> {
        self.drop_staging();
        become_store(&*self.storage, &self.path, &self.path.join(UNFINISHED))
    }

    /// Takes away what was made; what can't be removed is no store, and the next backup clears it.
    pub fn give_up(self) {
        self.drop_staging();
        let storage = &*self.storage;
        let lock = self.path.join(LOCK);
        if self.clear().is_ok() && storage.remove_file(&lock).is_ok() && self.made {
            let _ = storage.remove_dir(&self.path);
        }
    }

    fn drop_staging(&self) {
        if let Some(staging) = &self.staging {
            // The next opening of the store removes what is left.
            let _ = remove_folder(&*self.storage, staging);
        }
    }

    /// Removes what a backup writes, the name that tells of it last.
    fn clear(&self) -> Result<()> {
        let (storage, path) = (&*self.storage, &self.path);
        for entry in storage.read_dir(path).during("list", path)? {
            let at = path.join(&entry.name);
            if entry.is_dir && is_own(&entry) {
                remove_folder(storage, &at)?;
            } else if is_own(&entry) && entry.name != UNFINISHED {
                storage.remove_file(&at).during("remove", &at)?;
            }
        }
        storage.sync_dir(path).during("sync", path)?;
        let unfinished = path.join(UNFINISHED);
        match storage.remove_file(&unfinished) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other.during("remove", &unfinished),
        }
    }
}

/// Whether a link can't be had, for a reason that a copy does not have.
pub(super) fn is_refused(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::CrossesDevices
            | ErrorKind::Unsupported
            | ErrorKind::PermissionDenied
            | ErrorKind::TooManyLinks
    )
}

/// What a backup writes into its folder.
fn is_own(entry: &DirEntry) -> bool {
    let name = entry.name.as_str();
    match entry.is_dir {
        true => {
            name == TOPICS
                || name == journal::FOLDER
                || file_name::parse_partition_folder(name).is_some()
        }
        false => {
            let files = [
                UNFINISHED,
                PROBE,
                checkpoint::FILE_NAME,
                checkpoint::NEW_FILE,
                catalog::NEW_FILE,
            ];
            files.contains(&name)
        }
    }
}

/// Whether a backup was cut short there; an error if it is not empty otherwise.
fn check_vacant(storage: &dyn Storage, path: &Path) -> Result<bool> {
    let entries = storage.read_dir(path).during("list", path)?;
    let has = |name: &str| entries.iter().any(|entry| entry.name == name);
    if has(META) {
        return Err(refused(
            path,
            "holds a store; choose a new folder, or empty it",
        ));
    }
    let unfinished = has(UNFINISHED);
    let foreign = entries.iter().find(|entry| {
        let own = unfinished && is_own(entry);
        !own && ![LOCK, "lost+found"].contains(&entry.name.as_str())
    });
    match foreign {
        None => Ok(unfinished),
        Some(entry) => Err(refused(
            path,
            &format!(
                "holds {:?}; a backup is made in an empty folder only",
                entry.name
            ),
        )),
    }
}

fn check_outside(storage: &dyn Storage, engine: &Engine, folder: &Path) -> Result<()> {
    let mut above = folder;
    while !above.as_os_str().is_empty() {
        if storage.exists(above).during("look for", above)? {
            let real = storage.canonicalize(above).during("resolve", above)?;
            if real.starts_with(&engine.path) {
                return Err(refused(
                    folder,
                    "lies in the folder of the store itself; choose one outside of it",
                ));
            }
            return Ok(());
        }
        match above.parent() {
            Some(parent) => above = parent,
            None => break,
        }
    }
    Ok(())
}

fn refused(path: &Path, reason: &str) -> Error {
    Error::InvalidArgument {
        argument: "folder",
        reason: format!("{} {reason}", path.display()),
    }
}
