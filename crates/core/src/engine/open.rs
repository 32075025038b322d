//! Opening a store: its lock, its version, its checkpoint, its journal, then topic by topic; what an unclean end left
//! behind is settled before the first write is accepted. All of it may crash anywhere and be run again.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use tidelog_format::checkpoint::{Checkpoint, PartitionMark};
use tidelog_format::file_name;
use tidelog_format::journal::PartitionId;
use tidelog_format::properties::Properties;
use tidelog_format::published::Published;
use tidelog_io::{FileSystemKind, LockAttempt, OpenMode, Storage, WriterLock};

use super::Engine;
use super::maintenance::{self, Intervals};
use crate::catalog::{Catalog, StoredTopic, TOPICS};
use crate::checkpoint::{self, CheckpointFile};
use crate::config::{Durability, OpenOptions};
use crate::context::Context;
use crate::error::{Error, IoContext, Result};
use crate::journal::{self, Files, Journal, Known, Replay, Replayed};
use crate::knock_out::{self, Rule};
use crate::partition::{Left, Log, Marks, SyncPoint};
use crate::published;
use crate::sync::{lock, read};

const META: &str = "meta.properties";
const LOCK: &str = ".lock";
/// Raised when an older Tidelog could no longer read what this one writes.
const FORMAT_VERSION: u32 = 1;

/// What opening a store found and did.
#[derive(Debug, Clone, Default)]
pub struct RecoveryReport {
    /// Whether the store had been closed in order, so that nothing needed checking.
    pub clean: bool,
    /// Bytes read and checked.
    pub bytes_checked: u64,
    /// Bytes cut off torn tails.
    pub bytes_cut: u64,
    /// Where cut bytes were kept.
    pub torn_files: Vec<PathBuf>,
    /// Partitions that are damaged below their durable end, with what is wrong. They are read-only.
    pub damaged: Vec<Error>,
    /// How long it took.
    pub duration: Duration,
}

impl Engine {
    pub fn open(path: PathBuf, options: OpenOptions) -> Result<Engine> {
        let began = Instant::now();
        let storage = &options.storage;
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
            let id = store_id(&**storage, &path)?.ok_or_else(|| no_store(&path))?;
            let files = Files::new(storage, journal::folder(&path), options.journal);
            let context = context(&options, files, &Checkpoint::default());
            return Engine::start(
                path,
                id,
                context,
                options,
                None,
                None,
                RecoveryReport::default(),
            );
        }
        let known = store_id(&**storage, &path)?;
        if known.is_none() {
            check_vacant(&options, &path)?;
        }
        let writer_lock = take_lock(&**storage, &path)?;
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
        let replayed = match last.clean {
            true => Replayed {
                frame: last.frame,
                ..Replayed::default()
            },
            false => {
                drop_caches(&**storage, partitions.values())?;
                Replay::new(&**storage, files.all(), &mut partitions, &last).run(&last)?
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
        let context = context(&options, files, &now);
        let load = LoadTopics {
            context: &context,
            catalog: &catalog,
            options: &options,
            last: &last,
            partitions: &partitions,
            left,
        };
        let topics = load.run(&stored, &mut report)?;
        if let Some(damage) = replayed.damage {
            report.damaged.push(damage.clone());
            context.health.set_damage(damage);
        } else {
            // From here on the store counts as not closed, and batches carry the new incarnation.
            file.write(
                &context,
                &path,
                first_checkpoint(&context, &options, &topics),
            )?;
        }
        report.duration = began.elapsed();
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
            durability: options.durability,
            topics: RwLock::default(),
            logs: RwLock::default(),
            catalog: Mutex::new(catalog),
            checkpoint: Mutex::new(checkpoint),
            writer_lock: Mutex::new(writer_lock),
            threads: Mutex::default(),
            intervals: Intervals {
                maintenance: options.maintenance_interval,
                checkpoint: options.checkpoint_interval,
            },
        })
    }

    fn enter(&mut self, topics: Vec<Arc<super::TopicState>>) {
        let mut logs = HashMap::new();
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
        self.context
            .workers
            .start(threads)
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
                Box::new(move || maintenance::follow(&weak, &context)),
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
        let context = Arc::clone(&self.context);
        spawn(
            "tidelog-journal",
            Box::new(move || context.journal.run(&context)),
        )
    }
}

