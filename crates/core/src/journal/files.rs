//! The journal's files: a few, grown in steps that are written over with zeros ahead of the frames, then recycled. A
//! sync of blocks that were written before costs half of one that has to allocate. A file is written again from its
//! start only when a durable checkpoint covers all of its frames.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidelog_format::journal::{PAGE, padded};
use tidelog_io::{OpenMode, Storage, StorageFile, StorageFolder};

use super::JournalOptions;
use crate::context::Context;
use crate::error::{Error, IoContext, Result};
use crate::knock_out::{self, Rule};

const EXTENSION: &str = ".journal";
/// Files grow by half of their size, at least and at most by this.
const STEP_MIN: u64 = 256 << 10;
const STEP_MAX: u64 = 8 << 20;
const ZEROS: usize = 256 << 10;

pub(crate) struct Files {
    storage: Arc<dyn Storage>,
    folder: PathBuf,
    options: JournalOptions,
    files: Vec<JournalFile>,
    /// The file that the next frame goes to, and where in it.
    current: Option<usize>,
    position: u64,
    /// A durable checkpoint covers the frames up to this one.
    covered: u64,
    /// The place of the frame that the checkpoint names, which the next frame must not touch: one of the two is there
    /// whenever a crash comes.
    kept: Option<Kept>,
    /// The last frame that was given its place: file, first byte, and the byte behind it.
    last: Option<Kept>,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    file: usize,
    from: u64,
    to: u64,
}

pub(crate) struct JournalFile {
    pub number: u32,
    pub path: PathBuf,
    pub file: Arc<dyn StorageFile>,
    /// Bytes that have been written, with frames or with zeros.
    pub written: u64,
    last_frame: u64,
    /// Its folder, as long as its entry there is not durable.
    new: Option<Box<dyn StorageFolder>>,
    /// Bytes that it had when it was opened. After a failed sync they may stand in the page cache only, and another sync
    /// proves nothing.
    found: u64,
    /// Bytes of it that are known to be durable, and its folder entry with them.
    durable: u64,
}

/// A file whose length is to become durable.
pub(crate) struct Grown {
    pub number: u32,
    pub path: PathBuf,
    pub len: u64,
    pub file: Arc<dyn StorageFile>,
    /// Whether it has grown since, or was made.
    pub changed: bool,
}

/// Where a frame goes.
pub(crate) struct Spot {
    pub number: u32,
    pub path: PathBuf,
    pub file: Arc<dyn StorageFile>,
    pub position: u64,
    /// The file's folder, if its entry there has to become durable with the frame. It was opened together with the file:
    /// once a frame is written, a lack of handles must not keep it from being durable.
    pub new: Option<Box<dyn StorageFolder>>,
}

impl Spot {
    /// Writes a frame to its place. Its blocks were written before, so a full disk is no reason to fail; whatever it is,
    /// part of the frame may stand there now.
    pub fn write(&self, context: &Context, frame: &[u8]) -> Result<()> {
        let written = self.file.write_all_at(self.position, frame);
        written.map_err(|error| {
            let path = self.path.display();
            context.health.poison(format!("write of {path}: {error}"))
        })
    }

    /// Makes what was written to the file durable, and the file's name with it.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().during("sync", &self.path)?;
        match &self.new {
            Some(folder) => folder.sync().during("sync", &self.path),
            None => Ok(()),
        }
    }
}

impl Files {
    /// No files yet.
    pub fn new(storage: &Arc<dyn Storage>, folder: PathBuf, options: JournalOptions) -> Files {
        Files {
            storage: Arc::clone(storage),
            folder,
            options,
            files: Vec::new(),
            current: None,
            position: 0,
            covered: 0,
            kept: None,
            last: None,
        }
    }

    /// Opens the files that are there, with everything in them to be recycled.
    pub fn open(
        storage: &Arc<dyn Storage>,
        folder: PathBuf,
        options: JournalOptions,
    ) -> Result<Files> {
        let mut files = Files::new(storage, folder, options);
        files.files = open_all(&**storage, &files.folder, OpenMode::Write)?;
        files.current = (!files.files.is_empty()).then_some(0);
        Ok(files)
    }

