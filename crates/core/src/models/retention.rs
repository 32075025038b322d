//! A reader beside the thread that lets go of old records: it reads them, or is told that they are gone.

use std::sync::Arc;

use super::{Shop, append, done, explore, read_to, spawn};
use crate::config::Durability;
use crate::error::Error;
use crate::journal::JournalOptions;

#[test]
fn a_reader_of_segments_that_go_reads_them_or_is_told() {
    explore(|| {
        let shop = Shop::new(JournalOptions::default());
        let log = shop.log(0, Durability::Buffered);
        append(&log, |appended| assert!(appended.is_ok()));
        append(&log, |appended| assert!(appended.is_ok()));
        let keeper = spawn({
            let log = Arc::clone(&log);
            move || {
                assert_eq!(log.raise_start(1).unwrap(), 1);
                assert!(!log.has_segments_to_unlink());
                log.note_checkpoint(1, 2);
                assert_eq!(log.unlink_below_start().unwrap().segments, 1);
            }
        });
        match read_to(&log, 0, 2) {
            Ok(next) => assert_eq!(next, 2),
            Err(error) => assert!(matches!(error, Error::OffsetOutOfRange { .. }), "{error}"),
        }
        let start = log.log_start();
        match read_to(&log, start, 2) {
            Ok(next) => assert_eq!(next, 2),
            // The start moved on again: it was the old one.
            Err(error) => assert!(
                start == 0 && matches!(error, Error::OffsetOutOfRange { .. }),
                "{error}"
            ),
        }
        done(keeper);
        assert_eq!(read_to(&log, 1, 2).unwrap(), 2);
    });
}
