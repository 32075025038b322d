//! Records of `__transaction_state`, in Kafka's schemas (`TransactionLogKey`, `TransactionLogValue`): to whom a name's
//! producer id belongs, and what its last transaction did. Key: version i16 (0), transactional id (string with an i16
//! length). Value: version i16, producer id i64, epoch i16, time limit i32, status i8, the transaction's partitions
//! (null once it is complete), time of the update i64, time of the start i64. Version 1, which is written, is flexible, and
//! its tagged fields hold what Kafka has no place for: 9000 the history, count u32 and of each epoch producer id i64,
//! epoch i16, number of the last commit u64, bits u64 for the 64 numbers before it; 9001 the runs of the last commit, count u32
//! and of each topic id (16 bytes), partition u32, base offset u64, count u32, append time i64.

use crate::error::FormatError;
use crate::fields::{Fields, put_string, put_tagged, put_uvarint};

const KEY: &str = "a transaction state key";
const VALUE: &str = "a transaction state value";
const HISTORY: u32 = 9000;
const RUNS: u32 = 9001;
const EPOCH_LEN: usize = 26;
const RUN_LEN: usize = 40;

/// Kafka's number for an id that has no transaction.
pub const EMPTY: i8 = 0;
/// Kafka's number for an id whose last transaction was committed.
pub const COMPLETE_COMMIT: i8 = 4;

/// Whose record it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionKey(
    /// The transactional id, up to 32,767 bytes.
    pub String,
);

/// The transactions of one epoch of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionEpoch {
    /// The producer id.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The number of the last transaction that was committed, 0 if none was.
    pub committed: u64,
    /// Bit n tells whether the transaction `committed - 1 - n` was committed.
    pub before: u64,
}

/// Records of one commit with consecutive offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRun {
    /// Their topic.
    pub topic_id: [u8; 16],
    /// Their partition.
    pub partition: u32,
    /// The offset of the first.
    pub base_offset: u64,
    /// How many there are.
    pub count: u32,
    /// The time of their append in ms where the topic uses that, else -1.
    pub timestamp: i64,
}

/// What is known of a transactional id, or of a named producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionValue {
    /// Its producer id.
    pub producer_id: i64,
    /// The epoch in force.
    pub epoch: i16,
    /// The time limit of its transactions in ms.
    pub timeout_ms: i32,
    /// [`EMPTY`], [`COMPLETE_COMMIT`], or another of Kafka's.
    pub status: i8,
    /// When this was written, in ms.
    pub updated: i64,
    /// When its last transaction began, in ms, or -1.
    pub started: i64,
    /// Its epochs, the newest first.
    pub history: Vec<TransactionEpoch>,
    /// What the last commit appended.
    pub runs: Vec<StoredRun>,
}

impl TransactionKey {
    /// The encoded key.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = 0i16.to_be_bytes().to_vec();
        put_string(&mut out, &self.0);
        out
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`FormatError::TooShort`], [`FormatError::Utf8`], [`FormatError::OutOfRange`].
    pub fn decode(bytes: &[u8]) -> Result<TransactionKey, FormatError> {
        let mut fields = Fields::new(KEY, bytes);
        fields.version(0)?;
        fields.string().map(TransactionKey)
    }
}

impl TransactionValue {
    /// The encoded value.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = 1i16.to_be_bytes().to_vec();
        out.extend_from_slice(&self.producer_id.to_be_bytes());
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.extend_from_slice(&self.timeout_ms.to_be_bytes());
        out.extend_from_slice(&self.status.to_be_bytes());
        put_uvarint(&mut out, 0);
        out.extend_from_slice(&self.updated.to_be_bytes());
        out.extend_from_slice(&self.started.to_be_bytes());
        let tags = u32::from(!self.history.is_empty()) + u32::from(!self.runs.is_empty());
        put_uvarint(&mut out, tags);
        if !self.history.is_empty() {
            put_tagged(&mut out, HISTORY, &self.encode_history());
        }
        if !self.runs.is_empty() {
            put_tagged(&mut out, RUNS, &self.encode_runs());
        }
        out
    }

    fn encode_history(&self) -> Vec<u8> {
        let mut out = (self.history.len() as u32).to_be_bytes().to_vec();
        for epoch in &self.history {
            out.extend_from_slice(&epoch.producer_id.to_be_bytes());
            out.extend_from_slice(&epoch.epoch.to_be_bytes());
            out.extend_from_slice(&epoch.committed.to_be_bytes());
            out.extend_from_slice(&epoch.before.to_be_bytes());
        }
        out
    }

    fn encode_runs(&self) -> Vec<u8> {
        let mut out = (self.runs.len() as u32).to_be_bytes().to_vec();
        for run in &self.runs {
            out.extend_from_slice(&run.topic_id);
            out.extend_from_slice(&run.partition.to_be_bytes());
            out.extend_from_slice(&run.base_offset.to_be_bytes());
            out.extend_from_slice(&run.count.to_be_bytes());
            out.extend_from_slice(&run.timestamp.to_be_bytes());
        }
        out
    }

    /// Reads a value.
    ///
    /// # Errors
    /// [`FormatError::TooShort`], [`FormatError::Utf8`], [`FormatError::Varint`], [`FormatError::OutOfRange`].
    pub fn decode(bytes: &[u8]) -> Result<TransactionValue, FormatError> {
        let mut fields = Fields::new(VALUE, bytes);
        let version = fields.version(1)?;
        let mut value = TransactionValue {
            producer_id: fields.i64()?,
            epoch: fields.i16()?,
            timeout_ms: fields.i32()?,
            status: fields.i8()?,
            updated: 0,
            started: 0,
            history: Vec::new(),
            runs: Vec::new(),
        };
        skip_partitions(&mut fields, version)?;
        value.updated = fields.i64()?;
        value.started = fields.i64()?;
        if version == 1 {
            fields.tagged(|tag, field| {
                match tag {
                    HISTORY => value.history = decode_history(field)?,
                    RUNS => value.runs = decode_runs(field)?,
                    _ => {}
                }
                Ok(())
            })?;
        }
        Ok(value)
    }
}

