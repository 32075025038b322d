//! What brokers, old formats and people leave in a log folder: taken over as a broker would, or named, never dropped.

use std::fs;
use std::os::unix::fs::symlink;

use super::{Setup, data, records};

/// A message of version 1, as Kafka wrote it before 0.11: a key of one letter and the value "hello".
const LEGACY: &str =
    "00000000000000000000001cbf2a7673010000000174876e8000000000016b0000000568656c6c6f";
/// A record whose header is named by the bytes ff fe.
const NAME_NOT_UTF8: &str = "00000000000000000000003f0000000002231fbd1000000000000000000174876e8000000001\
74876e8000ffffffffffffffffffffffffffff000000011a000000026b02760204fffe0231";

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

#[test]
fn a_short_message_of_an_old_format_is_not_a_torn_write() {
    for before in [vec![], data(0, &["a"])] {
        let setup = Setup::new();
        setup.segment("t-0", 0, &[before, bytes(LEGACY)]);
        let message = setup.refused();
        assert!(message.contains("message format 1"), "{message}");
    }
    // Half of one is: nothing whole is dropped.
    let setup = Setup::new();
    setup.segment("t-0", 0, &[data(0, &["a"]), bytes(LEGACY)[..30].to_vec()]);
    assert_eq!(setup.imported().0.torn_bytes, 30);
}

#[test]
fn a_partition_on_another_disk_is_followed() {
    let (setup, elsewhere) = (Setup::new(), Setup::new());
    let log = elsewhere.segment("t-1", 0, &[data(0, &["linked"])]);
    setup.segment("t-0", 0, &[data(0, &["here"])]);
    setup.log_start("t-1", 0);
    symlink(log.parent().unwrap(), setup.kafka.path().join("t-1")).unwrap();
    let report = setup.import().unwrap();
    assert_eq!(report.topics[0].partitions.len(), 2);
    assert_eq!(
        super::read(&setup.partition("t", 1)),
        records(&[(0, "linked")])
    );
}

#[test]
fn a_link_to_nothing_ends_the_import() {
    let setup = Setup::new();
    setup.segment("t-0", 0, &[data(0, &["here"])]);
    symlink("/nowhere/t-1", setup.kafka.path().join("t-1")).unwrap();
    assert!(setup.refused().contains("t-1"));
}

#[test]
fn what_only_has_the_name_of_a_partition_is_skipped_and_named() {
    let setup = Setup::new();
    setup.segment("t-0", 0, &[data(0, &["a"])]);
    fs::create_dir(setup.kafka.path().join(".Trash-0")).unwrap();
    fs::create_dir(setup.kafka.path().join("System-1")).unwrap();
    fs::write(setup.kafka.path().join("file-2"), "").unwrap();
    let report = setup.import().unwrap();
    let skipped = report.skipped.iter();
    let skipped: Vec<_> = skipped.map(|one| (one.name.as_str(), one.reason)).collect();
    let no_segment = "without a segment";
    assert_eq!(
        skipped,
        [
            (".Trash-0", no_segment),
            ("System-1", no_segment),
            ("file-2", "not a folder")
        ]
    );
    assert_eq!(setup.store.topics().unwrap(), ["t"]);
}

#[test]
fn offsets_that_the_caller_can_not_handle_are_refused_before_anything_is_stored() {
    let setup = Setup::new();
    setup.segment("a-0", 0, &[data(0, &["a"])]);
    let base = (1 << 53) + 1;
    setup.segment("t-0", base, &[data(base, &["b"])]);
    let message = setup.refused();
    assert!(message.contains("9007199254740994") && message.contains("t-0"));
}

#[test]
fn a_header_name_that_is_not_utf8_is_kept_as_it_is() {
    let setup = Setup::new();
    setup.segment("t-0", 0, &[bytes(NAME_NOT_UTF8)]);
    let (report, found) = setup.imported();
    assert_eq!((report.records, found), (1, records(&[(0, "v")])));
    let mut stored = Vec::new();
    setup
        .partition("t", 0)
        .read(0, 1 << 16, &mut stored)
        .unwrap();
    assert!(stored.windows(2).any(|two| two == [0xff, 0xfe]));
}

#[test]
fn a_batch_above_the_limit_is_no_damage() {
    let zeros = vec![0; 65 << 20];
    let setup = Setup::new();
    let mut batch = data(0, &["x"]);
    let records = batch.split_off(61);
    let mut section = vec![];
    section.extend(records);
    section.extend(zeros);
    let mut packed = Vec::new();
    super::Compression::Zstd
        .compress(&section, &mut packed)
        .unwrap();
    let size = u32::try_from(packed.len() + 49).unwrap();
    batch[8..12].copy_from_slice(&size.to_be_bytes());
    batch[22] |= 4;
    batch.extend(packed);
    let crc = super::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    setup.segment("t-0", 0, &[batch]);
    let error = setup.import().unwrap_err();
    assert!(
        matches!(error, super::Error::InvalidArgument { .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("more than 64 MiB once decompressed")
    );
}
