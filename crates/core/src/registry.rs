//! The engines of this process, by folder: all handles on one folder, in whatever thread, share one engine.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, PoisonError};

use crate::config::OpenOptions;
use crate::disk::Disk;
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::sync::{Condvar, Mutex, lock};
use tidelog_io::Storage;

/// Folder, whether read-only, and which disk: a simulated one may have a folder of the same name.
type Key = (PathBuf, bool, usize);

enum Slot {
    /// Being opened or closed by some thread; the others wait.
    Busy,
    Open {
        engine: Arc<Engine>,
        handles: usize,
    },
}

static ENGINES: LazyLock<Mutex<HashMap<Key, Slot>>> = LazyLock::new(Mutex::default);
static CHANGED: LazyLock<Condvar> = LazyLock::new(Condvar::default);

/// The engine of a folder, opened if no handle has it open.
pub(crate) fn acquire(path: &Path, options: OpenOptions) -> Result<Arc<Engine>> {
    let storage = Arc::clone(&options.storage);
    let create = options.create && !options.read_only;
    if create {
        create_folders(&options.storage, path)?;
    }
    if !storage.exists(path).during("look for", path)? {
        return Err(Error::NotAStore {
            path: path.to_owned(),
            reason: "there is no such folder".to_owned(),
        });
    }
    let path = storage.canonicalize(path).during("resolve", path)?;
    let key = key(path.clone(), options.read_only, &options.storage);
    {
        let mut guard = lock(&ENGINES);
        loop {
            let engines = &mut *guard;
            match engines.get_mut(&key) {
                None => {
                    engines.insert(key.clone(), Slot::Busy);
                    break;
                }
                Some(Slot::Open { engine, handles }) => {
                    engine.check_options(&options)?;
                    *handles += 1;
                    return Ok(Arc::clone(engine));
                }
                Some(Slot::Busy) => {
                    guard = CHANGED.wait(guard).unwrap_or_else(PoisonError::into_inner)
                }
            }
        }
    }
    let opened = Engine::open(path, options)
        .map(Arc::new)
        .and_then(|engine| match engine.run() {
            Ok(()) => Ok(engine),
            Err(error) => {
                // Those of its threads that did start would wait for good.
                let _ = engine.shut_down();
                Err(error)
            }
        });
    let mut guard = lock(&ENGINES);
    let engines = &mut *guard;
    match &opened {
        Ok(engine) => engines.insert(
            key,
            Slot::Open {
                engine: Arc::clone(engine),
                handles: 1,
            },
        ),
        Err(_) => engines.remove(&key),
    };
    CHANGED.notify_all();
    opened
}

/// Gives back one handle; the last one closes the engine.
pub(crate) fn release(engine: &Arc<Engine>) -> Result<()> {
    let key = key(
        engine.path.clone(),
        engine.context.read_only,
        engine.context.disk.inner(),
    );
    {
        let mut guard = lock(&ENGINES);
        if let Some(slot) = guard.get_mut(&key) {
            if let Slot::Open { handles, .. } = slot {
                *handles -= 1;
                if *handles > 0 {
                    return Ok(());
                }
            }
            *slot = Slot::Busy;
        }
    }
    let closed = engine.shut_down();
    lock(&ENGINES).remove(&key);
    CHANGED.notify_all();
    closed
}

fn key(path: PathBuf, read_only: bool, storage: &Arc<dyn Storage>) -> Key {
    (path, read_only, Arc::as_ptr(storage).cast::<()>() as usize)
}

/// Makes a folder and those above it that are missing, durably.
pub(crate) fn create_folders(storage: &Arc<dyn Storage>, path: &Path) -> Result<()> {
    let mut missing = Vec::new();
    let mut folder = path;
    while !folder.as_os_str().is_empty() && !storage.exists(folder).during("look for", folder)? {
        missing.push(folder);
        match folder.parent() {
            Some(parent) => folder = parent,
            None => break,
        }
    }
    // A folder of its own to begin with: no store of this process has to do with these.
    let disk = Disk::new(Arc::clone(storage));
    for folder in missing.into_iter().rev() {
        let parent = folder
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let names = disk.open_dir(parent).during("open", parent)?;
        match disk.create_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            other => other.during("create", folder)?,
        }
        names.sync().during("sync", parent).inspect_err(|_| {
            // Else the next opening would find it there, and not make it durable.
            let _ = disk.remove_dir(folder);
        })?;
    }
    Ok(())
}
