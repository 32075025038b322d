//! Repair of a damaged store, for the command line: a survey that holds the writer's lock while a person is asked, and
//! the repair that does what the survey's plan says.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;
use tidelog::Error;
use tidelog::io::{OsStorage, Storage};
use tidelog::repair::{LostFrames, LostRange, MendedBatch, RepairPlan, Survey, survey};

use crate::numbers::from_u64;
use crate::progress::{NativeStop, Progress, reporter};
use crate::task::{Blocking, blocking};

/// A store that was looked at, and that nobody writes to until it is repaired or let go.
#[napi]
pub struct NativeSurvey {
    survey: Arc<Mutex<Option<Survey>>>,
}

/// What is damaged, and what a repair gives up.
#[napi(object)]
pub struct NativeRepairPlan {
    /// Partitions looked at.
    pub partitions: f64,
    /// Segments looked at.
    pub segments: f64,
    /// Bytes in them.
    pub bytes: f64,
    /// Whether all of the store was looked at.
    pub complete: bool,
    /// Whether nothing is damaged.
    pub empty: bool,
    /// Why the checkpoint can't be used.
    pub checkpoint: Option<String>,
    /// What is wrong with one slot of it, if the other one holds.
    pub checkpoint_slot: Option<String>,
    /// Frames of the journal that are given up.
    pub journal: Option<NativeLostFrames>,
    /// Offsets that are given up.
    pub lost: Vec<NativeLostRange>,
    /// Batches that are kept with their place put right.
    pub mended: Vec<NativeMendedBatch>,
    /// Indexes that are made again.
    pub indexes: Vec<String>,
    /// Snapshots of producers that are made again.
    pub snapshots: Vec<String>,
}

/// Frames of the journal that do not hold.
#[napi(object)]
pub struct NativeLostFrames {
    /// A file of the journal that shows it.
    pub file: String,
    /// What shows it.
    pub reason: String,
    /// First and last number of each run of lost frames.
    pub frames: Vec<Vec<f64>>,
    /// Frames behind them that are kept.
    pub kept: f64,
}

/// Offsets that are given up.
#[napi(object)]
pub struct NativeLostRange {
    pub topic: String,
    pub partition: u32,
    /// The segment.
    pub file: String,
    /// The first damaged byte in it.
    pub position: f64,
    /// How many bytes are damaged.
    pub bytes: f64,
    /// The first offset.
    pub first: f64,
    /// The offset behind the last one.
    pub next: f64,
    /// What does not hold.
    pub reason: String,
    /// Where the damaged bytes were kept.
    pub kept: Option<String>,
}

/// A batch whose place is put right.
#[napi(object)]
pub struct NativeMendedBatch {
    pub topic: String,
    pub partition: u32,
    /// The segment.
    pub file: String,
    /// The batch's position in it.
    pub position: f64,
    /// Its first offset.
    pub offset: f64,
}

#[napi]
impl NativeSurvey {
    /// Looks at a store. Changes nothing. `progress` gets the bytes done and all bytes now and then.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeSurvey>")]
    pub fn run(
        path: String,
        #[napi(ts_arg_type = "((done: number, total: number) => void) | null")] progress: Option<
            Progress,
        >,
        stop: Option<&NativeStop>,
    ) -> AsyncTask<Blocking<NativeSurvey>> {
        let report = reporter(progress, stop);
        blocking(move || {
            let storage: Arc<dyn Storage> = Arc::new(OsStorage);
            let survey = survey(&storage, PathBuf::from(path), report)?;
            Ok(NativeSurvey {
                survey: Arc::new(Mutex::new(Some(survey))),
            })
        })
    }

    /// What was found.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeRepairPlan>")]
    pub fn plan(&self) -> AsyncTask<Blocking<NativeRepairPlan>> {
        let survey = Arc::clone(&self.survey);
        blocking(move || {
            let survey = survey.lock().unwrap_or_else(PoisonError::into_inner);
            to_js(survey.as_ref().ok_or(Error::Closed)?.plan().clone())
        })
    }

    /// Does what the plan says, and lets the store go. Can't be stopped.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeRepairPlan>")]
    pub fn repair(
        &self,
        #[napi(ts_arg_type = "((done: number, total: number) => void) | null")] progress: Option<
            Progress,
        >,
    ) -> AsyncTask<Blocking<NativeRepairPlan>> {
        let survey = Arc::clone(&self.survey);
        let mut report = reporter(progress, None);
        blocking(move || {
            let survey = survey.lock().unwrap_or_else(PoisonError::into_inner).take();
            let done = survey.ok_or(Error::Closed)?.repair(|done, total| {
                report(done, total);
            })?;
            to_js(done.done)
        })
    }

    /// Lets the store go.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        drop(
            self.survey
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

fn to_js(plan: RepairPlan) -> tidelog::Result<NativeRepairPlan> {
    let name = |path: PathBuf| path.to_string_lossy().into_owned();
    Ok(NativeRepairPlan {
        partitions: from_u64("partitions", plan.partitions)?,
        segments: from_u64("segments", plan.segments)?,
        bytes: from_u64("bytes", plan.bytes)?,
        complete: plan.complete,
        empty: plan.is_empty(),
        checkpoint: plan.checkpoint,
        checkpoint_slot: plan.checkpoint_slot,
        journal: plan.journal.map(to_js_frames).transpose()?,
        lost: plan
            .lost
            .into_iter()
            .map(to_js_range)
            .collect::<tidelog::Result<_>>()?,
        mended: plan
            .mended
            .into_iter()
            .map(to_js_mended)
            .collect::<tidelog::Result<_>>()?,
        indexes: plan.indexes.into_iter().map(name).collect(),
        snapshots: plan.snapshots.into_iter().map(name).collect(),
    })
}

fn to_js_frames(lost: LostFrames) -> tidelog::Result<NativeLostFrames> {
    let run = |(first, last)| Ok(vec![from_u64("frame", first)?, from_u64("frame", last)?]);
    Ok(NativeLostFrames {
        file: lost.file.to_string_lossy().into_owned(),
        reason: lost.reason,
        frames: lost
            .frames
            .into_iter()
            .map(run)
            .collect::<tidelog::Result<_>>()?,
        kept: from_u64("frames", lost.kept)?,
    })
}

fn to_js_range(lost: LostRange) -> tidelog::Result<NativeLostRange> {
    Ok(NativeLostRange {
        topic: lost.topic,
        partition: lost.partition,
        file: lost.file.to_string_lossy().into_owned(),
        position: from_u64("position", lost.position)?,
        bytes: from_u64("bytes", lost.bytes)?,
        first: from_u64("offset", lost.first)?,
        next: from_u64("offset", lost.next)?,
        reason: lost.reason,
        kept: lost.kept.map(|path| path.to_string_lossy().into_owned()),
    })
}

fn to_js_mended(mended: MendedBatch) -> tidelog::Result<NativeMendedBatch> {
    Ok(NativeMendedBatch {
        topic: mended.topic,
        partition: mended.partition,
        file: mended.file.to_string_lossy().into_owned(),
        position: from_u64("position", mended.position)?,
        offset: from_u64("offset", mended.offset)?,
    })
}
