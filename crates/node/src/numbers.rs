//! The numbers that cross: JavaScript has only f64, which is exact below 2^53. Every conversion is checked here,
//! in both directions, so that an offset is either right or an error.

use tidelog::{Error, Result};

/// 2^53 - 1, `Number.MAX_SAFE_INTEGER`.
pub(crate) const MAX_SAFE: u64 = (1 << 53) - 1;

/// A whole number from 0 to 2^53 - 1: offsets, byte counts, tickets.
pub(crate) fn to_u64(argument: &'static str, value: f64) -> Result<u64> {
    if value >= 0.0 && value <= MAX_SAFE as f64 && value.fract() == 0.0 {
        return Ok(value as u64);
    }
    Err(out_of_range(argument, "0", MAX_SAFE, value))
}

/// A whole number from 0 to 2^32 - 1: partitions and the sizes that the engine keeps as u32.
pub(crate) fn to_u32(argument: &'static str, value: f64) -> Result<u32> {
    to_u64(argument, value)
        .ok()
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| out_of_range(argument, "0", u64::from(u32::MAX), value))
}

/// A whole number from 0 to 2^31 - 1: sequences.
pub(crate) fn to_i32(argument: &'static str, value: f64) -> Result<i32> {
    to_u64(argument, value)
        .ok()
        .and_then(|number| i32::try_from(number).ok())
        .ok_or_else(|| out_of_range(argument, "0", i32::MAX as u64, value))
}

/// A whole number from 0 to 2^15 - 1: epochs.
pub(crate) fn to_i16(argument: &'static str, value: f64) -> Result<i16> {
    to_u64(argument, value)
        .ok()
        .and_then(|number| i16::try_from(number).ok())
        .ok_or_else(|| out_of_range(argument, "0", i16::MAX as u64, value))
}

/// A size in memory.
pub(crate) fn to_usize(argument: &'static str, value: f64) -> Result<usize> {
    to_u64(argument, value)
        .ok()
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| out_of_range(argument, "0", usize::MAX as u64, value))
}

/// A time in ms since the epoch, which may lie before it.
pub(crate) fn to_i64(argument: &'static str, value: f64) -> Result<i64> {
    if value.abs() <= MAX_SAFE as f64 && value.fract() == 0.0 {
        return Ok(value as i64);
    }
    Err(out_of_range(argument, "-(2^53 - 1)", MAX_SAFE, value))
}

/// An offset or count of the engine's.
pub(crate) fn from_u64(what: &'static str, value: u64) -> Result<f64> {
    if value <= MAX_SAFE {
        return Ok(value as f64);
    }
    Err(out_of_range(what, "0", MAX_SAFE, value))
}

/// A time of the engine's, in ms since the epoch.
pub(crate) fn from_i64(what: &'static str, value: i64) -> Result<f64> {
    if value.unsigned_abs() <= MAX_SAFE {
        return Ok(value as f64);
    }
    Err(out_of_range(what, "-(2^53 - 1)", MAX_SAFE, value))
}

/// For figures that are only shown, where the nearest number does: sizes in an error, for example.
pub(crate) fn nearest(value: u64) -> f64 {
    value as f64
}

fn out_of_range(
    argument: &'static str,
    min: &str,
    max: u64,
    value: impl std::fmt::Display,
) -> Error {
    Error::InvalidArgument {
        argument,
        reason: format!("must be a whole number from {min} to {max}, not {value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_up_to_the_limit_and_nothing_else() {
        assert_eq!(to_u64("n", 0.0).ok(), Some(0));
        assert_eq!(to_u64("n", 9_007_199_254_740_991.0).ok(), Some(MAX_SAFE));
        for wrong in [
            9_007_199_254_740_992.0,
            -1.0,
            0.5,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ] {
            assert!(to_u64("n", wrong).is_err(), "{wrong}");
            assert!(to_usize("n", wrong).is_err(), "{wrong}");
            assert!(to_u32("n", wrong).is_err(), "{wrong}");
        }
        assert_eq!(to_u32("n", 4_294_967_295.0).ok(), Some(u32::MAX));
        assert!(to_u32("n", 4_294_967_296.0).is_err());
        assert_eq!(to_i32("n", 2_147_483_647.0).ok(), Some(i32::MAX));
        assert!(to_i32("n", 2_147_483_648.0).is_err());
        assert_eq!(to_i16("n", 32_767.0).ok(), Some(i16::MAX));
        assert!(to_i16("n", 32_768.0).is_err());
    }

    #[test]
    fn times_may_lie_before_the_epoch() {
        assert_eq!(to_i64("t", -1.0).ok(), Some(-1));
        assert_eq!(
            to_i64("t", -9_007_199_254_740_991.0).ok(),
            Some(-(MAX_SAFE as i64))
        );
        for wrong in [
            9_007_199_254_740_992.0,
            -9_007_199_254_740_992.0,
            1.5,
            f64::NAN,
            f64::INFINITY,
        ] {
            assert!(to_i64("t", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_a_double_can_not_hold_is_an_error_on_the_way_out() {
        assert_eq!(
            from_u64("offset", MAX_SAFE).ok(),
            Some(9_007_199_254_740_991.0)
        );
        assert!(from_u64("offset", MAX_SAFE + 1).is_err());
        assert_eq!(from_i64("time", -1).ok(), Some(-1.0));
        assert!(from_i64("time", i64::MIN).is_err());
    }
}
