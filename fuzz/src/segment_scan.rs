//! A segment file as `tidelog dump` and `verify` walk it: an input is a byte of flags (1: the checksums are put right; 2: it
//! stands in a folder of Kafka's, where offsets may be left out) and the file. What is found is compared with a walk of the bytes that shares nothing with the one under test but the batch.

use std::path::Path;
use std::sync::Arc;

use tidelog::format::batch::{Batch, BatchHeader};
use tidelog::format::file_name;
use tidelog::inspect::{Scanned, scan_segment, verify_store};
use tidelog::io::{SimulatedStorage, Storage};

use crate::disk::set_content;
use crate::input::Input;
use crate::seal;

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let mut bytes = input.rest().to_vec();
    if flags & 1 != 0 {
        seal::segment(&mut bytes);
    }
    let base = BatchHeader::parse(&bytes).map_or(0, |header| header.base_offset);
    let gaps = flags & 2 != 0;
    let (expected, whole) = walk(&bytes, base, gaps);
    let disk = SimulatedStorage::new();
    let folder = Path::new("/t-0");
    disk.create_dir(folder).unwrap();
    let path = folder.join(file_name::log(base));
    set_content(&disk, &path, &bytes);
    if !gaps {
        set_content(&disk, &folder.join("published"), &[]);
    }
    let disk: Arc<dyn Storage> = Arc::new(disk);

    let mut scan = scan_segment(&*disk, &path).unwrap();
    assert_eq!(scan.file_len(), bytes.len() as u64);
    let (mut found, mut damage) = (Vec::new(), None);
    while let Some(scanned) = scan.next() {
        assert!(damage.is_none(), "a scan ends at the damage");
        match scanned {
            Scanned::Batch { position, header } => {
                let at = position as usize;
                assert_eq!(scan.bytes(), &bytes[at..at + header.size()]);
                found.push((position, header));
            }
            Scanned::Damage { position, .. } => damage = Some(position),
        }
    }
    assert_eq!(found, expected);
    let end = expected
        .last()
        .map_or(0, |(at, header)| at + header.size() as u64);
    assert_eq!(damage, (!whole).then_some(end));

    let report = verify_store(&disk, folder, |done, all| {
        assert!(done <= all);
        true
    })
    .unwrap();
    assert_eq!(report.batches, expected.len() as u64);
    assert_eq!(report.problems.is_empty(), whole);
}

/// All batches from the first byte on, and whether they reach to the last one.
fn walk(bytes: &[u8], base: u64, gaps: bool) -> (Vec<(u64, BatchHeader)>, bool) {
    let (mut found, mut at, mut next, mut epoch) = (Vec::new(), 0, base, i32::MIN);
    while at < bytes.len() {
        let Ok(batch) = Batch::check(&bytes[at..]) else {
            break;
        };
        let header = *batch.header();
        let follows = header.base_offset == next || (gaps && header.base_offset > next);
        if !follows || header.leader_epoch < epoch {
            break;
        }
        found.push((at as u64, header));
        at += header.size();
        (next, epoch) = (header.next_offset(), header.leader_epoch);
    }
    (found, at == bytes.len())
}
