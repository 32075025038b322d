//! The sizes that no record or batch exceeds, stated once. Those of a key and of headers hold for what is
//! encoded here; batches that others wrote are read whatever their keys and headers measure.

/// Largest encoded batch, and largest record section of one batch when decompressed, in bytes.
pub const MAX_BATCH_BYTES: usize = 64 << 20;
/// Largest encoded batch a topic takes by default, in bytes: Kafka's default of `max.message.bytes`.
pub const DEFAULT_BATCH_BYTES: usize = (1 << 20) + 12;
/// Largest record key in bytes.
pub const MAX_KEY_BYTES: usize = 64 << 10;
/// Most headers of one record.
pub const MAX_HEADERS: usize = 128;
/// Largest sum of the names and values of one record's headers, in bytes.
pub const MAX_HEADER_BYTES: usize = 64 << 10;
/// Longest topic name in characters, which are bytes too.
pub const MAX_TOPIC_NAME: usize = 249;
