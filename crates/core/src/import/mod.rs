//! Taking over what Apache Kafka has stored: the log folders of a broker that is not running.
//!
//! Every record keeps its partition, offset, time, key, value and headers. What a `read_committed` consumer would
//! not have been given is left out, and its offsets are held by batches without records. The broker's folder
//! is read twice: all of it is checked before anything is written to the store.

mod plain;
mod report;
mod segment;
mod source;
mod survey;
mod take_over;
mod transactions;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use tidelog_format::limits::DEFAULT_BATCH_BYTES;
use tidelog_io::Storage;

pub use report::{ImportOptions, ImportReport, ImportedPartition, ImportedTopic, SkippedFolder};

use crate::config::TopicConfig;
use crate::error::{Error, Result};
use crate::store::Store;
use crate::topic::Topic;
use source::SourcePartition;
use survey::Survey;

/// A topic that was checked.
struct Checked {
    name: String,
    partitions: Vec<(SourcePartition, Survey)>,
}

/// Takes over the topics of a Kafka `log.dir`, or one partition's folder, whose broker must not be running.
/// Blocks until all of it is durable. `progress` gets the bytes done and all bytes, where each byte counts twice
/// as it is read twice; it stops the import by giving false.
///
/// Topics are made as needed, with the default configuration, as many partitions as the highest folder number
/// asks for, and a `max.message.bytes` that fits the largest batch. One that exists must be empty and have
/// enough partitions. If the import fails or is stopped, the topics that it made are deleted again; it does not
/// survive being killed half-way: delete what it left, and start over.
///
/// Kafka's internal topics are skipped. Batches of transactions that were aborted or not finished, and the records
/// that end transactions, are left out; producer ids and sequences are not kept.
///
/// # Errors
/// [`Error::InvalidArgument`] if the folder holds nothing to take over, records in the format of Kafka before
/// 0.11, batches above the limits of a store, offsets above `max_offset`, or a compaction that was interrupted; [`Error::CorruptFile`] with file and byte if it is damaged;
/// [`Error::TopicExists`]; those of [`Store::create_topic`] and of appends.
pub fn import_kafka(
    store: &Store,
    folder: &Path,
    options: &ImportOptions,
    mut progress: impl FnMut(u64, u64) -> bool,
) -> Result<ImportReport> {
    store.check_writable()?;
    let storage = Arc::clone(&store.engine().context.storage);
    let found = source::find(&*storage, folder, options)?;
    let mut report = ImportReport {
        skipped: found.skipped,
        ..ImportReport::default()
    };
    for (name, partitions) in &found.topics {
        check_target(store, name, count(partitions))?;
    }

    let total = 2 * found
        .topics
        .values()
        .flatten()
        .flat_map(|partition| &partition.segments)
        .map(|segment| segment.len)
        .sum::<u64>();
    let mut done = 0;
    let mut step = |bytes: u64| {
        done += bytes;
        progress(done.min(total), total)
    };
    let mut checked = Vec::new();
    for (name, sources) in found.topics {
        let mut partitions = Vec::new();
        for source in sources {
            let Some(survey) = survey::survey(&*storage, &source, &mut step)? else {
                report.stopped = true;
                return Ok(report);
            };
            if let Some(max) = options.max_offset.filter(|max| survey.end > *max) {
                return Err(source::invalid(format!(
                    "{} reaches offset {}, above the largest one that can be handled here, {max}",
                    source.folder.display(),
                    survey.end
                )));
            }
            partitions.push((source, survey));
        }
        checked.push(Checked { name, partitions });
    }

    let mut made = Vec::new();
    let imported = write(store, &*storage, &checked, &mut made, &mut step);
    if !matches!(imported, Ok(Some(_))) {
        // What it has not finished, nobody has been told of. The first failure is the one to report.
        for name in &made {
            let _ = store.delete_topic(name);
        }
    }
    match imported? {
        Some(topics) => report.topics = topics,
        None => report.stopped = true,
    }
    Ok(report)
}

/// Refuses a topic that exists and is not as good as new.
fn check_target(store: &Store, name: &str, partitions: u32) -> Result<()> {
    let topic = match store.open_topic(name) {
        Ok(topic) => topic,
        Err(Error::UnknownTopic { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let refuse = |reason: String| {
        Err(Error::TopicExists {
            name: name.to_owned(),
            reason,
        })
    };
    if topic.partition_count() < partitions {
        return refuse(format!(
            "has {} partitions, but {partitions} are to be taken over; add some first",
            topic.partition_count()
        ));
    }
    let description = topic.describe()?;
    match description
        .partitions
        .iter()
        .find(|partition| partition.log_end_offset > 0)
    {
        None => Ok(()),
        Some(partition) => refuse(format!(
            "holds records already, up to offset {} in partition {}; import into an empty one",
            partition.log_end_offset, partition.partition
        )),
    }
}

/// Makes the topics, whose names are put into `made`, and fills them; `None` if `step` stopped it.
fn write(
    store: &Store,
    storage: &dyn Storage,
    checked: &[Checked],
    made: &mut Vec<String>,
    step: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<Vec<ImportedTopic>>> {
    // All of them first: a name that can't be used shows before records are written.
    let mut topics: Vec<Topic> = Vec::new();
    for Checked { name, partitions } in checked {
        topics.push(match store.open_topic(name) {
            Err(Error::UnknownTopic { .. }) => {
                let topic = store.take_over_topic(name, config_for(partitions))?;
                made.push(name.clone());
                topic
            }
            topic => topic?,
        });
    }
    let mut imported = Vec::new();
    for (Checked { name, partitions }, topic) in checked.iter().zip(&topics) {
        let mut reports = Vec::new();
        for (source, survey) in partitions {
            let target = topic.partition(source.number)?;
            match take_over::take_over(storage, source, survey, &target, step)? {
                Some(report) => reports.push(report),
                None => return Ok(None),
            }
        }
        let present = |number: &u32| reports.iter().any(|report| report.partition == *number);
        let highest = reports.last().map_or(0, |report| report.partition);
        let missing = (0..highest).filter(|number| !present(number)).collect();
        imported.push(ImportedTopic {
            name: name.clone(),
            partitions: reports,
            missing,
        });
    }
    Ok(Some(imported))
}

fn config_for(partitions: &[(SourcePartition, Survey)]) -> TopicConfig {
    let largest = partitions
        .iter()
        .map(|(_, survey)| survey.largest_batch)
        .max()
        .unwrap_or(0);
    TopicConfig {
        partitions: partitions.last().map_or(1, |(source, _)| source.number + 1),
        max_batch_bytes: largest.max(DEFAULT_BATCH_BYTES) as u32,
        ..TopicConfig::default()
    }
}

fn count(partitions: &[SourcePartition]) -> u32 {
    partitions
        .last()
        .map_or(1, |partition| partition.number + 1)
}
