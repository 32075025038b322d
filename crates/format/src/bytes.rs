//! Fixed-width big-endian numbers at a place in a slice, without a way to panic.

/// The `N` bytes at `at`, if they are there.
#[inline]
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

/// A big-endian number at `at`; 0 if the bytes are not there, for callers that have checked.
macro_rules! reader {
    ($name:ident, $type:ty) => {
        #[inline]
        pub(crate) fn $name(bytes: &[u8], at: usize) -> $type {
            array(bytes, at).map_or(0, <$type>::from_be_bytes)
        }
    };
}

reader!(i16_at, i16);
reader!(i32_at, i32);
reader!(u32_at, u32);
reader!(i64_at, i64);
reader!(u64_at, u64);

/// Writes bytes at a place; does nothing if they do not fit, for callers that have checked.
#[inline]
pub(crate) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(place) = bytes
        .get_mut(at..)
        .and_then(|rest| rest.first_chunk_mut::<N>())
    {
        *place = value;
    }
}
