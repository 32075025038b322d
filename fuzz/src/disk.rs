//! Whole files of a simulated disk, which the targets look at and change behind the engine's back.

use std::path::{Path, PathBuf};

use tidelog::io::{OpenMode, SimulatedStorage, Storage};

/// What a file holds.
pub(crate) fn content(disk: &SimulatedStorage, path: &Path) -> Vec<u8> {
    let file = disk.open(path, OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

/// Makes or replaces a file, durably.
pub(crate) fn set_content(disk: &SimulatedStorage, path: &Path, bytes: &[u8]) {
    let file = disk.open(path, OpenMode::Create).unwrap();
    file.set_len(0).unwrap();
    file.write_all_at(0, bytes).unwrap();
    file.sync_all().unwrap();
}

/// All files under a folder, sorted.
pub(crate) fn files(disk: &SimulatedStorage, folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in disk.read_dir(folder).unwrap() {
        let path = folder.join(&entry.name);
        if entry.is_dir {
            found.extend(files(disk, &path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
