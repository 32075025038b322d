//! Records of `__consumer_offsets`, as Kafka writes them. Their keys begin with a version, which tells what
//! a record is about; 0 and 1 are committed offsets: group text, topic text, partition i32. The value of one:
//! version i16 (0 to 4), offset i64, leader epoch i32 (from 3 on), metadata text, commit timestamp i64, expire
//! timestamp i64 (in 1 only), tagged fields (from 4 on; 0 is the topic's id). A record without value deletes.

use crate::error::FormatError;
use crate::fields::{self, Fields, in_range, put_tagged, put_text};

/// Most bytes of a group, a topic or metadata. What is longer is cut when it is encoded.
pub const MAX_TEXT_LEN: usize = fields::MAX_TEXT_LEN;

const KEY_VERSION: i16 = 1;
const VALUE_VERSION: i16 = 4;
const TOPIC_ID: u32 = 0;

/// Whose offset it is, and of what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OffsetCommitKey {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupRecordKey {
    /// A committed offset.
    OffsetCommit(OffsetCommitKey),
    /// Something else that Kafka keeps of groups; the version of the key tells what. Its fields are not read.
    Other(i16),
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommitValue {
    /// Offset of the next record that the group wants.
    pub offset: u64,
    /// Leader epoch of the record before it; -1: none.
    pub leader_epoch: i32,
    /// What the consumer gave with it.
    pub metadata: String,
    /// When it was committed, in milliseconds.
    pub commit_timestamp: i64,
    /// The topic's id, which a topic of the same name does not share. All zeros are taken as `None`, as in Kafka.
    pub topic_id: Option<[u8; 16]>,
}

impl OffsetCommitKey {
    /// The encoded key, version 1.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = KEY_VERSION.to_be_bytes().to_vec();
        put_text(&self.group, false, &mut bytes);
        put_text(&self.topic, false, &mut bytes);
        bytes.extend_from_slice(&self.partition.to_be_bytes());
        bytes
    }
}

impl GroupRecordKey {
    /// Reads a key.
    ///
    /// # Errors
    /// [`FormatError::TooShort`], [`FormatError::OutOfRange`], [`FormatError::Utf8`], [`FormatError::Leftover`].
    pub fn decode(bytes: &[u8]) -> Result<GroupRecordKey, FormatError> {
        let mut fields = Fields::new("a group record key", bytes);
        let version = fields.version("group record key version", i16::MAX)?;
        if version > KEY_VERSION {
            return Ok(GroupRecordKey::Other(version));
        }
        let key = OffsetCommitKey {
            group: fields.text("group", false)?.to_owned(),
            topic: fields.text("topic", false)?.to_owned(),
            partition: fields.index("partition")?,
        };
        fields.end()?;
        Ok(GroupRecordKey::OffsetCommit(key))
    }
}

