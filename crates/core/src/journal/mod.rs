//! Durable group commit: appends of all `fsync` topics gather in a frame, one thread writes it and syncs once,
//! and all of them are done. The next frame gathers meanwhile, so no timer is needed. That thread is the journal's own,
//! or a sender's that waits anyway and finds no round under way: what it sends alone is not handed over twice. An append
//! joins under its partition's lock, right after its bytes are in the segment: a partition's entries stand in the
//! journal in the order of their offsets and without a gap.

mod files;
mod frames;
pub(crate) mod queue;
mod replay;
mod round;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidelog_format::batch::HEADER_LEN as BATCH_HEADER_LEN;
use tidelog_format::checkpoint::JournalFileMark;
use tidelog_format::journal::{
    ENTRY_OVERHEAD, EXTENT_ENTRY_LEN, FrameBuilder, PAGE, PartitionId, Place, RELEASE_ENTRY_LEN,
};

use crate::context::Context;
use crate::error::{Error, IoContext, Result};
use crate::knock_out::{self, Rule};
use crate::partition::{Committed, Log, SyncPoint};
use crate::sync::{Mutex, lock};

use files::Grown;
pub(crate) use files::{Files, JournalFile, open_all};
pub(crate) use frames::{FoundFrame, first_missing, valid_frames};
use queue::{Entrance, Gather, Queue};
pub(crate) use replay::{Known, Replay, end_of, placed};
pub(crate) use round::Round;

/// A file has room for a few small frames at least.
const FILE_MIN: u64 = 64 << 10;

/// Its folder in the store's.
pub(crate) const FOLDER: &str = "journal";

/// Called once, on the thread that does the round: it must not wait.
pub(crate) type Done = Box<dyn FnOnce(Result<()>) + Send>;

/// The journal's sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalOptions {
    /// Bytes at which a file is full, 64 KiB to 1 GiB. Default 64 MiB. Files are grown as they are needed.
    pub file_bytes: u64,
    /// Most files, at least 2. Default 4. When all are full of what no checkpoint covers yet, appends wait for one.
    pub files: usize,
    /// Bytes at which a frame takes no more in, 4 KiB to a quarter of a file. Default 8 MiB.
    pub frame_bytes: usize,
    /// Bytes from which on a batch is not written twice: its segment is synced together with the frame, which holds
    /// only the batch's place. At most half of a frame. Default 128 KiB.
    pub extent_bytes: usize,
}

impl Default for JournalOptions {
    fn default() -> JournalOptions {
        JournalOptions {
            file_bytes: 64 << 20,
            files: 4,
            frame_bytes: 8 << 20,
            extent_bytes: 128 << 10,
        }
    }
}

impl JournalOptions {
    pub(crate) fn validate(&self) -> Result<()> {
        let file = self.file_bytes;
        let within = |argument, value: u64, min: u64, max: u64| {
            if (min..=max).contains(&value) {
                return Ok(());
            }
            let reason = format!("must be {min} to {max}, not {value}");
            Err(Error::InvalidArgument { argument, reason })
        };
        within("journal.file_bytes", file, FILE_MIN, 1 << 30)?;
        within("journal.files", self.files as u64, 2, 1000)?;
        let frame = self.frame_bytes as u64;
        within("journal.frame_bytes", frame, PAGE as u64, file / 4)?;
        within(
            "journal.extent_bytes",
            self.extent_bytes as u64,
            0,
            frame / 2,
        )
    }
}

/// Frames that may wait for their turn. Appends wait beyond that: memory stays bounded.
const WAITING_MAX: usize = 4;
/// A larger frame's memory is not kept for the next ones.
const SPARE_MAX: usize = 1 << 20;

pub(crate) struct Journal {
    queue: Queue<Open>,
    synced: Mutex<Synced>,
}

/// The last frame that is durable, and where it ends. Under its lock all ends of a frame move together: whoever
/// holds it sees the partitions as of one frame.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Synced {
    pub frame: u64,
    pub file: u32,
    pub position: u64,
}

/// What the queue's lock protects.
struct Open {
    options: JournalOptions,
    files: Files,
    sequence: u64,
    group: Group,
    /// Frames that were full before the one in front of them was done.
    full: VecDeque<Round>,
    /// Why the last checkpoint failed, on which whoever waits for a file depends.
    stuck: Option<Error>,
    spare: Option<Vec<u8>>,
}

/// A frame that gathers.
#[derive(Default)]
struct Group {
    frame: FrameBuilder,
    /// Records in it.
    records: u64,
    members: Vec<Member>,
    /// Partitions whose files are to be synced with the frame.
    sync: Vec<Arc<Log>>,
}

/// Who waits for a frame, and what has happened to its partition then.
pub(crate) struct Member {
    pub moved: Option<(Arc<Log>, Committed)>,
    pub done: Option<Done>,
}

