//! A whole store, changed behind the engine's back: an input is a byte that chooses how the store had ended, then
//! changes of its files (see [`Change`]). Opening gives the store or an error that has a type; what is read is what was
//! written; a store that opened can be written to or says why not; and a second opening finds the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tidelog::format::checkpoint::Checkpoint;
use tidelog::format::journal::{Entry, Frame, PAGE};
use tidelog::io::{SimulatedStorage, Storage};
use tidelog::{Compression, Error, Store};

use crate::disk::{content, set_content};
use crate::image::{EPOCH_MS, End, Image, Values, batch, open, partitions};
use crate::input::Input;
use crate::read_back::{check, look_around, readable};
use crate::seal;

const CHANGES_MAX: usize = 6;
/// The simulated disk holds all bytes of a file: forged places in between would need that much memory.
const FAR: std::ops::Range<u64> = 1 << 24..1 << 62;

/// What the changes of an input allow to be found.
#[derive(Default)]
struct Damage {
    /// Only files that decide nothing were touched: indexes, `published`, `partition.metadata`.
    beyond_hints: bool,
    /// Something else than segments and hints was touched.
    beyond_segments: bool,
    /// Bytes were moved from one file to another: a record may be in another partition than it was written to.
    mixed: bool,
    /// Checksums were put right: anything may be found.
    forged: bool,
}

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let end = [End::Closed, End::Killed, End::KilledAgain][usize::from(input.byte()) % 3];
    let image = Image::of(end);
    let disk = image.copy();
    let mut damage = Damage::default();
    for _ in 0..CHANGES_MAX {
        if input.is_empty() {
            break;
        }
        change(&mut input, &disk, &image.files, &mut damage);
    }
    if damage.forged && forged_far(&disk, &image.files) {
        return;
    }
    let store = match open(&disk) {
        Ok(store) => store,
        Err(error) => {
            check(error);
            assert!(damage.beyond_hints, "hints kept a store from opening");
            return;
        }
    };
    let reported = !store.recovery().damaged.is_empty();
    let mut found = BTreeMap::new();
    for name in store.topics().unwrap() {
        for partition in partitions(&store.open_topic(&name).unwrap()) {
            let (values, error) = readable(&partition);
            let key = (name.clone(), partition.index());
            if !damage.forged {
                compare(image, &key, &values, &damage);
            }
            if !damage.beyond_hints {
                assert_eq!((&values, &error.is_none()), (&image.written[&key], &true));
            }
            // After the first life's end recovery has to look at all there is, and has it all in the journal.
            if end == End::Killed && !damage.beyond_segments && !damage.forged && !reported {
                assert!(
                    error.is_none(),
                    "damage that recovery did not see: {error:?}"
                );
                let journaled = name != "b";
                assert!(
                    !journaled || values == image.written[&key],
                    "{key:?} lost records"
                );
            }
            look_around(&partition, &[EPOCH_MS, EPOCH_MS + 9, i64::MAX]);
            found.insert(key, (values, error.map(|error| error.code())));
        }
    }
    if !damage.beyond_hints {
        assert_eq!(found.len(), image.written.len());
    }
    append(&store, &mut found, &damage);
    let closed = store.close();
    if let Err(error) = closed {
        check(error);
        return;
    }
    let store = match open(&disk) {
        Ok(store) => store,
        Err(error) if damage.forged => return drop(check(error)),
        Err(error) => panic!("it opened once, and then: {error}"),
    };
    if !damage.forged {
        for ((name, number), found) in &found {
            let topic = store.open_topic(name).unwrap();
            let (values, error) = readable(&topic.partition(*number).unwrap());
            assert_eq!(values, found.0, "{name}-{number}, opened again");
            // Damage that the first reading ran into ends the log from now on, if the opening reports it.
            let code = error.map(|error| error.code());
            let told = code.is_none() && is_reported(&store, name, *number);
            assert!(code == found.1 || told, "{code:?} and not {:?}", found.1);
        }
    }
    if let Err(error) = store.close() {
        check(error);
    }
}

/// Whether opening told of damage in this partition.
fn is_reported(store: &Store, name: &str, number: u32) -> bool {
    store.recovery().damaged.iter().any(|error| match error {
        Error::Corruption {
            topic, partition, ..
        } => topic == name && *partition == number,
        _ => false,
    })
}

/// What is read was written, in order, and without a hole.
fn compare(image: &Image, key: &(String, u32), values: &Values, damage: &Damage) {
    let written = &image.written[key];
    for record in values {
        let known = match damage.mixed {
            true => image.all.contains(record),
            false => written.contains(record),
        };
        assert!(known, "{key:?} serves a record of nobody: {record:?}");
    }
    assert!(
        values.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0),
        "{key:?} has a hole"
    );
}

