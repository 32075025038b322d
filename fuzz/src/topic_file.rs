//! The catalog's texts in a store that was closed in order: an input is a byte that chooses the file (meta.properties, a
//! topic's, one of a deleted topic) and whether its checksum is put right, and the text. The store opens or says why not, and
//! nothing outside of its folder is touched.

use std::path::Path;

use tidelog::format::properties::Properties;
use tidelog::io::Storage;

use crate::disk::set_content;
use crate::image::{End, Image, ROOT, open, partitions};
use crate::input::Input;
use crate::read_back::{check, readable};
use crate::seal;

/// As many folders as this are made in no time.
const PARTITIONS_MAX: u64 = 64;
const FILES: [&str; 5] = [
    "meta.properties",
    "topics/a",
    "topics/b",
    "topics/new",
    "00112233445566778899aabbccddeeff.deleted",
];

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.byte();
    let text = input.rest();
    let many = Properties::parse(&String::from_utf8_lossy(text))
        .ok()
        .and_then(|properties| properties.get("partitions")?.parse().ok())
        .is_some_and(|count: u64| count > PARTITIONS_MAX);
    if many {
        return;
    }
    let file = FILES[usize::from(choice >> 1) % FILES.len()];
    let image = Image::of(End::Closed);
    let disk = image.copy();
    let content = match choice & 1 {
        1 if file != "meta.properties" => seal::topic_file(text),
        _ => text.to_vec(),
    };
    set_content(&disk, &Path::new(ROOT).join(file), &content);
    match open(&disk) {
        Ok(store) => {
            for name in store.topics().unwrap() {
                match store.open_topic(&name) {
                    Ok(topic) => {
                        for partition in partitions(&topic) {
                            for record in readable(&partition).0 {
                                assert!(image.all.contains(&record), "a record of nobody");
                            }
                        }
                    }
                    Err(error) => drop(check(error)),
                }
            }
            if let Err(error) = store.close() {
                check(error);
            }
        }
        Err(error) => drop(check(error)),
    }
    let names: Vec<String> = disk
        .read_dir(Path::new("/"))
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    assert_eq!(names, ["data"], "only the store's folder was written to");
}
