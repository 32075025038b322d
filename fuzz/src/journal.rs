//! One frame of the journal: an input is a byte of flags (1: the checksum is put right) and the frame. A frame whose
//! entries all decode is the same after they were put together again.

use tidelog::format::journal::{Entry, Frame, FrameBuilder, FrameHeader, PAGE, padded};

use crate::input::Input;
use crate::seal;

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let mut bytes = input.rest().to_vec();
    if flags & 1 != 0 {
        seal::frame(&mut bytes);
    }
    let header = FrameHeader::parse(&bytes);
    let Ok(frame) = Frame::check(&bytes) else {
        return;
    };
    let header = header.expect("a frame that holds has a header");
    assert_eq!(
        (header.sequence, header.incarnation),
        (frame.sequence(), frame.incarnation())
    );
    let entries: Result<Vec<Entry<'_>>, _> = frame.entries().collect();
    let Ok(entries) = entries else { return };
    let mut builder = FrameBuilder::default();
    for entry in &entries {
        match entry {
            Entry::Batch { place, batch } => builder.push_batch(place, batch),
            Entry::Extent { place, header } => builder.push_extent(place, header),
            Entry::Release { partition } => builder.push_release(partition),
        }
    }
    assert_eq!(builder.len(), header.len as usize);
    let again = builder.finish(header.sequence, header.incarnation);
    assert_eq!(again.len(), padded(header.len as usize));
    assert_eq!(again.len() % PAGE, 0);
    assert_eq!(&again[..header.len as usize], &bytes[..header.len as usize]);
    let again = Frame::check(&again).unwrap();
    assert!(again.entries().map(Result::unwrap).eq(entries));
}
