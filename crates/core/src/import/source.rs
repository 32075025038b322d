//! Finds what there is to take over: the partition folders of a Kafka `log.dir`, their segments, and where
//! each log starts. Only looks; the folder is not changed.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use tidelog_format::{file_name, topic_name};
use tidelog_io::{OpenMode, Storage};

use super::report::{ImportOptions, SkippedFolder};
use crate::config::MAX_PARTITIONS;
use crate::error::{Error, IoContext, Result};

/// Topics that brokers keep for themselves.
const INTERNAL: [&str; 5] = [
    "__cluster_metadata",
    "__consumer_offsets",
    "__remote_log_metadata",
    "__share_group_state",
    "__transaction_state",
];
/// What Kafka appends to the names of folders that are on their way out or in.
const PASSING: [&str; 3] = ["-delete", "-future", "-stray"];
const LOG_STARTS: &str = "log-start-offset-checkpoint";
/// A checkpoint larger than this is none: a line takes up some 300 bytes at most.
const MAX_CHECKPOINT_BYTES: u64 = 300 * MAX_PARTITIONS as u64;

/// What a folder holds.
pub(super) struct Source {
    pub topics: BTreeMap<String, Vec<SourcePartition>>,
    pub skipped: Vec<SkippedFolder>,
}

/// One partition's folder.
#[derive(Debug)]
pub(super) struct SourcePartition {
    pub number: u32,
    pub folder: PathBuf,
    /// By base offset.
    pub segments: Vec<SourceSegment>,
    /// Where deleted records end, if a checkpoint says so.
    pub log_start: Option<u64>,
}

#[derive(Debug)]
pub(super) struct SourceSegment {
    pub base: u64,
    pub path: PathBuf,
    /// Bytes of its log.
    pub len: u64,
}

/// Looks through a `log.dir`, or one partition's folder.
pub(super) fn find(
    storage: &dyn Storage,
    folder: &Path,
    options: &ImportOptions,
) -> Result<Source> {
    let entries = storage.read_dir(folder).during("list", folder)?;
    let is_partition = entries
        .iter()
        .any(|entry| !entry.is_dir && file_name::parse_log(&entry.name).is_some());
    if is_partition {
        return find_one(storage, folder, options);
    }
    let starts = log_starts(storage, folder)?;
    let mut source = Source {
        topics: BTreeMap::new(),
        skipped: Vec::new(),
    };
    for entry in entries {
        let Some((topic, number)) = file_name::parse_partition_folder(&entry.name) else {
            if entry.is_dir && PASSING.iter().any(|suffix| entry.name.ends_with(suffix)) {
                source.skip(entry.name, "being deleted or moved by the broker");
            }
            continue;
        };
        if options
            .topic
            .as_deref()
            .is_some_and(|wanted| wanted != topic)
        {
            continue;
        }
        if INTERNAL.contains(&topic) {
            source.skip(entry.name, "internal to the broker");
            continue;
        }
        let mut path = folder.join(&entry.name);
        if !entry.is_dir {
            // A broker follows links, which is how a partition moves to another disk.
            path = storage.canonicalize(&path).during("resolve", &path)?;
            match storage.read_dir(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                    source.skip(entry.name, "not a folder");
                    continue;
                }
                listed => drop(listed.during("list", &path)?),
            }
        }
        let partition = open_partition(storage, path, number, starts.get(&entry.name).copied())?;
        if partition.segments.is_empty() {
            // A broker makes a segment with the folder.
            source.skip(entry.name, "without a segment");
            continue;
        }
        source
            .topics
            .entry(topic.to_owned())
            .or_default()
            .push(partition);
    }
    for partitions in source.topics.values_mut() {
        partitions.sort_by_key(|partition| partition.number);
    }
    if source.topics.is_empty() {
        let what = match &options.topic {
            Some(topic) => format!("no partition of topic {topic:?} to take over"),
            None => "neither partition folders (topic-0, …) nor segments".to_owned(),
        };
        return Err(invalid(format!("{} holds {what}", folder.display())));
    }
    Ok(source)
}

fn find_one(storage: &dyn Storage, folder: &Path, options: &ImportOptions) -> Result<Source> {
    // Its name tells topic and number, also where it was given as "." or through a link.
    let real = storage.canonicalize(folder).during("resolve", folder)?;
    let name = real
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let named = file_name::parse_partition_folder(&name);
    let (topic, number) = match (&options.topic, named) {
        (Some(topic), named) => (topic.clone(), named.map_or(0, |(_, number)| number)),
        (None, Some((topic, number))) => (topic.to_owned(), number),
        (None, None) => {
            let reason = format!(
                "{} is not named like a partition (topic-0); say which topic it is",
                folder.display()
            );
            return Err(invalid(reason));
        }
    };
    if INTERNAL.contains(&topic.as_str()) {
        return Err(invalid(format!(
            "topic {topic:?} is internal to Kafka and can't be taken over"
        )));
    }
    let starts = match real.parent() {
        Some(parent) => log_starts(storage, parent)?,
        None => HashMap::new(),
    };
    let partition = open_partition(storage, real, number, starts.get(&name).copied())?;
    Ok(Source {
        topics: BTreeMap::from([(topic, vec![partition])]),
        skipped: Vec::new(),
    })
}

