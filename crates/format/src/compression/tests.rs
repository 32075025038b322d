//! Round trips, frames that others wrote, and bounds.

use proptest::prelude::*;

use super::*;

const CODECS: [Compression; 4] = [
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];
const NO_LIMIT: usize = 1 << 26;

fn compressed(compression: Compression, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    compression.compress(input, &mut out).unwrap();
    out
}

fn decompressed(
    compression: Compression,
    input: &[u8],
    limit: usize,
) -> Result<Vec<u8>, FormatError> {
    let mut out = b"kept".to_vec();
    let outcome = compression.decompress(input, &mut out, limit);
    assert!(out.starts_with(b"kept"));
    if outcome.is_err() {
        assert_eq!(out, b"kept");
    }
    // Room for what may come out, doubled by growth, and a step.
    assert!(
        out.capacity() <= 2 * limit.min(NO_LIMIT) + (256 << 10),
        "{} for {limit}",
        out.capacity()
    );
    outcome.map(|()| out.split_off(4))
}

fn text(len: usize) -> Vec<u8> {
    (0..)
        .flat_map(|i: u32| i.to_string().into_bytes())
        .take(len)
        .collect()
}

#[test]
fn ids_and_names() {
    for compression in Compression::ALL {
        assert_eq!(Compression::from_id(compression.id()), Ok(compression));
        assert_eq!(compression.name().parse(), Ok(compression));
        assert_eq!(compression.to_string(), compression.name());
    }
    assert_eq!(Compression::ALL.map(Compression::id), [0, 1, 2, 3, 4]);
    assert_eq!(
        Compression::ALL.map(Compression::name),
        ["none", "gzip", "snappy", "lz4", "zstd"]
    );
    assert!(Compression::from_id(5).is_err() && Compression::from_id(-1).is_err());
    assert!("LZ4".parse::<Compression>().is_err() && "producer".parse::<Compression>().is_err());
}

#[test]
fn sizes_around_blocks() {
    let input = text(200_000);
    for compression in Compression::ALL {
        for size in [0, 1, 32 << 10, 64 << 10, 128 << 10] {
            for len in [size - size.min(1), size, size + 1] {
                let input = &input[..len];
                let packed = compressed(compression, input);
                assert_eq!(
                    decompressed(compression, &packed, len).as_deref(),
                    Ok(input),
                    "{compression} {len}"
                );
            }
        }
    }
}

#[test]
fn limit_at_and_under() {
    let input = text(100_000);
    for compression in Compression::ALL {
        let packed = compressed(compression, &input);
        for limit in [100_001, 100_000] {
            assert_eq!(
                decompressed(compression, &packed, limit).unwrap().len(),
                100_000
            );
        }
        for limit in [99_999, 70_000, 1, 0] {
            let error = decompressed(compression, &packed, limit).unwrap_err();
            assert_eq!(
                error,
                FormatError::DecompressedTooLarge {
                    codec: compression.name(),
                    limit
                }
            );
        }
    }
}

#[test]
fn zeros_without_end_stop_at_the_limit() {
    let zeros = vec![0; 80 << 20];
    for compression in CODECS {
        let bomb = compressed(compression, &zeros);
        assert!(bomb.len() < 5 << 20, "{compression} {}", bomb.len());
        for limit in [1 << 20, 64 << 20] {
            let error = decompressed(compression, &bomb, limit).unwrap_err();
            assert_eq!(
                error,
                FormatError::DecompressedTooLarge {
                    codec: compression.name(),
                    limit
                }
            );
        }
    }
}

#[test]
fn every_cut_is_found() {
    for compression in CODECS {
        let packed = compressed(compression, &text(3000));
        for len in 0..packed.len() {
            let cut = decompressed(compression, &packed[..len], NO_LIMIT);
            // Snappy's framing has no end: cut between blocks, it is a shorter stream.
            let shorter = compression == Compression::Snappy && len == 16;
            assert_eq!(cut.is_err(), !shorter, "{compression} {len}");
        }
    }
}

#[test]
fn bytes_behind_the_end_are_refused() {
    for compression in CODECS {
        let mut packed = compressed(compression, &text(3000));
        packed.push(1);
        assert!(matches!(
            decompressed(compression, &packed, NO_LIMIT),
            Err(FormatError::Decompression { .. })
        ));
    }
}

#[test]
fn snappy_bytes() {
    let literal = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x05\x03\x08abc";
    assert_eq!(compressed(Compression::Snappy, b"abc"), literal);
    assert_eq!(compressed(Compression::Snappy, b""), literal[..16]);
    assert_eq!(
        decompressed(Compression::Snappy, b"\x03\x08abc", 3).unwrap(),
        b"abc",
        "without framing"
    );
    let twice: Vec<u8> = literal.iter().chain(&literal[16..]).copied().collect();
    assert_eq!(
        decompressed(Compression::Snappy, &twice, 6).unwrap(),
        b"abcabc"
    );
    assert!(decompressed(Compression::Snappy, &twice, 5).is_err());
    let block_len = |bytes: [u8; 4]| {
        let mut bad = literal.to_vec();
        bad[16..20].copy_from_slice(&bytes);
        decompressed(Compression::Snappy, &bad, 9)
    };
    assert!(
        block_len([0, 0, 0, 6]).is_err()
            && block_len([0xff; 4]).is_err()
            && block_len([0x7f, 0xff, 0xff, 0xff]).is_err()
    );
    let mut newer = literal.to_vec();
    newer[15] = 2;
    assert!(decompressed(Compression::Snappy, &newer, 9).is_err());
}

