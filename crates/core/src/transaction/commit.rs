//! A commit: everything that can be refused is checked, under the locks of the names, the offsets and all partitions; then
//! one frame takes in the records of all partitions, the offsets, and the transaction's outcome. Whoever fences the
//! producer comes before all of it or after.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidelog_format::journal::PartitionId;
use tidelog_format::transaction_state::StoredRun;

use super::{Content, GroupOffsets, Open, Shared, TransactionRun};
use crate::answer::Answer;
use crate::coordinator::names::{self, Names};
use crate::coordinator::offsets::{self, CheckedOffsets, OffsetCommit, Offsets};
use crate::encode::{Encoded, Encoder};
use crate::error::Result;
use crate::partition::{Appended, AtomicAppend, Log};
use crate::produce::Run;
use crate::producer_ids::Claim;
use crate::topic::Topic;

/// What goes to one partition.
struct Share {
    log: Arc<Log>,
    batches: Vec<Vec<u8>>,
    count: u32,
}

impl Shared {
    /// Writes the transaction; the answer is given when it is durable.
    ///
    /// # Errors
    /// Those after which nothing is written.
    pub(super) fn write(&self, open: &mut Open, answer: Answer<Vec<TransactionRun>>) -> Result<()> {
        self.store.check_writable()?;
        let engine = self.store.engine();
        encode(&mut open.content)?;
        let shares = shares(&open.content)?;
        let checked = open
            .offsets
            .iter()
            .map(|offsets| {
                let GroupOffsets {
                    group,
                    member,
                    commits,
                } = offsets;
                let commits = commits
                    .iter()
                    .map(OffsetCommit::of_log)
                    .collect::<Result<_>>()?;
                let claim = match member {
                    Some(member) => offsets::Claim::Member(member.member().clone()),
                    None => offsets::Claim::Others,
                };
                let groups = &engine.coordinator.groups;
                CheckedOffsets::new(groups, group, claim, commits).map(Arc::new)
            })
            .collect::<Result<Vec<_>>>()?;
        let offsets: Vec<_> = checked.into_iter().filter(|o| !o.is_empty()).collect();
        let (coordinator, hold) = (&engine.coordinator, &self.hold);
        if shares.is_empty() && offsets.is_empty() {
            hold.check()?;
            answer.give(Ok(Vec::new()));
            return Ok(());
        }
        coordinator.with_names(engine, |names| {
            // Nobody takes the id over while this is held.
            let _held = hold.identity.admit(Claim::Holder(hold), hold.epoch)?;
            if offsets.is_empty() {
                return self.write_frame(open, names, None, shares, &offsets, answer);
            }
            coordinator.with_offsets(engine, |table| {
                self.write_frame(open, names, Some(table), shares, &offsets, answer)
            })
        })
    }

    fn write_frame(
        &self,
        open: &Open,
        names: &mut Names,
        mut table: Option<&mut Offsets>,
        shares: Vec<Share>,
        offsets: &[Arc<CheckedOffsets>],
        answer: Answer<Vec<TransactionRun>>,
    ) -> Result<()> {
        let mut logs: Vec<Arc<Log>> = shares.iter().map(|share| Arc::clone(&share.log)).collect();
        logs.push(Arc::clone(names.log()));
        logs.extend(table.as_ref().map(|table| Arc::clone(table.log())));
        // Nobody else gets these partitions before the offsets are entered.
        let _admitted = CheckedOffsets::admit_all(offsets, self.store.engine())?;
        logs.sort_unstable_by_key(|log| log.uid());
        let mut append = AtomicAppend::lock(&logs);
        let (mut runs, mut stored) = (Vec::new(), Vec::new());
        for share in shares {
            let claim = Claim::Holder(&self.hold);
            let placed = append.prepare(&share.log, claim, share.batches)?;
            let run = run_of(&share.log, share.count, &placed);
            stored.push(StoredRun {
                topic_id: share.log.topic().id,
                partition: run.partition,
                base_offset: run.base_offset,
                count: run.count,
                timestamp: run.timestamp,
            });
            runs.push(TransactionRun {
                topic: share.log.topic().name.clone(),
                run,
            });
        }
        if let Some(table) = &table {
            let mut batches = Vec::new();
            for group in offsets {
                table.check_group(group.group())?;
                batches.extend(group.encode()?);
            }
            append.prepare(table.log(), Claim::Store, batches)?;
        }
        let value = names.committed(&self.id, open.number, open.started, stored)?;
        append.prepare(names.log(), Claim::Store, names::encode(&self.id, &value)?)?;

        let before = table.as_ref().map(|table| table.before(offsets));
        let noted: Vec<_> = match &mut table {
            Some(table) => offsets.iter().map(|group| table.note(group)).collect(),
            None => Vec::new(),
        };
        let written = append.write(Box::new(move |written: Result<()>| {
            if written.is_ok() {
                noted.into_iter().for_each(|note| note());
            }
            answer.give(written.map(|()| runs));
        }));
        match (&written, table, before) {
            (Ok(()), ..) => names.note(&self.id, value),
            (Err(_), Some(table), Some(before)) => table.take_back(before),
            _ => {}
        }
        written
    }
}

/// Ends the gathering.
fn encode(content: &mut Content) -> Result<()> {
    if let Content::Gathering(encoders) = content {
        let finish = |encoder: Encoder| Ok((encoder.topic().clone(), encoder.finish()?));
        let batches = encoders.drain(..).map(finish).collect::<Result<_>>()?;
        *content = Content::Encoded(batches);
    }
    Ok(())
}

/// The batches of each partition, in the order of the topics' first records. They are copied: a commit that fails may be
/// tried again.
fn shares(content: &Content) -> Result<Vec<Share>> {
    let Content::Encoded(topics) = content else {
        return Ok(Vec::new());
    };
    let mut shares = Vec::new();
    for (topic, batches) in topics {
        shares.extend(shares_of(topic, batches)?);
    }
    Ok(shares)
}

fn shares_of(topic: &Topic, batches: &[Encoded]) -> Result<Vec<Share>> {
    let mut shares: BTreeMap<PartitionId, Share> = BTreeMap::new();
    for encoded in batches {
        let log = topic.log(encoded.partition)?;
        let share = shares.entry(log.id()).or_insert_with(|| Share {
            log,
            batches: Vec::new(),
            count: 0,
        });
        share.batches.push(encoded.batch.clone());
        share.count += encoded.count;
    }
    Ok(shares.into_values().collect())
}

fn run_of(log: &Log, count: u32, placed: &[Appended]) -> Run {
    let first = placed.first();
    Run {
        partition: log.number(),
        base_offset: first.map_or(0, |first| first.base_offset),
        count,
        timestamp: first.map_or(-1, |first| first.timestamp),
    }
}
