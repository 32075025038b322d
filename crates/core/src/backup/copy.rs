//! Writing a copy out of what is kept for it: bytes first, then what tells of them, each durable before the next.

use std::path::PathBuf;
use std::sync::Arc;

use tidelog_format::checkpoint::Checkpoint;
use tidelog_format::file_name;
use tidelog_format::published::Published;
use tidelog_io::{OpenMode, Storage};

use super::BackupReport;
use super::pin::{Pins, copy_file};
use super::target::Target;
use crate::catalog::{Catalog, StoredTopic, TOPICS, mark_folder};
use crate::engine::{Engine, Moment};
use crate::error::{IoContext, Result};
use crate::partition::{TopicMeta, is_internal};
use crate::segment::Segment;
use crate::{checkpoint, fan_out, journal, published};

/// What a copy says of the store, as of its moment.
pub(super) struct Copy {
    checkpoint: Checkpoint,
    topics: Vec<StoredTopic>,
    partitions: Vec<Part>,
    time_ms: i64,
}

/// A partition of the copy.
struct Part {
    name: String,
    topic: Arc<TopicMeta>,
    ends: Published,
    /// The end of its log, whose indexes are made: base offset and size of the segment.
    active: Option<(u64, u64)>,
}

impl Copy {
    pub fn of(moment: &Moment) -> Copy {
        let partitions = moment.partitions.iter().map(|(log, mark)| Part {
            name: file_name::partition_folder(&log.topic().name, log.number()),
            topic: Arc::clone(log.topic()),
            ends: Published {
                log_start: mark.log_start,
                high_watermark: match mark.damaged {
                    // Behind the damage nothing can be read.
                    true => log.high_watermark(),
                    false => mark.recovery_point,
                },
                incarnation: moment.checkpoint.incarnation,
            },
            active: (!mark.damaged && mark.recovery_position > 0)
                .then_some((mark.recovery_segment, mark.recovery_position)),
        });
        Copy {
            partitions: partitions.collect(),
            checkpoint: moment.checkpoint.clone(),
            topics: moment.topics.clone(),
            time_ms: moment.time_ms,
        }
    }

    pub fn write(
        self,
        engine: &Engine,
        target: &Target,
        pins: &Pins,
        go_on: &mut dyn FnMut(u64, u64) -> Result<()>,
    ) -> Result<BackupReport> {
        let storage = &*target.storage;
        let mut report = BackupReport {
            folder: target.path.clone(),
            time_ms: self.time_ms,
            ..BackupReport::default()
        };
        let total = pins.files.iter().map(|pin| pin.len).sum();
        let mut done = 0;
        for pin in &pins.files {
            let mut step = |bytes: u64| {
                done += bytes;
                go_on(done, total)
            };
            let linked = !pin.active && target.staging.is_none();
            if pin.copied || linked {
                step(pin.len)?;
            } else {
                copy_file(storage, &pin.at, &pin.to, pin.len, &mut step)?;
                storage.remove_file(&pin.at).during("remove", &pin.at)?;
            }
            match linked && !pin.copied {
                true => report.bytes_linked += pin.len,
                false => report.bytes_copied += pin.len,
            }
        }
        fan_out::for_each(&self.partitions, |part| finish(engine, target, part))?;
        self.write_catalog(target)?;
        let users = self.topics.iter().filter(|topic| !is_internal(&topic.name));
        report.topics = users.clone().count() as u64;
        report.partitions = users.map(|topic| u64::from(topic.config.partitions)).sum();
        Ok(report)
    }

    fn write_catalog(&self, target: &Target) -> Result<()> {
        let (storage, path) = (&target.storage, &target.path);
        for name in [TOPICS, journal::FOLDER] {
            let folder = path.join(name);
            storage.create_dir(&folder).during("create", &folder)?;
        }
        let catalog = Catalog::new(Arc::clone(storage), path.clone());
        for topic in &self.topics {
            catalog.save(topic)?;
        }
        // As an orderly close leaves it. There is no journal, so that no frame counts.
        let closed = Checkpoint {
            clean: true,
            journal_file: 0,
            journal_position: 0,
            journal_files: Vec::new(),
            ..self.checkpoint.clone()
        };
        checkpoint::replace_file(&**storage, path, &closed)
    }
}

/// What a partition's folder holds besides records.
fn finish(engine: &Engine, target: &Target, part: &Part) -> Result<()> {
    let storage = &*target.storage;
    let folder = target.path.join(&part.name);
    if let Some((base, size)) = part.active {
        let config = part.topic.config();
        let capacity = Segment::capacity_for(config.segment_bytes);
        let segment = Arc::new(Segment::new(&folder, base, size, capacity));
        let sealed = segment.seal(&engine.context, config.index_interval_bytes);
        segment.abandon();
        sealed?;
        for extension in ["index", "timeindex"] {
            let path = segment.path().with_extension(extension);
            if storage.exists(&path).during("look for", &path)? {
                sync(storage, path)?;
            }
        }
    }
    mark_folder(storage, &folder, &part.topic.id)?;
    published::store(storage, &folder, &part.ends)?;
    sync(storage, folder.join(published::FILE_NAME))?;
    storage.sync_dir(&folder).during("sync", &folder)
}

fn sync(storage: &dyn Storage, path: PathBuf) -> Result<()> {
    let file = storage.open(&path, OpenMode::Write).during("open", &path)?;
    file.sync_all().during("sync", &path)
}
