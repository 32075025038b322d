//! Opening a store: its lock, its version, its checkpoint, its journal, then topic by topic; what an unclean end left
//! behind is settled before the first write is accepted. All of it may crash anywhere and be run again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tidelog_format::checkpoint::Checkpoint;
use tidelog_io::{FileSystemKind, Storage, WriterLock};

use super::folder::{check_vacant, create_store, lock_holds, no_store, store_id, take_lock, unfit};
use super::follow;
use super::maintenance::{self, Intervals};
use super::recovery::{
    LoadTopics, RecoveryReport, announce_if_stale, drop_caches, first_checkpoint, known_partitions,
    told_beyond,
};
use super::{Engine, Listeners};
use crate::catalog::Catalog;
use crate::checkpoint::CheckpointFile;
use crate::compaction;
use crate::config::OpenOptions;
use crate::context::Context;
use crate::coordinator::Coordinator;
use crate::disk::Disk;
use crate::error::{Error, IoContext, Result};
use crate::journal::{self, Files, Journal, Replay};
use crate::partition::Left;
use crate::sync::atomic::AtomicBool;
use crate::sync::{Mutex, RwLock, lock, read};

impl Engine {
    pub fn open(path: PathBuf, options: OpenOptions) -> Result<Engine> {
        let began = Instant::now();
        let disk = Disk::new(Arc::clone(&options.storage));
        let storage = &(Arc::clone(&disk) as Arc<dyn Storage>);
        if let FileSystemKind::Network(kind) =
            storage.file_system(&path).during("examine", &path)?
            && !options.allow_network_file_system
        {
            return Err(Error::UnsupportedFileSystem {
                path,
                kind: kind.to_string(),
            });
        }
        if options.read_only {
            let id = store_id(&**storage, &path)?.ok_or_else(|| no_store(&**storage, &path))?;
            let files = Files::new(storage, journal::folder(&path), options.journal);
            let context = context(&options, &disk, files, &Checkpoint::default());
            let mut report = RecoveryReport::default();
            match CheckpointFile::open(&**storage, &path, false) {
                Ok((_, last)) => report.clean = last.clean,
                Err(error @ Error::UnsupportedVersion { .. }) => return Err(error),
                // A reader can do without.
                Err(damage) => report.damaged.push(damage),
            }
            return Engine::start(path, id, context, options, None, None, report);
        }
        let known = store_id(&**storage, &path)?;
        if known.is_none() {
            check_vacant(&options, &path)?;
        }
        let writer_lock = take_lock(&**storage, &path)?;
        if !options.allow_network_file_system && !lock_holds(&**storage, &path)? {
            return Err(unfit(&path, "a file system whose locks keep nobody out"));
        }
        // Asked again under the lock: another process may just have made the store.
        let id = match store_id(&**storage, &path)? {
            Some(id) => id,
            None => create_store(&**storage, &path)?,
        };
        let (mut file, last) = CheckpointFile::open(&**storage, &path, true)?;
        let catalog = Catalog::new(Arc::clone(storage), path.clone());
        catalog.clean_up()?;
        let folder = journal::folder(&path);
        if !storage.exists(&folder).during("look for", &folder)? {
            storage.create_dir(&folder).during("create", &folder)?;
        }
        // Names that a crash left in the cache only must not go once something depends on them.
        storage.sync_dir(&path).during("sync", &path)?;
        storage.sync_dir(&folder).during("sync", &folder)?;
        let files = Files::open(storage, folder, options.journal)?;
        let stored = catalog.load()?;
        let mut partitions = known_partitions(&catalog, &stored, &last);
        let mut to_check = 0;
        let replay = |files, partitions| {
            Replay::new(&**storage, journal::folder(&path), files, partitions, &last)
        };
        let replayed = match last.clean {
            true => replay(files.all(), &mut partitions)
                .run_for_later_lives(&last, file.may_be_stale())?,
            false => {
                to_check = drop_caches(&**storage, partitions.values())?;
                let mut replayed = replay(files.all(), &mut partitions).run(&last)?;
                if replayed.damage.is_none() {
                    replayed.damage = told_beyond(&**storage, &partitions, &last)?;
                }
                replayed
            }
        };
        let mut report = RecoveryReport {
            clean: last.clean,
            bytes_checked: replayed.bytes,
            ..RecoveryReport::default()
        };
        let left = match &replayed.damage {
            Some(_) => Left::Damaged,
            None if last.clean => Left::Clean,
            None => Left::Unclean,
        };
        let now = Checkpoint {
            frame: replayed.frame,
            ..last.clone()
        };
        let context = context(&options, &disk, files, &now);
        let load = LoadTopics {
            context: &context,
            catalog: &catalog,
            options: &options,
            last: &last,
            partitions: &partitions,
            left,
            to_check: to_check + replayed.bytes,
        };
        let topics = load.run(&stored, &mut report)?;
        let behind = replayed.behind;
        if let Some(damage) = replayed.damage.or(report.beyond_mark.take()) {
            report.damaged.push(damage.clone());
            context.health.set_damage(damage);
        } else {
            for log in topics.iter().flat_map(|topic| read(&topic.logs).clone()) {
                announce_if_stale(&context, &log)?;
            }
            context.journal.begin(&context, behind)?;
            // From here on the store counts as not closed, and batches carry the new incarnation.
            let first = first_checkpoint(&context, &options, &topics)?;
            file.write(&context, &path, first)?;
        }
        let mut engine = Engine::start(
            path,
            id,
            context,
            options,
            Some(file),
            Some(writer_lock),
            report,
        )?;
        engine.enter(topics);
        if left == Left::Unclean {
            engine.recovery.clamped_offsets = engine.coordinator.clamp_offsets(&engine)?;
        }
        engine.recovery.duration = began.elapsed();
        Ok(engine)
    }

