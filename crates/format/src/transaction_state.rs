//! Records of `__transaction_state`, as Kafka writes them. A key: version i16 (0), transactional id text. A
//! value: version i16 (0 or 1), producer id i64, epoch i16, timeout in ms i32, status i8, partitions (array of topic
//! text and array of i32; null if empty, and here never any, as a transaction is one write), time of the last change
//! i64, time of the start i64, tagged fields (from 1 on). Ours are 9000, the history: of each epoch producer id i64,
//! epoch i16, committed u64, before u64; and 9001, the runs of the last commit: of each topic id, partition u32, base
//! offset u64, count u32, timestamp i64. Kafka skips both. A record without value deletes.

use crate::error::FormatError;
use crate::fields::{self, Fields, put_tagged, put_text};

/// Most bytes of a transactional id. What is longer is cut when it is encoded.
pub const MAX_ID_LEN: usize = fields::MAX_TEXT_LEN;

/// Kafka's status of a transactional id that has no transaction yet.
pub const EMPTY: i8 = 0;
/// Kafka's status after a commit that is done.
pub const COMPLETE_COMMIT: i8 = 4;

const KEY_VERSION: i16 = 0;
const VALUE_VERSION: i16 = 1;
const HISTORY: u32 = 9000;
const RUNS: u32 = 9001;
const EPOCH_LEN: usize = 26;
const RUN_LEN: usize = 40;

/// The key of a record: a transactional id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionKey(pub String);

/// What was committed in one epoch of a transactional id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TransactionEpoch {
    /// Its producer id.
    pub producer_id: i64,
    /// The epoch.
    pub epoch: i16,
    /// Number of the last transaction that was committed; 0: none.
    pub committed: u64,
    /// Bit n, counted from the lowest: whether number `committed - 1 - n` was committed.
    pub before: u64,
}

/// Records of one partition that a commit has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoredRun {
    /// Their topic.
    pub topic_id: [u8; 16],
    /// Its partition.
    pub partition: u32,
    /// Offset of the first.
    pub base_offset: u64,
    /// How many they are.
    pub count: u32,
    /// When they were appended, in milliseconds, where the topic's records bear that time; else -1.
    pub timestamp: i64,
}

/// What is known of a transactional id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransactionValue {
    /// Its producer id.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// How long a transaction may take, in milliseconds.
    pub timeout_ms: i32,
    /// Kafka's number: [`EMPTY`], [`COMPLETE_COMMIT`], or one that only Kafka writes.
    pub status: i8,
    /// When this last changed, in milliseconds.
    pub updated: i64,
    /// When the last transaction was started, in milliseconds; -1: none was.
    pub started: i64,
    /// The last epochs, newest first.
    pub history: Vec<TransactionEpoch>,
    /// What the last commit has written.
    pub runs: Vec<StoredRun>,
}

impl TransactionKey {
    /// The encoded key, version 0.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = KEY_VERSION.to_be_bytes().to_vec();
        put_text(&self.0, false, &mut bytes);
        bytes
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`FormatError::TooShort`], [`FormatError::OutOfRange`], [`FormatError::Utf8`], [`FormatError::Leftover`].
    pub fn decode(bytes: &[u8]) -> Result<TransactionKey, FormatError> {
        let mut fields = Fields::new("a transaction's key", bytes);
        fields.version("transaction key version", KEY_VERSION)?;
        let id = fields.text("transactional id", false)?.to_owned();
        fields.end()?;
        Ok(TransactionKey(id))
    }
}

impl TransactionValue {
    /// The encoded value, version 1.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = VALUE_VERSION.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.producer_id.to_be_bytes());
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.timeout_ms.to_be_bytes());
        bytes.extend_from_slice(&self.status.to_be_bytes());
        // Partitions: Kafka writes null in this status, an empty array in all others, and reads no other.
        bytes.push(if self.status == EMPTY { 0 } else { 1 });
        bytes.extend_from_slice(&self.updated.to_be_bytes());
        bytes.extend_from_slice(&self.started.to_be_bytes());
        let mut tagged = Vec::with_capacity(2);
        if !self.history.is_empty() {
            tagged.push((HISTORY, encode_history(&self.history)));
        }
        if !self.runs.is_empty() {
            tagged.push((RUNS, encode_runs(&self.runs)));
        }
        put_tagged(&tagged, &mut bytes);
        bytes
    }

    /// Reads a value of version 0 or 1. Tagged fields that are not known are skipped, and the partitions of a
    /// transaction that Kafka had not ended.
    ///
    /// # Errors
    /// [`FormatError::TooShort`], [`FormatError::OutOfRange`], [`FormatError::Varint`], [`FormatError::Utf8`],
    /// [`FormatError::Leftover`].
    pub fn decode(bytes: &[u8]) -> Result<TransactionValue, FormatError> {
        let mut fields = Fields::new("a transaction's state", bytes);
        let flexible = fields.version("transaction state version", VALUE_VERSION)? >= 1;
        let mut value = TransactionValue {
            producer_id: fields.i64()?,
            epoch: fields.i16()?,
            timeout_ms: fields.i32()?,
            status: fields.i8()?,
            ..TransactionValue::default()
        };
        skip_partitions(&mut fields, flexible)?;
        value.updated = fields.i64()?;
        value.started = fields.i64()?;
        if flexible {
            fields.tagged(|tag, field| {
                match tag {
                    HISTORY => value.history = decode_history(field)?,
                    RUNS => value.runs = decode_runs(field)?,
                    _ => {}
                }
                Ok(())
            })?;
        }
        fields.end()?;
        Ok(value)
    }
}

