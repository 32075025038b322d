//! The topics of a store on disk: one small text file each under `topics/`, in Kafka's words, replaced whole
//! by rename; and the partitions' folders. A topic exists from the rename of its file on, when its folders
//! are already durable, and is gone from the rename that takes the file away.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidelog_format::batch::TimestampType;
use tidelog_format::crc::crc32c;
use tidelog_format::file_name;
use tidelog_format::properties::Properties;
use tidelog_format::topic_name;
use tidelog_io::{OpenMode, Storage};

use crate::checkpoint;
use crate::config::{CleanupPolicy, CompactionConfig, Durability, TopicConfig};
use crate::error::{Error, IoContext, Result};
use crate::fan_out;

pub(crate) const TOPICS: &str = "topics";
const VERSION: u32 = 1;
/// In the root and not under `topics/`, where any name may be a topic's.
pub(crate) const NEW_FILE: &str = "topic.tmp";
const PARTITION_METADATA: &str = "partition.metadata";
const GONE: &str = ".deleted";
const STAGING: &str = ".backup";

/// A topic as its file describes it.
#[derive(Debug, Clone)]
pub(crate) struct StoredTopic {
    pub name: String,
    pub id: [u8; 16],
    pub config: TopicConfig,
}

/// The catalog of a store's folder.
pub(crate) struct Catalog {
    storage: Arc<dyn Storage>,
    root: PathBuf,
}

