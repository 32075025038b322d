//! How values are spread, in bounded memory: percentiles are at most a hundredth too large, and never above the largest value.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Values from here on are counted as this one: an hour and more, in microseconds.
const LARGEST: u64 = (1 << 32) - 1;
const SIGNIFICANT_DIGITS: u8 = 2;

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

/// Values of one period.
struct Spread {
    counts: Histogram<u32>,
    /// The histogram knows it no better than the rest.
    max: u64,
}

impl Spread {
    #[allow(clippy::expect_used, reason = "the bounds are constants")]
    fn new() -> Spread {
        Spread {
            counts: Histogram::new_with_bounds(1, LARGEST, SIGNIFICANT_DIGITS)
                .expect("valid bounds"),
            max: 0,
        }
    }

    fn note(&mut self, value: u64) {
        let value = value.min(LARGEST);
        self.counts.saturating_record(value);
        self.max = self.max.max(value);
    }

    fn clear(&mut self) {
        self.counts.reset();
        self.max = 0;
    }
}

/// How the values of the last minute or two are spread.
pub(crate) struct Recent {
    now: Spread,
    before: Spread,
    since: Instant,
}

impl Recent {
    pub fn new(at: Instant) -> Recent {
        Recent {
            now: Spread::new(),
            before: Spread::new(),
            since: at,
        }
    }

    pub fn note(&mut self, at: Instant, value: u64) {
        self.forget(at);
        self.now.note(value);
    }

    pub fn percentiles(&mut self, at: Instant) -> Percentiles {
        self.forget(at);
        let max = self.now.max.max(self.before.max);
        let mut both = self.now.counts.clone();
        if both.add(&self.before.counts).is_err() || both.is_empty() {
            return Percentiles::default();
        }
        let reached = |quantile| both.value_at_quantile(quantile).min(max);
        Percentiles {
            p50: reached(0.5),
            p95: reached(0.95),
            p99: reached(0.99),
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
                    found >= exact && found <= exact + exact / 100,
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
