//! The file that tells readers in other processes how far they may read: an input is a byte of flags (1: the checksum is
//! put right) and the file. A reader that believes it serves what was written, or an error.

use std::path::Path;

use tidelog::format::published::Published;
use tidelog::{OpenOptions, Store};

use crate::disk::set_content;
use crate::image::{EPOCH_MS, End, Image, ROOT, options};
use crate::input::Input;
use crate::read_back::{check, look_around, readable};
use crate::seal;

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let mut bytes = input.rest().to_vec();
    if flags & 1 != 0 {
        seal::published(&mut bytes);
    }
    match Published::decode(&bytes) {
        Ok(ends) => assert_eq!(ends.encode(), bytes[..28]),
        Err(error) => assert!(!error.to_string().is_empty()),
    }

    let image = Image::of(End::Closed);
    let disk = image.copy();
    set_content(&disk, &Path::new(ROOT).join("a-0/published"), &bytes);
    let read_only = OpenOptions {
        read_only: true,
        ..options(&disk)
    };
    let store = Store::open(ROOT, read_only).expect("nothing is wrong with the store");
    let written = &image.written[&("a".to_owned(), 0)];
    match store.open_topic("a") {
        Ok(topic) => {
            let partition = topic.partition(0).unwrap();
            for record in readable(&partition).0 {
                assert!(written.contains(&record), "a record of nobody");
            }
            look_around(&partition, &[i64::MIN, EPOCH_MS + 3, i64::MAX]);
        }
        Err(error) => drop(check(error)),
    }
    store.close().unwrap();
}
