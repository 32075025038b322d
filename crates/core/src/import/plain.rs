//! Makes a committed batch an ordinary one: its producer, sequence and transaction meant something to the
//! broker that wrote it, and would be mistaken for those of a producer of the store.

use tidelog_format::batch::{Batch, LOG_OVERHEAD};
use tidelog_format::crc::crc32c;

/// Where the checksum is, and the bytes under it begin.
const CRC: usize = LOG_OVERHEAD + 5;
const ATTRIBUTES: usize = CRC + 4;
/// Producer id, epoch and first sequence: fourteen bytes that are all ones where there is no producer.
const PRODUCER: std::ops::Range<usize> = ATTRIBUTES + 22..ATTRIBUTES + 36;
/// In the second byte of the attributes.
const TRANSACTIONAL: u8 = 1 << 4;

/// The batch without producer and transaction.
pub(super) fn plain(batch: &Batch<'_>) -> Vec<u8> {
    let header = batch.header();
    let mut bytes = batch.bytes().to_vec();
    let has_producer =
        header.producer_id != -1 || header.producer_epoch != -1 || header.base_sequence != -1;
    if !has_producer && !header.attributes.is_transactional() {
        return bytes;
    }
    if let Some(producer) = bytes.get_mut(PRODUCER) {
        producer.fill(0xff);
    }
    if let Some(attributes) = bytes.get_mut(ATTRIBUTES + 1) {
        *attributes &= !TRANSACTIONAL;
    }
    let crc = crc32c(bytes.get(ATTRIBUTES..).unwrap_or_default());
    if let Some(stored) = bytes.get_mut(CRC..ATTRIBUTES) {
        stored.copy_from_slice(&crc.to_be_bytes());
    }
    bytes
}
