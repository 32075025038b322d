//! Variable-length signed numbers as in Kafka's records: zigzag, so that small negative numbers stay
//! short, then 7 bits a byte, low ones first. At most 5 bytes for 32 bits and 10 for 64. The lengths in
//! Kafka's flexible messages are the same without the zigzag.

/// Most bytes of an encoded `i32`.
pub const MAX_I32_LEN: usize = 5;
/// Most bytes of an encoded `i64`.
pub const MAX_I64_LEN: usize = 10;

#[inline]
fn zigzag32(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

#[inline]
fn zigzag64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Bytes that [`encode_i32`] writes.
#[inline]
pub fn encoded_len_i32(value: i32) -> usize {
    ((38 - zigzag32(value).leading_zeros()) / 7).max(1) as usize
}

/// Bytes that [`encode_i64`] writes.
#[inline]
pub fn encoded_len_i64(value: i64) -> usize {
    ((70 - zigzag64(value).leading_zeros()) / 7).max(1) as usize
}

/// Appends a number.
pub fn encode_i32(value: i32, out: &mut Vec<u8>) {
    encode_i64(i64::from(value), out);
}

/// Appends a number.
pub fn encode_i64(value: i64, out: &mut Vec<u8>) {
    let mut rest = zigzag64(value);
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Appends a number without zigzag.
pub(crate) fn encode_u32(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The number without zigzag at `at`, and the place behind it.
pub(crate) fn decode_u32_at(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let (value, end) = long(bytes, at, MAX_I32_LEN)?;
    Some((u32::try_from(value).ok()?, end))
}

/// Writes a number at `at` and gives the place behind it; `None` if it does not fit.
#[inline]
pub(crate) fn put_i64(bytes: &mut [u8], mut at: usize, value: i64) -> Option<usize> {
    let mut rest = zigzag64(value);
    while rest >= 0x80 {
        *bytes.get_mut(at)? = rest as u8 | 0x80;
        rest >>= 7;
        at += 1;
    }
    *bytes.get_mut(at)? = rest as u8;
    Some(at + 1)
}

/// The number at the beginning of `bytes` and its length in bytes; `None` if it does not end within them or
/// is too large for 32 bits.
pub fn decode_i32(bytes: &[u8]) -> Option<(i32, usize)> {
    decode_i32_at(bytes, 0)
}

/// The number at the beginning of `bytes` and its length in bytes; `None` if it does not end within them or
/// is too large for 64 bits.
pub fn decode_i64(bytes: &[u8]) -> Option<(i64, usize)> {
    decode_i64_at(bytes, 0)
}

/// The number at `at`, and the place behind it.
#[inline(always)]
pub(crate) fn decode_i32_at(bytes: &[u8], at: usize) -> Option<(i32, usize)> {
    let first = u32::from(*bytes.get(at)?);
    if first < 0x80 {
        return Some((unzigzag32(first), at + 1));
    }
    let second = u32::from(*bytes.get(at + 1)?);
    let value = first & 0x7f | second << 7;
    if second < 0x80 {
        return Some((unzigzag32(value), at + 2));
    }
    let (value, end) = long(bytes, at, MAX_I32_LEN)?;
    Some((unzigzag32(u32::try_from(value).ok()?), end))
}

/// The number at `at`, and the place behind it.
#[inline(always)]
pub(crate) fn decode_i64_at(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let first = u64::from(*bytes.get(at)?);
    if first < 0x80 {
        return Some((unzigzag64(first), at + 1));
    }
    let second = u64::from(*bytes.get(at + 1)?);
    let value = first & 0x7f | second << 7;
    if second < 0x80 {
        return Some((unzigzag64(value), at + 2));
    }
    let (value, end) = long(bytes, at, MAX_I64_LEN)?;
    Some((unzigzag64(value), end))
}

#[inline]
fn unzigzag32(value: u32) -> i32 {
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

#[inline]
fn unzigzag64(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[inline(never)]
fn long(bytes: &[u8], at: usize, max_len: usize) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.get(at..)?.iter().take(max_len).enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shift = 7 * index as u32;
        // The tenth byte has room for one bit only.
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some((value, at + index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(value: i64) -> Vec<u8> {
        let mut out = Vec::new();
        encode_i64(value, &mut out);
        out
    }

    #[test]
    fn known_encodings() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (-1, &[0x01]),
            (1, &[0x02]),
            (63, &[0x7e]),
            (-64, &[0x7f]),
            (64, &[0x80, 0x01]),
            (-65, &[0x81, 0x01]),
            (8191, &[0xfe, 0x7f]),
            (8192, &[0x80, 0x80, 0x01]),
            (i64::from(i32::MAX), &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (i64::from(i32::MIN), &[0xff, 0xff, 0xff, 0xff, 0x0f]),
            (
                i64::MAX,
                &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            ),
            (
                i64::MIN,
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            ),
        ] {
            assert_eq!(encoded(value), bytes, "{value}");
            assert_eq!(decode_i64(bytes), Some((value, bytes.len())));
        }
    }

    #[test]
    fn numbers_too_large_or_without_an_end_are_refused() {
        assert_eq!(decode_i32(&[]), None);
        assert_eq!(decode_i32(&[0x80]), None);
        assert_eq!(decode_i32(&[0xff, 0xff, 0xff, 0xff, 0x10]), None);
        assert_eq!(decode_i32(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00]), None);
        assert_eq!(decode_i64(&[0xff; 10]), None);
        assert_eq!(
            decode_i64(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]),
            None
        );
        assert_eq!(decode_i64(&[0x80; 10]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn round_trip(value: i64, small: i32, shift in 0u32..64, tail: u8) {
            for value in [value, value >> shift, i64::from(small)] {
                let mut bytes = encoded(value);
                let len = bytes.len();
                prop_assert_eq!(encoded_len_i64(value), len);
                let mut place = [0; 12];
                prop_assert_eq!(put_i64(&mut place, 1, value), Some(1 + len));
                prop_assert_eq!(&place[1..=len], &bytes[..]);
                prop_assert_eq!(put_i64(&mut place[..len], 1, value), None);
                bytes.push(tail);
                prop_assert_eq!(decode_i64(&bytes), Some((value, len)));
                if let Ok(value) = i32::try_from(value) {
                    prop_assert_eq!(encoded_len_i32(value), len);
                    prop_assert_eq!(decode_i32(&bytes), Some((value, len)));
                } else {
                    prop_assert_eq!(decode_i32(&bytes), None);
                }
                prop_assert_eq!(decode_i64(&bytes[..len - 1]), None);
            }
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..16)) {
            if let Some((value, len)) = decode_i64(&bytes) {
                prop_assert!(len <= bytes.len() && encoded_len_i64(value) <= len);
            }
            if let Some((value, len)) = decode_i32(&bytes) {
                prop_assert!(len <= bytes.len() && encoded_len_i32(value) <= len);
            }
        }
    }
}
