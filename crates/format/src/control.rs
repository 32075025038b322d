//! The record of a control batch that ends a transaction: its key says how, its value who wrote it.

use crate::bytes::{i16_at, i32_at};
use crate::error::FormatError;

/// What a control record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlKind {
    /// The transaction is undone: its records are not to be delivered.
    Abort,
    /// The transaction is done.
    Commit,
    /// Something that only the log of Kafka's own metadata has.
    Other(i16),
}

/// The key of a control record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlKey {
    /// Version of its encoding, 0 or above. Newer ones may have more bytes.
    pub version: i16,
    /// What it says.
    pub kind: ControlKind,
}

impl ControlKey {
    /// Bytes of a key.
    pub const LEN: usize = 4;

    /// Reads a key. Bytes behind it belong to newer versions and are not looked at.
    ///
    /// # Errors
    /// [`FormatError::TooShort`], [`FormatError::OutOfRange`].
    pub fn decode(bytes: &[u8]) -> Result<ControlKey, FormatError> {
        enough("a control record key", bytes, ControlKey::LEN)?;
        let version = version("control record version", bytes)?;
        let kind = match i16_at(bytes, 2) {
            0 => ControlKind::Abort,
            1 => ControlKind::Commit,
            other => ControlKind::Other(other),
        };
        Ok(ControlKey { version, kind })
    }

    /// The encoded key.
    pub fn encode(&self) -> [u8; ControlKey::LEN] {
        let kind = match self.kind {
            ControlKind::Abort => 0,
            ControlKind::Commit => 1,
            ControlKind::Other(other) => other,
        };
        let ([a, b], [c, d]) = (self.version.to_be_bytes(), kind.to_be_bytes());
        [a, b, c, d]
    }
}

/// The value of a control record that ends a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndMarker {
    /// Version of its encoding, 0 or above. Newer ones may have more bytes.
    pub version: i16,
    /// Which coordinator of the transaction wrote it: newer ones have larger numbers.
    pub coordinator_epoch: i32,
}

impl EndMarker {
    /// Bytes of a value.
    pub const LEN: usize = 6;

    /// Reads a value. Bytes behind it belong to newer versions and are not looked at.
    ///
    /// # Errors
    /// [`FormatError::TooShort`], [`FormatError::OutOfRange`].
    pub fn decode(bytes: &[u8]) -> Result<EndMarker, FormatError> {
        enough("an end transaction marker", bytes, EndMarker::LEN)?;
        let version = version("end transaction marker version", bytes)?;
        Ok(EndMarker {
            version,
            coordinator_epoch: i32_at(bytes, 2),
        })
    }

    /// The encoded value.
    pub fn encode(&self) -> [u8; EndMarker::LEN] {
        let ([a, b], [c, d, e, f]) = (
            self.version.to_be_bytes(),
            self.coordinator_epoch.to_be_bytes(),
        );
        [a, b, c, d, e, f]
    }
}

fn enough(what: &'static str, bytes: &[u8], needed: usize) -> Result<(), FormatError> {
    let available = bytes.len();
    if available < needed {
        Err(FormatError::TooShort {
            what,
            needed,
            available,
        })
    } else {
        Ok(())
    }
}

fn version(field: &'static str, bytes: &[u8]) -> Result<i16, FormatError> {
    match i16_at(bytes, 0) {
        version if version >= 0 => Ok(version),
        version => Err(FormatError::OutOfRange {
            field,
            value: i64::from(version),
            min: 0,
            max: i64::from(i16::MAX),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fixed_bytes() {
        let commit = ControlKey {
            version: 0,
            kind: ControlKind::Commit,
        };
        assert_eq!(commit.encode(), [0, 0, 0, 1]);
        assert_eq!(ControlKey::decode(&[0, 0, 0, 1]), Ok(commit));
        let abort = ControlKey {
            version: 1,
            kind: ControlKind::Abort,
        };
        assert_eq!(ControlKey::decode(&[0, 1, 0, 0, 9, 9]), Ok(abort));
        let end = EndMarker {
            version: 0,
            coordinator_epoch: 258,
        };
        assert_eq!(end.encode(), [0, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn short_and_negative_are_refused() {
        assert!(matches!(
            ControlKey::decode(&[0, 0, 0]),
            Err(FormatError::TooShort {
                needed: 4,
                available: 3,
                ..
            })
        ));
        assert!(matches!(
            ControlKey::decode(&[0xff, 0xff, 0, 0]),
            Err(FormatError::OutOfRange { value: -1, .. })
        ));
        assert!(matches!(
            EndMarker::decode(&[0; 5]),
            Err(FormatError::TooShort {
                needed: 6,
                available: 5,
                ..
            })
        ));
        assert!(matches!(
            EndMarker::decode(&[0x80, 0, 0, 0, 0, 0]),
            Err(FormatError::OutOfRange { .. })
        ));
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..9)) {
            if let Ok(key) = ControlKey::decode(&bytes) {
                prop_assert_eq!(&key.encode()[..], &bytes[..4]);
            }
            if let Ok(value) = EndMarker::decode(&bytes) {
                prop_assert_eq!(&value.encode()[..], &bytes[..6]);
            }
        }
    }
}
