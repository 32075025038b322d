//! What the corpus begins with: real encodings, whole and with small damage, for every target. The `seeds` binary writes
//! them into `fuzz/corpus`, beside what libFuzzer found later.

use std::path::Path;

use tidelog::format::batch::{empty_batch, set_placement};
use tidelog::format::builder::BatchBuilder;
use tidelog::format::checkpoint::{Checkpoint, PartitionMark};
use tidelog::format::control::{ControlKey, ControlKind, EndMarker};
use tidelog::format::crc::crc32c;
use tidelog::format::journal::{FrameBuilder, PartitionId, Place};
use tidelog::format::published::Published;
use tidelog::format::time_index::TimeEntry;
use tidelog::format::varint;
use tidelog::format::{Compression, TimestampType};

use crate::disk::content;
use crate::image::{End, Image, ROOT, batch};
use crate::seal;

mod state;

/// A target, a name, and the input.
pub type Seed = (&'static str, String, Vec<u8>);

/// All of them.
pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    batches(&mut seeds);
    small(&mut seeds);
    journal(&mut seeds);
    stores(&mut seeds);
    forged(&mut seeds);
    imports(&mut seeds);
    filters(&mut seeds);
    state::add(&mut seeds);
    seeds
}

/// Every form of a filter, with something that it may be true of.
fn filters(seeds: &mut Vec<Seed>) {
    for (number, text) in [
        "headers.region = 'eu' AND key LIKE 'o-%'\0o-1eu",
        "NOT (key <> 'a' OR topic >= 'b') AND partition < 4\0a",
        "headers.a BETWEEN -1.5 AND +2e3 OR offset NOT BETWEEN 1 AND 2\x0012",
        "key IN ('a', 'it''s', '') AND headers.\"a \"\"b\"\"\" NOT IN (1, -2, .5)\0a",
        "key NOT LIKE '%a_!%b%' ESCAPE '!' AND headers.a IS NOT NULL\0xaxaxx%b",
        "-(timestamp + 1) * 2 / offset - headers.region = 7 OR TRUE\x0034",
        "key LIKE '_%é_😀%' AND FALSE\0é",
        "(((1 = 1)))",
        "key = ",
        "headers.content-type = \"x\"",
    ]
    .into_iter()
    .enumerate()
    {
        seeds.push(("filter", number.to_string(), text.as_bytes().to_vec()));
    }
}

fn flagged(flags: u8, bytes: &[u8]) -> Vec<u8> {
    [&[flags], bytes].concat()
}

fn values(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|n| format!("value {n} {}", "ab".repeat(n)).into_bytes())
        .collect()
}

/// Batches one behind the other, in every codec.
fn log() -> Vec<u8> {
    let (mut log, mut offset) = (Vec::new(), 0);
    for codec in Compression::ALL {
        let mut next = batch(codec, offset, &values(3));
        set_placement(&mut next, offset, 1).unwrap();
        log.extend(next);
        offset += 3;
    }
    log.extend(empty_batch(offset, offset + 9, 1, -1).unwrap());
    log
}

fn batches(seeds: &mut Vec<Seed>) {
    for codec in Compression::ALL {
        let whole = batch(codec, 0, &values(4));
        seeds.push(("batch", format!("{codec}"), flagged(0, &whole)));
        seeds.push(("batch", format!("{codec}-sealed"), flagged(1, &whole)));
        let mut packed = Vec::new();
        codec.compress(&values(9).concat(), &mut packed).unwrap();
        let input = [&[codec.id() as u8, 3], packed.as_slice()].concat();
        seeds.push(("compression", format!("{codec}"), input));
        let mut zeros = Vec::new();
        codec.compress(&[0; 3000], &mut zeros).unwrap();
        let input = [&[codec.id() as u8, 1], zeros.as_slice()].concat();
        seeds.push(("compression", format!("{codec}-over-limit"), input));
    }
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::LogAppendTime);
    let headers = [("", None), ("name", Some(&b""[..])), ("ä", Some(b"x"))];
    builder
        .append(i64::MAX, None, Some(b"v"), headers.into_iter())
        .unwrap();
    builder
        .append(i64::MIN, Some(b""), None, std::iter::empty())
        .unwrap();
    let odd = builder.finish().unwrap();
    seeds.push(("batch", "odd".into(), flagged(1, &odd)));
    let empty = empty_batch(5, 90, 3, -1).unwrap();
    seeds.push(("batch", "empty".into(), flagged(1, &empty)));
    let log = log();
    seeds.push(("segment_scan", "whole".into(), flagged(0, &log)));
    seeds.push(("segment_scan", "sealed".into(), flagged(1, &log)));
    let torn = &log[..log.len() - 70];
    seeds.push(("segment_scan", "torn".into(), flagged(0, torn)));
}