impl Journal {
    /// The journal of a store whose frames up to `frame` are covered by its checkpoint.
    pub fn new(files: Files, options: JournalOptions, frame: u64) -> Journal {
        let frame = match knock_out::is_out(Rule::Sequence) {
            true => 0,
            false => frame,
        };
        Journal {
            queue: Queue::new(Open {
                options,
                files,
                sequence: frame,
                group: Group::default(),
                full: VecDeque::new(),
                stuck: None,
                spare: None,
            }),
            synced: Mutex::new(Synced {
                frame,
                ..Synced::default()
            }),
        }
    }

    /// Begins this life with a frame of its own, which holds nothing and goes behind the last one that was read: the
    /// checkpoint to come names it, so a journal that is lost is told from one in which nothing was written. Without
    /// space for it the life begins without.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Poisoned`] when a sync fails.
    pub fn begin(&self, context: &Context, behind: Option<(u32, u64)>) -> Result<()> {
        let mut at = self.queue.enter();
        if let Some((number, position)) = behind
            && !at.files.go_on_behind(number, position)
        {
            return Ok(());
        }
        match at.files.reserve(FrameBuilder::default().len()) {
            Ok(true) => {}
            Ok(false) | Err(Error::StorageFull { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
        let frame = FrameBuilder::default();
        let sequence = at.sequence + 1;
        let Some(spot) = at.files.assign(sequence, frame.len()) else {
            return Ok(());
        };
        at.sequence = sequence;
        let bytes = frame.finish(sequence, context.incarnation as u32);
        spot.write(context, &bytes)?;
        spot.sync()?;
        *lock(&self.synced) = Synced {
            frame: sequence,
            file: spot.number,
            position: spot.position + bytes.len() as u64,
        };
        Ok(())
    }

    /// Makes the files' lengths and names durable, for a checkpoint that tells of them.
    pub fn sync_files(&self, context: &Context) -> Result<Vec<JournalFileMark>> {
        let synced = *lock(&self.synced);
        let behind = (synced.file, synced.position);
        let grown = self.queue.enter().files.grown(behind);
        for file in grown.iter().filter(|file| file.changed) {
            file.file.sync_data().during("sync", &file.path)?;
        }
        if grown.iter().any(|file| file.changed)
            && let Some(folder) = self.queue.enter().files.folder()
        {
            context.sync_dir(&folder)?;
        }
        self.queue.enter().files.note_durable(&grown);
        let mark = |file: &Grown| JournalFileMark {
            number: file.number,
            len: file.len,
        };
        Ok(grown.iter().map(mark).collect())
    }

    /// Lets an append of batches of these sizes in, once there is room for them in one frame. Nobody else joins while
    /// the answer is held. Waits for the disk when frames, or files, are full.
    ///
    /// # Errors
    /// [`Error::StorageFull`], and whatever keeps a checkpoint from being written; nothing was written then.
    pub fn enter<'a>(&'a self, context: &Context, batch_lens: &[usize]) -> Result<Turn<'a>> {
        let mut at = self.queue.enter();
        let options = at.options;
        let entries_len = entries_len(&options, batch_lens);
        if entries_len > options.frame_bytes.max(PAGE) && batch_lens.len() > 1 {
            return Err(Error::TransactionTooLarge {
                size: entries_len as u64,
                limit: options.frame_bytes as u64,
                field: "journal.frame_bytes",
            });
        }
        loop {
            context.health.check()?;
            if at.has_ended() {
                return Err(Error::Closed);
            }
            let has_room = at.make_room(entries_len).inspect_err(|_| {
                // On a full disk a checkpoint lets the journal begin anew in the space that it has.
                context.checkpoints.ring();
            })?;
            if has_room {
                return Ok(Turn {
                    at,
                    extents_from: extents_from(&options, batch_lens),
                });
            }
            if !at.is_behind() {
                // No file is free: the next checkpoint frees some.
                context.checkpoints.ring();
                if let Some(error) = at.stuck.take() {
                    return Err(error);
                }
            }
            at = context.metrics.while_waiting(|| at.wait_for_room());
        }
    }

    /// Makes durable that a partition's records go round the journal from its end on. Blocks for the disk.
    pub fn release(&self, context: &Context, log: &Arc<Log>, end: SyncPoint) -> Result<()> {
        let mut turn = self.enter(context, &[RELEASE_ENTRY_LEN])?;
        turn.at.group.frame.push_release(&log.id());
        let released = Committed {
            end,
            journaled: false,
        };
        wait(|done| {
            turn.enlist(Some((log, released)), Some(done));
            turn.at.announce();
        })
    }

    /// Waits until everything that has joined before is durable.
    pub fn flush(&self) -> Result<()> {
        wait(|done| self.after(done))
    }

    /// Calls `done` when everything that has joined before is durable.
    pub fn after(&self, done: Done) {
        let mut at = self.queue.enter();
        if at.has_ended() {
            drop(at);
            return done(Err(Error::Closed));
        }
        at.group.members.push(Member {
            moved: None,
            done: Some(done),
        });
        at.announce();
    }

    /// The thread's work, until the journal has ended and everything that joined is answered.
    pub fn run(&self, context: &Context) {
        let work = || {
            while let Some(round) = self.queue.take() {
                round.run(context);
            }
        };
        if catch_unwind(AssertUnwindSafe(work)).is_ok() {
            return;
        }
        // Nobody may wait for a thread that is gone.
        let error = context.health.poison("the journal's thread panicked");
        self.queue.end();
        while let Ok(Some(round)) = catch_unwind(AssertUnwindSafe(|| self.queue.take())) {
            round.fail(context, &error);
        }
    }

    /// Does what has gathered on this thread, while the journal has none of its own.
    pub fn run_gathered(&self, context: &Context) {
        while let Some(round) = self.try_take() {
            round.run(context);
        }
    }

    /// Does the next round on this thread, if anything has gathered and none is under way.
    pub fn run_next(&self, context: &Context) {
        if let Some(round) = self.try_take() {
            round.run(context);
        }
    }

    /// The next round, if anything has gathered and none is under way.
    pub fn try_take(&self) -> Option<Round> {
        self.queue.enter().take_or_announce()
    }

    /// Whether an append of this size would be let in at once.
    #[cfg(test)]
    pub fn has_room(&self, batch_lens: &[usize]) -> bool {
        let mut at = self.queue.enter();
        let entries_len = entries_len(&at.options, batch_lens);
        at.make_room(entries_len).unwrap_or(true)
    }

    /// Bytes of the files, most bytes that they may have, and room before a checkpoint must have freed some. Waits for
    /// whoever enters.
    pub fn space(&self) -> (u64, u64, u64) {
        self.queue.enter().files.space()
    }

    /// Lets nobody in any more.
    pub fn end(&self) {
        self.queue.end();
    }

    /// Calls `look` with the last durable frame, while no end of a journaled partition moves.
    pub fn as_of<T>(&self, look: impl FnOnce(Synced) -> T) -> T {
        look(*lock(&self.synced))
    }

    /// A durable checkpoint covers the frames up to this one.
    pub fn recycle(&self, covered: u64) {
        self.queue.make_room(|open| {
            open.stuck = None;
            let idle = open.full.is_empty() && open.group.frame.is_empty();
            open.files.recycle(covered, idle);
        });
    }

    /// A checkpoint could not be written: whoever waits for a file is told.
    pub fn checkpoint_failed(&self, error: &Error) {
        self.queue
            .make_room(|open| open.stuck = Some(error.clone()));
    }

    /// Lets the files go, when it has ended.
    pub fn close_files(&self) {
        self.queue.make_room(|open| open.files.close());
    }

    /// Wakes everyone to see that the store has failed.
    pub fn wake(&self) {
        self.queue.make_room(|_| ());
    }
}

/// The right to join the open frame, held while the append is written.
pub(crate) struct Turn<'a> {
    at: Entrance<'a, Open>,
    extents_from: usize,
}

