//! Every error of the engine: one enum with a stable code per variant, whether trying again can help,
//! and whether the outcome is unknown. Messages say what was wrong and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidelog_format::FormatError;
use tidelog_io::HandleLimit;

use crate::disk::FailedSync;
use crate::filter::excerpt;

/// The result of an engine call.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. Definite unless [`Error::indefinite`] says otherwise: nothing was stored.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument is outside of what the call takes.
    #[error("{argument}: {reason}")]
    InvalidArgument {
        /// The argument's name.
        argument: &'static str,
        /// What was wrong with it.
        reason: String,
    },
    /// A filter that can't be compiled. Nothing was read.
    #[error(
        "the filter is wrong at character {character}: {reason}\n{excerpt}",
        character = text.get(..*position).unwrap_or(text).chars().count() + 1,
        excerpt = excerpt(text, *position)
    )]
    InvalidFilter {
        /// Its text, as far as it may be long.
        text: String,
        /// The byte at which what is wrong begins.
        position: usize,
        /// What was wrong with it.
        reason: String,
    },
    /// A topic name that Kafka would refuse.
    #[error("topic name {name:?}: {reason}")]
    InvalidTopicName {
        /// The name.
        name: String,
        /// The broken rule.
        reason: String,
    },
    /// A configuration field that is unknown, out of range or in contradiction to another.
    #[error("config {field}: {reason}")]
    InvalidConfig {
        /// The field in Kafka's words, for example `segment.bytes`.
        field: String,
        /// What was wrong with it.
        reason: String,
    },
    /// The topic exists, or its name collides with one that does.
    #[error("topic {name:?} {reason}")]
    TopicExists {
        /// The name.
        name: String,
        /// How it collides.
        reason: String,
    },
    /// No topic of this name.
    #[error("topic {name:?} does not exist; create it first")]
    UnknownTopic {
        /// The name.
        name: String,
    },
    /// The topic was deleted while a handle on it was open.
    #[error("topic {name:?} was deleted")]
    TopicDeleted {
        /// The name.
        name: String,
    },
    /// The topic has no such partition.
    #[error("topic {topic:?} has partitions 0 to {last}, not {partition}", last = count.saturating_sub(1))]
    UnknownPartition {
        /// The topic.
        topic: String,
        /// The partition asked for.
        partition: u32,
        /// How many there are.
        count: u32,
    },
    /// A record or batch larger than the topic takes.
    #[error(
        "{what} of {size} bytes is over the limit of {limit}; send less at once or raise {field}"
    )]
    RecordTooLarge {
        /// Record, batch, key or headers.
        what: &'static str,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
        /// The setting that holds the limit.
        field: &'static str,
    },
    /// A record that can't be stored as given.
    #[error("record {index}: {reason}")]
    InvalidRecord {
        /// Its index among the records of the call.
        index: usize,
        /// What was wrong with it.
        reason: String,
    },
    /// An encoded batch that can't be taken.
    #[error("record batch: {reason}")]
    InvalidBatch {
        /// What was wrong with it.
        reason: String,
    },
    /// An offset outside of what the partition holds.
    #[error(
        "offset {offset} of {topic}-{partition} is out of range: it holds {log_start} to {high_watermark}; seek to one of these"
    )]
    OffsetOutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The offset asked for.
        offset: u64,
        /// The first offset held.
        log_start: u64,
        /// The offset after the last one that may be read.
        high_watermark: u64,
    },
    /// Another process writes to the store.
    #[error("store {path} is open for writing by {holder}; close it there or open this one read-only", path = path.display(), holder = holder(*pid))]
    StoreLocked {
        /// The store's folder.
        path: PathBuf,
        /// The holder's process id, where it could be read.
        pid: Option<u32>,
    },
    /// The folder holds something else than a store.
    #[error("{path} is not a Tidelog store: {reason}", path = path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
        /// What was found instead.
        reason: String,
    },
    /// A store or file written by a newer Tidelog. Nothing was touched.
    #[error("{path} has format version {found}; this Tidelog reads up to {supported}: use a newer one", path = path.display())]
    UnsupportedVersion {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The newest version known here.
        supported: u32,
    },
    /// A file system that can't hold a store safely.
    #[error("{path} is on {kind}: locks and syncs can't be trusted there; use a local disk, or force it at your own risk", path = path.display())]
    UnsupportedFileSystem {
        /// The folder.
        path: PathBuf,
        /// The file system.
        kind: String,
    },
    /// A write to a store that was opened read-only.
    #[error("the store was opened read-only")]
    ReadOnly,
    /// The store or the handle is closed.
    #[error("the store is closed")]
    Closed,
    /// Opening a store, or a backup of it, was stopped by its progress callback.
    #[error("stopped before the end; nothing is lost, begin it again")]
    Stopped,
    /// Stored bytes that are not what was written. Never served; the rest stays readable.
    #[error("{topic}-{partition} is damaged at offset {offset}, {file} byte {position}: {reason}; run `tidelog verify`", file = file.display())]
    Corruption {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The damaged file.
        file: PathBuf,
        /// The byte at which the damaged batch begins.
        position: u64,
        /// The offset that was expected there.
        offset: u64,
        /// How it was noticed.
        reason: String,
    },
    /// A damaged file of the store's own, outside of any partition.
    #[error("{file} is damaged: {reason}", file = file.display())]
    CorruptFile {
        /// The file.
        file: PathBuf,
        /// How it was noticed.
        reason: String,
    },
    /// Another handle has taken over the producer's name or transactional id. Nothing was stored.
    #[error(
        "producer {name:?} was taken over by a newer one; end this one, nothing more can be sent with it"
    )]
    ProducerFenced {
        /// The producer's name, its transactional id, or its producer id.
        name: String,
    },
    /// A batch whose sequence number does not follow the producer's last one: something before it is missing.
    #[error(
        "sequence {given} does not follow: {topic}-{partition} expects {expected} of producer {producer_id}; send what is missing first"
    )]
    OutOfOrderSequence {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The producer.
        producer_id: i64,
        /// The sequence number that would follow.
        expected: i32,
        /// The one that was given.
        given: i32,
    },
    /// A batch that repeats a part of what is stored, and goes on: no retry has other borders than its original.
    #[error(
        "sequences {first} to {last} overlap with what {topic}-{partition} has of producer {producer_id}, up to {stored}; retry batches as they were"
    )]
    SequenceOverlap {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The producer.
        producer_id: i64,
        /// The batch's first sequence number.
        first: i32,
        /// Its last one.
        last: i32,
        /// The last one that is stored.
        stored: i32,
    },
    /// The batch is in the log already, but too long ago for its offset to be known still. Nothing is left to be done.
    #[error(
        "sequence {sequence} of producer {producer_id} is in {topic}-{partition} already; at which offset is not known any more"
    )]
    DuplicateSequence {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The producer.
        producer_id: i64,
        /// The batch's last sequence number.
        sequence: i32,
    },
    /// A producer id that was not given out, or of which nothing is known any more.
    #[error("producer id {producer_id} with epoch {epoch} is not known; initialize a new one")]
    UnknownProducer {
        /// The id.
        producer_id: i64,
        /// The epoch that came with it.
        epoch: i16,
    },
    /// The log does not end at the offset that a send was made for. Nothing was stored.
    #[error(
        "{topic}-{partition} ends at offset {actual}, not {expected}; read what has come, decide again, and send with the new offset"
    )]
    OffsetConflict {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The offset that was expected.
        expected: u64,
        /// The offset that the next record gets.
        actual: u64,
    },
    /// A transaction holds more than it may. It can only be aborted.
    #[error(
        "a transaction of {size} bytes is over the limit of {limit}; commit more often, or raise {field}"
    )]
    TransactionTooLarge {
        /// Bytes that it would hold.
        size: u64,
        /// The most that it may hold.
        limit: u64,
        /// The setting that holds the limit.
        field: &'static str,
    },
    /// A transaction was open for too long and has been aborted.
    #[error(
        "the transaction was open for longer than {timeout_ms} ms and was aborted; begin again"
    )]
    TransactionTimedOut {
        /// Its time limit.
        timeout_ms: u64,
    },
    /// A call that the transaction's state does not allow.
    #[error("transactional id {id:?}: {reason}")]
    InvalidTransactionState {
        /// The transactional id.
        id: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// A member of a group that owns nothing (any more) of what it wants to commit, or is no member any more. Nothing was
    /// committed.
    #[error("member of group {group:?}: {reason}; what it had goes to others, join again")]
    FencedMember {
        /// The group.
        group: String,
        /// Why it is fenced.
        reason: String,
    },
    /// Another member has joined with the same instance id.
    #[error(
        "another member of group {group:?} has taken the instance id {instance_id:?}; give each its own"
    )]
    FencedInstance {
        /// The group.
        group: String,
        /// The name of the static member.
        instance_id: String,
    },
    /// A group that has members commits through them only.
    #[error("group {group:?} has members; close its consumers first")]
    GroupNotEmpty {
        /// The group.
        group: String,
    },
    /// The members of a group share its partitions by another strategy.
    #[error(
        "group {group:?} shares partitions by {strategy:?}, not {given:?}; give all its members the same strategy"
    )]
    InconsistentStrategy {
        /// The group.
        group: String,
        /// The strategy of its members.
        strategy: String,
        /// The strategy of the one who wants to join.
        given: String,
    },
    /// What a strategy came up with does not give each partition to one member that subscribes to it.
    #[error("an assignment of group {group:?} is refused: {reason}")]
    InvalidAssignment {
        /// The group.
        group: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What became of a transaction is not on record: it was long ago, or its id was never used.
    #[error("what became of transaction {number} of {id:?} is not known any more")]
    UnknownOutcome {
        /// The transactional id.
        id: String,
        /// The transaction's number.
        number: u64,
    },
    /// No space left. Nothing was stored; works again once space is free.
    #[error("no space left for {path}; free some and send again", path = path.display())]
    StorageFull {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// No file handle is left to this process or machine. Nothing was changed; works again once some are closed.
    #[error("{operation} {path}: too many open files ({limit}); close some, raise the limit, or open the store with fewer openSegments", path = path.display())]
    TooManyOpenFiles {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// Whose limit it is, and how high.
        limit: String,
    },
    /// The operating system refused something.
    #[error("{operation} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// Its answer.
        source: Arc<io::Error>,
    },
    /// A write or sync failed before, so what the disk holds is unknown. Reading goes on; writing needs
    /// the store to be closed and opened again.
    #[error(
        "writing stopped after a failure ({cause}); close the store and open it again to recover"
    )]
    Poisoned {
        /// The first failure.
        cause: String,
    },
}

