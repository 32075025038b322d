//! Logs that are not what a broker wrote: each is refused with file and byte, or ends where the broker died.

use std::fs;

use tidelog_format::crc::crc32c;

use super::{Setup, data, records};

#[test]
fn damage_is_named_with_file_and_byte() {
    let first = data(0, &["a"]);
    let at = first.len();
    for (changed, what) in [
        (65, "crc-32c"),
        (7, "base offset"),
        (3, "too far"),
        (9, "a batch follows"),
        (16, "magic"),
    ] {
        let setup = Setup::new();
        let log = setup.segment("t-0", 0, &[first.clone(), data(1, &["b"]), data(2, &["c"])]);
        let mut bytes = fs::read(&log).unwrap();
        bytes[at + changed] ^= 1;
        fs::write(&log, bytes).unwrap();
        let message = setup.refused();
        assert!(
            message.contains(&format!("byte {at}")) && message.contains(".log"),
            "{message}"
        );
        assert!(message.to_lowercase().contains(what), "{what}: {message}");
    }
}

#[test]
fn the_last_batch_may_be_cut_off_but_no_other() {
    let whole = [data(0, &["a"]), data(1, &["b"])].concat();
    let at = data(0, &["a"]).len();
    for len in [at + 8, at + 60, at + 61, whole.len() - 1] {
        let setup = Setup::new();
        let log = setup.segment("t-0", 0, &[whole[..len].to_vec()]);
        let (report, found) = setup.imported();
        assert_eq!(found, records(&[(0, "a")]));
        assert_eq!((report.log_end, report.torn_bytes), (1, (len - at) as u64));

        let setup = Setup::new();
        fs::create_dir(setup.kafka.path().join("t-0")).unwrap();
        fs::copy(
            &log,
            setup
                .kafka
                .path()
                .join("t-0")
                .join(log.file_name().unwrap()),
        )
        .unwrap();
        setup.segment("t-0", 2, &[data(2, &["c"])]);
        assert!(setup.refused().contains(&format!("byte {at}")));
    }
}

#[test]
fn reserved_zeros_end_the_last_segment_only() {
    for zeros in [1, 60, 61, 3 << 20] {
        let setup = Setup::new();
        setup.segment("t-0", 0, &[data(0, &["a"]), vec![0; zeros]]);
        let (report, found) = setup.imported();
        assert_eq!((found, report.torn_bytes), (records(&[(0, "a")]), 0));
    }
    let setup = Setup::new();
    setup.segment("t-0", 0, &[data(0, &["a"]), vec![0; 100]]);
    setup.segment("t-0", 1, &[data(1, &["b"])]);
    assert!(setup.refused().contains("byte 69"));
    let setup = Setup::new();
    setup.segment("t-0", 0, &[data(0, &["a"]), vec![0; 100], data(1, &["b"])]);
    assert!(setup.refused().contains("byte 69"));
}

#[test]
fn older_formats_and_interrupted_compactions_are_refused() {
    for magic in [0, 1] {
        let setup = Setup::new();
        let mut message = vec![0; 80];
        message[11] = 68;
        message[12..16].copy_from_slice(&[1, 2, 3, 4]);
        message[16] = magic;
        setup.segment("t-0", 0, &[message]);
        assert!(setup.refused().contains(&format!("message format {magic}")));
    }
    let setup = Setup::new();
    let log = setup.segment("t-0", 0, &[data(0, &["a"])]);
    fs::write(log.with_extension("log.swap"), "").unwrap();
    assert!(setup.refused().contains("compaction"));
}

#[test]
fn segments_that_overlap_or_are_worlds_apart_are_refused() {
    let setup = Setup::new();
    setup.segment("t-0", 0, &[data(0, &["a", "b"])]);
    setup.segment("t-0", 1, &[data(1, &["c"])]);
    assert!(setup.refused().contains("reaches to 2"));
    let setup = Setup::new();
    setup.segment("t-0", 0, &[data(0, &["a"])]);
    setup.segment("t-0", 1 << 41, &[]);
    assert!(setup.refused().contains("too far"));
    let setup = Setup::new();
    setup.segment("t-0", 0, &[data(1 << 31, &["a"])]);
    assert!(setup.refused().contains("too far"));
}

#[test]
fn records_that_can_not_be_read_are_damage_although_the_checksum_holds() {
    let setup = Setup::new();
    let mut batch = data(0, &["a"]);
    batch[61] = 0x7e;
    let crc = crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    setup.segment("t-0", 0, &[batch]);
    assert!(setup.refused().contains("byte 0"));
}

/// The search for what follows an unfinished batch goes on over several stretches of the file.
#[test]
fn a_batch_far_behind_an_unfinished_one_is_damage() {
    for behind in [(1 << 20) - 61, (1 << 20) - 30, 1 << 20, 3 << 20] {
        let setup = Setup::new();
        let mut unfinished = data(0, &["a"]);
        unfinished[8] = 1; // 16 MiB longer than it is
        unfinished.resize(behind, 7);
        setup.segment("t-0", 0, &[unfinished, data(1, &["b"]), vec![7; 100]]);
        assert!(
            setup
                .refused()
                .contains(&format!("follows at byte {behind}"))
        );
    }
    let setup = Setup::new();
    let mut unfinished = data(0, &["a"]);
    unfinished[8] = 1;
    unfinished.resize(3 << 20, 7);
    setup.segment("t-0", 0, &[unfinished]);
    let (report, found) = setup.imported();
    assert_eq!((found, report.torn_bytes), (records(&[]), 3 << 20));
}
