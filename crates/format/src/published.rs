//! The file `published` of a partition, which tells readers in other processes how far they may read. 28
//! bytes: magic u32, log start u64, high watermark u64, incarnation u32, CRC-32C of all before it.

use crate::bytes::{put, u32_at, u64_at};
use crate::crc::crc32c;
use crate::error::FormatError;

/// Bytes of the file.
pub const LEN: usize = 28;
const CRC_AT: usize = LEN - 4;
/// "TDPB".
const MAGIC: u32 = 0x5444_5042;

/// How far a partition may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Published {
    /// The first offset.
    pub log_start: u64,
    /// One past the last offset.
    pub high_watermark: u64,
    /// Which life of the store wrote this.
    pub incarnation: u32,
}

impl Published {
    /// The whole file.
    pub fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        put(&mut bytes, 0, MAGIC.to_be_bytes());
        put(&mut bytes, 4, self.log_start.to_be_bytes());
        put(&mut bytes, 12, self.high_watermark.to_be_bytes());
        put(&mut bytes, 20, self.incarnation.to_be_bytes());
        let crc = crc32c(bytes.get(..CRC_AT).unwrap_or_default());
        put(&mut bytes, CRC_AT, crc.to_be_bytes());
        bytes
    }

    /// Reads the file. Bytes behind the first 28 are not looked at.
    ///
    /// # Errors
    /// [`FormatError::TooShort`], [`FormatError::Magic`], [`FormatError::Checksum`].
    pub fn decode(bytes: &[u8]) -> Result<Published, FormatError> {
        const WHAT: &str = "a published file";
        let Some(bytes) = bytes.first_chunk::<LEN>() else {
            return Err(FormatError::TooShort {
                what: WHAT,
                needed: LEN,
                available: bytes.len(),
            });
        };
        if u32_at(bytes, 0) != MAGIC {
            return Err(FormatError::Magic { what: WHAT });
        }
        let (stored, computed) = (
            u32_at(bytes, CRC_AT),
            crc32c(bytes.get(..CRC_AT).unwrap_or_default()),
        );
        if stored != computed {
            return Err(FormatError::Checksum {
                what: WHAT,
                stored,
                computed,
            });
        }
        Ok(Published {
            log_start: u64_at(bytes, 4),
            high_watermark: u64_at(bytes, 12),
            incarnation: u32_at(bytes, 20),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fixed_bytes() {
        let published = Published {
            log_start: 3,
            high_watermark: 0x0102_0304_0506_0708,
            incarnation: 9,
        };
        #[rustfmt::skip]
        let bytes = [
            b'T', b'D', b'P', b'B',
            0, 0, 0, 0, 0, 0, 0, 3,
            1, 2, 3, 4, 5, 6, 7, 8,
            0, 0, 0, 9,
            0x17, 0x6a, 0x93, 0xfc,
        ];
        assert_eq!(published.encode(), bytes);
        assert_eq!(Published::decode(&bytes), Ok(published));
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_found() {
        let bytes = Published {
            log_start: 1,
            high_watermark: 2,
            incarnation: 3,
        }
        .encode();
        for len in 0..LEN {
            assert!(matches!(
                Published::decode(&bytes[..len]),
                Err(FormatError::TooShort { .. })
            ));
        }
        for bit in 0..LEN * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Published::decode(&bad).is_err(), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(log_start: u64, high_watermark: u64, incarnation: u32, tail: Vec<u8>) {
            let published = Published { log_start, high_watermark, incarnation };
            let mut bytes = published.encode().to_vec();
            bytes.extend(tail);
            prop_assert_eq!(Published::decode(&bytes), Ok(published));
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(Published::decode(&bytes).is_err());
        }
    }
}
