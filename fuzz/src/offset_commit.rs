//! Records of `__consumer_offsets`: an input is read as the key of one and as the value of one.

use tidelog::format::offset_commit::{GroupRecordKey, MAX_TEXT_LEN, OffsetCommitValue};

/// Runs the target.
pub fn run(data: &[u8]) {
    match GroupRecordKey::decode(data) {
        Ok(GroupRecordKey::OffsetCommit(key)) => {
            assert!(key.group.len().max(key.topic.len()) <= MAX_TEXT_LEN);
            // Versions 0 and 1 differ in nothing but the number.
            assert_eq!(key.encode()[2..], data[2..]);
        }
        Ok(GroupRecordKey::Other(version)) => assert!(version > 1),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match OffsetCommitValue::decode(data) {
        Ok(value) => {
            assert!(value.offset <= i64::MAX as u64 && value.metadata.len() <= MAX_TEXT_LEN);
            assert_ne!(value.topic_id, Some([0; 16]));
            assert_eq!(OffsetCommitValue::decode(&value.encode()), Ok(value));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
