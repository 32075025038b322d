//! What a copy needs of the partitions, kept from going. While the store is held still, each file gets another name: in the
//! copy, or in a folder from where it is copied later. What happens to the store afterwards does not matter to it.

use std::path::{Path, PathBuf};

use tidelog_format::checkpoint::PartitionMark;
use tidelog_format::file_name::{self, SegmentFile};
use tidelog_io::{OpenMode, Storage};

use super::target::{Target, is_refused};
use crate::error::{Error, IoContext, Result};
use crate::partition::Log;
use crate::segment::listed;

const PIECE: u64 = 1 << 20;

/// A file of the copy, and where its bytes are.
pub(super) struct Pin {
    /// Where it is kept now.
    pub at: PathBuf,
    /// Where it is to be in the copy.
    pub to: PathBuf,
    pub len: u64,
    /// Whether it is the end of a log, of which the copy has an own file.
    pub active: bool,
    /// Whether it is the copy's own already, because it could not be linked.
    pub copied: bool,
}

pub(super) struct Pins<'a> {
    target: &'a Target,
    pub files: Vec<Pin>,
}

impl Pins<'_> {
    pub fn new(target: &Target) -> Pins<'_> {
        Pins {
            target,
            files: Vec::new(),
        }
    }

    /// Keeps what a partition has up to its mark.
    pub fn add(&mut self, log: &Log, mark: &PartitionMark) -> Result<()> {
        let storage = &*self.target.storage;
        let folder = log.folder();
        let to = self.folder_of(log);
        storage.create_dir(&to).during("create", &to)?;
        let entries = storage.read_dir(folder).during("list", folder)?;
        let has = |name: &str| entries.iter().find(|entry| entry.name == name);
        for segment in listed(folder, &entries) {
            // Nothing is appended where there is damage, and it may lie anywhere.
            let whole = segment.base < mark.recovery_segment || mark.damaged;
            let active = segment.base == mark.recovery_segment;
            let len = match whole {
                true => segment.len,
                false if active => mark.recovery_position,
                // It was begun later.
                false => continue,
            };
            self.keep(
                &segment.path,
                to.join(file_name::log(segment.base)),
                len,
                active,
            )?;
            if !whole {
                // The indexes of the end are made anew.
                continue;
            }
            for kind in [SegmentFile::OffsetIndex, SegmentFile::TimeIndex] {
                let name = kind.name(segment.base);
                if let Some(entry) = has(&name) {
                    self.keep(&folder.join(&name), to.join(&name), entry.len, active)?;
                }
            }
        }
        for entry in &entries {
            let snapshot = match file_name::parse(&entry.name) {
                Some((offset, SegmentFile::Snapshot)) => Some(offset),
                _ => None,
            };
            let upto = snapshot.or_else(|| file_name::parse_compacted(&entry.name));
            if upto.is_some_and(|upto| upto <= mark.recovery_point) {
                self.keep(
                    &folder.join(&entry.name),
                    to.join(&entry.name),
                    entry.len,
                    false,
                )?;
            }
        }
        Ok(())
    }

    /// The partition's folder in the copy.
    pub fn folder_of(&self, log: &Log) -> PathBuf {
        let name = file_name::partition_folder(&log.topic().name, log.number());
        self.target.path.join(name)
    }

    fn keep(&mut self, from: &Path, to: PathBuf, len: u64, active: bool) -> Result<()> {
        let storage = &*self.target.storage;
        let at = match &self.target.staging {
            Some(staging) => staging.join(self.files.len().to_string()),
            None if active => to.with_extension("tmp"),
            None => to.clone(),
        };
        let copied = match storage.hard_link(from, &at) {
            Ok(()) => false,
            Err(error) if is_refused(error.kind()) => {
                copy_file(storage, from, &to, len, &mut |_| Ok(()))?;
                true
            }
            Err(error) => return Err(Error::io("link", from, error)),
        };
        self.files.push(Pin {
            at,
            to,
            len,
            active,
            copied,
        });
        Ok(())
    }
}

/// Copies the beginning of a file, durably but for its name. `step` is told of each piece.
pub(super) fn copy_file(
    storage: &dyn Storage,
    from: &Path,
    to: &Path,
    len: u64,
    step: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<()> {
    let old = storage.open(from, OpenMode::Read).during("open", from)?;
    let new = storage.open(to, OpenMode::Create).during("create", to)?;
    new.set_len(0).during("shorten", to)?;
    let mut bytes = vec![0; len.min(PIECE) as usize];
    let mut at = 0;
    while at < len {
        let piece = (len - at).min(PIECE);
        let bytes = bytes.get_mut(..piece as usize).unwrap_or_default();
        old.read_exact_at(at, bytes).during("read", from)?;
        new.write_all_at(at, bytes).during("write", to)?;
        at += piece;
        step(piece)?;
    }
    new.sync_all().during("sync", to)
}
