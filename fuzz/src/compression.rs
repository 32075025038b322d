//! Record sections as compressed, in every codec: an input is a byte that chooses the codec, one that chooses the
//! limit, and the compressed bytes. No more may come out than the limit allows, nor room be made for more.

use tidelog::format::Compression;

use crate::input::Input;

const LIMITS: [usize; 5] = [0, 100, 64 << 10, 1 << 20, 64 << 20];

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let codec = Compression::ALL[usize::from(input.byte()) % Compression::ALL.len()];
    let limit = LIMITS[usize::from(input.byte()) % LIMITS.len()];
    let bytes = input.rest();
    let mut out = b"kept".to_vec();
    let outcome = codec.decompress(bytes, &mut out, limit);
    assert!(out.starts_with(b"kept"));
    // Room grows by doubling, and by a step at least.
    assert!(
        out.capacity() <= 2 * limit + (256 << 10),
        "{codec}: room for {} at a limit of {limit}",
        out.capacity()
    );
    match outcome {
        Ok(()) => assert!(out.len() - 4 <= limit, "{codec}: {} bytes", out.len() - 4),
        Err(_) => assert_eq!(out, b"kept"),
    }
    if bytes.len() <= 16 << 10 {
        let mut packed = Vec::new();
        codec.compress(bytes, &mut packed).unwrap();
        let mut unpacked = Vec::new();
        codec
            .decompress(&packed, &mut unpacked, bytes.len())
            .unwrap();
        assert_eq!(unpacked, bytes);
    }
}