impl Turn<'_> {
    /// Whether a batch of this size is entered by its place only.
    pub fn is_extent(&self, batch_len: usize) -> bool {
        batch_len >= self.extents_from
    }

    /// Enters a batch of so many records that stands at this place.
    pub fn enter(&mut self, place: &Place, batch: &[u8], records: u32) {
        self.at.group.records += u64::from(records);
        let extent = self.is_extent(batch.len());
        let frame = &mut self.at.group.frame;
        match batch.first_chunk::<BATCH_HEADER_LEN>() {
            Some(header) if extent => frame.push_extent(place, header),
            _ => frame.push_batch(place, batch),
        }
    }

    /// Has the partition's files synced with the frame.
    pub fn sync_files(&mut self, log: &Arc<Log>) {
        let logs = &mut self.at.group.sync;
        if !logs.iter().any(|other| Arc::ptr_eq(other, log)) {
            logs.push(Arc::clone(log));
        }
    }

    /// Has the partition end there when the frame is durable.
    pub fn move_end(&mut self, log: &Arc<Log>, end: SyncPoint) {
        self.enlist(Some((log, through_journal(end))), None);
    }

    /// Waits for the frame with what was entered, and lets the next one in.
    pub fn join(mut self, done: Done) {
        self.enlist(None, Some(done));
        self.at.announce();
    }

    /// As `move_end` and `join`, for one partition. The journal's thread does the round; whoever `leads` gets it to
    /// run, if none is under way.
    pub fn join_at(
        mut self,
        log: &Arc<Log>,
        end: SyncPoint,
        done: Done,
        leads: bool,
    ) -> Option<Round> {
        self.enlist(Some((log, through_journal(end))), Some(done));
        if leads {
            return self.at.take_or_announce();
        }
        self.at.announce();
        None
    }

    fn enlist(&mut self, moved: Option<(&Arc<Log>, Committed)>, done: Option<Done>) {
        let moved = moved.map(|(log, committed)| (Arc::clone(log), committed));
        self.at.group.members.push(Member { moved, done });
    }
}

