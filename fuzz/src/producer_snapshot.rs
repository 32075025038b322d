//! The snapshot of a partition's producers: an input is a byte of flags (1: the checksum is put right) and the file.

use tidelog::format::producer_snapshot::ProducerSnapshot;

use crate::input::Input;
use crate::seal;

/// Where the entries begin that Kafka's readers see, and how long each is.
const ENTRIES_AT: usize = 10;
const ENTRY_LEN: usize = 46;

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let mut bytes = input.rest().to_vec();
    if flags & 1 != 0 {
        seal::producer_snapshot(&mut bytes);
    }
    let snapshot = match ProducerSnapshot::decode(&bytes) {
        Ok(snapshot) => snapshot,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let entries_end = ENTRIES_AT + snapshot.producers.len() * ENTRY_LEN;
    assert!(entries_end <= bytes.len());
    let mut encoded = snapshot.encode();
    assert_eq!(ProducerSnapshot::decode(&encoded).as_ref(), Ok(&snapshot));

    // What Kafka's readers see of it is the same producers, each with its newest batch.
    encoded.truncate(entries_end);
    seal::producer_snapshot(&mut encoded);
    let seen = ProducerSnapshot::decode(&encoded).unwrap();
    assert_eq!((seen.incarnation, seen.forgotten), (0, -1));
    assert_eq!(seen.producers.len(), snapshot.producers.len());
    for (seen, entry) in seen.producers.iter().zip(&snapshot.producers) {
        assert_eq!(
            (seen.producer_id, seen.epoch, seen.last_sequence),
            (entry.producer_id, entry.epoch, entry.last_sequence)
        );
        assert_eq!(seen.last_timestamp, entry.last_timestamp);
        if let (Some(seen), Some(newest)) = (seen.window.last(), entry.window.last()) {
            assert_eq!(seen.base_offset, newest.base_offset);
        }
    }
}
