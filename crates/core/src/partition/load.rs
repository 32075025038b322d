//! Opening a partition: its files are listed and, unless the store was closed cleanly, everything beyond the
//! recovery point is checked. A tail that a crash tore, or that was never durable, is cut and kept aside; damage
//! below what was durable is reported, and what lies before it stays readable.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidelog_format::file_name;
use tidelog_format::published::Published;
use tidelog_io::DirEntry;

use super::follow::is_current;
use super::placement::Writer;
use super::recover::Recovery;
use super::replace::Compaction;
use super::waiters::Waiters;
use super::{Committed, Log, SyncPoint, TopicMeta, Unsynced};
use crate::config::Durability;
use crate::context::Context;
use crate::error::{Error, IoContext, Result};
use crate::segment::{Segment, finish_swaps, listed};
use crate::sync::atomic::{AtomicBool, AtomicU64};
use crate::sync::{Mutex, RwLock, lock, write};

/// What the checkpoint and the journal tell of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    pub log_start: u64,
    /// Everything before it is in the segments for good. Checking begins here.
    pub recovery: SyncPoint,
    /// Everything before it was durable.
    pub durable: SyncPoint,
    /// Whether the log ends exactly at `durable`, whatever else stands behind it.
    pub exact: bool,
    /// Whether it was damaged when it was last open: all of it is checked.
    pub damaged: bool,
}

/// How the store was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Closed in order.
    Clean,
    Unclean,
    /// Not closed in order, and the journal is damaged: nothing is cut.
    Damaged,
}

/// What opening found out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Loaded {
    /// Bytes read and checked.
    pub checked: u64,
    /// Bytes cut off the tail.
    pub cut: u64,
    /// Where the cut bytes were kept, when they were worth it.
    pub torn: Option<PathBuf>,
    /// What an orderly close does not know of: its mark is not the newest one.
    pub beyond: Option<Error>,
}

pub(super) struct Tail {
    pub end: u64,
    pub damage: Option<Error>,
}

impl Log {
    /// A partition that was made just now and is empty.
    pub fn create(
        context: Arc<Context>,
        topic: Arc<TopicMeta>,
        number: u32,
        folder: PathBuf,
    ) -> Log {
        Log::assemble(
            context,
            topic,
            number,
            folder,
            Vec::new(),
            None,
            0,
            Tail {
                end: 0,
                damage: None,
            },
        )
    }

    /// Opens a partition for writing. `progress` is told the bytes that were checked, and may stop it.
    pub fn load(
        context: Arc<Context>,
        topic: Arc<TopicMeta>,
        number: u32,
        folder: PathBuf,
        marks: Marks,
        left: Left,
        progress: &dyn Fn(u64) -> Result<()>,
    ) -> Result<(Log, Loaded)> {
        let mut loaded = Loaded::default();
        let capacity = Segment::capacity_for(topic.config().segment_bytes);
        let (mut segments, compacted) = list(&context, &folder, capacity)?;
        let Marks {
            log_start, durable, ..
        } = marks;
        let below = take_below(&mut segments, log_start, durable.segment);

        let missing = |what: String| {
            Some(Error::Corruption {
                topic: topic.name.clone(),
                partition: number,
                file: folder.join(file_name::log(log_start)),
                position: 0,
                offset: log_start,
                reason: format!("{what} missing"),
            })
        };
        let lost = durable.offset > log_start;
        if left == Left::Clean && !marks.damaged {
            let sizes = segments.iter().map(|one| (one.base(), one.size()));
            loaded.beyond = goes_beyond(sizes, &durable).then(|| Error::CorruptFile {
                file: folder.clone(),
                reason: format!(
                    "its log goes on behind offset {}, where the checkpoint says that it was closed: the checkpoint is an older one",
                    durable.offset
                ),
            });
        }
        let mut tail = match segments.first() {
            _ if loaded.beyond.is_some() => {
                segments.retain(|segment| segment.base() <= durable.segment);
                if let Some(last) = segments
                    .last()
                    .filter(|last| last.base() == durable.segment)
                {
                    last.cap(durable.position);
                }
                Tail {
                    end: durable.offset,
                    damage: None,
                }
            }
            None if lost => Tail {
                end: log_start,
                damage: missing(format!("all segments up to offset {} are", durable.offset)),
            },
            None => Tail {
                end: log_start,
                damage: None,
            },
            Some(first) if first.base() > log_start && lost => Tail {
                end: log_start,
                damage: missing(format!("the segment at the log start {log_start} is")),
            },
            // Nothing was durable, and the first segment's name is lost: what comes after it is no prefix.
            Some(first) if first.base() > log_start => {
                loaded.cut += segments.iter().map(|segment| segment.size()).sum::<u64>();
                if left != Left::Damaged {
                    drop_all(&context, &folder, &mut segments)?;
                }
                segments.clear();
                Tail {
                    end: log_start,
                    damage: None,
                }
            }
            Some(_) if left == Left::Clean && !marks.damaged && ends_at(&segments, &durable) => {
                Tail {
                    end: durable.offset,
                    damage: None,
                }
            }
            Some(_) => {
                let recovery = Recovery {
                    context: &context,
                    topic: &topic,
                    number,
                    marks: &marks,
                    keep_all: left == Left::Damaged,
                    loaded: &mut loaded,
                    progress,
                };
                recovery.run(&mut segments)?
            }
        };
        if tail.damage.is_none() && tail.end < log_start {
            // Records that were deleted are all that a power loss left: the log goes on in a new segment.
            if left != Left::Damaged {
                drop_all(&context, &folder, &mut segments)?;
            }
            segments.clear();
            tail.end = log_start;
        }
        if tail.damage.is_some() && tail.end == log_start {
            segments.retain(|segment| segment.base() <= log_start);
        }
        let active = segments.last().cloned();
        // They hold what is known of producers, which is written out before they are unlinked.
        segments.splice(0..0, below);
        let log = Log::assemble(
            context, topic, number, folder, segments, active, log_start, tail,
        );
        log.set_compacted(compacted);
        if log.damage().is_some() {
            // What was durable stays on record, so that the damage is found again at the next opening.
            lock(&log.committed).end = durable;
        }
        if left == Left::Unclean && log.damage().is_none() {
            log.drop_snapshots_ahead()?;
        }
        // Whoever opened it in order has read the point in a checkpoint that is durable; else one is written before
        // anything is unlinked.
        if left == Left::Clean {
            log.note_checkpoint(log_start, durable.offset);
        }
        Ok((log, loaded))
    }