/// One record into each partition, at its end; `found` gets what was taken.
fn append(
    store: &Store,
    found: &mut BTreeMap<(String, u32), (Values, Option<&'static str>)>,
    damage: &Damage,
) {
    for ((name, number), (values, error)) in found {
        let partition = store.open_topic(name).unwrap().partition(*number).unwrap();
        let (end, value) = (partition.log_end_offset(), b"new".to_vec());
        let values_end = values.last().map(|(offset, _)| offset + 1);
        let batch = batch(Compression::None, end, std::slice::from_ref(&value));
        match partition.append(batch) {
            Ok(appended) => {
                assert_eq!(appended.base_offset, end);
                if error.is_none() {
                    let whole = values_end.is_none_or(|values_end| values_end == end);
                    assert!(whole || damage.forged, "{name}-{number} got a hole");
                    values.push((end, value));
                }
            }
            Err(error) => {
                check(error);
                assert!(damage.beyond_hints, "hints kept an append from being taken");
            }
        }
        if !damage.forged {
            let (again, _) = readable(&partition);
            assert_eq!(&again, values, "{name}-{number} after an append");
        }
    }
}

/// Changes one file: a byte of kind, a byte that chooses the file, u16 position (in the file's second half if the kind's
/// highest bit is set), and what the kind needs.
fn change(input: &mut Input<'_>, disk: &SimulatedStorage, files: &[PathBuf], damage: &mut Damage) {
    let kind = input.byte();
    let path = &files[usize::from(input.byte()) % files.len()];
    let position = usize::from(input.u16());
    if !disk.exists(path).unwrap() {
        return;
    }
    let mut bytes = content(disk, path);
    let half = if kind & 0x80 != 0 { bytes.len() / 2 } else { 0 };
    let at = (half + position).min(bytes.len());
    damage.beyond_hints |= !is_hint(path);
    let is_segment = path.extension().is_some_and(|extension| extension == "log");
    damage.beyond_segments |= !is_hint(path) && !is_segment;
    match kind & 0x7f {
        0 => {
            let len = usize::from(input.byte() % 16) + 1;
            let new = input.take(len);
            let len = new.len().min(bytes.len() - at);
            bytes[at..at + len].copy_from_slice(&new[..len]);
        }
        1 => bytes.truncate(at),
        2 => return disk.remove_file(path).unwrap(),
        3 => {
            let len = usize::from(input.byte());
            bytes = input.take(len).to_vec();
        }
        4 => {
            let len = usize::from(input.u16());
            let end = (at + len).min(bytes.len());
            bytes[at..end].fill(0);
        }
        5 => {
            let len = usize::from(input.byte());
            bytes.extend_from_slice(input.take(len));
        }
        6 => {
            // A piece of the same file, or of another one of its kind, in its place.
            let from = &files[usize::from(input.byte()) % files.len()];
            let start = usize::from(input.u16());
            let len = usize::from(input.u16());
            if from.extension() != path.extension() || !disk.exists(from).unwrap() {
                return;
            }
            damage.mixed |= from != path;
            let source = content(disk, from);
            let piece = &source[start.min(source.len())..];
            let piece = &piece[..len.min(piece.len())];
            bytes.resize(bytes.len().max(at + piece.len()), 0);
            bytes[at..at + piece.len()].copy_from_slice(piece);
        }
        7 => {
            let len = bytes.len() + usize::from(input.byte()) * 64;
            bytes.resize(len, 0);
        }
        8 => {
            seal_file(path, &mut bytes);
            damage.forged = true;
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << (kind % 8);
            }
        }
    }
    set_content(disk, path, &bytes);
}

fn is_hint(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    [".index", ".timeindex", "published", "partition.metadata"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// Puts the checksums of a file right, whatever it is.
fn seal_file(path: &Path, bytes: &mut Vec<u8>) {
    let name = path.file_name().unwrap().to_string_lossy();
    if name == "checkpoint" {
        let half = bytes.len() / 2;
        let (first, second) = bytes.split_at_mut(half);
        seal::checkpoint(first);
        seal::checkpoint(second);
    } else if name.ends_with(".journal") {
        seal::journal_file(bytes);
    } else if name.ends_with(".log") {
        seal::segment(bytes);
    } else if name == "published" {
        seal::published(bytes);
    } else if path
        .parent()
        .is_some_and(|folder| folder.ends_with("topics"))
    {
        let text = String::from_utf8_lossy(bytes).into_owned();
        if let Some((body, _)) = text.trim_end().rsplit_once("crc32c=") {
            *bytes = seal::topic_file(body.as_bytes());
        }
    }
}

/// Whether a checkpoint or a frame that holds names a place that the simulated disk would need too much memory for.
fn forged_far(disk: &SimulatedStorage, files: &[PathBuf]) -> bool {
    files.iter().any(|path| {
        if !disk.exists(path).unwrap() {
            return false;
        }
        let name = path.file_name().unwrap().to_string_lossy();
        let bytes = content(disk, path);
        if name == "checkpoint" {
            bytes
                .chunks((bytes.len() / 2).max(1))
                .filter_map(|slot| Checkpoint::decode(slot).ok())
                .flat_map(|checkpoint| checkpoint.partitions)
                .any(|mark| FAR.contains(&mark.recovery_position))
        } else if name.ends_with(".journal") {
            (0..bytes.len())
                .step_by(PAGE)
                .filter_map(|at| Frame::check(&bytes[at..]).ok())
                .any(|frame| {
                    frame.entries().flatten().any(|entry| match entry {
                        Entry::Batch { place, .. } | Entry::Extent { place, .. } => {
                            FAR.contains(&place.position)
                        }
                        Entry::Release { .. } => false,
                    })
                })
        } else {
            false
        }
    })
}
