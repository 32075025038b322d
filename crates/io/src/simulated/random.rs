//! The dice of a crash: SplitMix64, so that a seed alone decides, on any machine.

#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Any of `0..count`; 0 if there is nothing to choose from.
    pub(super) fn below(&mut self, count: u64) -> u64 {
        if count == 0 { 0 } else { self.next() % count }
    }

    /// Any of `low..=high`.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    pub(super) fn coin(&mut self) -> bool {
        self.below(2) == 1
    }
}

/// How a crash treats what was not synced. Independent choices alone would hardly ever do nothing
/// or everything, and those are the cases that programs are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// The first so many operations, in order.
    Prefix(usize),
    /// Each for itself.
    Mixed,
}

impl Mood {
    pub(super) fn pick(random: &mut Random, operations: usize) -> Mood {
        match random.below(6) {
            0 => Mood::Prefix(0),
            1 => Mood::Prefix(operations),
            2 => Mood::Prefix(random.between(0, operations as u64) as usize),
            _ => Mood::Mixed,
        }
    }
}