    /// Opens a partition for reading beside its writer, from its log start to its end as the writer told it.
    pub fn load_read_only(
        context: Arc<Context>,
        topic: Arc<TopicMeta>,
        number: u32,
        folder: PathBuf,
        ends: Published,
    ) -> Result<Log> {
        let capacity = Segment::capacity_for(topic.config().segment_bytes);
        let (segments, _) = match list(&context, &folder, capacity) {
            Ok(listed) => listed,
            Err(error) => return Err(is_current(&context, &topic, &folder).err().unwrap_or(error)),
        };
        is_current(&context, &topic, &folder)?;
        let tail = Tail {
            end: ends.high_watermark,
            damage: None,
        };
        let start = ends.log_start;
        let log = Log::assemble(context, topic, number, folder, segments, None, start, tail);
        *lock(&log.following) = ends.incarnation;
        Ok(log)
    }

    /// `active`: the last segment, if the log goes on in it.
    #[allow(clippy::too_many_arguments, reason = "all that a log is made of")]
    fn assemble(
        context: Arc<Context>,
        topic: Arc<TopicMeta>,
        number: u32,
        folder: PathBuf,
        segments: Vec<Arc<Segment>>,
        active: Option<Arc<Segment>>,
        log_start: u64,
        tail: Tail,
    ) -> Log {
        let journaled = topic.durability() == Durability::Fsync && !context.read_only;
        let end = SyncPoint {
            offset: tail.end,
            segment: active.as_ref().map_or(tail.end, |segment| segment.base()),
            position: active.as_ref().map_or(0, |segment| segment.size()),
        };
        Log {
            uid: context.next_uid(),
            context,
            topic,
            number,
            folder,
            log_start: AtomicU64::new(log_start),
            high_watermark: AtomicU64::new(tail.end),
            log_end: AtomicU64::new(tail.end),
            committed: Mutex::new(Committed { end, journaled }),
            following: Mutex::new(0),
            recovery_point: AtomicU64::new(0),
            durable_start: AtomicU64::new(0),
            segments: RwLock::new(Arc::new(segments)),
            writer: Mutex::new(Writer::new(active, journaled)),
            unsynced: Mutex::new(Unsynced::default()),
            sync: Mutex::new(()),
            files: Mutex::new(()),
            compaction: Compaction::default(),
            waiters: Waiters::default(),
            announced: AtomicBool::new(false),
            deleted: AtomicBool::new(false),
            damage: tail.damage,
        }
    }

