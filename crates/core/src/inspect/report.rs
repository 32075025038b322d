//! What a check found. Of one file only the first places are told: an index that does not fit may have millions.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::indexes::WrongEntry;
use super::snapshots::BadSnapshot;
use crate::error::{Error, Result};
use crate::repair::RepairPlan;

/// So many places of a file are told; of the rest their number.
const MOST_OF_A_FILE: u64 = 20;

/// What a check of a store or a partition found.
#[derive(Debug, Clone, Default)]
pub struct VerifyReport {
    /// Partitions looked at.
    pub partitions: u64,
    /// Segments looked at.
    pub segments: u64,
    /// Batches that hold.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// What does not hold. Of each file at most twenty places, and then one that tells how many more there are.
    pub problems: Vec<Problem>,
}

/// One thing that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The byte in it.
    pub position: u64,
    /// The offset that was expected there.
    pub offset: u64,
    /// What does not hold.
    pub reason: String,
    /// Whether records are affected; an index can be made again.
    pub records_affected: bool,
}

impl Problem {
    /// Of a file as a whole.
    pub(super) fn of(file: &Path, reason: String, records_affected: bool) -> Problem {
        Problem {
            file: file.to_owned(),
            position: 0,
            offset: 0,
            reason,
            records_affected,
        }
    }

    /// What an error says of one file.
    ///
    /// # Errors
    /// One that says something else.
    pub(super) fn told_by(error: Error) -> Result<Problem> {
        match error {
            Error::CorruptFile { file, reason } => Ok(Problem::of(&file, reason, true)),
            Error::Io {
                operation,
                path,
                source,
            } => Ok(Problem::of(&path, format!("{operation}: {source}"), true)),
            other => Err(other),
        }
    }
}

impl From<WrongEntry> for Problem {
    fn from(wrong: WrongEntry) -> Problem {
        Problem {
            file: wrong.index,
            position: wrong.position,
            offset: wrong.offset,
            reason: wrong.reason,
            records_affected: false,
        }
    }
}

impl From<BadSnapshot> for Problem {
    fn from(bad: BadSnapshot) -> Problem {
        Problem {
            file: bad.path,
            position: 0,
            offset: bad.offset,
            reason: format!(
                "{}; what is known of producers is read from the log",
                bad.reason
            ),
            records_affected: false,
        }
    }
}

/// A report that is being made.
#[derive(Default)]
pub(super) struct Findings {
    pub report: VerifyReport,
    by_file: HashMap<PathBuf, OfFile>,
}

#[derive(Default)]
struct OfFile {
    count: u64,
    records_affected: bool,
}

impl Findings {
    pub fn add(&mut self, problem: impl Into<Problem>) {
        let problem = problem.into();
        let of_file = self.by_file.entry(problem.file.clone()).or_default();
        if of_file.count <= MOST_OF_A_FILE && self.report.problems.contains(&problem) {
            return;
        }
        of_file.count += 1;
        if of_file.count <= MOST_OF_A_FILE {
            self.report.problems.push(problem);
        } else {
            of_file.records_affected |= problem.records_affected;
        }
    }

    pub fn is_clean(&self) -> bool {
        self.report.problems.is_empty()
    }

    /// Takes over what was found of another part.
    pub fn take(&mut self, other: Findings) {
        let VerifyReport {
            partitions,
            segments,
            batches,
            records,
            bytes,
            problems,
        } = other.report;
        self.report.partitions += partitions;
        self.report.segments += segments;
        self.report.batches += batches;
        self.report.records += records;
        self.report.bytes += bytes;
        for problem in problems {
            self.add(problem);
        }
        for (file, more) in other.by_file {
            let of_file = self.by_file.entry(file).or_default();
            of_file.count = of_file.count.max(more.count);
            of_file.records_affected |= more.records_affected;
        }
    }

    /// What a survey found: whatever a repair would mend, and what it would give up.
    pub fn take_plan(&mut self, store: &Path, plan: RepairPlan) {
        self.report.partitions = plan.partitions;
        self.report.segments = plan.segments;
        self.report.batches = plan.batches;
        self.report.records = plan.records;
        self.report.bytes = plan.bytes;
        let checkpoint = store.join(crate::checkpoint::FILE_NAME);
        if let Some(reason) = plan.checkpoint {
            let reason =
                format!("{reason}; the store can't be opened for writing until it is repaired");
            self.add(Problem::of(&checkpoint, reason, true));
        }
        if let Some(reason) = plan.checkpoint_slot {
            let rest = match plan.journal {
                None => {
                    "the other slot holds, and the journal and the logs with it, so nothing is lost"
                }
                Some(_) => "the other slot holds, and the journal does not continue it",
            };
            self.add(Problem::of(
                &checkpoint,
                format!("{reason}; {rest}"),
                plan.journal.is_some(),
            ));
        }
        if let Some(lost) = plan.journal {
            self.add(Problem {
                offset: lost.frames.first().map_or(0, |(first, _)| *first),
                ..Problem::of(&lost.file, lost.reason, true)
            });
        }
        for lost in plan.lost {
            let reason = match lost.next - lost.first {
                0 | 1 => lost.reason,
                _ => format!(
                    "{}; offsets {} to {} do not hold",
                    lost.reason,
                    lost.first,
                    lost.next - 1
                ),
            };
            self.add(Problem {
                file: lost.file,
                position: lost.position,
                offset: lost.first,
                reason,
                records_affected: true,
            });
        }
        for mended in plan.mended {
            self.add(Problem {
                file: mended.file,
                position: mended.position,
                offset: mended.offset,
                reason: "the batch's base offset or leader epoch does not follow the one before; its records hold".to_owned(),
                records_affected: true,
            });
        }
        let again = |what: &str| format!("{what}; it is made again from the log");
        for index in plan.indexes {
            self.add(Problem::of(
                &index,
                again("it does not fit its segment"),
                false,
            ));
        }
        for snapshot in plan.snapshots {
            self.add(Problem::of(&snapshot, again("it does not hold"), false));
        }
    }

    pub fn into_report(mut self) -> VerifyReport {
        let mut more: Vec<(PathBuf, OfFile)> = self.by_file.into_iter().collect();
        more.retain(|(_, of_file)| of_file.count > MOST_OF_A_FILE);
        more.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (file, of_file) in more {
            let reason = format!(
                "{} more places of this file do not hold",
                of_file.count - MOST_OF_A_FILE
            );
            self.report
                .problems
                .push(Problem::of(&file, reason, of_file.records_affected));
        }
        self.report
    }
}
