//! Transactions: records for any number of partitions, and the offsets that they were made from, appended all together
//! or not at all. What a transaction sends is gathered in memory and written by its commit, in one frame of the journal
//! (see `docs/design.md`); until then the log holds nothing of it, so an abort, a time limit or a crash just forgets it.
//! The words are Kafka's (KIP-98, KIP-447).

mod commit;
mod outcome;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidelog_format::sequence;

use crate::answer::{Answer, wait};
use crate::coordinator::check_name;
use crate::coordinator::offsets::OffsetCommit;
use crate::encode::{Encoded, Encoder, Spare};
use crate::error::{Error, Result};
use crate::group::GroupMember;
use crate::metrics::Counters;
use crate::partition::now_ms;
use crate::produce::Run;
use crate::producer_ids::Hold;
use crate::store::Store;
use crate::sync::{Mutex, lock};
use crate::topic::Topic;
use crate::workers::Lane;

pub use outcome::TransactionOutcome;
pub(crate) use outcome::outcome;

/// The bounds of a producer's transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionOptions {
    /// How long one may be open, 1 ms to 15 minutes as in Kafka. Default 60 s. It is aborted then.
    pub timeout: Duration,
    /// Bytes of records that one may hold, 1 KiB to 1 GiB. Default 64 MiB.
    pub max_bytes: usize,
}

impl Default for TransactionOptions {
    fn default() -> TransactionOptions {
        TransactionOptions {
            timeout: Duration::from_secs(60),
            max_bytes: 64 << 20,
        }
    }
}

impl TransactionOptions {
    fn validate(&self) -> Result<()> {
        let within = |argument, value: u128, min: u128, max: u128| {
            if (min..=max).contains(&value) {
                return Ok(());
            }
            let reason = format!("must be {min} to {max}, not {value}");
            Err(Error::InvalidArgument { argument, reason })
        };
        within("timeout", self.timeout.as_millis(), 1, 900_000)?;
        within("max_bytes", self.max_bytes as u128, 1 << 10, 1 << 30)
    }
}

/// One transaction of an id, for good: the numbers of an epoch count on from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionNumber {
    /// The producer id that the transactional id had.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The transaction's number in it.
    pub number: u64,
}

/// Records of a transaction that are in one partition, with consecutive offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionRun {
    /// The topic's name.
    pub topic: String,
    /// Where the records are.
    pub run: Run,
}

/// Called once, on a thread of the core or the caller's: it must not wait.
type Done = Box<dyn FnOnce(Result<Vec<TransactionRun>>) + Send>;

/// The holder of a transactional id, until another one takes it over. Has one transaction open at a time. Cheap to clone.
/// From [`Store::transactional_producer`].
#[derive(Clone)]
pub struct TransactionalProducer(Arc<Shared>);

pub(crate) struct Shared {
    store: Store,
    id: String,
    hold: Hold,
    options: TransactionOptions,
    spare: Arc<Spare>,
    lane: Lane,
    state: Mutex<State>,
}

struct State {
    /// The number of the last transaction that was begun.
    last: u64,
    phase: Phase,
}

enum Phase {
    Idle,
    Open(Box<Open>),
    /// Who waits for the outcome.
    Committing(u64, Vec<Done>),
    Committed(u64, Vec<TransactionRun>),
    TimedOut(u64),
}

/// What an open transaction has gathered.
struct Open {
    number: u64,
    began: Instant,
    /// As above, in ms since the epoch.
    started: i64,
    content: Content,
    offsets: Vec<GroupOffsets>,
    /// Why it can only be aborted.
    broken: Option<Error>,
}

/// Offsets that are committed for a group.
struct GroupOffsets {
    group: String,
    /// Of one of its members.
    member: Option<GroupMember>,
    commits: Vec<OffsetCommit>,
}

enum Content {
    Gathering(Vec<Encoder>),
    /// A commit has failed that may be tried again.
    Encoded(Vec<(Topic, Vec<Encoded>)>),
}