    /// Lists the segments anew, where another process writes; `stays` says whether one that was known is still the same as
    /// what was found under its name.
    pub(super) fn relist(&self, stays: impl Fn(&Segment, &Segment, bool) -> bool) -> Result<()> {
        let capacity = Segment::capacity_for(self.topic.config().segment_bytes);
        let listed = list(&self.context, &self.folder, capacity);
        self.check_current()?;
        let (found, _) = listed?;
        let known = self.segments();
        let last = found.last().map(|segment| segment.base());
        let merged = found
            .into_iter()
            .map(|segment| {
                let active = Some(segment.base()) == last;
                let old = known.iter().find(|old| old.path() == segment.path());
                old.filter(|old| stays(old, &segment, active))
                    .cloned()
                    .unwrap_or(segment)
            })
            .collect();
        *write(&self.segments) = Arc::new(merged);
        Ok(())
    }
}

/// The folder's segments in order, and up to where they are compacted; leftovers of what a crash cut short are removed, or
/// finished.
fn list(context: &Context, folder: &Path, capacity: u64) -> Result<(Vec<Arc<Segment>>, u64)> {
    let storage = &*context.storage;
    let mut entries = storage.read_dir(folder).during("list", folder)?;
    let half_done = |entry: &DirEntry| {
        entry.name.ends_with(file_name::CLEANED) || file_name::parse_swap(&entry.name).is_some()
    };
    if !context.read_only && entries.iter().any(half_done) {
        finish_swaps(storage, folder)?;
        entries = storage.read_dir(folder).during("list", folder)?;
    }
    for entry in &entries {
        if entry.name.ends_with(".tmp") && !context.read_only {
            let path = folder.join(&entry.name);
            storage.remove_file(&path).during("remove", &path)?;
        }
    }
    let segments: Vec<_> = listed(folder, &entries)
        .into_iter()
        .map(|found| Arc::new(Segment::at(found.path, found.base, found.len, capacity)))
        .collect();
    let compacted = entries
        .iter()
        .filter_map(|entry| file_name::parse_compacted(&entry.name))
        .min();
    // One whose making failed half-way: the log went on in the one before it.
    let last = segments.last().map(|segment| segment.base());
    let (kept, strays): (Vec<_>, Vec<_>) = segments
        .into_iter()
        .partition(|segment| segment.size() > 0 || Some(segment.base()) == last);
    for stray in strays.iter().filter(|_| !context.read_only) {
        unlink(context, stray)?;
    }
    Ok((kept, compacted.unwrap_or(0)))
}

/// Takes out what a crash kept from being unlinked: segments that lie wholly below the log start, of which some may be
/// gone. An empty one does not tell where the one before it ends: its making may have failed, and the log gone on in that;
/// but that the log had left one does, for another in which it was durable.
fn take_below(
    segments: &mut Vec<Arc<Segment>>,
    log_start: u64,
    durable_segment: u64,
) -> Vec<Arc<Segment>> {
    let left = match durable_segment <= log_start {
        true => segments.partition_point(|segment| segment.base() < durable_segment),
        false => 0,
    };
    let followed = segments
        .windows(2)
        .take_while(|pair| {
            let next = pair.get(1);
            next.is_some_and(|next| next.base() <= log_start && next.size() > 0)
        })
        .count();
    segments.drain(..left.max(followed)).collect()
}

/// Removes all segments, durably: none may come back beside a recovery point that lies behind it.
fn drop_all(context: &Context, folder: &Path, segments: &mut Vec<Arc<Segment>>) -> Result<()> {
    for segment in segments.drain(..) {
        unlink(context, &segment)?;
    }
    context.sync_dir(folder)
}

/// Removes a segment's files.
pub(super) fn unlink(context: &Context, segment: &Segment) -> Result<()> {
    for extension in ["log", "index", "timeindex", "torn"] {
        let path = segment.path().with_extension(extension);
        if context.storage.exists(&path).during("look for", &path)? {
            context.storage.remove_file(&path).during("remove", &path)?;
        }
    }
    Ok(())
}

/// Whether segments, given by base offset and size, hold bytes behind a place.
pub(crate) fn goes_beyond(
    mut segments: impl Iterator<Item = (u64, u64)>,
    point: &SyncPoint,
) -> bool {
    segments.any(|(base, size)| match base == point.segment {
        true => size > point.position,
        false => base > point.segment && size > 0,
    })
}

/// Whether the last file is what a clean close left.
fn ends_at(segments: &[Arc<Segment>], point: &SyncPoint) -> bool {
    segments
        .last()
        .is_some_and(|last| last.base() == point.segment && last.size() == point.position)
}