impl Catalog {
    pub fn new(storage: Arc<dyn Storage>, root: PathBuf) -> Catalog {
        Catalog { storage, root }
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All topics.
    pub fn load(&self) -> Result<Vec<StoredTopic>> {
        let folder = self.root.join(TOPICS);
        let mut topics = Vec::new();
        for entry in self.storage.read_dir(&folder).during("list", &folder)? {
            if entry.is_dir {
                continue;
            }
            match self.load_named(&entry.name) {
                Ok(topic) => topics.extend(topic),
                Err(Error::CorruptFile { .. }) if self.is_no_topics(&entry.name)? => {}
                Err(error) => return Err(error),
            }
        }
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// Whether a file that holds no topic is not one's: what desktops, editors and file systems leave (`.DS_Store`,
    /// `Thumbs.db`, `orders~`, `.orders.swp`), under a name for which there are no records.
    pub fn is_no_topics(&self, name: &str) -> Result<bool> {
        const LEFT: [&str; 2] = ["Thumbs.db", "desktop.ini"];
        let foreign =
            topic_name::validate(name).is_err() || name.starts_with('.') || LEFT.contains(&name);
        let folder = self.partition_folder(name, 0);
        Ok(foreign && !self.storage.exists(&folder).during("look for", &folder)?)
    }

    /// One topic; `None` when there is none of this name.
    pub fn load_one(&self, name: &str) -> Result<Option<StoredTopic>> {
        let path = self.root.join(TOPICS).join(name);
        if !self.storage.exists(&path).during("look for", &path)? {
            return Ok(None);
        }
        self.load_named(name)
    }

    /// A topic's file is named as the topic: no two of them can have one name, nor one folder.
    fn load_named(&self, name: &str) -> Result<Option<StoredTopic>> {
        let path = self.root.join(TOPICS).join(name);
        let topic = self.load_file(&path)?;
        match topic {
            Some(topic) if topic.name != name => Err(Error::CorruptFile {
                file: path,
                reason: format!("it describes a topic named {:?}", topic.name),
            }),
            topic => Ok(topic),
        }
    }

    fn load_file(&self, path: &Path) -> Result<Option<StoredTopic>> {
        let file = match self.storage.open(path, OpenMode::Read) {
            Ok(file) => file,
            // Deleted since the folder was listed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).during("open", path),
        };
        let len = file.len().during("measure", path)?.min(1 << 16) as usize;
        let mut bytes = vec![0; len];
        file.read_exact_at(0, &mut bytes).during("read", path)?;
        decode(path, &bytes).map(Some)
    }

    /// Makes a topic or changes its configuration, durably.
    pub fn save(&self, topic: &StoredTopic) -> Result<()> {
        let (new, path) = (
            self.root.join(NEW_FILE),
            self.root.join(TOPICS).join(&topic.name),
        );
        // Before a name changes: a lack of handles is told while nothing has happened yet.
        let topics = self.root.join(TOPICS);
        let folder = self.storage.open_dir(&topics).during("open", &topics)?;
        let file = self
            .storage
            .open(&new, OpenMode::Create)
            .during("create", &new)?;
        file.set_len(0).during("shorten", &new)?;
        file.write_all_at(0, encode(topic).as_bytes())
            .during("write", &new)?;
        file.sync_all().during("sync", &new)?;
        self.storage.rename(&new, &path).during("rename", &new)?;
        folder.sync().during("sync", &topics)
    }

    pub fn partition_folder(&self, topic: &str, partition: u32) -> PathBuf {
        self.root
            .join(file_name::partition_folder(topic, partition))
    }

    /// Makes partition folders, durably. A folder left by a creation that a crash cut short is taken over;
    /// one that holds anything else is refused.
    pub fn create_folders(
        &self,
        topic: &StoredTopic,
        partitions: std::ops::Range<u32>,
    ) -> Result<()> {
        let partitions: Vec<u32> = partitions.collect();
        fan_out::for_each(&partitions, |partition| {
            self.create_folder(topic, *partition)
        })?;
        self.storage.sync_dir(&self.root).during("sync", &self.root)
    }

    fn create_folder(&self, topic: &StoredTopic, partition: u32) -> Result<()> {
        let folder = self.partition_folder(&topic.name, partition);
        if self.storage.exists(&folder).during("look for", &folder)? {
            self.reclaim(topic, &folder)?;
        } else {
            self.storage.create_dir(&folder).during("create", &folder)?;
        }
        mark_folder(&*self.storage, &folder, &topic.id)?;
        self.storage.sync_dir(&folder).during("sync", &folder)
    }

    fn reclaim(&self, topic: &StoredTopic, folder: &Path) -> Result<()> {
        for entry in self.storage.read_dir(folder).during("list", folder)? {
            let empty_log = file_name::parse_log(&entry.name).is_some() && entry.len == 0;
            if entry.name == PARTITION_METADATA || empty_log {
                let path = folder.join(&entry.name);
                self.storage.remove_file(&path).during("remove", &path)?;
                continue;
            }
            return Err(Error::TopicExists {
                name: topic.name.clone(),
                reason: format!(
                    "has no entry in the store, but {} holds {}; move the folder away, or import it",
                    folder.display(),
                    entry.name
                ),
            });
        }
        Ok(())
    }

    /// Takes a topic out of the catalog, durably. Its files are still there.
    pub fn remove(&self, topic: &StoredTopic) -> Result<()> {
        let (path, gone) = (
            self.root.join(TOPICS).join(&topic.name),
            self.root.join(self.gone_name(topic)),
        );
        self.and_sync_removals(|| self.storage.rename(&path, &gone).during("rename", &path))
    }

    /// Makes durable which topics were taken out, also what `work` takes out. Both folders are opened before that, so
    /// that a lack of handles is told while nothing has happened yet.
    fn and_sync_removals(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let topics = self.root.join(TOPICS);
        let (here, there) = (
            self.storage
                .open_dir(&self.root)
                .during("open", &self.root)?,
            self.storage.open_dir(&topics).during("open", &topics)?,
        );
        work()?;
        here.sync().during("sync", &self.root)?;
        there.sync().during("sync", &topics)
    }

    /// Removes the files of a topic that is no longer in the catalog.
    pub fn unlink(&self, topic: &StoredTopic) -> Result<()> {
        let mut removed = Vec::new();
        for partition in 0..topic.config.partitions {
            let folder = self.partition_folder(&topic.name, partition);
            if self.belongs_to(&folder, &topic.id)? {
                let gone = self
                    .root
                    .join(format!("{}-{partition}{GONE}", hex(&topic.id)));
                self.storage
                    .rename(&folder, &gone)
                    .during("rename", &folder)?;
                removed.push(gone);
            }
        }
        // A folder that came back under its old name without what tells whose it is would be nobody's.
        self.storage
            .sync_dir(&self.root)
            .during("sync", &self.root)?;
        for folder in removed {
            self.remove_folder(&folder)?;
        }
        let path = self.root.join(self.gone_name(topic));
        self.storage.remove_file(&path).during("remove", &path)?;
        self.storage.sync_dir(&self.root).during("sync", &self.root)
    }

    /// Finishes what a crash cut short: deletions, and files that were being written.
    pub fn clean_up(&self) -> Result<()> {
        self.finish_removals()?;
        for left in [NEW_FILE, checkpoint::NEW_FILE] {
            let path = self.root.join(left);
            if self.storage.exists(&path).during("look for", &path)? {
                self.storage.remove_file(&path).during("remove", &path)?;
            }
        }
        Ok(())
    }

    /// Removes the files of topics that are not in the catalog any more.
    pub fn finish_removals(&self) -> Result<()> {
        let entries = self
            .storage
            .read_dir(&self.root)
            .during("list", &self.root)?;
        if entries.iter().any(|entry| is_gone(&entry.name)) {
            // That a topic was taken out may stand in the cache only: it could come back without its files.
            self.and_sync_removals(|| Ok(()))?;
        }
        for entry in entries
            .iter()
            .filter(|entry| entry.is_dir && (is_gone(&entry.name) || is_staging(&entry.name)))
        {
            self.remove_folder(&self.root.join(&entry.name))?;
        }
        for entry in entries
            .iter()
            .filter(|entry| !entry.is_dir && is_gone(&entry.name))
        {
            if let Some(topic) = self.load_file(&self.root.join(&entry.name))? {
                self.unlink(&topic)?;
            }
        }
        Ok(())
    }

    fn belongs_to(&self, folder: &Path, id: &[u8; 16]) -> Result<bool> {
        let found = topic_id_of(&*self.storage, folder)?;
        Ok(found.is_some_and(|found| found == id_text(id)))
    }

    fn remove_folder(&self, folder: &Path) -> Result<()> {
        remove_folder(&*self.storage, folder)
    }

    fn gone_name(&self, topic: &StoredTopic) -> String {
        format!("{}{GONE}", hex(&topic.id))
    }
}

/// Removes a folder that holds files only.
pub(crate) fn remove_folder(storage: &dyn Storage, folder: &Path) -> Result<()> {
    for entry in storage.read_dir(folder).during("list", folder)? {
        let path = folder.join(&entry.name);
        storage.remove_file(&path).during("remove", &path)?;
    }
    storage.remove_dir(folder).during("remove", folder)
}

/// Notes in a partition's folder which topic it belongs to.
pub(crate) fn mark_folder(storage: &dyn Storage, folder: &Path, id: &[u8; 16]) -> Result<()> {
    let path = folder.join(PARTITION_METADATA);
    let file = storage
        .open(&path, OpenMode::Create)
        .during("create", &path)?;
    let text = format!("version: 0\ntopic_id: {}\n", id_text(id));
    file.set_len(0).during("shorten", &path)?;
    file.write_all_at(0, text.as_bytes())
        .during("write", &path)?;
    file.sync_all().during("sync", &path)
}

/// The id in text of the topic that a partition's folder belongs to, if the folder says so.
pub(crate) fn topic_id_of(storage: &dyn Storage, folder: &Path) -> Result<Option<String>> {
    let path = folder.join(PARTITION_METADATA);
    if !storage.exists(&path).during("look for", &path)? {
        return Ok(None);
    }
    let file = storage.open(&path, OpenMode::Read).during("open", &path)?;
    let mut bytes = vec![0; file.len().during("measure", &path)?.min(4096) as usize];
    file.read_exact_at(0, &mut bytes).during("read", &path)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    Ok(lines.find_map(|line| line.strip_prefix("topic_id: ").map(str::to_owned)))
}

/// The id in text of a topic whose files are being removed, by the name of the file that is left of it.
pub(crate) fn gone_topic(name: &str) -> Option<String> {
    let digits = name.strip_suffix(GONE).filter(|stem| stem.len() == 32)?;
    let id = u128::from_str_radix(digits, 16).ok()?;
    Some(id_text(&id.to_be_bytes()))
}

/// `<32 hex digits>.deleted`, or `<32 hex digits>-<partition>.deleted`.
fn is_gone(name: &str) -> bool {
    name.strip_suffix(GONE).is_some_and(begins_with_id)
}

fn begins_with_id(stem: &str) -> bool {
    stem.get(..32)
        .is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A name for the folder in which a backup to another file system keeps the files that it still has to copy.
pub(crate) fn staging_name() -> String {
    format!("{}{STAGING}", hex(uuid::Uuid::new_v4().as_bytes()))
}

fn is_staging(name: &str) -> bool {
    name.strip_suffix(STAGING).is_some_and(begins_with_id)
}

fn hex(id: &[u8; 16]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A topic id as Kafka writes it: URL-safe base64 without padding.
pub(crate) fn id_text(id: &[u8; 16]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(id)
}

fn id_from_text(text: &str) -> Option<[u8; 16]> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text)
        .ok()?
        .try_into()
        .ok()
}

fn encode(topic: &StoredTopic) -> String {
    let config = &topic.config;
    let mut properties = Properties::default();
    let mut set = |key: &str, value: String| properties.set(key, value);
    set("version", VERSION.to_string());
    set("name", topic.name.clone());
    set("topic.id", id_text(&topic.id));
    set("partitions", config.partitions.to_string());
    if let Some(durability) = config.durability {
        set("durability", durability.name().to_owned());
    }
    set("compression.type", config.compression.name().to_owned());
    let timestamp_type = match config.timestamp_type {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    };
    set("message.timestamp.type", timestamp_type.to_owned());
    set("cleanup.policy", config.cleanup.name().to_owned());
    let compaction = &config.compaction;
    set(
        "min.cleanable.dirty.ratio",
        compaction.min_dirty_ratio.to_string(),
    );
    set("min.compaction.lag.ms", compaction.min_lag_ms.to_string());
    set("max.compaction.lag.ms", optional(compaction.max_lag_ms));
    set(
        "delete.retention.ms",
        compaction.delete_retention_ms.to_string(),
    );
    set("retention.ms", optional(config.retention_ms));
    set("retention.bytes", optional(config.retention_bytes));
    set("segment.bytes", config.segment_bytes.to_string());
    set("segment.ms", config.segment_ms.to_string());
    set(
        "index.interval.bytes",
        config.index_interval_bytes.to_string(),
    );
    set("max.message.bytes", config.max_batch_bytes.to_string());
    set(
        "message.timestamp.after.max.ms",
        config.max_future_ms.to_string(),
    );
    let text = properties.to_text();
    let crc = crc32c(text.as_bytes());
    format!("{text}crc32c={crc:08x}\n")
}

/// Kafka writes -1 for "no limit".
fn optional(value: Option<u64>) -> String {
    value.map_or_else(|| "-1".to_owned(), |value| value.to_string())
}

fn decode(path: &Path, bytes: &[u8]) -> Result<StoredTopic> {
    let damaged = |reason: String| Error::CorruptFile {
        file: path.to_owned(),
        reason,
    };
    let text = std::str::from_utf8(bytes).map_err(|error| damaged(error.to_string()))?;
    let (body, crc) = text
        .trim_end()
        .rsplit_once("crc32c=")
        .ok_or_else(|| damaged("its checksum is missing".to_owned()))?;
    if format!("{:08x}", crc32c(body.as_bytes())) != crc {
        return Err(damaged("its checksum does not match".to_owned()));
    }
    let properties = Properties::parse(body).map_err(|error| damaged(error.to_string()))?;
    let field = |key: &'static str| {
        properties
            .get(key)
            .ok_or_else(|| damaged(format!("{key} is missing")))
    };
    fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
        text.parse().ok()
    }
    let bad = |key: &'static str| damaged(format!("{key} is not valid"));
    let version: u32 = number(field("version")?).ok_or_else(|| bad("version"))?;
    if version > VERSION {
        return Err(Error::UnsupportedVersion {
            path: path.to_owned(),
            found: version,
            supported: VERSION,
        });
    }
    let limit = |key: &'static str| -> Result<Option<u64>> {
        match field(key)? {
            "-1" => Ok(None),
            text => number(text).map(Some).ok_or_else(|| bad(key)),
        }
    };
    let name = field("name")?.to_owned();
    // It becomes part of paths.
    topic_name::validate(&name).map_err(|_| bad("name"))?;
    // Files of stores that could not compact yet do not speak of it.
    let cleanup = properties
        .get("cleanup.policy")
        .map_or(Some(CleanupPolicy::Delete), CleanupPolicy::from_name);
    let mut compaction = CompactionConfig::default();
    if properties.get("cleanup.policy").is_some() {
        compaction = CompactionConfig {
            min_dirty_ratio: number(field("min.cleanable.dirty.ratio")?)
                .ok_or_else(|| bad("min.cleanable.dirty.ratio"))?,
            min_lag_ms: number(field("min.compaction.lag.ms")?)
                .ok_or_else(|| bad("min.compaction.lag.ms"))?,
            max_lag_ms: limit("max.compaction.lag.ms")?,
            delete_retention_ms: number(field("delete.retention.ms")?)
                .ok_or_else(|| bad("delete.retention.ms"))?,
        };
    }
    let config = TopicConfig {
        partitions: number(field("partitions")?).ok_or_else(|| bad("partitions"))?,
        durability: match properties.get("durability") {
            None => None,
            Some(name) => Some(Durability::from_name(name).ok_or_else(|| bad("durability"))?),
        },
        compression: field("compression.type")?
            .parse()
            .map_err(|_| bad("compression.type"))?,
        timestamp_type: match field("message.timestamp.type")? {
            "CreateTime" => TimestampType::CreateTime,
            "LogAppendTime" => TimestampType::LogAppendTime,
            _ => return Err(bad("message.timestamp.type")),
        },
        cleanup: cleanup.ok_or_else(|| bad("cleanup.policy"))?,
        compaction,
        retention_ms: limit("retention.ms")?,
        retention_bytes: limit("retention.bytes")?,
        segment_bytes: number(field("segment.bytes")?).ok_or_else(|| bad("segment.bytes"))?,
        segment_ms: number(field("segment.ms")?).ok_or_else(|| bad("segment.ms"))?,
        index_interval_bytes: number(field("index.interval.bytes")?)
            .ok_or_else(|| bad("index.interval.bytes"))?,
        max_batch_bytes: number(field("max.message.bytes")?)
            .ok_or_else(|| bad("max.message.bytes"))?,
        max_future_ms: number(field("message.timestamp.after.max.ms")?)
            .ok_or_else(|| bad("message.timestamp.after.max.ms"))?,
    };
    config.validate()?;
    let id = id_from_text(field("topic.id")?).ok_or_else(|| bad("topic.id"))?;
    Ok(StoredTopic { name, id, config })
}
