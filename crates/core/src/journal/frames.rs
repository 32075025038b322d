//! All frames that hold, wherever they stand in the journal's files and whichever life wrote them: for looking into a
//! journal, and for saving what stands behind a damaged frame.

use tidelog_format::journal::{Frame, FrameHeader, HEADER_LEN, PAGE, padded};

use super::files::JournalFile;
use crate::error::Result;

/// Pages are looked at in pieces of this size.
const PIECE: u64 = 1 << 20;

/// A frame whose checksum holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FoundFrame {
    /// Index of its file.
    pub file: usize,
    pub position: u64,
    pub len: usize,
    pub incarnation: u32,
    pub sequence: u64,
    pub entries: u32,
}

impl FoundFrame {
    /// The frame that a header stands at the beginning of, if all of it is in the file and holds.
    fn whole(
        files: &[JournalFile],
        file: usize,
        position: u64,
        header: &FrameHeader,
    ) -> Option<FoundFrame> {
        let frame = FoundFrame {
            file,
            position,
            len: header.len as usize,
            incarnation: header.incarnation,
            sequence: header.sequence,
            entries: header.entries,
        };
        let fits = position + u64::from(header.len) <= files.get(file)?.written;
        let holds = fits && frame.len >= HEADER_LEN && frame.read(files).is_some();
        holds.then_some(frame)
    }

    /// Whether it tells of a life that a checkpoint of `incarnation` knows nothing of. The frame that begins a life is
    /// written before the checkpoint that names it, and holds nothing.
    pub fn is_later(&self, incarnation: u32) -> bool {
        let begins_next = self.incarnation == incarnation.saturating_add(1) && self.entries == 0;
        self.incarnation > incarnation && !begins_next
    }

    /// Its bytes.
    pub fn read(&self, files: &[JournalFile]) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.len];
        let file = files.get(self.file)?;
        file.file.read_exact_at(self.position, &mut bytes).ok()?;
        Frame::check(&bytes).is_ok().then_some(bytes)
    }
}

/// All frames that hold, in the order of their lives and numbers. What the disk can't read holds no frame.
pub(crate) fn valid_frames(files: &[JournalFile]) -> Result<Vec<FoundFrame>> {
    let mut found = Vec::new();
    let mut piece = vec![0; PIECE as usize];
    for (index, file) in files.iter().enumerate() {
        let (mut from, mut skip_to) = (0, 0);
        while from < file.written {
            let len = (file.written - from).min(PIECE);
            let bytes = piece.get_mut(..len as usize).unwrap_or_default();
            if file.file.read_exact_at(from, bytes).is_err() {
                for (page, bytes) in bytes.chunks_mut(PAGE).enumerate() {
                    let position = from + (page * PAGE) as u64;
                    if file.file.read_exact_at(position, bytes).is_err() {
                        bytes.fill(0);
                    }
                }
            }
            for (page, bytes) in bytes.chunks(PAGE).enumerate() {
                let position = from + (page * PAGE) as u64;
                let Some(header) = FrameHeader::parse(bytes).filter(|_| position >= skip_to) else {
                    continue;
                };
                if let Some(frame) = FoundFrame::whole(files, index, position, &header) {
                    skip_to = position + padded(frame.len) as u64;
                    found.push(frame);
                }
            }
            from += len;
        }
    }
    found.sort_by_key(|frame| (frame.incarnation, frame.sequence));
    Ok(found)
}

/// The frames that stand at the beginning of files, one behind the other, up to the first that a life after `incarnation`
/// has filled: a look at a few pages.
pub(crate) fn first_frames(files: &[JournalFile], incarnation: u32) -> Result<Vec<FoundFrame>> {
    let mut found = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let mut position = 0;
        let mut page = vec![0; HEADER_LEN];
        while position + PAGE as u64 <= file.written {
            let header = match file.file.read_exact_at(position, &mut page) {
                Ok(()) => FrameHeader::parse(&page),
                Err(_) => None,
            };
            let Some(header) = header.filter(|header| header.incarnation > incarnation) else {
                break;
            };
            let Some(frame) = FoundFrame::whole(files, index, position, &header) else {
                break;
            };
            found.push(frame);
            if frame.is_later(incarnation) {
                break;
            }
            position += padded(frame.len) as u64;
        }
    }
    Ok(found)
}

/// The first number behind `covered` that no frame of a life has, though a later frame of that life holds: each was
/// written only after the one before it was durable.
pub(crate) fn first_missing(
    frames: &[FoundFrame],
    incarnation: u32,
    covered: u64,
) -> Option<(u64, FoundFrame)> {
    let mut next = covered + 1;
    for frame in frames {
        if frame.incarnation != incarnation || frame.sequence < next {
            continue;
        }
        if frame.sequence > next {
            return Some((next, *frame));
        }
        next += 1;
    }
    None
}