impl OffsetCommitValue {
    /// The encoded value, version 4.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = VALUE_VERSION.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.offset.to_be_bytes());
        bytes.extend_from_slice(&self.leader_epoch.to_be_bytes());
        put_text(&self.metadata, true, &mut bytes);
        bytes.extend_from_slice(&self.commit_timestamp.to_be_bytes());
        let id = self.topic_id.filter(|id| *id != [0; 16]);
        let tagged: Vec<_> = id.map(|id| (TOPIC_ID, id.to_vec())).into_iter().collect();
        put_tagged(&tagged, &mut bytes);
        bytes
    }

    /// Reads a value of version 0 to 4. Tagged fields that are not known are skipped.
    ///
    /// # Errors
    /// [`FormatError::TooShort`], [`FormatError::OutOfRange`], [`FormatError::Varint`], [`FormatError::Utf8`],
    /// [`FormatError::Leftover`].
    pub fn decode(bytes: &[u8]) -> Result<OffsetCommitValue, FormatError> {
        let mut fields = Fields::new("a committed offset", bytes);
        let version = fields.version("committed offset version", VALUE_VERSION)?;
        let flexible = version >= 4;
        let offset = fields.offset("committed offset")?;
        let leader_epoch = if version >= 3 { fields.i32()? } else { -1 };
        in_range(
            "leader epoch",
            i64::from(leader_epoch),
            -1,
            i64::from(i32::MAX),
        )?;
        let metadata = fields.text("metadata", flexible)?.to_owned();
        let commit_timestamp = fields.i64()?;
        if version == 1 {
            // When it expires: Kafka has not written this since 2.1, and here the group decides.
            fields.i64()?;
        }
        let mut topic_id = None;
        if flexible {
            fields.tagged(|tag, mut field| {
                if tag == TOPIC_ID {
                    topic_id = Some(field.id()?).filter(|id| *id != [0; 16]);
                    field.end()?;
                }
                Ok(())
            })?;
        }
        fields.end()?;
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

    fn value() -> OffsetCommitValue {
        OffsetCommitValue {
            offset: 0x0102_0304_0506_0708,
            leader_epoch: 9,
            metadata: "mä".into(),
            commit_timestamp: 10,
            topic_id: Some(*b"0123456789abcdef"),
        }
    }

    #[test]
    fn fixed_bytes() {
        let key = OffsetCommitKey {
            group: "grp".into(),
            topic: "t".into(),
            partition: 2,
        };
        let bytes = [0, 1, 0, 3, b'g', b'r', b'p', 0, 1, b't', 0, 0, 0, 2];
        assert_eq!(key.encode(), bytes);
        let mut oldest = bytes;
        oldest[1] = 0;
        for bytes in [bytes, oldest] {
            assert_eq!(
                GroupRecordKey::decode(&bytes),
                Ok(GroupRecordKey::OffsetCommit(key.clone()))
            );
        }

        #[rustfmt::skip]
        let bytes = [
            0, 4,
            1, 2, 3, 4, 5, 6, 7, 8,
            0, 0, 0, 9,
            4, b'm', 0xc3, 0xa4,
            0, 0, 0, 0, 0, 0, 0, 10,
            1,
            0, 16, b'0', b'1', b'2', b'3', b'4', b'5', b'6', b'7', b'8', b'9', b'a', b'b', b'c', b'd', b'e', b'f',
        ];
        assert_eq!(value().encode(), bytes);
        assert_eq!(OffsetCommitValue::decode(&bytes), Ok(value()));
    }

    #[test]
    fn every_older_version_is_read() {
        let (offset, time, text) = (7u64.to_be_bytes(), 8u64.to_be_bytes(), [0, 1, b'm']);
        let versions: [Vec<u8>; 4] = [
            [&offset[..], &text, &time].concat(),
            [&offset[..], &text, &time, &9u64.to_be_bytes()].concat(),
            [&offset[..], &text, &time].concat(),
            [&offset[..], &[0, 0, 0, 5], &text, &time].concat(),
        ];
        for (version, fields) in versions.iter().enumerate() {
            let bytes = [&[0, version as u8][..], fields].concat();
            let expected = OffsetCommitValue {
                offset: 7,
                leader_epoch: if version == 3 { 5 } else { -1 },
                metadata: "m".into(),
                commit_timestamp: 8,
                topic_id: None,
            };
            assert_eq!(
                OffsetCommitValue::decode(&bytes),
                Ok(expected),
                "version {version}"
            );
            for len in 0..bytes.len() {
                assert!(OffsetCommitValue::decode(&bytes[..len]).is_err());
            }
        }
    }

    #[test]
    fn tags_that_are_not_known_are_skipped() {
        let mut bytes = value().encode();
        let end = bytes.len() - 19;
        bytes.truncate(end);
        let id = value().topic_id.unwrap().to_vec();
        put_tagged(&[(0, id), (1, vec![]), (9000, vec![1, 2])], &mut bytes);
        assert_eq!(OffsetCommitValue::decode(&bytes), Ok(value()));
        for id in [vec![1; 15], vec![1; 17]] {
            bytes.truncate(end);
            put_tagged(&[(0, id)], &mut bytes);
            assert!(OffsetCommitValue::decode(&bytes).is_err());
        }
    }

    #[test]
    fn no_id_and_an_id_of_zeros_are_the_same() {
        let none = OffsetCommitValue {
            topic_id: None,
            ..value()
        };
        let zeros = OffsetCommitValue {
            topic_id: Some([0; 16]),
            ..value()
        };
        assert_eq!(none.encode(), zeros.encode());
        assert_eq!(OffsetCommitValue::decode(&none.encode()), Ok(none.clone()));
        let mut bytes = none.encode();
        bytes.pop();
        put_tagged(&[(0, vec![0; 16])], &mut bytes);
        assert_eq!(OffsetCommitValue::decode(&bytes), Ok(none));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(
            GroupRecordKey::decode(&[0, 2, 0xff]),
            Ok(GroupRecordKey::Other(2))
        );
        for bad in [
            &[0xff, 0xff][..],
            &[0],
            &[0, 1, 0, 0, 0, 0, 0x80, 0, 0, 0],
            &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0, 1, 0xff, 0xff, 0, 0, 0, 0, 0, 0],
        ] {
            assert!(GroupRecordKey::decode(bad).is_err(), "{bad:?}");
        }
        for (at, byte) in [(0, 0x80), (1, 5), (2, 0x80), (10, 0x80), (14, 0), (17, 0)] {
            let mut bad = value().encode();
            bad[at] = byte;
            assert!(OffsetCommitValue::decode(&bad).is_err(), "byte {at}");
        }
        let mut longer = value().encode();
        longer.push(0);
        assert!(matches!(
            OffsetCommitValue::decode(&longer),
            Err(FormatError::Leftover { extra: 1, .. })
        ));
    }

    proptest! {
        #[test]
        fn round_trip(
            group: String,
            topic: String,
            partition in 0..=i32::MAX as u32,
            offset in 0..=i64::MAX as u64,
            leader_epoch in -1..=i32::MAX,
            metadata in ".{0,200}",
            commit_timestamp: i64,
            topic_id: Option<[u8; 16]>,
        ) {
            let key = OffsetCommitKey { group, topic, partition };
            prop_assert_eq!(GroupRecordKey::decode(&key.encode()), Ok(GroupRecordKey::OffsetCommit(key)));
            let value = OffsetCommitValue { offset, leader_epoch, metadata, commit_timestamp, topic_id };
            let bytes = value.encode();
            prop_assert_eq!(OffsetCommitValue::decode(&bytes), Ok(value));
            for len in 0..bytes.len() {
                prop_assert!(OffsetCommitValue::decode(&bytes[..len]).is_err());
            }
        }

        #[test]
        fn any_bytes(version in 0u8..6, bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let bytes = [&[0, version], bytes.as_slice()].concat();
            if let Ok(GroupRecordKey::OffsetCommit(key)) = GroupRecordKey::decode(&bytes) {
                prop_assert_eq!(&key.encode()[2..], &bytes[2..]);
            }
            if let Ok(value) = OffsetCommitValue::decode(&bytes) {
                prop_assert_eq!(OffsetCommitValue::decode(&value.encode()), Ok(value));
            }
        }
    }
}
