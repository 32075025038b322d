//! Checks what an unclean end left of a partition, from its recovery point on, when the journal has put back what it
//! holds. What lies behind the durable end of a journaled partition is cut even if it holds: nobody was told of it. Of
//! others a tail that a crash tore is cut. Damage below the durable end is reported, and nothing is shortened then.

use std::path::Path;
use std::sync::Arc;

use tidelog_io::{OpenMode, StorageFile};

use super::load::{Loaded, Marks, Tail};
use super::{SyncPoint, TopicMeta};
use crate::context::Context;
use crate::error::{Error, IoContext, Result};
use crate::knock_out::{self, Rule};
use crate::segment::{Damage, Expect, Scanner, Segment};

/// A torn tail is kept for a look at it, up to this size.
const TORN_MAX: u64 = 16 << 20;

pub(super) struct Recovery<'a> {
    pub context: &'a Arc<Context>,
    pub topic: &'a TopicMeta,
    pub number: u32,
    pub marks: &'a Marks,
    /// Cuts nothing on disk.
    pub keep_all: bool,
    pub loaded: &'a mut Loaded,
    pub progress: &'a dyn Fn(u64) -> Result<()>,
}

impl Recovery<'_> {
    /// Checks the segments from the one of the recovery point on, cuts what does not hold and syncs what stays.
    pub fn run(mut self, segments: &mut Vec<Arc<Segment>>) -> Result<Tail> {
        // What was deleted since may be gone in part.
        let known = match self.marks.durable.offset > self.marks.log_start {
            true => self.marks.durable.offset,
            false => 0,
        };
        let begin = self.trusted_to().segment;
        let limit = Some(self.marks.durable)
            .filter(|_| self.marks.exact && !knock_out::is_out(Rule::CutTails));
        // If that very segment is missing, the one before it shows where the log breaks off.
        let first = segments
            .partition_point(|segment| segment.base() <= begin)
            .saturating_sub(1);
        let mut expect = Expect {
            offset: segments.get(first).map_or(known, |segment| segment.base()),
            epoch_min: i32::MIN,
            epoch_max: self.context.incarnation,
        };
        let folder = segments.first().and_then(|segment| segment.path().parent());
        let folder = folder.map(Path::to_owned);
        let mut index = first;
        while let Some(segment) = segments.get(index).cloned() {
            if limit.is_some_and(|limit| segment.base() > limit.segment) {
                self.shed(segments, index)?;
                break;
            }
            let file = self
                .context
                .storage
                .open(segment.path(), OpenMode::Write)
                .during("open", segment.path())?;
            let end = limit
                .filter(|limit| limit.segment == segment.base())
                .map(|limit| limit.position);
            let next_base = segments.get(index + 1).map(|next| next.base());
            let stop = self.check(&*file, &segment, end, next_base, &mut expect)?;
            let Some(stop) = stop else {
                if end.is_some_and(|end| end < segment.size() || next_base.is_some()) {
                    self.cut(segments, index, &*file, end.unwrap_or(0))?;
                }
                self.keep(&*file, &segment, next_base.is_some())?;
                index += 1;
                continue;
            };
            expect.offset = stop.offset;
            if stop.offset < known {
                self.sync_behind(segments.get(index..).unwrap_or_default())?;
                segment.cap(stop.position);
                segments.truncate(index + 1);
                return Ok(Tail {
                    end: expect.offset,
                    damage: Some(self.corruption(&segment, stop)),
                });
            }
            self.cut(segments, index, &*file, stop.position)?;
            self.keep(&*file, &segment, false)?;
            break;
        }
        if !self.keep_all && !knock_out::is_out(Rule::SyncRecoveredFolders) {
            // Segments that the journal made again, and names that stood in the cache only.
            folder.map_or(Ok(()), |folder| self.context.sync_dir(&folder))?;
        }
        let damage = match segments.last() {
            Some(last) if expect.offset < known => {
                let reason = format!(
                    "the log ends at offset {} although {known} was durable",
                    expect.offset
                );
                Some(self.corruption(
                    last,
                    Damage {
                        position: last.size(),
                        offset: expect.offset,
                        reason,
                    },
                ))
            }
            _ => None,
        };
        Ok(Tail {
            end: expect.offset,
            damage,
        })
    }

    /// Makes durable what the journal has put back behind damage: the checkpoint to come covers its frames.
    fn sync_behind(&self, segments: &[Arc<Segment>]) -> Result<()> {
        if self.keep_all {
            return Ok(());
        }
        for segment in segments {
            let path = segment.path();
            let file = self.context.storage.open(path, OpenMode::Write);
            file.and_then(|file| file.sync_data())
                .during("sync", path)?;
        }
        match segments.first().and_then(|segment| segment.path().parent()) {
            Some(folder) => self.context.sync_dir(folder),
            None => Ok(()),
        }
    }

    /// What needs no check.
    fn trusted_to(&self) -> SyncPoint {
        if self.marks.damaged || self.marks.recovery.offset < self.marks.log_start {
            SyncPoint::default()
        } else {
            self.marks.recovery
        }
    }

    /// Where a segment does not hold, if anywhere: in itself up to `end`, or in what should follow it.
    fn check(
        &mut self,
        file: &dyn StorageFile,
        segment: &Segment,
        end: Option<u64>,
        next_base: Option<u64>,
        expect: &mut Expect,
    ) -> Result<Option<Damage>> {
        let point = self.trusted_to();
        let trusted = match point.segment == segment.base() {
            true => point.position.min(segment.size()),
            false => 0,
        };
        let len = end.unwrap_or(u64::MAX).min(segment.size());
        // What was durable is walked for its offsets only.
        let mut headers = Scanner::new(file, 0, len, *expect, false);
        if let Some(stop) = walk(&mut headers, trusted, |_| Ok(()))? {
            // A wrong length is noticed behind its batch only. All is checked, as at the openings that follow.
            let mut all = Scanner::new(file, 0, len, *expect, true);
            let first = walk(&mut all, trusted, |_| Ok(()))?;
            *expect = all.expect();
            return Ok(Some(first.unwrap_or(stop)));
        }
        *expect = headers.expect();
        let position = headers.position();
        let mut checked = Scanner::new(file, position, len, *expect, true);
        let before = self.loaded.checked;
        let stop = walk(&mut checked, u64::MAX, |at| {
            (self.progress)(before + at - position)
        })?;
        self.loaded.checked += checked.position() - position;
        *expect = checked.expect();
        if stop.is_some() || end.is_some() {
            return Ok(stop);
        }
        Ok(next_base
            .filter(|base| *base != expect.offset)
            .map(|base| Damage {
                position: segment.size(),
                offset: expect.offset,
                reason: format!("the next segment begins at offset {base}"),
            }))
    }

    /// Makes what holds durable, and its indexes again; those of a segment that was `sealed` durable, too.
    fn keep(&self, file: &dyn StorageFile, segment: &Arc<Segment>, sealed: bool) -> Result<()> {
        let files = segment.files(self.context)?;
        segment.rebuild_indexes(
            self.context,
            &files,
            self.topic.config().index_interval_bytes,
        )?;
        if self.keep_all || knock_out::is_out(Rule::SyncRecovered) {
            return Ok(());
        }
        file.sync_data().during("sync", segment.path())?;
        match sealed {
            true => segment.sync_indexes(self.context),
            false => Ok(()),
        }
    }

    /// Cuts the log at a position of the segment with this index. The bytes are kept beside it as `.torn`, unless
    /// they are zeros, which no append has written. Later segments go.
    fn cut(
        &mut self,
        segments: &mut Vec<Arc<Segment>>,
        index: usize,
        file: &dyn StorageFile,
        position: u64,
    ) -> Result<()> {
        self.shed(segments, index + 1)?;
        let Some(segment) = segments.get(index) else {
            return Ok(());
        };
        let len = segment.size().saturating_sub(position);
        segment.cap(position);
        if len == 0 || self.keep_all || knock_out::is_out(Rule::RemoveTails) {
            return Ok(());
        }
        let context = self.context;
        self.loaded.cut += len;
        let mut bytes = vec![0; len.min(TORN_MAX) as usize];
        let readable = file.read_exact_at(position, &mut bytes).is_ok();
        if readable && bytes.iter().any(|byte| *byte != 0) {
            let torn = segment.path().with_extension("torn");
            let copy = context
                .storage
                .open(&torn, OpenMode::Create)
                .during("create", &torn)?;
            copy.set_len(0).during("shorten", &torn)?;
            copy.write_all_at(0, &bytes).during("write", &torn)?;
            copy.sync_data().during("sync", &torn)?;
            self.loaded.torn = Some(torn);
        }
        file.set_len(position).during("cut", segment.path())?;
        file.sync_all().during("sync", segment.path())
    }

    /// Takes the segments from this index on out of the log; their files are kept as `.torn`.
    fn shed(&mut self, segments: &mut Vec<Arc<Segment>>, index: usize) -> Result<()> {
        for later in segments.drain(index.min(segments.len())..) {
            if self.keep_all || knock_out::is_out(Rule::RemoveTails) {
                continue;
            }
            self.loaded.cut += later.size();
            let torn = later.path().with_extension("torn");
            self.context
                .storage
                .rename(later.path(), &torn)
                .during("rename", later.path())?;
            self.loaded.torn.get_or_insert(torn);
        }
        Ok(())
    }

    fn corruption(&self, segment: &Segment, damage: Damage) -> Error {
        Error::Corruption {
            topic: self.topic.name.clone(),
            partition: self.number,
            file: segment.path().to_owned(),
            position: damage.position,
            offset: damage.offset,
            reason: damage.reason,
        }
    }
}

/// Told of progress once in so many bytes.
const PROGRESS_BYTES: u64 = 8 << 20;

/// Walks until the end, `stop_at` or damage, and tells now and then where it is.
fn walk(
    scanner: &mut Scanner<'_>,
    stop_at: u64,
    progress: impl Fn(u64) -> Result<()>,
) -> Result<Option<Damage>> {
    let mut told = scanner.position();
    while scanner.position() < stop_at {
        match scanner.next() {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            Err(damage) => return Ok(Some(damage)),
        }
        if scanner.position() - told >= PROGRESS_BYTES {
            told = scanner.position();
            progress(told)?;
        }
    }
    Ok(None)
}
