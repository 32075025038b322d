//! Writes a segment anew, with empty batches in the place of what is lost: all other records keep their offsets. The
//! damaged bytes are kept beside it first; the new file takes the old one's name when it is durable.

use std::path::{Path, PathBuf};

use tidelog_format::batch::{HEADER_LEN, empty_batch, set_placement};
use tidelog_io::{OpenMode, Storage, StorageFile};

use super::partition::Work;
use super::walk::{Hole, read_what_can_be};
use crate::error::{Error, IoContext, Result};

const PIECE: u64 = 1 << 20;
const NO_TIMESTAMP: i64 = -1;
/// An empty batch keeps so many offsets at most.
const RANGE_MAX: u64 = i32::MAX as u64 + 1;

/// Where a position of the old file is in the new one. One inside of a hole has no place there.
pub(super) fn position_after(holes: &[Hole], position: u64) -> u64 {
    let before = holes
        .iter()
        .filter(|hole| hole.position + hole.len <= position);
    before.fold(position, |at, hole| at + filling_len(hole) - hole.len)
}

fn filling_len(hole: &Hole) -> u64 {
    (hole.next - hole.first).div_ceil(RANGE_MAX) * HEADER_LEN as u64
}

/// Does the work on one segment, durably but for the folder's names. Gives where the bytes of each hole are kept.
pub(super) fn rewrite(storage: &dyn Storage, work: &Work) -> Result<Vec<Option<PathBuf>>> {
    let path = &work.path;
    let mut kept = Vec::new();
    if !(work.holes.is_empty() && work.mends.is_empty()) {
        let old = match storage.exists(path).during("look for", path)? {
            true => Some(storage.open(path, OpenMode::Read).during("open", path)?),
            false => None,
        };
        for hole in &work.holes {
            kept.push(match &old {
                Some(old) if hole.len > 0 => Some(keep(storage, &**old, path, hole)?),
                _ => None,
            });
        }
        let new = path.with_extension("log.tmp");
        let file = storage
            .open(&new, OpenMode::Create)
            .during("create", &new)?;
        file.set_len(0).during("shorten", &new)?;
        let mut writer = Writer {
            file: &*file,
            path: &new,
            len: 0,
        };
        write_all(&mut writer, old.as_deref(), work)?;
        file.sync_all().during("sync", &new)?;
        storage.rename(&new, path).during("rename", &new)?;
        for extension in ["index", "timeindex"] {
            remove(storage, &path.with_extension(extension))?;
        }
    }
    for index in &work.indexes {
        remove(storage, index)?;
    }
    Ok(kept)
}

fn write_all(writer: &mut Writer<'_>, old: Option<&dyn StorageFile>, work: &Work) -> Result<()> {
    let mut from = 0;
    for hole in &work.holes {
        if let Some(old) = old {
            writer.copy(old, &work.path, from, hole.position, work)?;
        }
        let mut first = hole.first;
        while first < hole.next {
            let next = hole.next.min(first + RANGE_MAX);
            let batch = empty_batch(first, next - 1, hole.epoch.max(0), NO_TIMESTAMP);
            writer.write(&batch.map_err(|error| Error::invalid_batch(&error))?)?;
            first = next;
        }
        from = hole.position + hole.len;
    }
    match old {
        Some(old) if from < work.upto => writer.copy(old, &work.path, from, work.upto, work),
        _ => Ok(()),
    }
}

struct Writer<'a> {
    file: &'a dyn StorageFile,
    path: &'a Path,
    len: u64,
}

impl Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all_at(self.len, bytes)
            .during("write", self.path)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Copies a range of the old file with the batches in it put right.
    fn copy(
        &mut self,
        old: &dyn StorageFile,
        path: &Path,
        begin: u64,
        to: u64,
        work: &Work,
    ) -> Result<()> {
        let (mut from, written_from) = (begin, self.len);
        let mut piece = vec![0; PIECE.min(to.saturating_sub(from)) as usize];
        while from < to {
            let len = (to - from).min(PIECE) as usize;
            let bytes = piece.get_mut(..len).unwrap_or_default();
            old.read_exact_at(from, bytes).during("read", path)?;
            self.write(bytes)?;
            from += len as u64;
        }
        // Only the place in front of the checksum changes, so the header alone is written over.
        for mend in &work.mends {
            if !(begin..to).contains(&mend.position) {
                continue;
            }
            let mut header = [0; HEADER_LEN];
            old.read_exact_at(mend.position, &mut header)
                .during("read", path)?;
            set_placement(&mut header, mend.base_offset, mend.epoch)
                .map_err(|error| Error::invalid_batch(&error))?;
            let position = written_from + (mend.position - begin);
            self.file
                .write_all_at(position, &header)
                .during("write", self.path)?;
        }
        Ok(())
    }
}

/// Keeps the bytes of a hole beside their segment, unless they are there already.
fn keep(storage: &dyn Storage, old: &dyn StorageFile, path: &Path, hole: &Hole) -> Result<PathBuf> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut target;
    let mut number = 0;
    loop {
        let suffix = match number {
            0 => String::new(),
            again => format!("-{again}"),
        };
        target = path.with_file_name(format!("{stem}.{}{suffix}.damaged", hole.first));
        if !storage.exists(&target).during("look for", &target)?
            || holds(storage, &target, old, hole)?
        {
            break;
        }
        number += 1;
    }
    let file = storage
        .open(&target, OpenMode::Create)
        .during("create", &target)?;
    pieces(hole, |from, len| {
        let mut bytes = vec![0; len];
        read_what_can_be(old, hole.position + from, &mut bytes);
        file.write_all_at(from, &bytes).during("write", &target)
    })?;
    file.sync_all().during("sync", &target)?;
    Ok(target)
}

/// Whether a file holds the hole's bytes, or as many of them as were written before a crash.
fn holds(storage: &dyn Storage, path: &Path, old: &dyn StorageFile, hole: &Hole) -> Result<bool> {
    let file = storage.open(path, OpenMode::Read).during("open", path)?;
    let len = file.len().during("measure", path)?;
    if len > hole.len {
        return Ok(false);
    }
    let mut same = true;
    pieces(hole, |from, piece| {
        let piece = piece.min(len.saturating_sub(from) as usize);
        let (mut there, mut bytes) = (vec![0; piece], vec![0; piece]);
        read_what_can_be(old, hole.position + from, &mut bytes);
        read_what_can_be(&*file, from, &mut there);
        same &= there == bytes;
        Ok(())
    })?;
    Ok(same)
}

fn pieces(hole: &Hole, mut each: impl FnMut(u64, usize) -> Result<()>) -> Result<()> {
    let mut from = 0;
    while from < hole.len {
        let len = (hole.len - from).min(PIECE);
        each(from, len as usize)?;
        from += len;
    }
    Ok(())
}

pub(super) fn remove(storage: &dyn Storage, path: &Path) -> Result<()> {
    if storage.exists(path).during("look for", path)? {
        storage.remove_file(path).during("remove", path)?;
    }
    Ok(())
}