fn encode_history(history: &[TransactionEpoch]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(history.len() * EPOCH_LEN);
    for epoch in history {
        bytes.extend_from_slice(&epoch.producer_id.to_be_bytes());
        bytes.extend_from_slice(&epoch.epoch.to_be_bytes());
        bytes.extend_from_slice(&epoch.committed.to_be_bytes());
        bytes.extend_from_slice(&epoch.before.to_be_bytes());
    }
    bytes
}

fn decode_history(mut fields: Fields<'_>) -> Result<Vec<TransactionEpoch>, FormatError> {
    let mut history = Vec::with_capacity(fields.rest().len() / EPOCH_LEN);
    while !fields.rest().is_empty() {
        history.push(TransactionEpoch {
            producer_id: fields.i64()?,
            epoch: fields.i16()?,
            committed: fields.u64()?,
            before: fields.u64()?,
        });
    }
    Ok(history)
}

fn encode_runs(runs: &[StoredRun]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(runs.len() * RUN_LEN);
    for run in runs {
        bytes.extend_from_slice(&run.topic_id);
        bytes.extend_from_slice(&run.partition.to_be_bytes());
        bytes.extend_from_slice(&run.base_offset.to_be_bytes());
        bytes.extend_from_slice(&run.count.to_be_bytes());
        bytes.extend_from_slice(&run.timestamp.to_be_bytes());
    }
    bytes
}

fn decode_runs(mut fields: Fields<'_>) -> Result<Vec<StoredRun>, FormatError> {
    let mut runs = Vec::with_capacity(fields.rest().len() / RUN_LEN);
    while !fields.rest().is_empty() {
        runs.push(StoredRun {
            topic_id: fields.id()?,
            partition: fields.index("partition")?,
            base_offset: fields.offset("base offset")?,
            count: fields.u32()?,
            timestamp: fields.i64()?,
        });
    }
    Ok(runs)
}

