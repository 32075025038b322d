//! Records of `__consumer_offsets`, Kafka's own (`OffsetCommitKey`, `OffsetCommitValue`). Key of version 0 or 1: version
//! i16, group, topic (strings with an i16 length), partition i32; keys of other versions are not offsets. Value: version
//! i16, offset i64, from version 3 on leader epoch i32, metadata (string), commit time i64, in version 1 expiry time i64.
//! Version 4 is flexible: compact strings, then tagged fields, of which 9000 is ours: the topic's id. A key without a value takes
//! the offset back. Version 1 of the key and 4 of the value are written.

use crate::error::FormatError;
use crate::fields::{Fields, put_compact_string, put_string, put_tagged, put_uvarint};

const KEY: &str = "an offset commit key";
const VALUE: &str = "an offset commit value";
const KEY_VERSION: i16 = 1;
const VALUE_VERSION: i16 = 4;
/// Ours: Kafka skips tags that it does not know.
const TOPIC_ID: u32 = 9000;

/// Which offset it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OffsetCommitKey {
    /// The group, up to 32,767 bytes.
    pub group: String,
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: u32,
}

/// What the key of a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupRecordKey {
    /// A committed offset.
    OffsetCommit(OffsetCommitKey),
    /// Something else, by the key's version: a group's members, and what newer versions have.
    Other(i16),
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommitValue {
    /// The offset of the next record to read.
    pub offset: u64,
    /// The leader epoch of the last record read, or -1.
    pub leader_epoch: i32,
    /// What the committer noted, up to 32,767 bytes.
    pub metadata: String,
    /// When, in ms.
    pub commit_timestamp: i64,
    /// The topic's id: one that was made again has another.
    pub topic_id: Option<[u8; 16]>,
}

impl OffsetCommitKey {
    /// The encoded key.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = KEY_VERSION.to_be_bytes().to_vec();
        put_string(&mut out, &self.group);
        put_string(&mut out, &self.topic);
        out.extend_from_slice(&self.partition.to_be_bytes());
        out
    }
}

impl GroupRecordKey {
    /// Reads a key.
    ///
    /// # Errors
    /// [`FormatError::TooShort`], [`FormatError::Utf8`], [`FormatError::OutOfRange`].
    pub fn decode(bytes: &[u8]) -> Result<GroupRecordKey, FormatError> {
        let mut fields = Fields::new(KEY, bytes);
        let version = fields.version(i16::MAX)?;
        if version > KEY_VERSION {
            return Ok(GroupRecordKey::Other(version));
        }
        let (group, topic) = (fields.string()?, fields.string()?);
        let partition = fields.i32()?;
        let partition =
            u32::try_from(partition).map_err(|_| fields.bad_length(i64::from(partition)))?;
        Ok(GroupRecordKey::OffsetCommit(OffsetCommitKey {
            group,
            topic,
            partition,
        }))
    }
}

impl OffsetCommitValue {
    /// The encoded value.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = VALUE_VERSION.to_be_bytes().to_vec();
        out.extend_from_slice(&self.offset.to_be_bytes());
        out.extend_from_slice(&self.leader_epoch.to_be_bytes());
        put_compact_string(&mut out, &self.metadata);
        out.extend_from_slice(&self.commit_timestamp.to_be_bytes());
        put_uvarint(&mut out, u32::from(self.topic_id.is_some()));
        if let Some(id) = &self.topic_id {
            put_tagged(&mut out, TOPIC_ID, id);
        }
        out
    }

    /// Reads a value.
    ///
    /// # Errors
    /// [`FormatError::TooShort`], [`FormatError::Utf8`], [`FormatError::Varint`], [`FormatError::OutOfRange`].
    pub fn decode(bytes: &[u8]) -> Result<OffsetCommitValue, FormatError> {
        let mut fields = Fields::new(VALUE, bytes);
        let version = fields.version(VALUE_VERSION)?;
        let offset = fields.offset()?;
        let leader_epoch = if version >= 3 { fields.i32()? } else { -1 };
        let metadata = match version {
            4 => fields.compact_string()?,
            _ => fields.string()?,
        };
        let commit_timestamp = fields.i64()?;
        let mut topic_id = None;
        if version == 4 {
            fields.tagged(|tag, mut field| {
                if tag == TOPIC_ID {
                    topic_id = Some(field.uuid()?);
                }
                Ok(())
            })?;
        }
        Ok(OffsetCommitValue {
            offset,
            leader_epoch,
            metadata,
            commit_timestamp,
            topic_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> OffsetCommitKey {
        OffsetCommitKey {
            group: "g".to_owned(),
            topic: "tea".to_owned(),
            partition: 2,
        }
    }

    fn value(topic_id: Option<[u8; 16]>) -> OffsetCommitValue {
        OffsetCommitValue {
            offset: 258,
            leader_epoch: -1,
            metadata: "m".to_owned(),
            commit_timestamp: 3,
            topic_id,
        }
    }

    #[test]
    fn fixed_bytes() {
        assert_eq!(key().encode(), b"\0\x01\0\x01g\0\x03tea\0\0\0\x02");
        let plain = b"\0\x04\0\0\0\0\0\0\x01\x02\xff\xff\xff\xff\x02m\0\0\0\0\0\0\0\x03\0";
        assert_eq!(value(None).encode(), plain);
        let mut with_id = plain[..plain.len() - 1].to_vec();
        with_id.extend_from_slice(b"\x01\xa8\x46\x10");
        with_id.extend_from_slice(&[7; 16]);
        assert_eq!(value(Some([7; 16])).encode(), with_id);
    }

    #[test]
    fn older_values_and_unknown_tags_are_read() {
        let first = b"\0\x01\0\0\0\0\0\0\x01\x02\0\x01m\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x09";
        assert_eq!(OffsetCommitValue::decode(first), Ok(value(None)));
        let third = b"\0\x03\0\0\0\0\0\0\x01\x02\xff\xff\xff\xff\0\x01m\0\0\0\0\0\0\0\x03";
        assert_eq!(OffsetCommitValue::decode(third), Ok(value(None)));
        let mut tagged = value(None).encode();
        tagged.pop();
        tagged.extend_from_slice(b"\x01\x05\x02ab");
        assert_eq!(OffsetCommitValue::decode(&tagged), Ok(value(None)));
        assert_eq!(GroupRecordKey::decode(b"\0\x02"), Ok(GroupRecordKey::Other(2)));
        assert!(OffsetCommitValue::decode(b"\0\x05").is_err());
    }

    proptest! {
        #[test]
        fn round_trip(group in ".{0,40}", topic in "[a-z]{1,20}", partition in 0u32..1 << 31, offset in 0u64..1 << 63,
                      metadata in ".{0,200}", commit_timestamp: i64, topic_id: Option<[u8; 16]>) {
            let key = OffsetCommitKey { group, topic, partition };
            let read = GroupRecordKey::decode(&key.encode());
            prop_assert_eq!(read, Ok(GroupRecordKey::OffsetCommit(key)));
            let value = OffsetCommitValue { offset, leader_epoch: 4, metadata, commit_timestamp, topic_id };
            prop_assert_eq!(OffsetCommitValue::decode(&value.encode()), Ok(value));
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = GroupRecordKey::decode(&bytes);
            let _ = OffsetCommitValue::decode(&bytes);
        }
    }
}