fn small(seeds: &mut Vec<Seed>) {
    let mark = PartitionMark {
        topic_id: [7; 16],
        partition: 1,
        log_start: 2,
        recovery_point: 30,
        recovery_segment: 20,
        recovery_position: 4000,
        journaled: true,
        damaged: false,
    };
    let checkpoint = Checkpoint {
        generation: 9,
        incarnation: 3,
        clean: true,
        journaled: true,
        frame: 5,
        journal_file: 1,
        journal_position: 4096,
        journal_files: Vec::new(),
        partitions: vec![mark, mark],
    };
    let encoded = checkpoint.encode();
    seeds.push(("checkpoint", "two".into(), flagged(0, &encoded)));
    seeds.push(("checkpoint", "two-sealed".into(), flagged(1, &encoded)));
    let mut first_version = encoded[..16 + 17 + 52].to_vec();
    first_version[11] = 1;
    first_version[12..16].copy_from_slice(&69u32.to_be_bytes());
    first_version[29..33].copy_from_slice(&1u32.to_be_bytes());
    first_version.extend([0; 4]);
    seeds.push((
        "checkpoint",
        "first-version".into(),
        flagged(1, &first_version),
    ));

    let ends = |log_start, high_watermark| {
        Published {
            log_start,
            high_watermark,
            incarnation: 2,
        }
        .encode()
    };
    for (name, start, end) in [
        ("right", 0, 20),
        ("short", 3, 7),
        ("far", 0, u64::MAX),
        ("crossed", 9, 4),
    ] {
        seeds.push(("published", name.into(), flagged(1, &ends(start, end))));
    }
    seeds.push(("published", "cut".into(), flagged(0, &ends(0, 20)[..20])));

    let mut row = 1000f64.to_le_bytes().to_vec();
    for field in [3u32, 1, 2, 1] {
        row.extend(field.to_le_bytes());
    }
    let bytes = b"kvw\x01\0\0\0\x02\0\0\0axy";
    let one = [&[0, 1], row.as_slice(), bytes].concat();
    let two = [&[0, 2], row.as_slice(), &row, bytes, bytes].concat();
    seeds.push(("packed", "one".into(), one));
    seeds.push(("packed", "two".into(), two));
    let mut large = row.clone();
    large[12..16].copy_from_slice(&300u32.to_le_bytes());
    let large = [&[0, 1], large.as_slice(), &[7; 299], bytes].concat();
    seeds.push(("packed", "large".into(), large));
    let mut nothing = f64::NAN.to_le_bytes().to_vec();
    nothing.extend([
        0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0,
    ]);
    seeds.push((
        "packed",
        "nothing".into(),
        [&[0, 1], nothing.as_slice()].concat(),
    ));

    for (number, text) in [
        "orders\nOrders",
        "a.b_c-d\na_b.c-d",
        "..",
        "orders-0",
        "orders-007",
        "00000000000000000042.log",
        "00000000000000000042.timeindex",
        "18446744073709551616.index",
        "# comment\nversion: 0\ntopic_id: AAAA\n",
        "key\\ with\\=odd = \\u00e4\\ud83d\\ude00\\t\n! other\nlast=\\\\",
    ]
    .iter()
    .enumerate()
    {
        seeds.push(("names", number.to_string(), text.as_bytes().to_vec()));
    }

    let mut varints = Vec::new();
    varint::encode_i64(i64::MIN, &mut varints);
    seeds.push(("fields", "varint".into(), varints));
    let key = ControlKey {
        version: 0,
        kind: ControlKind::Commit,
    };
    seeds.push(("fields", "control-key".into(), key.encode().to_vec()));
    let marker = EndMarker {
        version: 0,
        coordinator_epoch: 4,
    };
    seeds.push(("fields", "end-marker".into(), marker.encode().to_vec()));
    let aborted: Vec<u8> = [0u8, 0]
        .into_iter()
        .chain([7u64, 5, 9, 9].into_iter().flat_map(u64::to_be_bytes))
        .collect();
    seeds.push(("fields", "aborted".into(), aborted));
    let record = batch(Compression::None, 0, &values(1));
    seeds.push(("fields", "record".into(), record[61..].to_vec()));
    let times: Vec<u8> = (0..4)
        .flat_map(|n| {
            TimeEntry {
                timestamp: n * 10,
                relative_offset: n as u32,
            }
            .encode()
        })
        .collect();
    seeds.push(("fields", "times".into(), times));
}

