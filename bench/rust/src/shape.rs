//! The records of the benchmarks: pseudo-random bytes of one size, in batches of one length, known by their number.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that can't go on must stop, and say why"
)]

use tidelog::format::builder::BatchBuilder;
use tidelog::{Compression, TimestampType};

/// Different batches before they repeat.
const DISTINCT: usize = 17;
/// Some day in 2023: a time that every topic takes.
const TIMESTAMP: i64 = 1_700_000_000_000;

/// 100 bytes, 1,000 a batch.
pub const SMALL: Shape = Shape {
    name: "100 B",
    size: 100,
    batch: 1000,
};
/// 1 KiB, 100 a batch.
pub const LARGE: Shape = Shape {
    name: "1 KiB",
    size: 1024,
    batch: 100,
};

/// A size of record and a number of them in a batch.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// How tables call it.
    pub name: &'static str,
    /// Bytes of a record.
    pub size: usize,
    /// Records of a batch.
    pub batch: usize,
}

impl Shape {
    /// The payloads of the batch of this number, one after the other.
    pub fn payloads(self, number: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15 ^ ((number % DISTINCT) as u64 + 1);
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        (0..self.size * self.batch).map(|_| next()).collect()
    }

    /// All different batches' payloads, by number.
    pub fn all_payloads(self) -> Vec<Vec<u8>> {
        (0..DISTINCT).map(|number| self.payloads(number)).collect()
    }

    /// The batch of this number, encoded as Kafka does.
    pub fn encoded(self, number: usize) -> Vec<u8> {
        self.encode(
            &mut BatchBuilder::new(Compression::None, TimestampType::CreateTime),
            &self.payloads(number),
        )
    }

    /// Encodes payloads that stand one after the other.
    pub fn encode(self, builder: &mut BatchBuilder, payloads: &[u8]) -> Vec<u8> {
        for payload in payloads.chunks_exact(self.size) {
            builder
                .append(TIMESTAMP, None, Some(payload), std::iter::empty())
                .expect("a record within the limits");
        }
        builder.finish().expect("a batch within the limits")
    }

    /// The table that goes with the payloads of one batch in the packed layout (`tidelog::format::packed`): no
    /// key, no headers, partition 0.
    pub fn packed_table(self) -> Vec<u8> {
        let mut table = Vec::with_capacity(self.batch * tidelog::format::packed::PACKED_ROW_LEN);
        for _ in 0..self.batch {
            table.extend_from_slice(&(TIMESTAMP as f64).to_ne_bytes());
            table.extend_from_slice(&0u32.to_ne_bytes());
            table.extend_from_slice(&(-1i32).to_ne_bytes());
            table.extend_from_slice(&(self.size as i32).to_ne_bytes());
            table.extend_from_slice(&0u32.to_ne_bytes());
        }
        table
    }
}
