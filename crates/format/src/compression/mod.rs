//! The compressions of a record section, each in the framing that Kafka gives it. Decompression stops at a
//! limit of the caller's, and believes no length that the compressed bytes claim.

mod gzip;
mod lz4;
mod snappy;
mod zstd;

use std::fmt;
use std::io::Read;
use std::str::FromStr;

use crate::error::FormatError;

/// How a record section is compressed; the numbers are those in a batch's attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None = 0,
    /// Gzip, level 6.
    Gzip = 1,
    /// Snappy blocks of 32 KiB in the stream framing of snappy-java ("xerial").
    Snappy = 2,
    /// An LZ4 frame with independent blocks of 64 KiB.
    Lz4 = 3,
    /// A Zstandard frame, level 3.
    Zstd = 4,
}

impl Compression {
    /// All of them.
    pub const ALL: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    /// By its number.
    ///
    /// # Errors
    /// [`FormatError::UnknownCompression`].
    pub fn from_id(id: i16) -> Result<Compression, FormatError> {
        match id {
            0 => Ok(Compression::None),
            1 => Ok(Compression::Gzip),
            2 => Ok(Compression::Snappy),
            3 => Ok(Compression::Lz4),
            4 => Ok(Compression::Zstd),
            id => Err(FormatError::UnknownCompression { id }),
        }
    }

    /// Its number.
    pub fn id(self) -> i16 {
        self as i16
    }

    /// Its name in Kafka's configuration.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// Appends the compressed input to `out`, which stays as it was on an error.
    ///
    /// # Errors
    /// [`FormatError::Compression`] if the encoder fails, as for want of memory.
    pub fn compress(self, input: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
        let start = out.len();
        let done = match self {
            Compression::None => {
                out.extend_from_slice(input);
                Ok(())
            }
            Compression::Gzip => gzip::compress(input, out),
            Compression::Snappy => snappy::compress(input, out),
            Compression::Lz4 => lz4::compress(input, out),
            Compression::Zstd => zstd::compress(input, out),
        };
        done.map_err(|reason| {
            out.truncate(start);
            FormatError::Compression {
                codec: self.name(),
                reason,
            }
        })
    }

    /// Appends the decompressed input, which must be whole and have nothing behind it, to `out`, which stays
    /// as it was on an error. The memory used grows with what comes out, and is bounded by a small multiple
    /// of `limit`, the most bytes that may come out.
    ///
    /// # Errors
    /// [`FormatError::DecompressedTooLarge`], [`FormatError::Decompression`].
    pub fn decompress(
        self,
        input: &[u8],
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), FormatError> {
        let start = out.len();
        let done = match self {
            Compression::None if input.len() > limit => Err(Failure::TooLarge),
            Compression::None => {
                out.extend_from_slice(input);
                Ok(())
            }
            Compression::Gzip => gzip::decompress(input, out, limit),
            Compression::Snappy => snappy::decompress(input, out, limit),
            Compression::Lz4 => lz4::decompress(input, out, limit),
            Compression::Zstd => zstd::decompress(input, out, limit),
        };
        done.map_err(|failure| {
            out.truncate(start);
            match failure {
                Failure::TooLarge => FormatError::DecompressedTooLarge {
                    codec: self.name(),
                    limit,
                },
                Failure::Data(reason) => FormatError::Decompression {
                    codec: self.name(),
                    reason,
                },
            }
        })
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Compression {
    type Err = FormatError;

    fn from_str(name: &str) -> Result<Compression, FormatError> {
        Compression::ALL
            .into_iter()
            .find(|compression| compression.name() == name)
            .ok_or_else(|| FormatError::UnknownCompressionName {
                name: name.chars().take(32).collect(),
            })
    }
}

/// Why a decoder stopped.
#[derive(Debug)]
enum Failure {
    TooLarge,
    Data(String),
}

impl Failure {
    fn data(reason: impl fmt::Display) -> Failure {
        Failure::Data(reason.to_string())
    }
}

/// Reads to the end of a decoder, at most `limit` bytes.
fn read_all(decoder: &mut impl Read, out: &mut Vec<u8>, limit: usize) -> Result<(), Failure> {
    let read = decoder
        .take((limit as u64).saturating_add(1))
        .read_to_end(out)
        .map_err(Failure::data)?;
    if read > limit {
        Err(Failure::TooLarge)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