/// `last` is the checkpoint, brought up to the last frame of the journal.
fn context(options: &OpenOptions, files: Files, last: &Checkpoint) -> Arc<Context> {
    let incarnation = i32::try_from(last.incarnation.saturating_add(1)).unwrap_or(i32::MAX);
    let journal = Journal::new(files, options.journal, last.frame);
    let storage = Arc::clone(&options.storage);
    Arc::new(Context::new(
        storage,
        options.read_only,
        incarnation,
        options.open_segments,
        journal,
    ))
}

pub(crate) fn no_store(path: &Path) -> Error {
    Error::NotAStore {
        path: path.to_owned(),
        reason: format!("it has no {META}"),
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
fn check_vacant(options: &OpenOptions, path: &Path) -> Result<()> {
    if !options.create {
        return Err(no_store(path));
    }
    const OWN: [&str; 6] = [
        LOCK,
        TOPICS,
        journal::FOLDER,
        checkpoint::FILE_NAME,
        "meta.tmp",
        "lost+found",
    ];
    let entries = options.storage.read_dir(path).during("list", path)?;
    match entries
        .iter()
        .find(|entry| !OWN.contains(&entry.name.as_str()))
    {
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

/// Makes an empty store; `meta.properties` comes last and makes it one.
fn create_store(storage: &dyn Storage, path: &Path) -> Result<String> {
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
    let mut properties = Properties::default();
    properties.set("version", "1".to_owned());
    properties.set("cluster.id", id.clone());
    properties.set("tidelog.format.version", FORMAT_VERSION.to_string());
    let (new, meta) = (path.join("meta.tmp"), path.join(META));
    let file = storage
        .open(&new, OpenMode::Create)
        .during("create", &new)?;
    file.set_len(0).during("shorten", &new)?;
    file.write_all_at(0, properties.to_text().as_bytes())
        .during("write", &new)?;
    file.sync_all().during("sync", &new)?;
    storage.rename(&new, &meta).during("rename", &new)?;
    storage.sync_dir(path).during("sync", path)?;
    Ok(id)
}

/// What the checkpoint knows of every partition.
pub(crate) fn known_partitions(
    catalog: &Catalog,
    stored: &[StoredTopic],
    last: &Checkpoint,
) -> HashMap<PartitionId, Known> {
    let marks = by_partition(last);
    let mut known = HashMap::new();
    for topic in stored {
        // Without a mark it was made after the checkpoint, and its topic's durability has not changed since.
        let default = match topic.config.durability {
            Some(durability) => durability == Durability::Fsync,
            None => last.journaled,
        };
        for partition in 0..topic.config.partitions {
            let id = PartitionId {
                topic_id: topic.id,
                partition,
            };
            let mark = marks.get(&id);
            known.insert(
                id,
                Known {
                    folder: catalog.partition_folder(&topic.name, partition),
                    end: mark.map_or(SyncPoint::default(), |mark| recovery_point(mark)),
                    journaled: mark.map_or(default, |mark| mark.journaled),
                },
            );
        }
    }
    known
}

pub(crate) fn by_partition(last: &Checkpoint) -> HashMap<PartitionId, &PartitionMark> {
    let id = |mark: &PartitionMark| PartitionId {
        topic_id: mark.topic_id,
        partition: mark.partition,
    };
    last.partitions
        .iter()
        .map(|mark| (id(mark), mark))
        .collect()
}

fn recovery_point(mark: &PartitionMark) -> SyncPoint {
    SyncPoint {
        offset: mark.recovery_point,
        segment: mark.recovery_segment,
        position: mark.recovery_position,
    }
}

/// After a failed sync the page cache may show bytes that the disk does not have: what the checkpoint does not cover
/// is read from the disk.
fn drop_caches<'a>(
    storage: &dyn Storage,
    partitions: impl Iterator<Item = &'a Known>,
) -> Result<()> {
    if knock_out::is_out(Rule::DropCaches) {
        return Ok(());
    }
    for known in partitions {
        let folder = &known.folder;
        if !storage.exists(folder).during("look for", folder)? {
            continue;
        }
        for entry in storage.read_dir(folder).during("list", folder)? {
            let from = match file_name::parse_log(&entry.name) {
                Some(base) if base == known.end.segment => known.end.position,
                Some(base) if base > known.end.segment => 0,
                _ => continue,
            };
            let path = folder.join(&entry.name);
            let file = storage.open(&path, OpenMode::Read).during("open", &path)?;
            file.drop_cache(from, entry.len.saturating_sub(from))
                .during("drop the cache of", &path)?;
        }
    }
    Ok(())
}

struct LoadTopics<'a> {
    context: &'a Arc<Context>,
    catalog: &'a Catalog,
    options: &'a OpenOptions,
    last: &'a Checkpoint,
    /// Brought up to the last frame of the journal.
    partitions: &'a HashMap<PartitionId, Known>,
    left: Left,
}

impl LoadTopics<'_> {
    fn run(
        &self,
        stored: &[StoredTopic],
        report: &mut RecoveryReport,
    ) -> Result<Vec<Arc<super::TopicState>>> {
        let marks = by_partition(self.last);
        let mut topics = Vec::with_capacity(stored.len());
        for stored in stored {
            let meta = Arc::new(crate::partition::TopicMeta {
                name: stored.name.clone(),
                id: stored.id,
                config: RwLock::new(Arc::new(stored.config.clone())),
                store_durability: self.options.durability,
            });
            let logs = (0..stored.config.partitions)
                .map(|partition| {
                    let id = PartitionId {
                        topic_id: stored.id,
                        partition,
                    };
                    let marks = self.marks(&id, marks.get(&id).copied());
                    self.load_log(&meta, partition, marks, report)
                })
                .collect::<Result<_>>()?;
            topics.push(Arc::new(super::TopicState {
                meta,
                logs: RwLock::new(logs),
            }));
        }
        Ok(topics)
    }

    /// Checkpoint and journal taken together.
    fn marks(&self, id: &PartitionId, mark: Option<&PartitionMark>) -> Marks {
        let recovery = mark.map_or(SyncPoint::default(), recovery_point);
        let known = self.partitions.get(id);
        Marks {
            // A partition that no checkpoint knows has never had a record deleted.
            log_start: mark.map_or(0, |mark| mark.log_start),
            recovery,
            durable: known.map_or(recovery, |known| known.end),
            exact: known.is_some_and(|known| known.journaled),
            damaged: mark.is_some_and(|mark| mark.damaged),
        }
    }

    fn load_log(
        &self,
        meta: &Arc<crate::partition::TopicMeta>,
        partition: u32,
        marks: Marks,
        report: &mut RecoveryReport,
    ) -> Result<Arc<Log>> {
        let context = self.context;
        let folder = self.catalog.partition_folder(&meta.name, partition);
        if !context
            .storage
            .exists(&folder)
            .during("look for", &folder)?
        {
            // Folders are durable before their topic is: this one was taken away.
            context
                .storage
                .create_dir(&folder)
                .during("create", &folder)?;
            context.sync_dir(catalog_root(&folder))?;
        }
        let (log, loaded) = Log::load(
            Arc::clone(context),
            Arc::clone(meta),
            partition,
            folder,
            marks,
            self.left,
        )?;
        report.bytes_checked += loaded.checked;
        report.bytes_cut += loaded.cut;
        report.torn_files.extend(loaded.torn);
        report.damaged.extend(log.damage().cloned());
        announce_if_stale(context, &log)?;
        Ok(Arc::new(log))
    }
}

fn catalog_root(folder: &Path) -> &Path {
    folder.parent().unwrap_or(folder)
}

/// A crash may have taken back what readers in other processes were told.
fn announce_if_stale(context: &Context, log: &Log) -> Result<()> {
    let told = published::load(&*context.storage, log.folder())?;
    let ends = Published {
        log_start: log.log_start(),
        high_watermark: log.high_watermark(),
        incarnation: context.incarnation as u32,
    };
    let same = told
        .is_some_and(|t| (t.log_start, t.high_watermark) == (ends.log_start, ends.high_watermark));
    let nothing_to_tell = told.is_none() && ends.high_watermark == 0;
    if same || nothing_to_tell {
        return Ok(());
    }
    published::store(&*context.storage, log.folder(), &ends)
}

fn first_checkpoint(
    context: &Context,
    options: &OpenOptions,
    topics: &[Arc<super::TopicState>],
) -> Checkpoint {
    let logs: Vec<Arc<Log>> = topics
        .iter()
        .flat_map(|state| read(&state.logs).clone())
        .collect();
    Checkpoint {
        generation: 0,
        incarnation: context.incarnation as u32,
        clean: false,
        journaled: options.durability == Durability::Fsync,
        frame: context.journal.as_of(|synced| synced.frame),
        // The first frame of this life begins a file.
        journal_file: 0,
        journal_position: 0,
        partitions: super::checkpoint::marks(&logs),
    }
}
