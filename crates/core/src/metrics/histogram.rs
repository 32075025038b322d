//! How values are spread, in bounded memory: buckets whose width grows with what is in them, 16 for each power of two, so
//! that a percentile is at most 1/16 too large, and never above the largest value.

use std::time::{Duration, Instant};

/// Buckets of a power of two, as a power of two.
const SUB_BITS: u32 = 4;
const SUBS: usize = 1 << SUB_BITS;
/// Values from here on are counted as this one: an hour and more, in microseconds.
const LARGEST: u64 = (1 << 32) - 1;
const BUCKETS: usize = SUBS + (32 - SUB_BITS as usize) * SUBS;

/// Values of the last one to two minutes.
const PERIOD: Duration = Duration::from_secs(60);

/// How values are spread: what at most 50, 95 and 99 of a hundred reach, and the largest. All 0 without any.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Percentiles {
    /// The median.
    pub p50: u64,
    /// 95 of a hundred are not above it.
    pub p95: u64,
    /// 99 of a hundred are not above it.
    pub p99: u64,
    /// The largest.
    pub max: u64,
}

struct Histogram {
    counts: Box<[u32; BUCKETS]>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram {
            counts: Box::new([0; BUCKETS]),
            count: 0,
            max: 0,
        }
    }
}

impl Histogram {
    fn note(&mut self, value: u64) {
        let value = value.min(LARGEST);
        if let Some(count) = self.counts.get_mut(bucket_of(value)) {
            *count = count.saturating_add(1);
        }
        self.count += 1;
        self.max = self.max.max(value);
    }

    fn clear(&mut self) {
        self.counts.fill(0);
        (self.count, self.max) = (0, 0);
    }
}

fn bucket_of(value: u64) -> usize {
    let Some(shift) = (value | 1).ilog2().checked_sub(SUB_BITS) else {
        return value as usize;
    };
    // The bits below the leading one choose the bucket of its power.
    (shift as usize + 1) * SUBS + (value >> shift) as usize - SUBS
}

/// The largest value of a bucket.
fn top_of(bucket: usize) -> u64 {
    let Some(shift) = (bucket / SUBS).checked_sub(1) else {
        return bucket as u64;
    };
    (((bucket % SUBS + SUBS + 1) as u64) << shift) - 1
}

/// How the values of the last minute or two are spread.
pub(crate) struct Recent {
    now: Histogram,
    before: Histogram,
    since: Instant,
}

impl Recent {
    pub fn new(at: Instant) -> Recent {
        Recent {
            now: Histogram::default(),
            before: Histogram::default(),
            since: at,
        }
    }

    pub fn note(&mut self, at: Instant, value: u64) {
        self.forget(at);
        self.now.note(value);
    }

    pub fn percentiles(&mut self, at: Instant) -> Percentiles {
        self.forget(at);
        let count = self.now.count + self.before.count;
        let max = self.now.max.max(self.before.max);
        let reached = |of_hundred: u64| {
            let rank = (count * of_hundred).div_ceil(100).max(1);
            let mut seen = 0;
            let both = self.now.counts.iter().zip(self.before.counts.iter());
            let bucket = both
                .map(|(now, before)| u64::from(*now) + u64::from(*before))
                .position(|count| {
                    seen += count;
                    seen >= rank
                });
            bucket.map_or(max, |bucket| top_of(bucket).min(max))
        };
        Percentiles {
            p50: reached(50),
            p95: reached(95),
            p99: reached(99),
            max,
        }
    }

    fn forget(&mut self, at: Instant) {
        let age = at.saturating_duration_since(self.since);
        if age < PERIOD {
            return;
        }
        std::mem::swap(&mut self.now, &mut self.before);
        self.now.clear();
        if age >= 2 * PERIOD {
            self.before.clear();
        }
        self.since = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_a_bucket_that_ends_at_most_a_sixteenth_above_it() {
        let powers = (0..32).flat_map(|power| [-1, 0, 1].map(|by| (1i64 << power) + by));
        for value in (0..100_000).chain(powers).chain([LARGEST as i64]) {
            let value = value.max(0) as u64;
            let bucket = bucket_of(value);
            assert!(bucket < BUCKETS, "{value}");
            let top = top_of(bucket);
            assert!(top >= value && top <= value + value / 16, "{value}: {top}");
            assert_eq!(bucket_of(top), bucket, "{value}");
            assert_eq!(bucket_of(top + 1), bucket + 1, "{value}");
        }
    }

    #[test]
    fn percentiles_are_those_of_a_sorted_list_or_a_little_above() {
        let began = Instant::now();
        for count in [1, 2, 3, 10, 99, 100, 101, 5000] {
            let mut recent = Recent::new(began);
            let mut values: Vec<u64> = (0..count).map(|i| (i * 7919) % 100_003 * (i % 5)).collect();
            values.iter().for_each(|value| recent.note(began, *value));
            values.sort_unstable();
            let found = recent.percentiles(began);
            for (p, found) in [(50, found.p50), (95, found.p95), (99, found.p99)] {
                let exact = values[(count * p).div_ceil(100) as usize - 1];
                assert!(
                    found >= exact && found <= exact + exact / 16,
                    "p{p} of {count}: {found} for {exact}"
                );
            }
            assert_eq!(found.max, values[count as usize - 1]);
        }
    }

    #[test]
    fn what_is_older_than_two_minutes_is_forgotten_and_what_is_younger_than_one_is_not() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut recent = Recent::new(began);
        assert_eq!(recent.percentiles(began), Percentiles::default());
        recent.note(after(50), 1000);
        assert_eq!(recent.percentiles(after(109)).max, 1000);
        recent.note(after(109), 10);
        assert_eq!(recent.percentiles(after(168)).max, 1000);
        let later = recent.percentiles(after(170));
        assert_eq!((later.p50, later.max), (10, 10));
        assert_eq!(recent.percentiles(after(500)), Percentiles::default());
    }
}
