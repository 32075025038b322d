//! One simulated file: the bytes that readers see, the bytes that the disk has, and the edits that
//! lie between the two until a sync. A loss of power chooses, sector by sector, which of them
//! reached the disk.

use super::random::{Mood, Random};
use super::{BLOCK, Device, SECTOR};
use std::collections::BTreeMap;
use std::ops::Range;

#[derive(Clone, Debug)]
pub(super) enum Edit {
    Write { position: u64, bytes: Vec<u8> },
    SetLen(u64),
}

#[derive(Clone, Debug, Default)]
pub(super) struct FileBytes {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// What was done to `live` since the last sync, in order.
    unsynced: Vec<Edit>,
    /// Whether a sync failed: `live` may then hold bytes that are in neither of the others.
    ghosts: bool,
    /// Which blocks have disk space.
    blocks: Vec<bool>,
}

impl Edit {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Edit::Write { position, bytes } => {
                let range = *position as usize..*position as usize + bytes.len();
                if file.len() < range.end {
                    file.resize(range.end, 0);
                }
                file[range].copy_from_slice(bytes);
            }
            Edit::SetLen(len) => file.resize(*len as usize, 0),
        }
    }

    /// The bytes it changes in a file of `len` bytes, and the length afterwards. Growth is no
    /// change of bytes, since there is nothing but zeros behind the end.
    fn reach(&self, len: u64) -> (Range<u64>, u64) {
        match self {
            Edit::Write { position, bytes } => {
                let end = position + bytes.len() as u64;
                (*position..end, len.max(end))
            }
            Edit::SetLen(new) => (*new..len.max(*new), *new),
        }
    }

    /// Does to `file`, long enough, what it does to the bytes of `range`.
    fn apply_within(&self, range: Range<u64>, file: &mut [u8]) {
        let target = &mut file[range.start as usize..range.end as usize];
        match self {
            Edit::Write { position, bytes } => {
                let start = (range.start - position) as usize;
                target.copy_from_slice(&bytes[start..start + target.len()]);
            }
            Edit::SetLen(_) => target.fill(0),
        }
    }
}

impl FileBytes {
    pub(super) fn live(&self) -> &[u8] {
        &self.live
    }

    pub(super) fn len(&self) -> u64 {
        self.live.len() as u64
    }

    /// The caller has made room: see [`FileBytes::missing_blocks`].
    pub(super) fn edit(&mut self, edit: Edit) {
        edit.apply(&mut self.live);
        match &edit {
            Edit::Write { position, bytes } => self.take_blocks(*position, bytes.len() as u64),
            Edit::SetLen(len) => self.blocks.truncate(len.div_ceil(BLOCK) as usize),
        }
        self.unsynced.push(edit);
    }

    pub(super) fn sync(&mut self) {
        for edit in self.unsynced.drain(..) {
            edit.apply(&mut self.durable);
        }
    }

    /// A failed sync: nothing waits any longer, and nothing has reached the disk.
    pub(super) fn fail_sync(&mut self) {
        self.ghosts |= !self.unsynced.is_empty();
        self.unsynced.clear();
    }

    pub(super) fn drop_cache(&mut self, position: u64, len: u64) {
        if !self.ghosts {
            return;
        }
        let mut true_bytes = self.durable.clone();
        for edit in &self.unsynced {
            edit.apply(&mut true_bytes);
        }
        // The length is not cached by pages: it stays as this life knows it.
        true_bytes.resize(self.live.len(), 0);
        let start = (position - position % BLOCK).min(self.len());
        let end = position.saturating_add(len).checked_next_multiple_of(BLOCK);
        let end = end.unwrap_or(u64::MAX).min(self.len()).max(start);
        let range = start as usize..end as usize;
        self.live[range.clone()].copy_from_slice(&true_bytes[range]);
    }

    pub(super) fn used(&self) -> u64 {
        self.blocks.iter().filter(|taken| **taken).count() as u64 * BLOCK
    }