fn limit_text(limit: HandleLimit) -> String {
    match (limit, tidelog_io::open_file_limit()) {
        (HandleLimit::Process, Some(most)) => {
            format!("EMFILE: this process may have {most}, see `ulimit -n`")
        }
        (HandleLimit::Process, None) => "EMFILE: the limit of this process".to_owned(),
        (HandleLimit::Machine, _) => "ENFILE: the limit of this machine".to_owned(),
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

impl Error {
    /// The stable code, `ERR_TIDELOG_…`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::InvalidArgument { .. } => "ERR_TIDELOG_INVALID_ARGUMENT",
            Error::InvalidFilter { .. } => "ERR_TIDELOG_INVALID_FILTER",
            Error::InvalidTopicName { .. } => "ERR_TIDELOG_INVALID_TOPIC_NAME",
            Error::InvalidConfig { .. } => "ERR_TIDELOG_INVALID_CONFIG",
            Error::TopicExists { .. } => "ERR_TIDELOG_TOPIC_EXISTS",
            Error::UnknownTopic { .. } => "ERR_TIDELOG_UNKNOWN_TOPIC",
            Error::TopicDeleted { .. } => "ERR_TIDELOG_TOPIC_DELETED",
            Error::UnknownPartition { .. } => "ERR_TIDELOG_UNKNOWN_PARTITION",
            Error::RecordTooLarge { .. } => "ERR_TIDELOG_RECORD_TOO_LARGE",
            Error::InvalidRecord { .. } => "ERR_TIDELOG_INVALID_RECORD",
            Error::InvalidBatch { .. } => "ERR_TIDELOG_INVALID_BATCH",
            Error::OffsetOutOfRange { .. } => "ERR_TIDELOG_OFFSET_OUT_OF_RANGE",
            Error::StoreLocked { .. } => "ERR_TIDELOG_STORE_LOCKED",
            Error::NotAStore { .. } => "ERR_TIDELOG_NOT_A_STORE",
            Error::UnsupportedVersion { .. } => "ERR_TIDELOG_UNSUPPORTED_VERSION",
            Error::UnsupportedFileSystem { .. } => "ERR_TIDELOG_UNSUPPORTED_FILE_SYSTEM",
            Error::ReadOnly => "ERR_TIDELOG_READ_ONLY",
            Error::Closed => "ERR_TIDELOG_CLOSED",
            Error::Stopped => "ERR_TIDELOG_ABORTED",
            Error::Corruption { .. } | Error::CorruptFile { .. } => "ERR_TIDELOG_CORRUPTION",
            Error::ProducerFenced { .. } => "ERR_TIDELOG_PRODUCER_FENCED",
            Error::OutOfOrderSequence { .. } => "ERR_TIDELOG_OUT_OF_ORDER_SEQUENCE",
            Error::SequenceOverlap { .. } => "ERR_TIDELOG_SEQUENCE_OVERLAP",
            Error::DuplicateSequence { .. } => "ERR_TIDELOG_DUPLICATE_SEQUENCE",
            Error::UnknownProducer { .. } => "ERR_TIDELOG_UNKNOWN_PRODUCER",
            Error::OffsetConflict { .. } => "ERR_TIDELOG_OFFSET_CONFLICT",
            Error::TransactionTooLarge { .. } => "ERR_TIDELOG_TRANSACTION_TOO_LARGE",
            Error::TransactionTimedOut { .. } => "ERR_TIDELOG_TRANSACTION_TIMED_OUT",
            Error::InvalidTransactionState { .. } => "ERR_TIDELOG_INVALID_TRANSACTION_STATE",
            Error::FencedMember { .. } => "ERR_TIDELOG_FENCED_MEMBER",
            Error::FencedInstance { .. } => "ERR_TIDELOG_FENCED_INSTANCE",
            Error::GroupNotEmpty { .. } => "ERR_TIDELOG_GROUP_NOT_EMPTY",
            Error::InconsistentStrategy { .. } => "ERR_TIDELOG_INCONSISTENT_STRATEGY",
            Error::InvalidAssignment { .. } => "ERR_TIDELOG_INVALID_ASSIGNMENT",
            Error::UnknownOutcome { .. } => "ERR_TIDELOG_UNKNOWN_OUTCOME",
            Error::StorageFull { .. } => "ERR_TIDELOG_STORAGE_FULL",
            Error::TooManyOpenFiles { .. } => "ERR_TIDELOG_TOO_MANY_OPEN_FILES",
            Error::Io { .. } => "ERR_TIDELOG_IO",
            Error::Poisoned { .. } => "ERR_TIDELOG_POISONED",
        }
    }

    /// Whether the same call may succeed later without anything being mended in the program.
    pub fn retriable(&self) -> bool {
        matches!(
            self,
            Error::StorageFull { .. } | Error::StoreLocked { .. } | Error::TooManyOpenFiles { .. }
        )
    }

    /// Whether the disk or the process is short of something for now, so that nothing was done.
    pub(crate) fn is_shortage(&self) -> bool {
        matches!(
            self,
            Error::StorageFull { .. } | Error::TooManyOpenFiles { .. }
        )
    }

    /// Whether it is unknown if the records were stored: they may be found when the store is opened again.
    pub fn indefinite(&self) -> bool {
        matches!(self, Error::Poisoned { .. })
    }

    /// What a failed call of the disk means. That a sync failed has been decided by the [`Disk`](crate::disk::Disk).
    pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> Error {
        let inner = source.get_ref();
        if let Some(FailedSync { cause }) = inner.and_then(|inner| inner.downcast_ref()) {
            return Error::Poisoned {
                cause: cause.clone(),
            };
        }
        if let Some(limit) = HandleLimit::behind(&source) {
            return Error::TooManyOpenFiles {
                operation,
                path: path.to_owned(),
                limit: limit_text(limit),
            };
        }
        // A quota is a disk of one's own that is full.
        if matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ) {
            return Error::StorageFull {
                path: path.to_owned(),
            };
        }
        Error::Io {
            operation,
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }

    /// Of a record that compaction could not tell from others.
    pub(crate) fn keyless(index: usize) -> Error {
        Error::InvalidRecord {
            index,
            reason: "it has no key, and its topic is compacted, which keeps the newest record of each key; give it one"
                .to_owned(),
        }
    }

    pub(crate) fn invalid_batch(error: &FormatError) -> Error {
        Error::InvalidBatch {
            reason: error.to_string(),
        }
    }
}

/// Adds what was tried, and on which file, to an I/O error.
pub(crate) trait IoContext<T> {
    fn during(self, operation: &'static str, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn during(self, operation: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::io(operation, path, source))
    }
}