impl TransactionalProducer {
    /// Takes the id over: whoever has it is fenced. Blocks for the disk.
    pub(crate) fn initialize(
        store: Store,
        id: &str,
        options: TransactionOptions,
    ) -> Result<TransactionalProducer> {
        check_name("transactional id", id)?;
        options.validate()?;
        store.check_writable()?;
        let engine = store.engine();
        let timeout = options.timeout.as_millis() as i32;
        let (hold, ()) = wait(|done| {
            engine
                .coordinator
                .with_names(engine, |names| names.initialize(engine, id, timeout, done))
        })?;
        let shared = Arc::new(Shared {
            id: id.to_owned(),
            hold,
            options,
            spare: Arc::default(),
            state: Mutex::new(State {
                last: 0,
                phase: Phase::Idle,
            }),
            lane: Lane::new(store.engine().context.workers.clone()),
            store: store.clone(),
        });
        store.engine().coordinator.enter(&shared);
        Ok(TransactionalProducer(shared))
    }

    /// The transactional id.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Runs a job on the core's threads, in turn with this producer's other ones.
    pub fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.0.lane.push(job);
    }

    /// Begins a transaction. Does not wait.
    ///
    /// # Errors
    /// [`Error::ProducerFenced`], [`Error::InvalidTransactionState`] while one is open or being committed.
    pub fn begin(&self) -> Result<TransactionNumber> {
        let shared = &self.0;
        shared.store.check_writable()?;
        shared.hold.check()?;
        let mut state = lock(&shared.state);
        if let Phase::Open(_) | Phase::Committing(..) = state.phase {
            return Err(shared.invalid("a transaction is open; commit or abort it first"));
        }
        shared.counters().begun.add(1);
        state.last += 1;
        let number = state.last;
        state.phase = Phase::Open(Box::new(Open {
            number,
            began: Instant::now(),
            started: now_ms(),
            content: Content::Gathering(Vec::new()),
            offsets: Vec::new(),
            broken: None,
        }));
        Ok(TransactionNumber {
            producer_id: shared.hold.id().producer_id,
            epoch: shared.hold.epoch,
            number,
        })
    }

    /// Adds packed records (see [`tidelog_format::packed`]) for a topic. May wait for the disk, the first time that the
    /// id sends to a partition. After an error the transaction can only be aborted.
    ///
    /// # Errors
    /// [`Error::TransactionTooLarge`], [`Error::TransactionTimedOut`], [`Error::InvalidTransactionState`],
    /// [`Error::InvalidRecord`], [`Error::RecordTooLarge`]; [`Error::InvalidArgument`] for a `buffered` topic.
    pub fn send(&self, number: u64, topic: &Topic, table: &[u8], bytes: &[u8]) -> Result<()> {
        let shared = &self.0;
        shared.with_open(number, |open| {
            topic.check_transactional()?;
            let Content::Gathering(encoders) = &mut open.content else {
                return Err(shared.invalid("its commit has begun; commit again, or abort it"));
            };
            let size: usize = encoders.iter().map(Encoder::size).sum();
            let size = size + table.len() + bytes.len();
            if size > shared.options.max_bytes {
                return Err(Error::TransactionTooLarge {
                    size: size as u64,
                    limit: shared.options.max_bytes as u64,
                    field: "maxBytes",
                });
            }
            let same = |encoder: &Encoder| encoder.topic().is(topic);
            let producer = shared.hold.id();
            let index = encoders.iter().position(same).unwrap_or_else(|| {
                encoders.push(Encoder::new(topic, producer, &shared.spare));
                encoders.len() - 1
            });
            let Some(encoder) = encoders.get_mut(index) else {
                return Ok(());
            };
            encoder.add(table, bytes, |partition| {
                let log = topic.log(partition)?;
                let last = log.last_sequence(producer.producer_id, producer.epoch)?;
                Ok(last.map_or(0, sequence::next))
            })
        })
    }

    /// Adds offsets of a group, which are committed with the records. The last one of each partition counts. Does not
    /// wait; they are checked by the commit.
    pub fn send_offsets(&self, number: u64, group: &str, offsets: Vec<OffsetCommit>) -> Result<()> {
        self.0.send_offsets(number, group, None, offsets)
    }

    /// As `send_offsets`, of partitions that a member of a group owns: the commit is refused with [`Error::FencedMember`]
    /// if one of them is not its own then (KIP-447).
    pub fn send_offsets_of(
        &self,
        number: u64,
        member: &GroupMember,
        offsets: Vec<OffsetCommit>,
    ) -> Result<()> {
        let group = member.member().group();
        self.0.send_offsets(number, group, Some(member), offsets)
    }

    /// Commits, and calls `done` once with where the records are, when they are durable and visible, all at once. A commit
    /// that is tried again answers as the first one. Blocks for locks and for room in the journal.
    ///
    /// # Errors
    /// To `done`: definite ones, after which the transaction is still open; of these [`Error::retriable`] tells whether the
    /// commit may be tried again, and else it can only be aborted. [`Error::Poisoned`] when the outcome is not known:
    /// [`Store::transaction_outcome`] tells it once the store was opened again.
    pub fn commit(
        &self,
        number: u64,
        done: impl FnOnce(Result<Vec<TransactionRun>>) + Send + 'static,
    ) {
        let shared = &self.0;
        let done: Done = Box::new(done);
        let open = {
            let mut state = lock(&shared.state);
            match &mut state.phase {
                Phase::Committing(under_way, waiting) if *under_way == number => {
                    waiting.push(done);
                    return;
                }
                Phase::Committed(last, runs) if *last == number => {
                    let runs = runs.clone();
                    drop(state);
                    return done(Ok(runs));
                }
                Phase::Open(open) if open.number == number => {
                    if open.began.elapsed() > shared.options.timeout {
                        shared.end_open(&mut state, Phase::TimedOut(number));
                        drop(state);
                        return done(Err(shared.timed_out()));
                    }
                    if let Some(broken) = &open.broken {
                        let broken = broken.clone();
                        drop(state);
                        return done(Err(broken));
                    }
                    let committing = Phase::Committing(number, vec![done]);
                    match std::mem::replace(&mut state.phase, committing) {
                        Phase::Open(open) => open,
                        _ => return,
                    }
                }
                _ => {
                    let error = shared.no_such(&state, number);
                    drop(state);
                    return done(Err(error));
                }
            }
        };
        shared.commit(open);
    }

    /// As [`TransactionalProducer::commit`], and waits for the answer: what nobody else is making durable is made so on
    /// the caller's thread.
    ///
    /// # Errors
    /// Those of `commit`.
    pub fn commit_and_wait(&self, number: u64) -> Result<Vec<TransactionRun>> {
        let context = &self.0.store.engine().context;
        let ((), runs) = wait(|done| {
            self.commit(number, done);
            context.journal.run_next(context);
            Ok(())
        })?;
        Ok(runs)
    }

    /// Forgets a transaction. One that was aborted already stays so. Does not wait.
    ///
    /// # Errors
    /// [`Error::InvalidTransactionState`] if it was committed, or is being committed.
    pub fn abort(&self, number: u64) -> Result<()> {
        let shared = &self.0;
        let mut state = lock(&shared.state);
        match &state.phase {
            Phase::Open(open) if open.number == number => {}
            Phase::Committing(n, _) | Phase::Committed(n, _) if *n == number => {
                return Err(shared.invalid("it was committed, or is being committed"));
            }
            _ => return Ok(()),
        }
        shared.end_open(&mut state, Phase::Idle);
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Phase::Open(_) = lock(&self.state).phase {
            self.counters().aborted.add(1);
        }
    }
}