#[test]
fn a_claimed_length_makes_no_room() {
    // 63 MiB claimed by five bytes.
    let snappy = [0x80, 0x80, 0xc0, 0x1f, 0x00];
    // A window and a content of 63 MiB, then a block of 5 bytes that are not there.
    let mut zstd = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    zstd.extend((63u32 << 20).to_le_bytes());
    zstd.extend([0x29, 0, 0]);
    for (compression, input) in [
        (Compression::Snappy, &snappy[..]),
        (Compression::Zstd, &zstd),
    ] {
        let mut out = Vec::new();
        assert!(compression.decompress(input, &mut out, 64 << 20).is_err());
        assert!(
            out.capacity() <= 128 << 10,
            "{compression} {}",
            out.capacity()
        );
    }
}

/// A frame by hand: what is behind the magic number, then blocks.
fn lz4_frame(flags: u8, descriptor: &[u8], check: u8, blocks: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x04, 0x22, 0x4d, 0x18, flags];
    frame.extend(descriptor);
    frame.push(check);
    frame.extend(blocks);
    frame
}

#[test]
fn lz4_frames() {
    let stored = b"\x03\0\0\x80abc";
    let end = [0; 4];
    let frame = |flags, descriptor: &[u8], check, checksum: &[u8]| {
        let blocks: Vec<u8> = stored.iter().chain(&end).chain(checksum).copied().collect();
        decompressed(
            Compression::Lz4,
            &lz4_frame(flags, descriptor, check, &blocks),
            3,
        )
    };
    // As Kafka's Java client writes it.
    assert_eq!(frame(0x60, &[0x40], 0x82, &[]).unwrap(), b"abc");
    // XXH32 of "abc" behind the end.
    let checksum = 0x32d1_53ff_u32.to_le_bytes();
    assert_eq!(frame(0x64, &[0x40], 0xa7, &checksum).unwrap(), b"abc");
    assert!(frame(0x64, &[0x40], 0xa7, &[0; 4]).is_err());
    assert!(frame(0x64, &[0x40], 0xa7, &[]).is_err());
    // Refused, as Kafka does: dependent blocks, another version, a dictionary, a wrong header checksum.
    let reason = |outcome: Result<Vec<u8>, FormatError>| match outcome {
        Err(FormatError::Decompression { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        reason(frame(0x40, &[0x40], 0xc0, &[])),
        "its blocks depend on each other"
    );
    assert_eq!(
        reason(frame(0xa0, &[0x40], 0x82, &[])),
        "the version of its frame format is not 1"
    );
    assert_eq!(
        reason(frame(0x61, &[0x40], 0x82, &[])),
        "it needs a dictionary"
    );
    assert!(frame(0x60, &[0x40], 0x83, &[]).is_err());
    let legacy = [0x02, 0x21, 0x4c, 0x18, 4, 0, 0, 0, 0x30, b'a', b'b', b'c'];
    assert!(decompressed(Compression::Lz4, &legacy, 9).is_err());
}

#[test]
fn frames_one_after_another() {
    for compression in [Compression::Gzip, Compression::Zstd] {
        let mut packed = compressed(compression, b"abc");
        packed.extend(compressed(compression, b"de"));
        assert_eq!(decompressed(compression, &packed, 5).unwrap(), b"abcde");
        assert!(decompressed(compression, &packed, 4).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn round_trip(
        pieces in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 1..40), 1usize..200), 0..30),
    ) {
        let input: Vec<u8> = pieces.iter().flat_map(|(piece, times)| piece.repeat(*times)).collect();
        for compression in Compression::ALL {
            let packed = compressed(compression, &input);
            prop_assert_eq!(decompressed(compression, &packed, input.len()), Ok(input.clone()));
        }
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for compression in CODECS {
            let _ = decompressed(compression, &bytes, 1 << 16);
        }
    }

    #[test]
    fn any_bytes_behind_a_right_beginning(bytes in proptest::collection::vec(any::<u8>(), 0..200), keep in 4usize..60) {
        for compression in CODECS {
            let mut damaged = compressed(compression, &text(500));
            damaged.truncate(keep);
            damaged.extend(&bytes);
            let _ = decompressed(compression, &damaged, 1 << 16);
        }
    }

    #[test]
    fn any_change(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), len in 0usize..2000) {
        for compression in CODECS {
            let mut damaged = compressed(compression, &text(len));
            for (place, value) in &changes {
                let place = place.index(damaged.len());
                damaged[place] = *value;
            }
            let _ = decompressed(compression, &damaged, 1 << 16);
        }
    }
}