impl Source {
    fn skip(&mut self, name: String, reason: &'static str) {
        self.skipped.push(SkippedFolder { name, reason });
    }
}

fn open_partition(
    storage: &dyn Storage,
    folder: PathBuf,
    number: u32,
    log_start: Option<u64>,
) -> Result<SourcePartition> {
    if number >= MAX_PARTITIONS {
        return Err(invalid(format!(
            "{} would need more than {MAX_PARTITIONS} partitions",
            folder.display()
        )));
    }
    let mut segments = Vec::new();
    for entry in storage.read_dir(&folder).during("list", &folder)? {
        if entry.name.ends_with(".log.swap") {
            // Its data may be in the place of segments that are gone already.
            return Err(invalid(format!(
                "{} shows that the broker was stopped in the middle of a compaction; start and stop it once more",
                folder.join(&entry.name).display()
            )));
        }
        if let Some(base) = file_name::parse_log(&entry.name).filter(|_| !entry.is_dir) {
            segments.push(SourceSegment {
                base,
                path: folder.join(&entry.name),
                len: entry.len,
            });
        }
    }
    segments.sort_by_key(|segment| segment.base);
    Ok(SourcePartition {
        number,
        folder,
        segments,
        log_start,
    })
}

/// Reads where logs start that had records deleted, by the names of their folders. There may be no such file.
fn log_starts(storage: &dyn Storage, folder: &Path) -> Result<HashMap<String, u64>> {
    let path = folder.join(LOG_STARTS);
    if !storage.exists(&path).during("look for", &path)? {
        return Ok(HashMap::new());
    }
    let file = storage.open(&path, OpenMode::Read).during("open", &path)?;
    let len = file.len().during("measure", &path)?;
    let damaged = |reason: String| Error::CorruptFile {
        file: path.clone(),
        reason: format!("{reason}; mend it, or remove it to begin with each log's first segment"),
    };
    if len > MAX_CHECKPOINT_BYTES {
        return Err(damaged(format!("{len} bytes are too many")));
    }
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(0, &mut bytes).during("read", &path)?;
    let text = String::from_utf8(bytes).map_err(|_| damaged("it is not text".to_owned()))?;
    parse_log_starts(&text).map_err(damaged)
}

/// Kafka's checkpoint: a version, the number of entries, and a line for each: topic, partition, offset.
fn parse_log_starts(text: &str) -> std::result::Result<HashMap<String, u64>, String> {
    let mut lines = text.lines();
    match lines.next().map(str::trim) {
        Some("0") => {}
        other => return Err(format!("version {:?} is not 0", other.unwrap_or_default())),
    }
    let count = lines
        .next()
        .and_then(|line| line.trim().parse::<usize>().ok());
    let mut starts = HashMap::new();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let entry = match fields.as_slice() {
            [topic, partition, offset] if topic_name::validate(topic).is_ok() => partition
                .parse()
                .ok()
                .zip(offset.parse().ok())
                .map(|(partition, offset)| (file_name::partition_folder(topic, partition), offset)),
            _ => None,
        };
        let (name, offset) = entry.ok_or_else(|| format!("line {line:?} is not an entry"))?;
        starts.insert(name, offset);
    }
    if count != Some(starts.len()) {
        return Err(format!(
            "it has {} entries, which is not what it says",
            starts.len()
        ));
    }
    Ok(starts)
}

/// A batch above Tidelog's limits, which says nothing against the folder.
pub(super) fn too_large(path: &Path, position: u64, what: &str) -> Error {
    invalid(format!(
        "{} byte {position}: {what}, which is more than Tidelog takes; have the broker write the topic anew in smaller batches",
        path.display()
    ))
}

pub(super) fn invalid(reason: String) -> Error {
    Error::InvalidArgument {
        argument: "folder",
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_read_as_kafka_writes_them() {
        let starts = parse_log_starts("0\n2\ntrimmed 0 30\na-b.c_d 12 9007199254740993").unwrap();
        assert_eq!(starts.get("trimmed-0"), Some(&30));
        assert_eq!(starts.get("a-b.c_d-12"), Some(&9_007_199_254_740_993));
        assert_eq!(parse_log_starts("0\n0\n").unwrap(), HashMap::new());
    }

    #[test]
    fn checkpoints_that_do_not_hold_are_refused() {
        for bad in [
            "",
            "1\n0\n",
            "0\n1\n",
            "0\nx\n",
            "0\n1\ntrimmed 0\n",
            "0\n1\ntrimmed 0 -5\n",
            "0\n1\ntrimmed 0 30 1\n",
            "0\n1\n../etc 0 30\n",
            "0\n2\ntrimmed 0 30\n",
        ] {
            assert!(parse_log_starts(bad).is_err(), "{bad:?}");
        }
    }
}
