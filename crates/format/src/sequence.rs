//! Sequence numbers of idempotent producers: a record each, counted in its partition from 0 on, and from `i32::MAX`
//! on to 0 again, as Kafka counts them (`DefaultRecordBatch.incrementSequence`).

/// The number after this one.
pub fn next(last: i32) -> i32 {
    advance(last, 1)
}

/// The number that comes so many records later. -1 stands before the first.
pub fn advance(sequence: i32, by: u32) -> i32 {
    ((i64::from(sequence) + i64::from(by)) & i64::from(i32::MAX)) as i32
}

/// The number of the last of `count` records, the first of which has `first`.
pub fn last_of(first: i32, count: u32) -> i32 {
    advance(first, count.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_round() {
        assert_eq!(next(-1), 0);
        assert_eq!(next(0), 1);
        assert_eq!(next(i32::MAX), 0);
        assert_eq!(advance(i32::MAX - 1, 3), 1);
        assert_eq!(last_of(i32::MAX, 1), i32::MAX);
        assert_eq!(last_of(i32::MAX - 1, 4), 1);
        assert_eq!(advance(0, u32::MAX), i32::MAX);
    }
}
