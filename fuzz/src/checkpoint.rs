//! One slot of the checkpoint: an input is a byte of flags (1: the checksum is put right) and the slot.

use tidelog::format::checkpoint::Checkpoint;

use crate::input::Input;
use crate::seal;

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let mut slot = input.rest().to_vec();
    if flags & 1 != 0 {
        seal::checkpoint(&mut slot);
    }
    match Checkpoint::decode(&slot) {
        Ok(checkpoint) => {
            assert!(checkpoint.partitions.len() <= slot.len() / 52);
            assert_eq!(Checkpoint::decode(&checkpoint.encode()), Ok(checkpoint));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
