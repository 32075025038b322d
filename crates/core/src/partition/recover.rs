//! Checks what an unclean end left of a partition, from its recovery point on. A tail that a crash tore is cut
//! and kept aside; damage below the recovery point is reported, and nothing is shortened then.

use std::sync::Arc;

use tidelog_io::{OpenMode, StorageFile};

use super::load::{Loaded, Tail};
use super::{SyncPoint, TopicMeta};
use crate::context::Context;
use crate::error::{Error, IoContext, Result};
use crate::segment::{Damage, Expect, Scanner, Segment};

/// A torn tail is kept for a look at it, up to this size.
const TORN_MAX: u64 = 16 << 20;

pub(super) struct Recovery<'a> {
    pub context: &'a Arc<Context>,
    pub topic: &'a TopicMeta,
    pub number: u32,
    /// Where to begin; none checks everything.
    pub from: Option<SyncPoint>,
    pub loaded: &'a mut Loaded,
}

impl Recovery<'_> {
    /// Checks the segments from the one of the recovery point on, cuts what does not hold and syncs what stays.
    pub fn run(mut self, segments: &mut Vec<Arc<Segment>>) -> Result<Tail> {
        let known = self.from.map_or(0, |point| point.offset);
        let begin = self.from.map_or(0, |point| point.segment);
        // If that very segment is missing, the one before it shows where the log breaks off.
        let first = segments
            .partition_point(|segment| segment.base() <= begin)
            .saturating_sub(1);
        let mut expect = Expect {
            offset: segments.get(first).map_or(known, |segment| segment.base()),
            epoch_min: i32::MIN,
            epoch_max: self.context.incarnation,
        };
        let mut index = first;
        while let Some(segment) = segments.get(index).cloned() {
            let file = self
                .context
                .storage
                .open(segment.path(), OpenMode::Write)
                .during("open", segment.path())?;
            let next_base = segments.get(index + 1).map(|next| next.base());
            let Some(stop) = self.check(&*file, &segment, next_base, &mut expect)? else {
                self.keep(&*file, &segment)?;
                index += 1;
                continue;
            };
            expect.offset = stop.offset;
            if stop.offset < known {
                segment.cap(stop.position);
                segments.truncate(index + 1);
                return Ok(Tail {
                    end: expect.offset,
                    damage: Some(self.corruption(&segment, stop)),
                });
            }
            self.cut(segments, index, &*file, stop.position)?;
            self.keep(&*file, &segment)?;
            break;
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

    /// Where a segment does not hold, if anywhere: in itself, or in what should follow it.
    fn check(
        &mut self,
        file: &dyn StorageFile,
        segment: &Segment,
        next_base: Option<u64>,
        expect: &mut Expect,
    ) -> Result<Option<Damage>> {
        let trusted = match self.from {
            Some(point) if point.segment == segment.base() => point.position.min(segment.size()),
            _ => 0,
        };
        // After a failed sync the page cache may show bytes that the disk does not have.
        file.drop_cache(trusted, segment.size() - trusted)
            .during("drop the cache of", segment.path())?;
        // What was durable is walked for its offsets only.
        let mut headers = Scanner::new(file, 0, segment.size(), *expect, false);
        let stop = walk(&mut headers, trusted);
        *expect = headers.expect();
        if stop.is_some() {
            return Ok(stop);
        }
        let position = headers.position();
        let mut checked = Scanner::new(file, position, segment.size(), *expect, true);
        let stop = walk(&mut checked, u64::MAX);
        self.loaded.checked += checked.position() - position;
        *expect = checked.expect();
        if stop.is_some() {
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

    /// Makes what holds durable, and its indexes again.
    fn keep(&self, file: &dyn StorageFile, segment: &Arc<Segment>) -> Result<()> {
        let files = segment.files(self.context)?;
        segment.rebuild_indexes(
            self.context,
            &files,
            self.topic.config().index_interval_bytes,
        )?;
        file.sync_data().during("sync", segment.path())
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
        let context = self.context;
        let loaded = &mut *self.loaded;
        let Some(segment) = segments.get(index).cloned() else {
            return Ok(());
        };
        let len = segment.size() - position;
        loaded.cut += len;
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
            loaded.torn = Some(torn);
        }
        for later in segments.drain(index + 1..) {
            loaded.cut += later.size();
            let torn = later.path().with_extension("torn");
            context
                .storage
                .rename(later.path(), &torn)
                .during("rename", later.path())?;
            loaded.torn.get_or_insert(torn);
        }
        file.set_len(position).during("cut", segment.path())?;
        file.sync_all().during("sync", segment.path())?;
        segment.cap(position);
        if let Some(folder) = segment.path().parent() {
            context.storage.sync_dir(folder).during("sync", folder)?;
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

/// Walks until the end, `stop_at` or damage.
fn walk(scanner: &mut Scanner<'_>, stop_at: u64) -> Option<Damage> {
    while scanner.position() < stop_at {
        match scanner.next() {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(damage) => return Some(damage),
        }
    }
    None
}
