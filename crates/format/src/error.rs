//! What can be wrong with bytes, or with values that are to become bytes. Every variant names the field,
//! the value found and what was allowed, so that its message needs no context to be understood.

/// Why bytes were not accepted, or a value could not be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The bytes end before the thing that they hold.
    #[error("{what} needs {needed} bytes, {available} are there")]
    TooShort {
        /// What was being read.
        what: &'static str,
        /// Bytes that it needs.
        needed: usize,
        /// Bytes that are there.
        available: usize,
    },
    /// More bytes than the format or a limit allows.
    #[error("{what} of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// What is too large, with its article.
        what: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// More things than a limit allows.
    #[error("{count} {what} are over the limit of {limit}")]
    TooMany {
        /// What there is too much of, in the plural.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// A number outside of its range.
    #[error("{field} is {value}, outside of {min} to {max}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// Its value.
        value: i64,
        /// Smallest value allowed.
        min: i64,
        /// Largest value allowed.
        max: i64,
    },
    /// A time that is not a whole number of milliseconds within 2^53 of 1970.
    #[error("a timestamp of {value} is not a whole number of milliseconds within 2^53 of 1970")]
    Timestamp {
        /// The number given, as text.
        value: String,
    },
    /// A variable-length number that does not end, or is too large for its field.
    #[error("{field} at byte {position} is not a valid variable-length number")]
    Varint {
        /// The field.
        field: &'static str,
        /// Its first byte in the record section.
        position: usize,
    },
    /// Text that is not UTF-8.
    #[error("{field} at byte {position} is not UTF-8")]
    Utf8 {
        /// The field.
        field: &'static str,
        /// Its first byte.
        position: usize,
    },
    /// The stored checksum is not that of the bytes.
    #[error("the CRC-32C of {what} is {computed:08x}, but {stored:08x} is stored")]
    Checksum {
        /// What is checked.
        what: &'static str,
        /// The checksum that is stored.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// A file or value that does not begin as it must.
    #[error("{what} does not begin with its magic number")]
    Magic {
        /// What was being read.
        what: &'static str,
    },
    /// A record that is not as long as it says.
    #[error("the record at byte {position} is {len} bytes long, but its fields end after {used}")]
    RecordLength {
        /// The record's first byte in the record section.
        position: usize,
        /// The length it gives.
        len: usize,
        /// Bytes used by its fields.
        used: usize,
    },
    /// The record section does not hold as many records as the batch says.
    #[error("the batch says {expected} records, but holds {found}")]
    RecordCount {
        /// The count in the batch header.
        expected: u32,
        /// Records found.
        found: u32,
    },
    /// Bytes behind the end.
    #[error("{extra} bytes follow {what}")]
    Leftover {
        /// What they follow.
        what: &'static str,
        /// How many.
        extra: usize,
    },
    /// Offsets that do not rise within a batch.
    #[error("offset delta {delta} follows {previous}")]
    OffsetOrder {
        /// The offset delta.
        delta: u32,
        /// The one before it.
        previous: u32,
    },
    /// A builder was asked for a batch without having any record.
    #[error("a batch needs at least one record")]
    NoRecords,
    /// An iterator of headers whose clone gave other headers.
    #[error("the headers changed while they were encoded")]
    UnsteadyHeaders,
    /// A compression type that does not exist.
    #[error(
        "compression type {id} does not exist; there are 0 (none), 1 (gzip), 2 (snappy), 3 (lz4), 4 (zstd)"
    )]
    UnknownCompression {
        /// The number found.
        id: i16,
    },
    /// A compression type that does not exist, by name.
    #[error("compression {name:?} does not exist; there are none, gzip, snappy, lz4, zstd")]
    UnknownCompressionName {
        /// The name given, cut to 32 characters.
        name: String,
    },
    /// Bytes that do not decompress.
    #[error("{codec} data does not decompress: {reason}")]
    Decompression {
        /// The compression.
        codec: &'static str,
        /// What its decoder says.
        reason: String,
    },
    /// Compression failed.
    #[error("{codec} compression failed: {reason}")]
    Compression {
        /// The compression.
        codec: &'static str,
        /// What its encoder says.
        reason: String,
    },
    /// Decompressed data is larger than allowed; decompression stopped there.
    #[error("{codec} data decompresses to more than the limit of {limit} bytes")]
    DecompressedTooLarge {
        /// The compression.
        codec: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
}
