//! One segment file read from its beginning, with what does not hold told and not an error.

use std::path::Path;
use std::sync::Arc;

use tidelog_format::batch::BatchHeader;
use tidelog_format::file_name;
use tidelog_io::{OpenMode, Storage, StorageFile};

use super::indexes::Writer;
use crate::engine::folder::store_id;
use crate::error::{Error, IoContext, Result};
use crate::published;
use crate::segment::{Damage, Expect, Found, Scanner};

/// The batches of one segment file, in order, with their CRC checked.
pub struct SegmentScan {
    file: Arc<dyn StorageFile>,
    len: u64,
    position: u64,
    expect: Expect,
    by: Writer,
    batch: Vec<u8>,
    ended: bool,
}

/// A batch, or where and why the file does not hold one.
#[derive(Debug, Clone)]
pub enum Scanned {
    /// A batch that holds.
    Batch {
        /// Its first byte in the file.
        position: u64,
        /// Its header.
        header: BatchHeader,
    },
    /// The scan ends here.
    Damage {
        /// The byte where a batch should begin.
        position: u64,
        /// The offset that it should have.
        offset: u64,
        /// What does not hold.
        reason: String,
    },
}

/// Opens a segment file (`<base offset>.log`) for a scan. In a folder that is no part of a store, such as one of Kafka's,
/// offsets may be left out between batches.
///
/// # Errors
/// [`Error::InvalidArgument`] if it is not named like a segment, [`Error::Io`].
pub fn scan_segment(storage: &dyn Storage, path: &Path) -> Result<SegmentScan> {
    let folder = path.parent().unwrap_or(Path::new(""));
    scan(storage, path, writer_of(storage, folder))
}

/// Who wrote what is in a partition's folder. Only Tidelog leaves a `published` there, or has it in a store.
pub(super) fn writer_of(storage: &dyn Storage, folder: &Path) -> Writer {
    let is_in_store = || {
        let folder = storage.canonicalize(folder).ok()?;
        store_id(storage, folder.parent()?).ok()?
    };
    let is_published = || storage.exists(&folder.join(published::FILE_NAME));
    match matches!(is_published(), Ok(true)) || is_in_store().is_some() {
        true => Writer::Tidelog,
        false => Writer::Kafka,
    }
}

pub(super) fn scan(storage: &dyn Storage, path: &Path, by: Writer) -> Result<SegmentScan> {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let swapped = || file_name::parse_swap(&name).map(|(base, _)| base);
    let base = file_name::parse_log(&name)
        .or_else(swapped)
        .ok_or_else(|| Error::InvalidArgument {
            argument: "path",
            reason: format!("{name:?} is not named like a segment: 20 digits and .log"),
        })?;
    let file = storage.open(path, OpenMode::Read).during("open", path)?;
    let len = file.len().during("measure", path)?;
    let expect = Expect {
        offset: base,
        epoch_min: i32::MIN,
        epoch_max: i32::MAX,
    };
    Ok(SegmentScan {
        file,
        len,
        position: 0,
        expect,
        by,
        batch: Vec::new(),
        ended: false,
    })
}

impl SegmentScan {
    /// The file's length in bytes.
    pub fn file_len(&self) -> u64 {
        self.len
    }

    /// The encoded bytes of the batch that was given last.
    pub fn bytes(&self) -> &[u8] {
        &self.batch
    }

    /// The offset that should follow.
    pub(super) fn next_offset(&self) -> u64 {
        self.expect.offset
    }
}

impl Iterator for SegmentScan {
    type Item = Scanned;

    fn next(&mut self) -> Option<Scanned> {
        if self.ended {
            return None;
        }
        let mut scanner = Scanner::new(&*self.file, self.position, self.len, self.expect, true)
            .with_gaps(self.by == Writer::Kafka);
        let next = scanner.next();
        self.position = scanner.position();
        self.expect = scanner.expect();
        self.batch = scanner.into_bytes();
        match next {
            Ok(Some(Found { position, header })) => Some(Scanned::Batch { position, header }),
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(Damage {
                position,
                offset,
                reason,
            }) => {
                self.ended = true;
                Some(Scanned::Damage {
                    position,
                    offset,
                    reason,
                })
            }
        }
    }
}