impl Shared {
    fn send_offsets(
        &self,
        number: u64,
        group: &str,
        member: Option<&GroupMember>,
        commits: Vec<OffsetCommit>,
    ) -> Result<()> {
        self.with_open(number, |open| {
            check_name("group", group)?;
            if let Content::Encoded(_) = open.content {
                return Err(self.invalid("its commit has begun; commit again, or abort it"));
            }
            let same = |known: &&mut GroupOffsets| {
                let known_id = known.member.as_ref().map(GroupMember::id);
                known.group == group && known_id == member.map(GroupMember::id)
            };
            let Some(known) = open.offsets.iter_mut().find(same) else {
                open.offsets.push(GroupOffsets {
                    group: group.to_owned(),
                    member: member.cloned(),
                    commits,
                });
                return Ok(());
            };
            for commit in commits {
                known.commits.retain(|old| {
                    old.partition != commit.partition || !old.topic.is(&commit.topic)
                });
                known.commits.push(commit);
            }
            Ok(())
        })
    }

    fn with_open<T>(&self, number: u64, work: impl FnOnce(&mut Open) -> Result<T>) -> Result<T> {
        self.store.check_writable()?;
        let mut state = lock(&self.state);
        let Phase::Open(open) = &mut state.phase else {
            return Err(self.no_such(&state, number));
        };
        if open.number != number {
            return Err(self.no_such(&state, number));
        }
        if open.began.elapsed() > self.options.timeout {
            self.end_open(&mut state, Phase::TimedOut(number));
            return Err(self.timed_out());
        }
        if let Some(broken) = &open.broken {
            return Err(broken.clone());
        }
        work(open).inspect_err(|error| open.broken = Some(error.clone()))
    }

