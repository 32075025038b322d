//! A partition in a store opened read-only, beside its writer in another process. The writer may delete the topic at any
//! moment, and make another one under its name, in the same folder: nothing found by a name is believed before the
//! topic's file has been looked at again. As long as that names this topic, the folder was this topic's all along, since
//! the file goes before the folder does and comes after it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Log, TopicMeta};
use crate::catalog::Catalog;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::published;
use crate::segment::{OpenFiles, Segment};
use crate::sync::lock;

impl Log {
    /// Takes over how far the writer has come.
    pub fn follow(&self) -> Result<()> {
        let mut life = lock(&self.following);
        let Some(mut ends) = published::load(&*self.context.storage, &self.folder)? else {
            return Ok(());
        };
        if ends.incarnation == *life {
            // What checkpoint, journal and log told may be ahead of what is published.
            ends.log_start = ends.log_start.max(self.log_start());
            ends.high_watermark = ends.high_watermark.max(self.high_watermark());
        }
        if (ends.log_start, ends.high_watermark) == (self.log_start(), self.high_watermark()) {
            *life = ends.incarnation;
            return Ok(());
        }
        // Files first: who sees the new end must find the segments that hold it.
        self.relist(|old, found, active| old.follow_size(found.size(), active))?;
        // They may move back: a writer that recovered may have lost what a `buffered` topic had.
        self.log_start.store(ends.log_start, Ordering::Release);
        self.log_end.store(ends.high_watermark, Ordering::Release);
        self.high_watermark
            .store(ends.high_watermark, Ordering::Release);
        *life = ends.incarnation;
        self.waiters.wake_up_to(ends.high_watermark);
        Ok(())
    }

    /// Opens every segment anew, since the writer may have replaced some. Says whether the folder has changed.
    pub(super) fn reopen_segments(&self) -> Result<bool> {
        let _one_at_a_time = lock(&self.following);
        let before = self.segments();
        self.relist(|_, _, _| false)?;
        let of = |segment: &Arc<Segment>| (segment.path().to_owned(), segment.size());
        Ok(!before.iter().map(of).eq(self.segments().iter().map(of)))
    }

    /// Why no segment holds an offset. The writer publishes where the log begins before files go, so beside it one that is
    /// gone without that was taken away by somebody else.
    pub(super) fn without_a_segment(&self, offset: u64) -> Error {
        if self.context.read_only {
            if let Err(error) = self.follow() {
                return error;
            }
            if offset >= self.log_start() {
                return Error::Corruption {
                    topic: self.topic.name.clone(),
                    partition: self.number(),
                    file: self.folder.clone(),
                    position: 0,
                    offset,
                    reason: "the segment that holds it is gone".to_owned(),
                };
            }
        }
        self.out_of_range(offset)
    }

    /// The open files of a segment, which are this topic's.
    pub(crate) fn files_of(&self, segment: &Arc<Segment>) -> Result<Arc<OpenFiles>> {
        let files = segment.files(&self.context)?;
        if !files.confirmed.load(Ordering::Acquire) {
            self.check_current()?;
            files.confirmed.store(true, Ordering::Release);
        }
        Ok(files)
    }

    /// Refuses, in a store opened read-only, a topic that the writer has deleted, also if there is another one of its name.
    ///
    /// # Errors
    /// [`crate::Error::TopicDeleted`], now and from now on.
    pub(super) fn check_current(&self) -> Result<()> {
        self.check()?;
        if !self.context.read_only {
            return Ok(());
        }
        is_current(&self.context, &self.topic, &self.folder).inspect_err(|error| {
            if matches!(error, Error::TopicDeleted { .. }) {
                self.delete();
            }
        })
    }
}

/// Whether the topic is still the one of its name, by its file.
pub(super) fn is_current(context: &Context, topic: &TopicMeta, folder: &Path) -> Result<()> {
    let root = folder.parent().unwrap_or(Path::new("")).to_owned();
    let catalog = Catalog::new(Arc::clone(&context.storage), root);
    match catalog.load_one(&topic.name)? {
        Some(stored) if stored.id == topic.id => Ok(()),
        _ => Err(Error::TopicDeleted {
            name: topic.name.clone(),
        }),
    }
}
