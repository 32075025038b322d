//! The bytes of Tidelog, to values and back: Kafka's record batches, index entries and file names, and
//! Tidelog's own small files. Nothing here does I/O, asks a clock or panics on any bytes; a length that was
//! read sizes no allocation before it is checked. Numbers are big-endian, as in Kafka.

#![forbid(unsafe_code)]

pub mod batch;
pub mod builder;
pub mod checkpoint;
pub mod compression;
pub mod control;
pub mod crc;
pub mod error;
pub mod file_name;
pub mod journal;
pub mod limits;
pub mod offset_commit;
pub mod offset_index;
pub mod packed;
pub mod producer_snapshot;
pub mod properties;
pub mod published;
pub mod record;
pub mod sequence;
pub mod time_index;
pub mod topic_name;
pub mod transaction_index;
pub mod transaction_state;
pub mod varint;

mod bytes;
mod fields;

pub use batch::{Attributes, Batch, BatchHeader, Records, TimestampType};
pub use builder::BatchBuilder;
pub use compression::Compression;
pub use error::FormatError;
pub use record::{Headers, Record};
