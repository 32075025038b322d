//! What a history is made of: plain values, a line of text each, in the order in which they happened. A moment is an
//! index into the history; a call has one for its beginning and one for its end.

use std::fmt::Write;

/// A partition, of any topic.
pub type Place = usize;
pub const PLACES: usize = 6;
pub const GROUPS: u64 = 9;
/// Who reads all of the store between two lives of it.
pub const READER: u64 = 1000;

/// Records of a transaction with consecutive offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    pub place: Place,
    pub base: u64,
    pub count: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    pub place: Place,
    pub offset: u64,
    pub value: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Polled {
    pub worker: u64,
    /// Whose open transaction it is a part of, or 0.
    pub transaction: u64,
    /// It does not go on where the one before ended.
    pub jumped: bool,
    pub from: [u64; PLACES],
    pub ends: [u64; PLACES],
    pub records: Vec<Read>,
}

/// Who begins what: an id's epochs count up, and so do the numbers of an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    pub transaction: u64,
    pub worker: u64,
    pub id: u64,
    pub producer_id: i64,
    pub epoch: i16,
    pub number: u64,
    /// What it is going to send, in this order. Values are unique.
    pub sends: Vec<(Place, u64)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Begin(Begun),
    /// The commit is called, with the offsets of a group if it has any.
    Commit {
        transaction: u64,
        group: u64,
        offsets: Option<[u64; PLACES]>,
    },
    /// It is committed.
    Ok {
        transaction: u64,
        placed: Vec<Placed>,
    },
    /// It was aborted or refused, for sure.
    Fail {
        transaction: u64,
    },
    /// Whether it is committed is not known.
    Info {
        transaction: u64,
    },
    /// A poll or a fetch is called.
    Invoke {
        worker: u64,
    },
    Polled(Polled),
    /// The committed offsets of a group.
    Fetched {
        worker: u64,
        group: u64,
        offsets: Option<[u64; PLACES]>,
    },
    /// The process was killed: nobody waits for an answer any more.
    Crash,
    /// What a later life says of a transaction.
    Outcome {
        transaction: u64,
        committed: bool,
    },
}

impl Event {
    pub fn line(&self) -> String {
        let mut line = String::new();
        let mut put = |tag: &str, numbers: &[u64]| {
            line.push_str(tag);
            for number in numbers {
                let _ = write!(line, " {number}");
            }
        };
        let some = |offsets: &Option<[u64; PLACES]>| offsets.map_or(Vec::new(), Vec::from);
        match self {
            Event::Begin(b) => {
                let ids = [b.producer_id as u64, b.epoch as u64, b.number];
                put("begin", &[b.transaction, b.worker, b.id]);
                put("", &ids);
                b.sends
                    .iter()
                    .for_each(|(place, value)| put("", &[*place as u64, *value]));
            }
            Event::Commit {
                transaction,
                group,
                offsets,
            } => {
                put("commit", &[*transaction, *group]);
                put("", &some(offsets));
            }
            Event::Ok {
                transaction,
                placed,
            } => {
                put("ok", &[*transaction]);
                placed
                    .iter()
                    .for_each(|p| put("", &[p.place as u64, p.base, p.count]));
            }
            Event::Fail { transaction } => put("fail", &[*transaction]),
            Event::Info { transaction } => put("info", &[*transaction]),
            Event::Invoke { worker } => put("invoke", &[*worker]),
            Event::Polled(p) => {
                put("polled", &[p.worker, p.transaction, u64::from(p.jumped)]);
                put("", &p.from);
                put("", &p.ends);
                p.records
                    .iter()
                    .for_each(|r| put("", &[r.place as u64, r.offset, r.value]));
            }
            Event::Fetched {
                worker,
                group,
                offsets,
            } => {
                put("fetched", &[*worker, *group]);
                put("", &some(offsets));
            }
            Event::Crash => put("crash", &[]),
            Event::Outcome {
                transaction,
                committed,
            } => put("outcome", &[*transaction, u64::from(*committed)]),
        }
        line
    }

    /// None for what is not an event's line.
    pub fn parse(line: &str) -> Option<Event> {
        let mut words = line.split_ascii_whitespace();
        let tag = words.next()?;
        let numbers: Vec<u64> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
        let some = |rest: &[u64]| <[u64; PLACES]>::try_from(rest).ok();
        let event = match (tag, numbers.as_slice()) {
            ("begin", [transaction, worker, id, pid, epoch, number, sends @ ..]) => {
                Event::Begin(Begun {
                    transaction: *transaction,
                    worker: *worker,
                    id: *id,
                    producer_id: *pid as i64,
                    epoch: *epoch as i16,
                    number: *number,
                    sends: sends.chunks(2).map(|s| (s[0] as Place, s[1])).collect(),
                })
            }
            ("commit", [transaction, group, offsets @ ..]) => Event::Commit {
                transaction: *transaction,
                group: *group,
                offsets: some(offsets),
            },
            ("ok", [transaction, placed @ ..]) => Event::Ok {
                transaction: *transaction,
                placed: placed
                    .chunks(3)
                    .map(|p| Placed {
                        place: p[0] as Place,
                        base: p[1],
                        count: p[2],
                    })
                    .collect(),
            },
            ("fail", [transaction]) => Event::Fail {
                transaction: *transaction,
            },
            ("info", [transaction]) => Event::Info {
                transaction: *transaction,
            },
            ("invoke", [worker]) => Event::Invoke { worker: *worker },
            ("polled", [worker, transaction, jumped, rest @ ..]) if rest.len() >= 2 * PLACES => {
                Event::Polled(Polled {
                    worker: *worker,
                    transaction: *transaction,
                    jumped: *jumped == 1,
                    from: some(&rest[..PLACES])?,
                    ends: some(&rest[PLACES..2 * PLACES])?,
                    records: rest[2 * PLACES..]
                        .chunks(3)
                        .map(|r| Read {
                            place: r[0] as Place,
                            offset: r[1],
                            value: r[2],
                        })
                        .collect(),
                })
            }
            ("fetched", [worker, group, offsets @ ..]) => Event::Fetched {
                worker: *worker,
                group: *group,
                offsets: some(offsets),
            },
            ("crash", []) => Event::Crash,
            ("outcome", [transaction, committed]) => Event::Outcome {
                transaction: *transaction,
                committed: *committed == 1,
            },
            _ => return None,
        };
        Some(event)
    }
}
