//! Changes inputs by chance, the same way for the same seed: what `cargo test` has instead of libFuzzer, on any Rust
//! and with nothing installed.

/// SplitMix64.
pub struct Random(u64);

/// Numbers that are at the edge of something.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    i64::MAX as u64,
    u64::MAX,
];
const LEN_MAX: usize = 64 << 10;

impl Random {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below a bound; 0 for a bound of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound.max(1) as u64) as usize
    }
}

/// An input made of one of the corpus, changed in one to six places.
pub fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = pick(corpus, random).to_vec();
    for _ in 0..1 + random.below(6) {
        let at = random.below(bytes.len() + 1);
        match random.below(8) {
            0 | 1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.number() as u8;
                }
            }
            3 => {
                let width = [1, 2, 4, 8][random.below(4)];
                let edge = EDGES[random.below(EDGES.len())].to_be_bytes();
                for (to, from) in bytes.iter_mut().skip(at).zip(&edge[8 - width..]) {
                    *to = *from;
                }
            }
            4 => bytes.truncate(at),
            5 => {
                let end = (at + random.below(16)).min(bytes.len());
                bytes.drain(at..end);
            }
            6 => {
                let new: Vec<u8> = (0..random.below(16))
                    .map(|_| random.number() as u8)
                    .collect();
                bytes.splice(at..at, new);
            }
            _ => {
                let other = pick(corpus, random);
                let from = random.below(other.len());
                let piece = &other[from..(from + random.below(200)).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes.truncate(LEN_MAX);
    bytes
}

fn pick<'a>(corpus: &'a [Vec<u8>], random: &mut Random) -> &'a [u8] {
    corpus
        .get(random.below(corpus.len()))
        .map_or(&[], Vec::as_slice)
}
