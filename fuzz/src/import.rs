//! A Kafka log folder: an input is a byte of flags (1: the checksums are put right, 2: there is a checkpoint of log starts),
//! then the files: of each a byte that chooses the kind, u16 length and the bytes; segments after the first also have their base offset
//! as u64. What is taken over was in the folder, and a folder that is refused leaves no topic.

use std::collections::BTreeSet;
use std::path::Path;

use tidelog::format::batch::{Batch, BatchHeader};
use tidelog::format::file_name::{SegmentFile, log};
use tidelog::import::{ImportOptions, import_kafka};
use tidelog::io::{SimulatedStorage, Storage};

use crate::disk::set_content;
use crate::image::{open, partitions};
use crate::input::Input;
use crate::read_back::{check, readable};
use crate::seal;

/// Files of one input.
const FILES_MAX: usize = 8;

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let disk = SimulatedStorage::new();
    let folder = Path::new("/kafka/t-0");
    disk.create_dir(Path::new("/kafka")).unwrap();
    disk.create_dir(folder).unwrap();
    if flags & 2 != 0 {
        let len = usize::from(input.byte());
        let path = Path::new("/kafka/log-start-offset-checkpoint");
        set_content(&disk, path, input.take(len));
    }
    let mut there = BTreeSet::new();
    let mut base = None;
    for _ in 0..FILES_MAX {
        if input.is_empty() {
            break;
        }
        let kind = SegmentFile::ALL[usize::from(input.byte()) % SegmentFile::ALL.len()];
        let len = usize::from(input.u16());
        if kind == SegmentFile::Log && base.is_some() {
            base = Some(input.u64());
        }
        let mut bytes = input.take(len).to_vec();
        if kind == SegmentFile::Log {
            if flags & 1 != 0 {
                seal::segment(&mut bytes);
            }
            let first = BatchHeader::parse(&bytes).map_or(0, |header| header.base_offset);
            let base = *base.get_or_insert(first);
            note(&bytes, &mut there);
            set_content(&disk, &folder.join(log(base)), &bytes);
        } else {
            set_content(&disk, &folder.join(kind.name(base.unwrap_or(0))), &bytes);
        }
    }

    let store = open(&disk).unwrap();
    match import_kafka(
        &store,
        Path::new("/kafka"),
        &ImportOptions::default(),
        |done, all| {
            assert!(done <= all);
            true
        },
    ) {
        Ok(report) => {
            assert_eq!((report.topics.len(), report.stopped), (1, false));
            let imported = &report.topics[0].partitions[0];
            let topic = store.open_topic("t").unwrap();
            let partition = &partitions(&topic)[0];
            assert_eq!(partition.log_start_offset(), imported.log_start);
            assert_eq!(partition.log_end_offset(), imported.log_end);
            let (values, error) = readable(partition);
            assert!(error.is_none(), "{error:?}");
            assert_eq!(values.len() as u64, imported.records);
            let left_out =
                imported.control_offsets + imported.aborted_offsets + imported.unfinished_offsets;
            assert_eq!(
                imported.records + imported.removed_offsets + left_out,
                imported.log_end - imported.log_start
            );
            for record in &values {
                assert!(there.contains(record), "a record of nobody");
            }
            store.close().unwrap();
            let store = open(&disk).unwrap();
            assert!(store.recovery().clean);
            let topic = store.open_topic("t").unwrap();
            assert_eq!(readable(&partitions(&topic)[0]).0, values);
            store.close().unwrap();
        }
        Err(error) => {
            check(error);
            assert_eq!(store.topics().unwrap(), Vec::<String>::new());
            store.close().unwrap();
        }
    }
}

/// All records of a segment, as far as its batches hold.
fn note(bytes: &[u8], there: &mut BTreeSet<(u64, Vec<u8>)>) {
    let (mut rest, mut scratch) = (bytes, Vec::new());
    while let Ok(batch) = Batch::check(rest) {
        if let Ok(records) = batch.records(&mut scratch) {
            for record in records.flatten() {
                there.insert((record.offset, record.value.unwrap_or_default().to_vec()));
            }
        }
        rest = &rest[batch.bytes().len()..];
    }
}
