//! Indexes that say anything at all, in a store that was closed in order: an input is a byte that chooses the partition,
//! one of flags (1, 2, 4: which indexes are left as they were; 8: entries are put together from pieces of right ones), and the
//! bytes that take the place of its indexes. Indexes are hints: every record must be found all the same, by offset and by time.

use std::path::Path;

use tidelog::RecordBuffer;
use tidelog::format::packed::{RecordRow, record_row};

use crate::disk::{content, set_content};
use crate::image::{EPOCH_MS, End, Image, ROOT, open};
use crate::input::Input;
use crate::read_back::readable;

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let image = Image::of(End::Closed);
    let chosen = usize::from(input.byte()) % image.written.len();
    let flags = input.byte();
    let ((name, number), written) = image.written.iter().nth(chosen).unwrap();
    let disk = image.copy();
    let folder = Path::new(ROOT).join(format!("{name}-{number}"));
    for (i, path) in image.files.iter().enumerate() {
        let is_index = [".index", ".timeindex"]
            .iter()
            .any(|end| path.to_string_lossy().ends_with(end));
        if path.starts_with(&folder) && is_index && flags & (1 << (i % 3)) == 0 {
            let len = usize::from(input.byte());
            let given = input.take(len);
            match flags & 8 {
                0 => set_content(&disk, path, given),
                _ => set_content(&disk, path, &pieced(&content(&disk, path), given, path)),
            }
        }
    }

    let store = open(&disk).expect("indexes decide nothing");
    let topic = store.open_topic(name).unwrap();
    let partition = topic.partition(*number).unwrap();
    let mut bytes = Vec::new();
    let mut rows = RecordBuffer::default();
    // From behind, so that no read profits from where the one before it ended.
    for (offset, value) in written.iter().rev() {
        let next = partition.read(*offset, 0, &mut bytes).unwrap().next;
        assert!(next > *offset);
        let time = EPOCH_MS + *offset as i64;
        assert_eq!(
            partition.offset_for_time(time).unwrap(),
            Some((*offset, time))
        );
        topic.get(&[(*number, *offset)], &mut rows).unwrap();
        assert_eq!(rows.count, 1);
        assert_eq!(value_of(&rows), value);
    }
    let past = EPOCH_MS + written.len() as i64;
    assert_eq!(partition.offset_for_time(past).unwrap(), None);
    let (values, error) = readable(&partition);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(&values, written);
    store.close().unwrap();
}

/// Entries that each have their first half from one right entry and their second half from another: all that they name is
/// there, but it does not belong together.
fn pieced(right: &[u8], choices: &[u8], path: &Path) -> Vec<u8> {
    let (len, half) = match path
        .extension()
        .is_some_and(|extension| extension == "index")
    {
        true => (8, 4),
        false => (12, 8),
    };
    let entries: Vec<&[u8]> = right.chunks_exact(len).collect();
    let entry = |choice: u8| entries.get(usize::from(choice) % entries.len().max(1));
    choices
        .chunks_exact(2)
        .filter_map(|pair| Some([&entry(pair[0])?[..half], &entry(pair[1])?[half..]].concat()))
        .collect::<Vec<_>>()
        .concat()
}

/// The value of the first row.
fn value_of(rows: &RecordBuffer) -> &[u8] {
    let row = &rows.table[..RecordRow::LEN];
    let number = |at: usize| u32::from_le_bytes(*row[at..].first_chunk().unwrap()) as usize;
    let start = number(record_row::VALUE_POSITION);
    &rows.bytes[start..start + number(record_row::VALUE_LENGTH)]
}
