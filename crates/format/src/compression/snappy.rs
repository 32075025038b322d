//! Snappy in the stream framing of snappy-java, which Kafka uses: a 16-byte header (magic, version, lowest
//! compatible version), then blocks, each a big-endian length and raw snappy. Some clients send one raw
//! block without any framing; that is read too.

use crate::bytes::i32_at;

use super::Failure;

const MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
const VERSION: i32 = 1;
const HEADER_LEN: usize = 16;
/// What goes into one block: the default of snappy-java, which Kafka keeps.
const BLOCK: usize = 32 << 10;
/// No element of raw snappy gives more than 64 bytes for 3, so more than this was made up.
const MAX_RATIO: usize = 22;

pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for block in input.chunks(BLOCK) {
        let start = out.len();
        out.resize(start + 4 + snap::raw::max_compress_len(block.len()), 0);
        let (length, room) = out
            .get_mut(start..)
            .and_then(|rest| rest.split_first_chunk_mut::<4>())
            .ok_or("no room")?;
        let len = encoder
            .compress(block, room)
            .map_err(|error| error.to_string())?;
        *length = u32::try_from(len)
            .map_err(|error| error.to_string())?
            .to_be_bytes();
        out.truncate(start + 4 + len);
    }
    Ok(())
}

pub(super) fn decompress(input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), Failure> {
    let mut decoder = snap::raw::Decoder::new();
    if !input.starts_with(MAGIC) {
        return block(&mut decoder, input, out, limit);
    }
    if input.len() < HEADER_LEN {
        return Err(Failure::data("the stream header is cut short"));
    }
    let compatible = i32_at(input, 12);
    if compatible > VERSION {
        return Err(Failure::data(format_args!(
            "it needs version {compatible} of the stream format"
        )));
    }
    let start = out.len();
    let mut rest = input.get(HEADER_LEN..).unwrap_or_default();
    while !rest.is_empty() {
        let (length, behind) = rest
            .split_first_chunk::<4>()
            .ok_or_else(|| Failure::data("a block length is cut short"))?;
        let length = usize::try_from(i32::from_be_bytes(*length))
            .map_err(|_| Failure::data("a block length is negative"))?;
        let (data, next) = behind
            .split_at_checked(length)
            .ok_or_else(|| Failure::data("a block is cut short"))?;
        block(&mut decoder, data, out, limit - (out.len() - start))?;
        rest = next;
    }
    Ok(())
}

fn block(
    decoder: &mut snap::raw::Decoder,
    data: &[u8],
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<(), Failure> {
    let len = snap::raw::decompress_len(data).map_err(Failure::data)?;
    if len > data.len().saturating_mul(MAX_RATIO) {
        return Err(Failure::data(format_args!(
            "{} bytes can't become {len}",
            data.len()
        )));
    }
    if len > limit {
        return Err(Failure::TooLarge);
    }
    let start = out.len();
    out.resize(start + len, 0);
    decoder
        .decompress(data, out.get_mut(start..).unwrap_or_default())
        .map_err(Failure::data)?;
    Ok(())
}