    /// The positions of the blocks in this range that have no space yet.
    pub(super) fn missing_blocks(&self, position: u64, len: u64) -> impl Iterator<Item = u64> + '_ {
        let blocks = position / BLOCK..(position + len).div_ceil(BLOCK);
        blocks
            .filter(|block| self.blocks.get(*block as usize) != Some(&true))
            .map(|block| block * BLOCK)
    }

    pub(super) fn take_blocks(&mut self, position: u64, len: u64) {
        if len == 0 {
            return;
        }
        let end = (position + len).div_ceil(BLOCK) as usize;
        if self.blocks.len() < end {
            self.blocks.resize(end, false);
        }
        self.blocks[(position / BLOCK) as usize..end].fill(true);
    }

    pub(super) fn lose_power(&mut self, device: &Device, random: &mut Random) {
        if !self.unsynced.is_empty() {
            let edits = std::mem::take(&mut self.unsynced);
            match Mood::pick(random, edits.len()) {
                Mood::Prefix(count) => edits[..count]
                    .iter()
                    .for_each(|edit| edit.apply(&mut self.durable)),
                Mood::Mixed => self.keep_some_sectors(&edits, device, random),
            }
        }
        self.live.clone_from(&self.durable);
        self.ghosts = false;
        self.blocks.truncate(self.len().div_ceil(BLOCK) as usize);
    }

    /// Each sector is as it was after any of the edits that touched it, or garbage; the length is
    /// any that the file had, or one between.
    fn keep_some_sectors(&mut self, edits: &[Edit], device: &Device, random: &mut Random) {
        let synced_len = self.durable.len() as u64;
        let mut len = synced_len;
        let (mut shortest, mut longest) = (len, len);
        let mut touches: BTreeMap<u64, u64> = BTreeMap::new();
        for edit in edits {
            let (range, new_len) = edit.reach(len);
            for (sector, _) in sectors(range) {
                *touches.entry(sector).or_default() += 1;
            }
            len = new_len;
            (shortest, longest) = (shortest.min(len), longest.max(len));
        }

        // What is left of `touches` is how many edits each sector still gets; None is garbage.
        let mut fates: BTreeMap<u64, Option<u64>> = touches
            .into_iter()
            .map(|(sector, count)| {
                let garbage = random.below(100) < u64::from(device.garbage_percent);
                let kept = match random.below(3) {
                    0 => 0,
                    1 => count,
                    _ => random.between(0, count),
                };
                (sector, (!garbage).then_some(kept))
            })
            .collect();

        self.durable.resize(longest as usize, 0);
        let mut len_before = synced_len;
        for edit in edits {
            let (range, new_len) = edit.reach(len_before);
            for (sector, part) in sectors(range) {
                match fates.get_mut(&sector) {
                    Some(Some(0)) | None => {}
                    Some(Some(left)) => {
                        *left -= 1;
                        edit.apply_within(part, &mut self.durable);
                    }
                    Some(None) => self.spoil(part, random),
                }
            }
            len_before = new_len;
        }
        if device.garbage_spoils_sector {
            for (sector, _) in fates.iter().filter(|(_, fate)| fate.is_none()) {
                self.spoil(sector * SECTOR..(sector + 1) * SECTOR, random);
            }
        }
        let kept_len = match random.below(3) {
            0 => synced_len,
            1 => len,
            _ => random.between(shortest, longest),
        };
        self.durable.truncate(kept_len as usize);
    }

    fn spoil(&mut self, range: Range<u64>, random: &mut Random) {
        let end = range.end.min(self.durable.len() as u64);
        let bytes = &mut self.durable[range.start.min(end) as usize..end as usize];
        match random.below(4) {
            0 => bytes.fill(0),
            1 => bytes.fill(0xff),
            _ => bytes.fill_with(|| random.next() as u8),
        }
    }
}

/// The sectors of a range, each with its part of the range.
fn sectors(range: Range<u64>) -> impl Iterator<Item = (u64, Range<u64>)> {
    let numbers = if range.is_empty() {
        0..0
    } else {
        range.start / SECTOR..range.end.div_ceil(SECTOR)
    };
    numbers.map(move |sector| {
        let part = range.start.max(sector * SECTOR)..range.end.min((sector + 1) * SECTOR);
        (sector, part)
    })
}
