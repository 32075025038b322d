//! Puts checksums right. No fuzzer finds a CRC-32C by trying, so without this nothing behind a checksum would ever be
//! reached.

use tidelog::format::batch::{HEADER_LEN, LOG_OVERHEAD};
use tidelog::format::crc::crc32c;
use tidelog::format::journal;

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(*bytes[at..].first_chunk().unwrap())
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

/// Makes all of the bytes one batch, as far as length, magic and checksum tell.
pub(crate) fn whole_batch(bytes: &mut [u8]) {
    if bytes.len() >= HEADER_LEN {
        put(bytes, 8, (bytes.len() - LOG_OVERHEAD) as u32);
        bytes[16] = 2;
        let crc = crc32c(&bytes[21..]);
        put(bytes, 17, crc);
    }
}

/// Gives every batch of a segment its checksum, as far as their lengths lead from one to the next.
pub(crate) fn segment(bytes: &mut [u8]) {
    let mut at = 0;
    while bytes.len() - at >= HEADER_LEN {
        let size = u32_at(bytes, at + 8) as usize + LOG_OVERHEAD;
        if size < HEADER_LEN || size > bytes.len() - at {
            return;
        }
        let crc = crc32c(&bytes[at + 21..at + size]);
        put(bytes, at + 17, crc);
        at += size;
    }
}

/// Gives the slot of a checkpoint its checksum.
pub(crate) fn checkpoint(slot: &mut [u8]) {
    if slot.len() < 20 || !slot.starts_with(b"TIDECKPT") {
        return;
    }
    let end = 16 + u32_at(slot, 12) as usize;
    if end + 4 <= slot.len() {
        let crc = crc32c(&slot[..end]);
        put(slot, end, crc);
    }
}

/// Gives the frame at the beginning of the bytes its checksum.
pub(crate) fn frame(bytes: &mut [u8]) {
    if bytes.len() < journal::HEADER_LEN || !bytes.starts_with(b"TJRN") {
        return;
    }
    let len = u32_at(bytes, 8) as usize;
    if (journal::HEADER_LEN..=bytes.len()).contains(&len) {
        let crc = crc32c(&bytes[8..len]);
        put(bytes, 4, crc);
    }
}

/// As [`frame`], for every page of a journal file.
pub(crate) fn journal_file(bytes: &mut [u8]) {
    for at in (0..bytes.len()).step_by(journal::PAGE) {
        frame(&mut bytes[at..]);
    }
}

/// Gives a snapshot of producers its checksum.
pub(crate) fn producer_snapshot(bytes: &mut [u8]) {
    if bytes.len() >= 6 {
        let crc = crc32c(&bytes[6..]);
        put(bytes, 2, crc);
    }
}

/// Gives a `published` file its checksum.
pub(crate) fn published(bytes: &mut [u8]) {
    if bytes.len() >= 28 {
        let crc = crc32c(&bytes[..24]);
        put(bytes, 24, crc);
    }
}

/// The file of a topic with this text.
pub(crate) fn topic_file(text: &[u8]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    bytes.extend_from_slice(format!("crc32c={:08x}\n", crc32c(text)).as_bytes());
    bytes
}