    pub fn close(&mut self) {
        (self.files, self.current) = (Vec::new(), None);
    }

    pub fn all(&self) -> &[JournalFile] {
        &self.files
    }

    /// Bytes that have been written, most bytes that there may be, and room before a checkpoint must have freed some.
    pub fn space(&self) -> (u64, u64, u64) {
        let JournalOptions {
            file_bytes, files, ..
        } = self.options;
        let capacity = file_bytes * files as u64;
        let used = self.files.iter().enumerate().map(|(number, file)| {
            match (Some(number) == self.current, file.last_frame > self.covered) {
                (true, _) => self.position,
                (false, true) => file_bytes,
                (false, false) => 0,
            }
        });
        let written = self.files.iter().map(|file| file.written).sum();
        (written, capacity, capacity.saturating_sub(used.sum()))
    }

    /// Makes sure that a frame of `len` bytes has its place, with blocks behind it. False while no file is free.
    pub fn reserve(&mut self, len: usize) -> Result<bool> {
        let len = padded(len) as u64;
        if let Some(kept) = self.kept.filter(|kept| Some(kept.file) == self.current)
            && self.position < kept.to
            && self.position + len > kept.from
        {
            self.position = kept.to;
        }
        let fits = self.current.is_some() && self.position + len <= self.options.file_bytes;
        if !fits && !self.move_on()? {
            return Ok(false);
        }
        let end = self.position + len;
        let file_bytes = self.options.file_bytes;
        match self.current.and_then(|current| self.files.get_mut(current)) {
            Some(file) if end > file.written => file.write_ahead(end, file_bytes).map(|()| true),
            _ => Ok(true),
        }
    }

    /// Gives the reserved place to a frame.
    pub fn assign(&mut self, sequence: u64, len: usize) -> Option<Spot> {
        let current = self.current?;
        let file = self.files.get_mut(current)?;
        file.last_frame = sequence;
        let spot = Spot {
            number: file.number,
            path: file.path.clone(),
            file: Arc::clone(&file.file),
            position: self.position,
            new: file.new.take(),
        };
        let from = self.position;
        self.position += padded(len) as u64;
        let to = self.position;
        let place = Kept {
            file: current,
            from,
            to,
        };
        // One frame is written at a time: the next one comes when this one is durable.
        (self.kept, self.last) = (None, Some(place));
        Some(spot)
    }

    /// Goes on behind a frame of the life before, which may be needed still. False where there is no room.
    pub fn go_on_behind(&mut self, number: u32, position: u64) -> bool {
        let file = self.files.iter().position(|file| file.number == number);
        let has_room = position + PAGE as u64 <= self.options.file_bytes;
        if file.is_some() && has_room {
            (self.current, self.position) = (file, position);
        }
        file.is_some() && has_room
    }

    /// The folder that has to be synced before a file's name is durable; none where no file was made in this life.
    pub fn folder(&self) -> Option<PathBuf> {
        let made = self.files.iter().any(|file| file.found == 0);
        made.then(|| self.folder.clone())
    }

    /// All files with their lengths, for a checkpoint that names them once they are durable.
    /// `file` and `position` are those behind the last durable frame.
    pub fn grown(&self, (number, position): (u32, u64)) -> Vec<Grown> {
        let grown = |file: &JournalFile| {
            let frames = if file.number == number { position } else { 0 };
            let ahead = match file.written > file.found {
                true => file.written - file.written % PAGE as u64,
                false => 0,
            };
            Grown {
                number: file.number,
                path: file.path.clone(),
                len: ahead.max(frames).max(file.durable),
                file: Arc::clone(&file.file),
                changed: ahead > file.durable,
            }
        };
        self.files.iter().map(grown).collect()
    }

