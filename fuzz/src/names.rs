//! Names and small texts: an input is one string, taken for a topic's name, for a file's and a folder's name, and for a
//! text of properties. A name that is taken may lead nowhere but into its folder.

use std::path::{Component, Path};

use tidelog::format::properties::Properties;
use tidelog::format::{file_name, topic_name};

/// Runs the target.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (name, rest) = text.split_once('\n').unwrap_or((&text, ""));
    names(name, rest);
    files(name);
    properties(&text);
}

fn names(name: &str, other: &str) {
    assert_eq!(
        topic_name::collides(name, other),
        topic_name::collides(other, name)
    );
    assert!(topic_name::collides(name, name));
    match topic_name::validate(name) {
        Ok(()) => {
            assert!(name.len() <= 249);
            let folder = file_name::partition_folder(name, 3);
            assert!(folder.len() <= 255, "no file system takes {folder}");
            assert_eq!(file_name::parse_partition_folder(&folder), Some((name, 3)));
            for part in [name, &folder] {
                let components: Vec<_> = Path::new(part).components().collect();
                assert!(matches!(components[..], [Component::Normal(_)]), "{part:?}");
            }
        }
        Err(error) => assert!(error.name.chars().count() <= 250),
    }
}

fn files(name: &str) {
    if let Some((base, kind)) = file_name::parse(name) {
        assert_eq!(kind.name(base), name);
    }
    if let Some(base) = file_name::parse_log(name) {
        assert_eq!(file_name::log(base), name);
    }
    if let Some((topic, partition)) = file_name::parse_partition_folder(name) {
        assert_eq!(file_name::partition_folder(topic, partition), name);
        assert_eq!(topic_name::validate(topic), Ok(()));
    }
}

fn properties(text: &str) {
    let Ok(properties) = Properties::parse(text) else {
        return;
    };
    assert_eq!(
        Properties::parse(&properties.to_text()),
        Ok(properties.clone())
    );
    for (key, value) in properties.iter() {
        assert_eq!(properties.get(key), Some(value));
    }
}
