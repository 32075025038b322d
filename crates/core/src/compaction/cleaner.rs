//! The store's cleaner: a thread that looks now and then which partition is the dirtiest, and cleans that.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::dirty::Dirty;
use super::pass::{CompactionReport, Pass};
use crate::bell::Woken;
use crate::config::CompactionOptions;
use crate::context::Context;
use crate::engine::Engine;
use crate::error::Result;
use crate::partition::{Log, now_ms};

pub(crate) fn run(engine: &Weak<Engine>, context: &Context, options: CompactionOptions) {
    loop {
        let woken = context.cleaning.wait(Instant::now() + options.interval);
        let Some(engine) = engine.upgrade().filter(|_| woken != Woken::Stopped) else {
            return;
        };
        // A failure is told to whoever writes next, or passes.
        let _ = engine.coordinator.forget_gone(&engine);
        clean_due(&engine, options);
    }
}

/// Cleans all that is due, the dirtiest first. Where it fails it is tried again the next time: for want of space, say.
fn clean_due(engine: &Engine, options: CompactionOptions) {
    let mut failed = HashSet::new();
    while !engine.context.health.is_closed() && engine.context.health.check().is_ok() {
        let Some(log) = dirtiest(engine, &failed) else {
            return;
        };
        let config = log.topic().config();
        let before = log.compacted();
        let passed = Pass::new(&log, &config, &options, now_ms()).run();
        // One that has not come further would not do so at once.
        if passed.is_err() || log.compacted() == before {
            failed.insert(log.uid());
        }
    }
}

fn dirtiest(engine: &Engine, failed: &HashSet<u64>) -> Option<Arc<Log>> {
    let now = now_ms();
    let due = |log: Arc<Log>| {
        let config = log.topic().config();
        if !config.cleanup.compacts() || failed.contains(&log.uid()) || log.check().is_err() {
            return None;
        }
        let dirty = Dirty::of(&log, &config, now).ok()??;
        dirty.is_due(&config).then_some((dirty.ratio, log))
    };
    let logs = engine.all_logs().into_iter().filter_map(due);
    let dirtiest = logs.max_by(|(a, _), (b, _)| a.total_cmp(b));
    dirtiest.map(|(_, log)| log)
}

/// Cleans all that can be of partitions, whether it is due or not, in as many passes as it takes.
pub(crate) fn compact(logs: &[Arc<Log>], options: &CompactionOptions) -> Result<CompactionReport> {
    let mut report = CompactionReport::default();
    for log in logs {
        loop {
            log.check()?;
            log.context().health.check()?;
            let config = log.topic().config();
            let before = log.compacted();
            report.add(&Pass::new(log, &config, options, now_ms()).run()?);
            if log.compacted() == before {
                break;
            }
        }
    }
    Ok(report)
}