    fn start(
        path: PathBuf,
        id: String,
        context: Arc<Context>,
        options: OpenOptions,
        checkpoint: Option<CheckpointFile>,
        writer_lock: Option<Box<dyn WriterLock>>,
        recovery: RecoveryReport,
    ) -> Result<Engine> {
        let catalog = Catalog::new(Arc::clone(&context.storage), path.clone());
        Ok(Engine {
            path,
            id,
            context,
            recovery,
            coordinator: Coordinator::default(),
            durability: options.durability,
            topics: RwLock::default(),
            logs: RwLock::default(),
            catalog: Mutex::new(catalog),
            removals_left: AtomicBool::new(false),
            checkpoint: Mutex::new(checkpoint),
            writer_lock: Mutex::new(writer_lock),
            threads: Mutex::default(),
            listeners: Listeners::default(),
            intervals: Intervals {
                maintenance: options.maintenance_interval,
                checkpoint: options.checkpoint_interval,
            },
            compaction: options.compaction,
        })
    }

    fn enter(&mut self, topics: Vec<Arc<super::TopicState>>) {
        let mut logs = BTreeMap::new();
        let mut names = BTreeMap::new();
        for state in topics {
            logs.extend(
                read(&state.logs)
                    .iter()
                    .map(|log| (log.uid(), Arc::clone(log))),
            );
            names.insert(state.meta.name.clone(), state);
        }
        self.logs = RwLock::new(logs);
        self.topics = RwLock::new(names);
    }

    /// Starts the threads, which hold the engine only weakly: it ends when its handles do.
    pub fn run(self: &Arc<Self>) -> Result<()> {
        let threads = std::thread::available_parallelism()
            .map_or(2, |n| n.get())
            .clamp(2, 8);
        let weak = Arc::downgrade(&self.context);
        // Whoever has appended, and has nothing else to do, makes it durable: that spares waking another thread.
        let left = move || {
            if let Some(context) = weak.upgrade() {
                context.journal.run_next(&context);
            }
        };
        self.context
            .workers
            .start(threads, left)
            .during("start threads for", &self.path)?;
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(work)
                .during("start a thread for", &self.path)?;
            lock(&self.threads).push(thread);
            Ok(())
        };
        let (weak, context) = (Arc::downgrade(self), Arc::clone(&self.context));
        if self.context.read_only {
            return spawn(
                "tidelog-follow",
                Box::new(move || follow::follow(&weak, &context)),
            );
        }
        let intervals = self.intervals;
        spawn(
            "tidelog-upkeep",
            Box::new(move || maintenance::maintain(&weak, &context, intervals)),
        )?;
        let (weak, context) = (Arc::downgrade(self), Arc::clone(&self.context));
        spawn(
            "tidelog-checkpoint",
            Box::new(move || maintenance::checkpoint(&weak, &context, intervals)),
        )?;
        let (weak, context) = (Arc::downgrade(self), Arc::clone(&self.context));
        let options = self.compaction;
        spawn(
            "tidelog-compaction",
            Box::new(move || compaction::run(&weak, &context, options)),
        )?;
        let (weak, deadlines) = (
            Arc::downgrade(self),
            Arc::clone(&self.coordinator.groups.deadlines),
        );
        spawn(
            "tidelog-groups",
            Box::new(move || maintenance::watch_members(&weak, &deadlines)),
        )?;
        let context = Arc::clone(&self.context);
        spawn(
            "tidelog-journal",
            Box::new(move || context.journal.run(&context)),
        )
    }
}

/// `last` is the checkpoint, brought up to the last frame of the journal.
fn context(
    options: &OpenOptions,
    disk: &Arc<Disk>,
    files: Files,
    last: &Checkpoint,
) -> Arc<Context> {
    let incarnation = i32::try_from(last.incarnation.saturating_add(1)).unwrap_or(i32::MAX);
    let journal = Journal::new(files, options.journal, last.frame);
    let context = Arc::new(Context::new(
        Arc::clone(disk),
        options.read_only,
        incarnation,
        options.open_segments,
        journal,
    ));
    let weak = Arc::downgrade(&context);
    disk.let_go_by(move || {
        let context = weak.upgrade();
        context.is_some_and(|context| context.segments.let_go(&context))
    });
    context
}
