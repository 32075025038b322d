//! How much of a partition there is to be cleaned, and whether it is due: Kafka's rules (`LogCleanerManager`).

use std::sync::Arc;

use crate::config::TopicConfig;
use crate::context::Context;
use crate::error::Result;
use crate::partition::Log;
use crate::segment::{Newest, Segment};

/// What of a partition is to be cleaned.
pub(super) struct Dirty {
    /// The first offset that was not cleaned yet.
    pub from: u64,
    /// The segments that may be cleaned, those that were before among them, in order; without those below the log start.
    pub segments: Vec<Arc<Segment>>,
    /// Where the last one ends.
    pub end: u64,
    /// The part of their bytes that was not cleaned yet.
    pub ratio: f64,
    /// Whether the oldest record of that part has waited for too long.
    overdue: bool,
}

impl Dirty {
    /// What there is to clean, if anything.
    pub fn of(log: &Arc<Log>, config: &TopicConfig, now: i64) -> Result<Option<Dirty>> {
        if log.is_stuck() {
            return Ok(None);
        }
        let (context, interval): (&Context, u32) = (log.context(), config.index_interval_bytes);
        let (start, limit) = (log.log_start(), log.cleanable_end());
        let from = log.compacted().max(start);
        let segments = log.segments();
        let (mut found, mut end) = (Vec::new(), from);
        let (min_lag, max_lag) = (config.compaction.min_lag_ms, config.compaction.max_lag_ms);
        let (mut clean, mut dirty, mut oldest) = (0, 0, None::<i64>);
        for (segment, next) in segments.iter().zip(segments.iter().skip(1)) {
            let next = next.base();
            if next <= start {
                continue;
            }
            if next > limit {
                break;
            }
            if next <= from {
                clean += segment.size();
            } else {
                // What nobody asks for is not looked up: there may be very many partitions.
                if min_lag > 0
                    && let Newest::At(newest) = segment.newest(context, interval)?
                    && now.saturating_sub(newest) < min_lag as i64
                {
                    break;
                }
                if max_lag.is_some() && segment.size() > 0 {
                    let files = segment.files(context)?;
                    let first = segment.header_at(files.log(), 0)?.max_timestamp;
                    oldest = [oldest, (first >= 0).then_some(first)]
                        .into_iter()
                        .flatten()
                        .min();
                }
                dirty += segment.size();
            }
            found.push(Arc::clone(segment));
            end = next;
        }
        if end <= from || dirty == 0 {
            return Ok(None);
        }
        let overdue = |lag: u64| oldest.is_some_and(|time| now.saturating_sub(time) > lag as i64);
        Ok(Some(Dirty {
            from,
            segments: found,
            end,
            ratio: dirty as f64 / (clean + dirty) as f64,
            overdue: max_lag.is_some_and(overdue),
        }))
    }

    /// Whether it is to be cleaned now.
    pub fn is_due(&self, config: &TopicConfig) -> bool {
        self.overdue || self.ratio > config.compaction.min_dirty_ratio
    }
}
