//! Bringing partitions up after the journal was read: checkpoint and journal taken together tell where each one ends,
//! and whether it ends exactly there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidelog_format::checkpoint::{Checkpoint, PartitionMark};
use tidelog_format::file_name;
use tidelog_format::journal::PartitionId;
use tidelog_format::published::Published;
use tidelog_io::{OpenMode, Storage};

use crate::catalog::{Catalog, StoredTopic};
use crate::config::{Durability, OpenOptions};
use crate::context::Context;
use crate::coordinator::offsets::ClampedOffset;
use crate::error::{Error, IoContext, Result};
use crate::journal::{self, Known};
use crate::knock_out::{self, Rule};
use crate::partition::{Left, Log, Marks, SyncPoint};
use crate::published;
use crate::sync::{RwLock, read};

/// What opening a store found and did.
#[derive(Debug, Clone, Default)]
pub struct RecoveryReport {
    /// Whether the store had been closed in order, so that nothing needed checking. A read-only opening tells what its
    /// checkpoint says: not while a writer has it open.
    pub clean: bool,
    /// Bytes read and checked.
    pub bytes_checked: u64,
    /// Bytes cut off torn tails.
    pub bytes_cut: u64,
    /// Where cut bytes were kept.
    pub torn_files: Vec<PathBuf>,
    /// Partitions that are damaged below their durable end, with what is wrong. They are read-only.
    pub damaged: Vec<Error>,
    /// Committed offsets that pointed behind the end of their log, and were taken back there.
    pub clamped_offsets: Vec<ClampedOffset>,
    /// What a log holds beyond the place where an orderly close has left it.
    pub(crate) beyond_mark: Option<Error>,
    /// How long it took.
    pub duration: Duration,
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

/// Readers in other processes are told of an end when it is durable. What they were told that checkpoint and journal
/// do not know of was lost from these.
pub(crate) fn told_beyond(
    storage: &dyn Storage,
    partitions: &HashMap<PartitionId, Known>,
    last: &Checkpoint,
) -> Result<Option<Error>> {
    for known in partitions.values().filter(|known| known.journaled) {
        // One of an earlier life may be of a time when the partition went round the journal.
        let told = published::load(storage, &known.folder)?
            .filter(|told| told.incarnation == last.incarnation)
            .filter(|told| told.high_watermark > known.end.offset);
        if let Some(told) = told {
            return Ok(Some(Error::CorruptFile {
                file: journal::folder(catalog_root(&known.folder)),
                reason: format!(
                    "it ends before offset {} of {}, up to which records were durable, at offset {}",
                    told.high_watermark,
                    known.folder.display(),
                    known.end.offset
                ),
            }));
        }
    }
    Ok(None)
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
/// is read from the disk. Gives how much that is.
pub(super) fn drop_caches<'a>(
    storage: &dyn Storage,
    partitions: impl Iterator<Item = &'a Known>,
) -> Result<u64> {
    let mut bytes = 0;
    if knock_out::is_out(Rule::DropCaches) {
        return Ok(bytes);
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
            let beyond = entry.len.saturating_sub(from);
            bytes += beyond;
            file.drop_cache(from, beyond)
                .during("drop the cache of", &path)?;
        }
    }
    Ok(bytes)
}

pub(super) struct LoadTopics<'a> {
    pub context: &'a Arc<Context>,
    pub catalog: &'a Catalog,
    pub options: &'a OpenOptions,
    pub last: &'a Checkpoint,
    /// Brought up to the last frame of the journal.
    pub partitions: &'a HashMap<PartitionId, Known>,
    pub left: Left,
    /// About how many bytes there are to be checked.
    pub to_check: u64,
}

impl LoadTopics<'_> {
    pub fn run(
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
        let before = report.bytes_checked;
        let progress = |checked: u64| match &self.options.on_recovery {
            Some(progress) if self.left != Left::Clean => {
                progress.tell(before + checked, self.to_check)
            }
            _ => Ok(()),
        };
        progress(0)?;
        let (log, loaded) = Log::load(
            Arc::clone(context),
            Arc::clone(meta),
            partition,
            folder,
            marks,
            self.left,
            &progress,
        )?;
        report.bytes_checked += loaded.checked;
        report.bytes_cut += loaded.cut;
        report.torn_files.extend(loaded.torn);
        report.damaged.extend(log.damage().cloned());
        report.beyond_mark = report.beyond_mark.take().or(loaded.beyond);
        Ok(Arc::new(log))
    }
}

fn catalog_root(folder: &Path) -> &Path {
    folder.parent().unwrap_or(folder)
}

/// A crash may have taken back what readers in other processes were told.
pub(super) fn announce_if_stale(context: &Context, log: &Log) -> Result<()> {
    let told = published::load(&*context.storage, log.folder())?;
    let ends = Published {
        log_start: log.log_start(),
        high_watermark: log.high_watermark(),
        incarnation: context.incarnation as u32,
    };
    let same = told
        .is_some_and(|t| (t.log_start, t.high_watermark) == (ends.log_start, ends.high_watermark));
    if same {
        return Ok(());
    }
    let path = log.folder().join(published::FILE_NAME);
    // What a loss of power left of the file is written anew, also where there is nothing to tell.
    if ends.high_watermark == 0 && !context.storage.exists(&path).during("look for", &path)? {
        return Ok(());
    }
    published::store(&*context.storage, log.folder(), &ends)
}

/// The checkpoint that begins a life, and names its first frame.
pub(super) fn first_checkpoint(
    context: &Context,
    options: &OpenOptions,
    topics: &[Arc<super::TopicState>],
) -> Result<Checkpoint> {
    let journal_files = context.journal.sync_files(context)?;
    let synced = context.journal.as_of(|synced| synced);
    let logs: Vec<Arc<Log>> = topics
        .iter()
        .flat_map(|state| read(&state.logs).clone())
        .collect();
    Ok(Checkpoint {
        generation: 0,
        incarnation: context.incarnation as u32,
        clean: false,
        journaled: options.durability == Durability::Fsync,
        frame: synced.frame,
        journal_file: synced.file,
        journal_position: synced.position,
        journal_files,
        partitions: super::checkpoint::marks(&logs),
    })
}