    fn no_such(&self, state: &State, number: u64) -> Error {
        match &state.phase {
            Phase::TimedOut(n) if *n == number => self.timed_out(),
            Phase::Committing(n, _) | Phase::Committed(n, _) if *n == number => {
                self.invalid("the transaction was committed; begin another one")
            }
            _ => self.invalid("the transaction is over; begin another one"),
        }
    }

    fn invalid(&self, reason: &str) -> Error {
        Error::InvalidTransactionState {
            id: self.id.clone(),
            reason: reason.to_owned(),
        }
    }

    fn timed_out(&self) -> Error {
        Error::TransactionTimedOut {
            timeout_ms: self.options.timeout.as_millis() as u64,
        }
    }

    /// Forgets a transaction that was open for too long.
    pub(crate) fn expire(&self) {
        let mut state = lock(&self.state);
        if let Phase::Open(open) = &state.phase
            && open.began.elapsed() > self.options.timeout
        {
            let number = open.number;
            self.end_open(&mut state, Phase::TimedOut(number));
        }
    }

    /// The open transaction is not committed.
    fn end_open(&self, state: &mut State, next: Phase) {
        state.phase = next;
        self.counters().aborted.add(1);
    }

    fn counters(&self) -> &Counters {
        &self.store.engine().context.metrics
    }

    fn commit(self: &Arc<Self>, mut open: Box<Open>) {
        let number = open.number;
        let shared = Arc::clone(self);
        let answer = Answer::new(move |outcome: Result<Vec<TransactionRun>>| {
            shared.committed(number, outcome);
        });
        if let Err(error) = self.write(&mut open, answer.clone()) {
            if !error.retriable() {
                open.broken = Some(error.clone());
            }
            let waiting = {
                let mut state = lock(&self.state);
                match std::mem::replace(&mut state.phase, Phase::Open(open)) {
                    Phase::Committing(_, waiting) => waiting,
                    _ => Vec::new(),
                }
            };
            waiting
                .into_iter()
                .for_each(|done| done(Err(error.clone())));
        }
    }

    /// The commit's frame is durable, or nobody knows.
    fn committed(&self, number: u64, outcome: Result<Vec<TransactionRun>>) {
        match outcome {
            Ok(_) => self.counters().committed.add(1),
            Err(_) => self.counters().unknown.add(1),
        }
        let waiting = {
            let mut state = lock(&self.state);
            let next = match &outcome {
                Ok(runs) => Phase::Committed(number, runs.clone()),
                Err(_) => Phase::Idle,
            };
            match std::mem::replace(&mut state.phase, next) {
                Phase::Committing(_, waiting) => waiting,
                _ => Vec::new(),
            }
        };
        waiting.into_iter().for_each(|done| done(outcome.clone()));
    }
}
