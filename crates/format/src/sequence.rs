//! Sequence numbers of a producer's records in a partition: 0 to `i32::MAX`, then 0 again, as Kafka counts
//! them. -1 stands for none, and what follows it is 0.

/// How many sequence numbers there are.
const COUNT: i64 = 1 << 31;

/// The number after the last one.
pub fn next(last: i32) -> i32 {
    advance(last, 1)
}

/// The number so many steps on.
pub fn advance(sequence: i32, by: u32) -> i32 {
    let sum = i64::from(sequence) + i64::from(by);
    // Only -1, for none, goes nowhere without a step.
    let wrapped = if sum < 0 { sum } else { sum % COUNT };
    wrapped as i32
}

/// The last number of so many records. A count of 0 is taken as 1: a batch whose records were all compacted
/// away still has the numbers that it began with.
pub fn last_of(first: i32, count: u32) -> i32 {
    advance(first, count.saturating_sub(1))
}

/// Steps forward from one number to another, 0 to `i32::MAX`.
pub fn distance(from: i32, to: i32) -> i64 {
    (i64::from(to) - i64::from(from)).rem_euclid(COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_begin_anew_after_the_largest() {
        assert_eq!(next(-1), 0);
        assert_eq!(next(0), 1);
        assert_eq!(next(i32::MAX - 1), i32::MAX);
        assert_eq!(next(i32::MAX), 0);
        assert_eq!(advance(i32::MAX, 0), i32::MAX);
        assert_eq!(advance(i32::MAX, 3), 2);
        assert_eq!(advance(0, i32::MAX as u32), i32::MAX);
        assert_eq!(advance(5, 1 << 31), 5);
        assert_eq!(advance(5, u32::MAX), 4);
        assert_eq!(advance(-1, 0), -1);
        assert_eq!(advance(i32::MIN, u32::MAX), i32::MAX);
    }

    #[test]
    fn a_batch_may_lie_across_the_end() {
        assert_eq!(last_of(7, 1), 7);
        assert_eq!(last_of(7, 0), 7);
        assert_eq!(last_of(i32::MAX, 1), i32::MAX);
        assert_eq!(last_of(i32::MAX, 2), 0);
        assert_eq!(last_of(i32::MAX - 1, 4), 1);
        assert_eq!(distance(i32::MAX - 1, 1), 3);
        assert_eq!(distance(1, i32::MAX - 1), i64::from(i32::MAX) - 2);
        assert_eq!(distance(4, 4), 0);
        assert_eq!(distance(-1, 0), 1);
    }

    proptest! {
        #[test]
        fn distance_is_how_far_advance_went(from in 0..=i32::MAX, by in 0..1u32 << 31) {
            let to = advance(from, by);
            prop_assert!(to >= 0);
            prop_assert_eq!(distance(from, to), i64::from(by));
            // What Kafka computes in 32 bits.
            let by = by as i32;
            let theirs = if from > i32::MAX - by { by - (i32::MAX - from) - 1 } else { from + by };
            prop_assert_eq!(to, theirs);
        }

        #[test]
        fn any_numbers(from: i32, to: i32, by: u32) {
            let _ = (next(from), advance(from, by), last_of(from, by));
            prop_assert!((0..COUNT).contains(&distance(from, to)));
        }
    }
}