fn skip_partitions(fields: &mut Fields<'_>, flexible: bool) -> Result<(), FormatError> {
    let topics = fields.count("number of topics", flexible)?;
    for _ in 0..topics.unwrap_or(0) {
        fields.text("topic", flexible)?;
        let partitions = fields.count("number of partitions", flexible)?;
        let len = u64::from(partitions.unwrap_or(0)) * 4;
        fields.take(usize::try_from(len).unwrap_or(usize::MAX))?;
        if flexible {
            fields.skip_tagged()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> TransactionValue {
        TransactionValue {
            producer_id: 0x0000_0003_0000_0001,
            epoch: 2,
            timeout_ms: 60_000,
            status: COMPLETE_COMMIT,
            updated: 5,
            started: 4,
            history: vec![TransactionEpoch {
                producer_id: 6,
                epoch: 7,
                committed: 8,
                before: 9,
            }],
            runs: vec![StoredRun {
                topic_id: *b"0123456789abcdef",
                partition: 10,
                base_offset: 11,
                count: 12,
                timestamp: -1,
            }],
        }
    }

    #[test]
    fn fixed_bytes() {
        let key = TransactionKey("\0ä".into());
        let bytes = [0, 0, 0, 3, 0, 0xc3, 0xa4];
        assert_eq!(key.encode(), bytes);
        assert_eq!(TransactionKey::decode(&bytes), Ok(key));

        #[rustfmt::skip]
        let bytes = [
            0, 1,
            0, 0, 0, 3, 0, 0, 0, 1,
            0, 2,
            0, 0, 0xea, 0x60,
            4,
            1,
            0, 0, 0, 0, 0, 0, 0, 5,
            0, 0, 0, 0, 0, 0, 0, 4,
            2,
            0xa8, 0x46, 26,
            0, 0, 0, 0, 0, 0, 0, 6,
            0, 7,
            0, 0, 0, 0, 0, 0, 0, 8,
            0, 0, 0, 0, 0, 0, 0, 9,
            0xa9, 0x46, 40,
            b'0', b'1', b'2', b'3', b'4', b'5', b'6', b'7', b'8', b'9', b'a', b'b', b'c', b'd', b'e', b'f',
            0, 0, 0, 10,
            0, 0, 0, 0, 0, 0, 0, 11,
            0, 0, 0, 12,
            255, 255, 255, 255, 255, 255, 255, 255,
        ];
        assert_eq!(value().encode(), bytes);
        assert_eq!(TransactionValue::decode(&bytes), Ok(value()));

        let empty = TransactionValue {
            status: EMPTY,
            history: vec![],
            runs: vec![],
            ..value()
        };
        let mut short = bytes[..35].to_vec();
        (short[16], short[17], short[34]) = (0, 0, 0);
        assert_eq!(empty.encode(), short);
        assert_eq!(TransactionValue::decode(&short), Ok(empty));
    }

    #[test]
    fn values_of_kafka_are_read() {
        let head = [0, 0, 0, 3, 0, 0, 0, 1, 0, 2, 0, 0, 0xea, 0x60];
        let times = [0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 4];
        let with_status = |status| TransactionValue {
            status,
            history: vec![],
            runs: vec![],
            ..value()
        };
        let two = [0, 0, 0, 1, 0, 0, 0, 2];
        // Version 0: null, none, and two partitions of one topic.
        for (status, partitions) in [
            (0, vec![0xff; 4]),
            (4, vec![0; 4]),
            (
                1,
                [&[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2][..], &two].concat(),
            ),
        ] {
            let bytes = [&[0, 0], &head[..], &[status], &partitions, &times].concat();
            assert_eq!(
                TransactionValue::decode(&bytes),
                Ok(with_status(status as i8))
            );
            for len in 0..bytes.len() {
                assert!(TransactionValue::decode(&bytes[..len]).is_err());
            }
        }
        // Version 1, with the fields that Kafka has tagged: producer ids before and after, client's version.
        let partitions = [&[2, 2, b't', 3][..], &two, &[0]].concat();
        let tagged = [&[3, 0, 8][..], &[1; 8], &[1, 8], &[2; 8], &[2, 2, 0, 2]].concat();
        let bytes = [&[0, 1], &head[..], &[1], &partitions, &times, &tagged].concat();
        assert_eq!(TransactionValue::decode(&bytes), Ok(with_status(1)));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            &[0, 1, 0, 0][..],
            &[0xff, 0xff, 0, 0],
            &[0, 0, 0xff, 0xff],
            &[0, 0, 0, 0, 0],
            &[0, 0, 0, 1, 0xff],
        ] {
            assert!(TransactionKey::decode(bad).is_err(), "{bad:?}");
        }
        // Version, a count of topics and of tags that are not there, lengths of ours, partition, base offset.
        for (at, byte) in [
            (1, 2),
            (17, 9),
            (34, 3),
            (37, 25),
            (66, 39),
            (83, 0x80),
            (87, 0x80),
        ] {
            let mut bad = value().encode();
            bad[at] = byte;
            assert!(TransactionValue::decode(&bad).is_err(), "byte {at}");
        }
        let mut longer = value().encode();
        longer.push(0);
        assert!(matches!(
            TransactionValue::decode(&longer),
            Err(FormatError::Leftover { extra: 1, .. })
        ));
        let mut endless = value().encode();
        endless.splice(17..18, [0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert!(TransactionValue::decode(&endless).is_err());
    }

    fn run() -> impl Strategy<Value = StoredRun> {
        let place = (0..=i32::MAX as u32, 0..=i64::MAX as u64);
        (any::<[u8; 16]>(), place, any::<u32>(), any::<i64>()).prop_map(
            |(topic_id, (partition, base_offset), count, timestamp)| StoredRun {
                topic_id,
                partition,
                base_offset,
                count,
                timestamp,
            },
        )
    }

    fn epoch() -> impl Strategy<Value = TransactionEpoch> {
        any::<(i64, i16, u64, u64)>().prop_map(|(producer_id, epoch, committed, before)| {
            TransactionEpoch {
                producer_id,
                epoch,
                committed,
                before,
            }
        })
    }

    proptest! {
        #[test]
        fn round_trip(
            id: String,
            (producer_id, epoch, timeout_ms, status) in any::<(i64, i16, i32, i8)>(),
            (updated, started) in any::<(i64, i64)>(),
            history in proptest::collection::vec(epoch(), 0..10),
            runs in proptest::collection::vec(run(), 0..10),
        ) {
            let key = TransactionKey(id);
            prop_assert_eq!(TransactionKey::decode(&key.encode()), Ok(key));
            let value =
                TransactionValue { producer_id, epoch, timeout_ms, status, updated, started, history, runs };
            let bytes = value.encode();
            prop_assert_eq!(TransactionValue::decode(&bytes), Ok(value));
            for len in 0..bytes.len() {
                prop_assert!(TransactionValue::decode(&bytes[..len]).is_err());
            }
        }

        #[test]
        fn any_bytes(version in 0u8..3, bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let bytes = [&[0, version], bytes.as_slice()].concat();
            if let Ok(key) = TransactionKey::decode(&bytes) {
                prop_assert_eq!(key.encode(), bytes.clone());
            }
            if let Ok(value) = TransactionValue::decode(&bytes) {
                prop_assert_eq!(TransactionValue::decode(&value.encode()), Ok(value));
            }
        }
    }
}
