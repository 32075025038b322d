//! The newest offset of each key, in memory of a fixed size whatever the keys are. Keys are told apart by 128 bits: two
//! SipHash-1-3 (the standard library's) under a random secret of each map, so that nobody can make keys that collide, and
//! two of a billion keys do so by chance with a probability of 10^-21.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// A key's hash and its newest offset.
#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: [u64; 2],
    /// The offset and one more; 0 in a slot that is free.
    offset: u64,
}

const FREE: Slot = Slot {
    hash: [0; 2],
    offset: 0,
};

#[derive(Debug)]
pub(super) struct OffsetMap {
    secret: RandomState,
    slots: Vec<Slot>,
    len: usize,
}

impl OffsetMap {
    /// A map for so many keys, if they fit in so many bytes, else for as many as do. Nine of ten slots are used at most.
    pub fn new(keys: u64, memory_bytes: usize) -> OffsetMap {
        let most = (memory_bytes / size_of::<Slot>()).max(2);
        let wanted = usize::try_from(keys.saturating_mul(10) / 9 + 2).unwrap_or(usize::MAX);
        OffsetMap {
            secret: RandomState::new(),
            slots: vec![FREE; wanted.min(most)],
            len: 0,
        }
    }

    /// Whether no other key fits.
    pub fn is_full(&self) -> bool {
        (self.len + 1) * 10 > self.slots.len() * 9
    }

    /// Notes an offset of a key; they come in order. A full map takes no other keys, and says so with false.
    pub fn note(&mut self, key: &[u8], offset: u64) -> bool {
        let hash = self.hash(key);
        let at = self.find(hash);
        let full = self.is_full();
        let Some(slot) = self.slots.get_mut(at) else {
            return false;
        };
        if slot.offset == 0 {
            if full {
                return false;
            }
            self.len += 1;
        }
        *slot = Slot {
            hash,
            offset: offset + 1,
        };
        true
    }

    /// The newest offset of a key, if it was noted.
    pub fn newest(&self, key: &[u8]) -> Option<u64> {
        let slot = self.slots.get(self.find(self.hash(key)))?;
        slot.offset.checked_sub(1)
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        [0, 1].map(|half| {
            let mut hasher = self.secret.build_hasher();
            hasher.write_u8(half);
            hasher.write(key);
            hasher.finish()
        })
    }

    /// The slot of a hash, or the free one where it would be: there always is one.
    fn find(&self, hash: [u64; 2]) -> usize {
        let mut at = ((u128::from(hash[0]) * self.slots.len() as u128) >> 64) as usize;
        while self
            .slots
            .get(at)
            .is_some_and(|slot| slot.offset != 0 && slot.hash != hash)
        {
            at += 1;
            if at == self.slots.len() {
                at = 0;
            }
        }
        at
    }
}

#[cfg(all(test, not(feature = "loom")))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_map(keys in proptest::collection::vec(0..60u16, 0..300), room in 0..80u64) {
            let mut map = OffsetMap::new(room, usize::MAX);
            let mut model = HashMap::new();
            for (offset, key) in keys.iter().enumerate() {
                let offset = offset as u64;
                let known = model.contains_key(key);
                if map.note(&key.to_be_bytes(), offset) {
                    model.insert(*key, offset);
                } else {
                    prop_assert!(!known && model.len() as u64 >= room);
                }
            }
            for key in 0..60u16 {
                prop_assert_eq!(map.newest(&key.to_be_bytes()), model.get(&key).copied());
            }
        }
    }

    #[test]
    fn memory_is_bounded_whatever_the_keys_are() {
        let bytes = 1 << 20;
        let mut map = OffsetMap::new(u64::MAX, bytes);
        let taken = (0..1_000_000u64)
            .filter(|key| map.note(&key.to_be_bytes(), *key))
            .count();
        assert!(map.slots.capacity() * size_of::<Slot>() <= bytes);
        assert!((35_000..45_000).contains(&taken), "{taken}");
        // One that is there already always finds its place.
        assert!(map.note(&0u64.to_be_bytes(), 5_000_000));
        assert_eq!(map.newest(&0u64.to_be_bytes()), Some(5_000_000));
    }
}
