//! The LZ4 frame that Kafka's clients read and write: version 1, independent blocks, no dictionary. The
//! structure of a frame is checked here, since a decoder takes one that lost its end for a shorter one.

use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::{Failure, read_all};

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
const VERSION: u8 = 0b01;
/// Set in a block's size when it is stored as it is.
const UNCOMPRESSED: u32 = 1 << 31;

pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let frame = FrameInfo::new()
        .block_mode(BlockMode::Independent)
        .block_size(BlockSize::Max64KB);
    let mut encoder = FrameEncoder::with_frame_info(frame, &mut *out);
    // An empty write still opens the frame.
    encoder
        .write_all(input)
        .map_err(|error| error.to_string())?;
    encoder.finish().map_err(|error| error.to_string())?;
    Ok(())
}

pub(super) fn decompress(input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), Failure> {
    check_frame(input).map_err(Failure::data)?;
    read_all(&mut FrameDecoder::new(input), out, limit)
}

/// Checks that the input is one whole frame of the kind that Kafka knows. Block contents and checksums are
/// left to the decoder.
fn check_frame(input: &[u8]) -> Result<(), &'static str> {
    const CUT: &str = "the frame is cut short";
    let (magic, rest) = input.split_first_chunk::<4>().ok_or(CUT)?;
    if *magic != MAGIC {
        return Err("it does not begin as a frame does");
    }
    let flags = *rest.first().ok_or(CUT)?;
    let flag = |bit: u8| flags >> bit & 1 == 1;
    let (independent, block_checksums, content_size, content_checksum, dictionary) =
        (flag(5), flag(4), flag(3), flag(2), flag(0));
    if flags >> 6 != VERSION {
        return Err("the version of its frame format is not 1");
    }
    if !independent {
        return Err("its blocks depend on each other");
    }
    if dictionary {
        return Err("it needs a dictionary");
    }
    // Flags, block size, content size if given, header checksum.
    let mut rest = rest
        .get(3 + if content_size { 8 } else { 0 }..)
        .ok_or(CUT)?;
    loop {
        let (size, behind) = rest.split_first_chunk::<4>().ok_or(CUT)?;
        let size = (u32::from_le_bytes(*size) & !UNCOMPRESSED) as usize;
        if size == 0 {
            let end = if content_checksum { 4 } else { 0 };
            return match behind.len() {
                left if left < end => Err(CUT),
                left if left > end => Err("bytes follow the frame"),
                _ => Ok(()),
            };
        }
        rest = behind
            .get(size + if block_checksums { 4 } else { 0 }..)
            .ok_or(CUT)?;
    }
}