    /// These lengths are durable.
    pub fn note_durable(&mut self, grown: &[Grown]) {
        for file in &mut self.files {
            let of_it = grown.iter().find(|grown| grown.number == file.number);
            file.durable = of_it.map_or(file.durable, |grown| grown.len.max(file.durable));
        }
    }

    /// A durable checkpoint covers the frames up to this one. With `idle`, when no frame is under way, the current
    /// file begins anew as soon as it can: the journal of a store that writes little stays small.
    pub fn recycle(&mut self, covered: u64, idle: bool) {
        self.covered = self.covered.max(covered);
        let current = self.current.and_then(|current| self.files.get(current));
        if idle && current.is_some_and(|file| file.last_frame <= self.covered) {
            self.position = 0;
            self.kept = self.last;
        }
    }

    /// Goes to a file whose frames are all covered, or to a new one.
    fn move_on(&mut self) -> Result<bool> {
        let free = self.files.iter().enumerate().position(|(number, file)| {
            let covered =
                file.last_frame <= self.covered || knock_out::is_out(Rule::RecycleAfterCheckpoint);
            covered && Some(number) != self.current
        });
        let next = match free {
            Some(free) => free,
            None if self.files.len() < self.options.files => self.create()?,
            None => return Ok(false),
        };
        (self.current, self.position) = (Some(next), 0);
        Ok(true)
    }

    fn create(&mut self) -> Result<usize> {
        let number = self.files.last().map_or(0, |last| last.number + 1);
        let path = self.folder.join(file_name_of(number));
        let folder = self.storage.open_dir(&self.folder);
        let folder = folder.during("open", &self.folder)?;
        let file = self
            .storage
            .open(&path, OpenMode::Create)
            .during("create", &path)?;
        self.files.push(JournalFile {
            number,
            path,
            file,
            written: 0,
            last_frame: 0,
            new: Some(folder),
            found: 0,
            durable: 0,
        });
        Ok(self.files.len() - 1)
    }
}

pub(super) fn file_name_of(number: u32) -> String {
    format!("{number:08}{EXTENSION}")
}

impl JournalFile {
    /// Writes zeros up to `end` and a step further, if there is space: a full disk shows here, before anything that
    /// the frame will hold is written anywhere.
    fn write_ahead(&mut self, end: u64, file_bytes: u64) -> Result<()> {
        let step = (self.written / 2).clamp(STEP_MIN, STEP_MAX);
        for to in [(end + step).min(file_bytes), end] {
            match self.fill(to) {
                Err(Error::StorageFull { .. }) if to > end => {}
                other => return other,
            }
        }
        Ok(())
    }

    fn fill(&mut self, to: u64) -> Result<()> {
        let zeros = vec![0; ZEROS];
        while self.written < to {
            let len = (to - self.written).min(ZEROS as u64);
            let bytes = zeros.get(..len as usize).unwrap_or_default();
            self.file
                .write_all_at(self.written, bytes)
                .during("write", &self.path)?;
            self.written += len;
        }
        Ok(())
    }
}

/// The journal's files in the order of their numbers; none where there is no journal.
pub(crate) fn open_all(
    storage: &dyn Storage,
    folder: &Path,
    mode: OpenMode,
) -> Result<Vec<JournalFile>> {
    let mut files = Vec::new();
    if !storage.exists(folder).during("look for", folder)? {
        return Ok(files);
    }
    for entry in storage.read_dir(folder).during("list", folder)? {
        let stem = entry.name.strip_suffix(EXTENSION);
        let Some(number) = stem.and_then(|stem| stem.parse().ok()) else {
            continue;
        };
        let path = folder.join(&entry.name);
        let file = storage.open(&path, mode).during("open", &path)?;
        files.push(JournalFile {
            number,
            path,
            file,
            written: entry.len - entry.len % PAGE as u64,
            last_frame: 0,
            new: None,
            found: entry.len,
            durable: 0,
        });
    }
    files.sort_by_key(|file| file.number);
    Ok(files)
}