fn journal(seeds: &mut Vec<Seed>) {
    let partition = PartitionId {
        topic_id: [7; 16],
        partition: 1,
    };
    let place = Place {
        partition,
        segment: 20,
        position: 300,
    };
    let batch = batch(Compression::None, 0, &values(2));
    let mut frame = FrameBuilder::default();
    frame.push_batch(&place, &batch);
    frame.push_extent(&place, batch.first_chunk().unwrap());
    frame.push_release(&partition);
    let len = frame.len();
    let whole = frame.finish(6, 2);
    seeds.push(("journal", "padded".into(), flagged(0, &whole)));
    seeds.push(("journal", "sealed".into(), flagged(1, &whole[..len])));
    let none = FrameBuilder::default().finish(1, 1);
    seeds.push(("journal", "no-entry".into(), flagged(1, &none[..32])));
}

fn stores(seeds: &mut Vec<Seed>) {
    let image = Image::of(End::Closed);
    let disk = image.copy();
    let text = |name: &str| {
        let text = content(&disk, &Path::new(ROOT).join(name));
        same_id(&String::from_utf8(text).unwrap())
    };
    let topic = text("topics/a");
    let body = topic.split("crc32c=").next().unwrap();
    for (name, choice, text) in [
        ("meta", 0, text("meta.properties").into_bytes()),
        ("same", 3, body.as_bytes().to_vec()),
        (
            "other-name",
            3,
            body.replace("name=a", "name=d").into_bytes(),
        ),
        (
            "name-of-another",
            3,
            body.replace("name=a", "name=b").into_bytes(),
        ),
        ("new", 7, body.replace("name=a", "name=new").into_bytes()),
        ("deleted", 9, body.as_bytes().to_vec()),
        ("raw", 2, seal::topic_file(body.as_bytes())),
        (
            "more-partitions",
            3,
            body.replace("partitions=2", "partitions=5").into_bytes(),
        ),
    ] {
        seeds.push(("topic_file", name.into(), flagged(choice, &text)));
    }
    let indexes: Vec<&std::path::PathBuf> = image
        .files
        .iter()
        .filter(|path| path.starts_with(Path::new(ROOT).join("a-0")))
        .filter(|path| path.to_string_lossy().ends_with("index"))
        .collect();
    let mut right = vec![0, 0];
    for path in &indexes {
        let bytes = content(&disk, path);
        right.push(bytes.len() as u8);
        right.extend(&bytes[..bytes.len().min(255)]);
    }
    seeds.push(("indexes", "right".into(), right));
    seeds.push(("indexes", "gone".into(), vec![1, 0]));
    let mut pieced = vec![0, 8];
    for _ in &indexes {
        pieced.extend([6, 0, 0, 1, 2, 2, 1]);
    }
    seeds.push(("indexes", "pieced".into(), pieced));
    seeds.push((
        "indexes",
        "zeros".into(),
        [vec![2, 2], vec![24; 200]].concat(),
    ));

    for end in [End::Closed, End::Killed, End::KilledAgain] {
        let image = Image::of(end);
        let name = format!("{end:?}").to_lowercase();
        let first = end as u8;
        seeds.push(("open_store", format!("{name}-same"), vec![first]));
        for wanted in [
            "checkpoint",
            ".journal",
            ".log",
            "b-0/00000000000000000000.log",
            "topics/a",
            "meta.properties",
        ] {
            let Some(file) = image
                .files
                .iter()
                .position(|path| path.to_string_lossy().ends_with(wanted))
            else {
                continue;
            };
            let file = file as u8;
            let short = wanted.trim_start_matches('.').replace('/', "-");
            let changes: [(&str, Vec<u8>); 6] = [
                ("flip", vec![9, file, 0, 40]),
                ("cut", vec![1, file, 0, 90]),
                ("gone", vec![2, file]),
                ("zeros", vec![4, file, 0, 20, 16, 0]),
                ("longer", vec![7, file, 0, 0, 80]),
                ("forged", vec![0, file, 0, 45, 3, 0, 0, 1, 0, 8, file, 0, 0]),
            ];
            for (what, change) in changes {
                let input = [vec![first], change].concat();
                seeds.push(("open_store", format!("{name}-{short}-{what}"), input));
            }
        }
    }
}