fn through_journal(end: SyncPoint) -> Committed {
    Committed {
        end,
        journaled: true,
    }
}

impl Turn<'_> {
    /// Puts what comes next in another frame: only to show that this is missed.
    pub fn close(&mut self) {
        let round = self.at.close();
        self.at.full.extend(round);
        let _ = self.at.make_room(0);
    }
}

/// Bytes of the entries of batches of these sizes.
fn entries_len(options: &JournalOptions, batch_lens: &[usize]) -> usize {
    let extents_from = extents_from(options, batch_lens);
    let entry_len = |len: &usize| match *len >= extents_from {
        true => EXTENT_ENTRY_LEN,
        false => len + ENTRY_OVERHEAD,
    };
    batch_lens.iter().map(entry_len).sum()
}

/// The size from which on batches that are appended together are entered by their places only: any, if they would not
/// fit in a frame otherwise.
fn extents_from(options: &JournalOptions, batch_lens: &[usize]) -> usize {
    let small = batch_lens.iter().filter(|len| **len < options.extent_bytes);
    let whole: usize = small.map(|len| len + ENTRY_OVERHEAD).sum();
    match batch_lens.len() > 1 && whole > options.frame_bytes / 2 {
        true => 0,
        false => options.extent_bytes,
    }
}

impl Open {
    /// Whether frames wait for those in front of them.
    fn is_behind(&self) -> bool {
        self.full.len() >= WAITING_MAX
    }

    /// Makes room for entries in the open frame, or in a new one. False when they have to wait.
    fn make_room(&mut self, entries_len: usize) -> Result<bool> {
        let full = self.group.frame.len() + entries_len > self.options.frame_bytes;
        if full && !self.group.frame.is_empty() {
            if self.is_behind() {
                return Ok(false);
            }
            let round = self.close();
            self.full.extend(round);
        }
        self.files.reserve(self.group.frame.len() + entries_len)
    }

    /// Closes the open frame, if anything has joined.
    fn close(&mut self) -> Option<Round> {
        if self.group.members.is_empty() {
            return None;
        }
        let spare = self.spare.take().unwrap_or_default();
        let next = Group {
            frame: FrameBuilder::with_buffer(spare),
            ..Group::default()
        };
        let group = std::mem::replace(&mut self.group, next);
        let mut spot = None;
        if !group.frame.is_empty() {
            self.sequence += 1;
            spot = self.files.assign(self.sequence, group.frame.len());
        }
        Some(Round::new(self.sequence, spot, group))
    }
}

impl Gather for Open {
    type Group = Round;

    fn take(&mut self) -> Option<Round> {
        self.full.pop_front().or_else(|| self.close())
    }

    fn is_empty(&self) -> bool {
        self.full.is_empty() && self.group.members.is_empty()
    }
}

/// Waits for the answer to what `begin` begins.
fn wait(begin: impl FnOnce(Done)) -> Result<()> {
    let (answer, wait) = std::sync::mpsc::sync_channel(1);
    begin(Box::new(move |outcome| {
        let _ = answer.send(outcome);
    }));
    // The callback is always called; one that is gone means that its thread died.
    wait.recv().unwrap_or(Err(Error::Closed))
}

/// The journal's folder in a store's.
pub(crate) fn folder(store: &Path) -> PathBuf {
    store.join(FOLDER)
}

impl Journal {
    /// A round has ended; its memory is for the next one.
    fn round_ended(&self, memory: Vec<u8>) {
        self.queue.done(|open| {
            if memory.capacity() <= SPARE_MAX {
                open.spare = Some(memory);
            }
        });
    }

    /// Moves the ends of all partitions of a frame at once.
    fn publish(&self, frame: Synced, members: &[Member]) {
        let mut synced = lock(&self.synced);
        *synced = frame;
        for member in members {
            if let Some((log, committed)) = &member.moved {
                log.commit(*committed);
            }
        }
    }
}

/// A partition, as the journal names it.
impl Log {
    pub fn id(&self) -> PartitionId {
        PartitionId {
            topic_id: self.topic().id,
            partition: self.number(),
        }
    }
}
