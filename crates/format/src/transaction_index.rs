//! Entries of Kafka's index of aborted transactions (`.txnindex`), which a reader of committed records
//! leaves out. Read only: Tidelog does not write these files.

use crate::bytes::{i16_at, i64_at};
use crate::error::FormatError;

/// Bytes of an entry.
pub const ENTRY_LEN: usize = 34;
/// The one version of an entry.
pub const VERSION: i16 = 0;

/// A transaction that was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose it was.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: u64,
    /// Offset of the control record that ended it.
    pub last_offset: u64,
    /// The partition's last stable offset after that.
    pub last_stable_offset: u64,
}

impl AbortedTransaction {
    /// Reads the entry at the beginning of the bytes.
    ///
    /// # Errors
    /// [`FormatError::TooShort`]; [`FormatError::OutOfRange`] for another version or a negative offset.
    pub fn decode(bytes: &[u8]) -> Result<AbortedTransaction, FormatError> {
        if bytes.len() < ENTRY_LEN {
            let (needed, available) = (ENTRY_LEN, bytes.len());
            return Err(FormatError::TooShort {
                what: "a transaction index entry",
                needed,
                available,
            });
        }
        let version = i16_at(bytes, 0);
        if version != VERSION {
            let (value, only) = (i64::from(version), i64::from(VERSION));
            return Err(FormatError::OutOfRange {
                field: "transaction index version",
                value,
                min: only,
                max: only,
            });
        }
        let offset = |field, at| {
            let value = i64_at(bytes, at);
            u64::try_from(value).map_err(|_| FormatError::OutOfRange {
                field,
                value,
                min: 0,
                max: i64::MAX,
            })
        };
        Ok(AbortedTransaction {
            producer_id: i64_at(bytes, 2),
            first_offset: offset("first offset", 10)?,
            last_offset: offset("last offset", 18)?,
            last_stable_offset: offset("last stable offset", 26)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fixed_bytes() {
        let mut bytes = [0; ENTRY_LEN];
        bytes[9] = 7;
        bytes[16] = 1;
        bytes[25] = 0x2a;
        bytes[33] = 0x2b;
        let entry = AbortedTransaction {
            producer_id: 7,
            first_offset: 256,
            last_offset: 42,
            last_stable_offset: 43,
        };
        assert_eq!(AbortedTransaction::decode(&bytes), Ok(entry));
        assert!(matches!(
            AbortedTransaction::decode(&bytes[..33]),
            Err(FormatError::TooShort { .. })
        ));
        for (at, field) in [
            (1, "transaction index version"),
            (10, "first offset"),
            (18, "last offset"),
            (26, "last stable offset"),
        ] {
            let mut bad = bytes;
            bad[at] |= 0x80;
            assert!(
                matches!(AbortedTransaction::decode(&bad), Err(FormatError::OutOfRange { field: found, .. }) if found == field)
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = AbortedTransaction::decode(&bytes);
        }
    }
}