/// The partitions of a transaction that a broker left open.
fn skip_partitions(fields: &mut Fields<'_>, version: i16) -> Result<(), FormatError> {
    let flexible = version == 1;
    let topics = match flexible {
        true => i64::from(fields.uvarint()?) - 1,
        false => i64::from(fields.i32()?),
    };
    for _ in 0..topics.max(0) {
        let partitions = if flexible {
            fields.compact_string()?;
            fields.compact_len()?
        } else {
            fields.string()?;
            fields.u32()? as usize
        };
        fields.take(partitions.saturating_mul(4))?;
        if flexible {
            fields.tagged(|_, _| Ok(()))?;
        }
    }
    Ok(())
}

/// A count that the bytes which are left have room for.
fn count(fields: &mut Fields<'_>, each: usize) -> Result<usize, FormatError> {
    let count = fields.u32()?;
    if (count as usize).saturating_mul(each) != fields.left() {
        return Err(fields.bad_length(i64::from(count)));
    }
    Ok(count as usize)
}

fn decode_history(mut fields: Fields<'_>) -> Result<Vec<TransactionEpoch>, FormatError> {
    (0..count(&mut fields, EPOCH_LEN)?)
        .map(|_| {
            Ok(TransactionEpoch {
                producer_id: fields.i64()?,
                epoch: fields.i16()?,
                committed: fields.u64()?,
                before: fields.u64()?,
            })
        })
        .collect()
}

fn decode_runs(mut fields: Fields<'_>) -> Result<Vec<StoredRun>, FormatError> {
    (0..count(&mut fields, RUN_LEN)?)
        .map(|_| {
            Ok(StoredRun {
                topic_id: fields.uuid()?,
                partition: fields.u32()?,
                base_offset: fields.u64()?,
                count: fields.u32()?,
                timestamp: fields.i64()?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> TransactionValue {
        TransactionValue {
            producer_id: 1,
            epoch: 2,
            timeout_ms: 3,
            status: COMPLETE_COMMIT,
            updated: 5,
            started: 6,
            history: vec![TransactionEpoch {
                producer_id: 1,
                epoch: 2,
                committed: 7,
                before: 1,
            }],
            runs: vec![StoredRun {
                topic_id: [9; 16],
                partition: 1,
                base_offset: 2,
                count: 3,
                timestamp: -1,
            }],
        }
    }

    #[test]
    fn fixed_bytes() {
        assert_eq!(TransactionKey("ab".to_owned()).encode(), b"\0\0\0\x02ab");
        let mut expected = b"\0\x01\0\0\0\0\0\0\0\x01\0\x02\0\0\0\x03\x04\0".to_vec();
        expected.extend_from_slice(b"\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x06\x02");
        expected.extend_from_slice(b"\xa8\x46\x1e\0\0\0\x01\0\0\0\0\0\0\0\x01\0\x02");
        expected.extend_from_slice(b"\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x01");
        expected.extend_from_slice(b"\xa9\x46\x2c\0\0\0\x01");
        expected.extend_from_slice(&[9; 16]);
        expected.extend_from_slice(b"\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\x03");
        expected.extend_from_slice(&[0xff; 8]);
        assert_eq!(value().encode(), expected);
        assert_eq!(TransactionValue::decode(&expected), Ok(value()));
    }

    #[test]
    fn what_a_broker_wrote_is_read() {
        // Version 0 with one topic of two partitions.
        let mut bytes = b"\0\0\0\0\0\0\0\0\0\x01\0\x02\0\0\0\x03\x01".to_vec();
        bytes.extend_from_slice(b"\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\0\0\0\0\x01");
        bytes.extend_from_slice(b"\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x06");
        let expected = TransactionValue {
            status: 1,
            history: Vec::new(),
            runs: Vec::new(),
            ..value()
        };
        assert_eq!(TransactionValue::decode(&bytes), Ok(expected.clone()));
        // Version 1, with a tag of Kafka's.
        let mut bytes = b"\0\x01\0\0\0\0\0\0\0\x01\0\x02\0\0\0\x03\x01".to_vec();
        bytes.extend_from_slice(b"\x02\x02t\x03\0\0\0\0\0\0\0\x01\0");
        bytes.extend_from_slice(b"\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x06\x01\x02\x02\0\x02");
        assert_eq!(TransactionValue::decode(&bytes), Ok(expected));
    }

    proptest! {
        #[test]
        fn round_trip(id in ".{0,40}", numbers: (i64, i16, u64, u64), runs in proptest::collection::vec(
            (any::<[u8; 16]>(), any::<u32>(), any::<u64>(), any::<u32>(), any::<i64>()), 0..9)) {
            let key = TransactionKey(id);
            prop_assert_eq!(TransactionKey::decode(&key.encode()), Ok(key));
            let (producer_id, epoch, committed, before) = numbers;
            let runs = runs.into_iter().map(|(topic_id, partition, base_offset, count, timestamp)| StoredRun {
                topic_id, partition, base_offset, count, timestamp,
            }).collect();
            let history = vec![TransactionEpoch { producer_id, epoch, committed, before }; 3];
            let value = TransactionValue { producer_id, epoch, history, runs, ..value() };
            prop_assert_eq!(TransactionValue::decode(&value.encode()), Ok(value));
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..160)) {
            let _ = TransactionKey::decode(&bytes);
            let _ = TransactionValue::decode(&bytes);
        }
    }
}
