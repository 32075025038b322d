//! What a program may do next.

use proptest::prelude::*;
use proptest::sample::Index;
use tidelog::Compression;

use super::reference::Record;
use crate::support::EPOCH_MS;

/// A partition: 0 and 1 are those of the topic `safe`, 2 is that of `fast`.
pub type At = usize;

#[derive(Debug, Clone)]
pub enum Step {
    /// Encoded elsewhere, without a producer.
    Append(At, Compression, Vec<Record>),
    /// By a producer without a name, so many records.
    Send(At, u8),
    /// By the producer with a name.
    SendNamed(At, u8),
    /// By the producer with a name, with a sequence number so far from the next one, and maybe expected so far from the
    /// log's end.
    SendIf(At, i32, Option<i8>),
    /// The name is opened once more.
    TakeName,
    /// Encoded elsewhere, under the id of this producer: so far from its epoch and its next sequence number, so many.
    Sequenced(u8, At, i16, i32, i32),
    /// A batch that was stored, once more; the newest is 0.
    Again(u8, At, u8),
    /// Another epoch for the producer with an id that is kept.
    Initialize,
    /// Of this transactional id.
    Transaction(u8, Transact),
    /// What became of one of the transactions.
    Outcome(Index),
    CommitOffset(u8, At, Index),
    DeleteGroup(u8),
    ReadFrom(At, Index, usize),
    Get(At, Index),
    Time(At, i64),
    DeleteBefore(At, Index),
    /// The topic is kept small for a while.
    Retain(At),
    Recreate(At),
    Sync,
    Reopen,
    Kill(u64),
    LosePower(u64),
}

#[derive(Debug, Clone)]
pub enum Transact {
    /// Initializes the id, so that whoever had it is fenced.
    TakeOver,
    Begin,
    Send(At, u8),
    SendOffset(u8, At, Index),
    Commit,
    CommitAgain,
    Abort,
    /// The one who was fenced tries to go on.
    Zombie,
}

pub fn record() -> impl Strategy<Value = Record> {
    let bytes = || prop::option::of(prop::collection::vec(any::<u8>(), 0..80));
    let headers = prop::collection::vec(("[a-z_]{0,9}", bytes()), 0..3);
    (0..500_i64, bytes(), bytes(), headers).prop_map(|(time, key, value, headers)| Record {
        time: Some(EPOCH_MS + time),
        key,
        value,
        headers,
    })
}

fn codec() -> impl Strategy<Value = Compression> {
    prop::sample::select(vec![
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ])
}

fn transact() -> impl Strategy<Value = Transact> {
    let any_partition = prop_oneof![12 => 0..2_usize, 1 => Just(2)];
    prop_oneof![
        1 => Just(Transact::TakeOver),
        4 => Just(Transact::Begin),
        8 => (any_partition, 1..4_u8).prop_map(|(at, n)| Transact::Send(at, n)),
        3 => (0..2_u8, 0..3_usize, any::<Index>()).prop_map(|(g, at, i)| Transact::SendOffset(g, at, i)),
        4 => Just(Transact::Commit),
        1 => Just(Transact::CommitAgain),
        1 => Just(Transact::Abort),
        1 => Just(Transact::Zombie),
    ]
}

pub fn step() -> impl Strategy<Value = Step> {
    let at = || 0..3_usize;
    let index = any::<Index>;
    let producers = prop_oneof![
        4 => (at(), 1..4_u8).prop_map(|(at, n)| Step::Send(at, n)),
        4 => (0..2_usize, 1..4_u8).prop_map(|(at, n)| Step::SendNamed(at, n)),
        4 => (0..2_usize, -3..3_i32, prop::option::of(-1..2_i8)).prop_map(|(at, d, e)| Step::SendIf(at, d, e)),
        1 => Just(Step::TakeName),
        8 => (0..3_u8, 0..2_usize, prop_oneof![6 => Just(0_i16), 1 => -1..2_i16], prop_oneof![3 => Just(0), 1 => -4..3], 1..4)
            .prop_map(|(p, at, e, d, n)| Step::Sequenced(p, at, e, d, n)),
        4 => (0..3_u8, 0..2_usize, 0..7_u8).prop_map(|(p, at, back)| Step::Again(p, at, back)),
        1 => Just(Step::Initialize),
    ];
    let groups = prop_oneof![
        6 => (0..2_u8, at(), index()).prop_map(|(g, at, i)| Step::CommitOffset(g, at, i)),
        1 => (0..2_u8).prop_map(Step::DeleteGroup),
    ];
    let reads = prop_oneof![
        2 => (at(), index(), 1..2000_usize).prop_map(|(at, i, max)| Step::ReadFrom(at, i, max)),
        2 => (at(), index()).prop_map(|(at, i)| Step::Get(at, i)),
        2 => (at(), EPOCH_MS - 1..EPOCH_MS + 501).prop_map(|(at, t)| Step::Time(at, t)),
    ];
    let lives = prop_oneof![
        2 => Just(Step::Reopen),
        2 => any::<u64>().prop_map(Step::Kill),
        2 => any::<u64>().prop_map(Step::LosePower),
        2 => (at(), index()).prop_map(|(at, i)| Step::DeleteBefore(at, i)),
        1 => Just(Step::Sync),
        1 => at().prop_map(Step::Recreate),
    ];
    prop_oneof![
        48 => (at(), codec(), prop::collection::vec(record(), 1..8)).prop_map(|(at, c, r)| Step::Append(at, c, r)),
        96 => producers,
        120 => (0..2_u8, transact()).prop_map(|(id, t)| Step::Transaction(id, t)),
        16 => index().prop_map(Step::Outcome),
        32 => groups,
        48 => reads,
        24 => lives,
        // It waits for the thread that does it.
        1 => at().prop_map(Step::Retain),
    ]
}