/// Numbers at their limit in checkpoints and frames whose checksums hold.
fn forged(seeds: &mut Vec<Seed>) {
    // Where the fields of a slot are, and of a frame with one batch; see their layouts.
    let slot = [
        ("incarnation", 24, 4),
        ("frame", 29, 8),
        ("journal-file", 37, 4),
        ("journal-position", 41, 8),
        ("count", 49, 4),
        ("log-start", 53 + 20, 8),
        ("recovery-point", 53 + 28, 8),
        ("recovery-segment", 53 + 36, 8),
        ("recovery-position", 53 + 44, 8),
    ];
    let frame = [
        ("length", 8, 4),
        ("incarnation", 16, 4),
        ("sequence", 20, 8),
        ("segment", 57, 8),
        ("position", 65, 8),
        ("base-offset", 73, 8),
        ("batch-length", 81, 4),
    ];
    for end in [End::Closed, End::Killed] {
        let files = &Image::of(end).files;
        for (wanted, fields) in [("checkpoint", &slot[..]), (".journal", &frame[..])] {
            let Some(file) = files
                .iter()
                .position(|path| path.to_string_lossy().ends_with(wanted))
            else {
                continue;
            };
            for (field, at, len) in fields {
                let mut input = vec![end as u8];
                for half in [0, 0x80] {
                    input.extend([half, file as u8, 0, *at, len - 1, 0x7f]);
                    input.extend(vec![0xff; usize::from(len - 1)]);
                }
                input.extend([8, file as u8, 0, 0]);
                let place = wanted.trim_start_matches('.');
                let name = format!("forged-{end:?}-{place}-{field}");
                seeds.push(("open_store", name.to_lowercase(), input));
            }
        }
    }
}

/// The text with the one id in it that is drawn by lot, made the same for every run.
fn same_id(text: &str) -> String {
    let line = |line: &str| match line.split_once(".id=") {
        Some((key, _)) => format!("{key}.id=AAECAwQFBgcICQoLDA0ODw\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// A log with a transaction that was aborted and one that was not, as a broker writes it.
fn imports(seeds: &mut Vec<Seed>) {
    let file = |kind: u8, bytes: &[u8]| {
        let mut file = vec![kind];
        file.extend((bytes.len() as u16).to_be_bytes());
        file.extend(bytes);
        file
    };
    let whole = log();
    let plain = [vec![1], file(0, &whole)].concat();
    seeds.push(("import", "plain".into(), plain));
    let started = b"0\n1\nt 0 4\n";
    let with_start = [
        vec![3, started.len() as u8],
        started.to_vec(),
        file(0, &whole),
    ]
    .concat();
    seeds.push(("import", "log-start".into(), with_start));

    let transactional = |offset: u64, attributes: u8, key: Option<&[u8]>, value: &[u8]| {
        let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
        builder
            .append(1_700_000_000_000, key, Some(value), std::iter::empty())
            .unwrap();
        let mut batch = builder.finish().unwrap();
        set_placement(&mut batch, offset, 0).unwrap();
        batch[22] |= attributes;
        batch[43..51].copy_from_slice(&77u64.to_be_bytes());
        batch[51..53].copy_from_slice(&[0, 0]);
        let crc = crc32c(&batch[21..]).to_be_bytes();
        batch[17..21].copy_from_slice(&crc);
        batch
    };
    let end = |kind| ControlKey { version: 0, kind }.encode();
    let marker = EndMarker {
        version: 0,
        coordinator_epoch: 0,
    }
    .encode();
    let log = [
        transactional(0, 16, None, b"committed"),
        transactional(1, 48, Some(&end(ControlKind::Commit)), &marker),
        transactional(2, 16, None, b"aborted"),
        transactional(3, 48, Some(&end(ControlKind::Abort)), &marker),
        transactional(4, 16, None, b"unfinished"),
    ]
    .concat();
    let aborted: Vec<u8> = [0u8, 0]
        .into_iter()
        .chain([77u64, 2, 3, 4].into_iter().flat_map(u64::to_be_bytes))
        .collect();
    let transactions = [vec![1], file(0, &log), file(4, &aborted)].concat();
    seeds.push(("import", "transactions".into(), transactions));
    let mut second = vec![0];
    second.extend((whole.len() as u16).to_be_bytes());
    second.extend(100u64.to_be_bytes());
    let mut moved = batch(Compression::None, 0, &values(2));
    set_placement(&mut moved, 100, 1).unwrap();
    second[1..3].copy_from_slice(&(moved.len() as u16).to_be_bytes());
    second.extend(moved);
    let gap = [vec![1], file(0, &whole), second].concat();
    seeds.push(("import", "two-segments".into(), gap));
}
