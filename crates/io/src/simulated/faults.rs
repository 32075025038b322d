//! Counting calls, and what is planned to go wrong at which of them.

use std::io;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The call fails with EIO and does nothing. If it is a sync, what was waiting for it is no
    /// longer waiting: reads show it until [`drop_cache`](crate::StorageFile::drop_cache), no
    /// later sync writes it, and the next power loss takes it.
    Eio,
    /// As [`FaultKind::Eio`], but with ENOSPC (`StorageFull`).
    NoSpace,
    /// As [`FaultKind::Eio`], but with EDQUOT (`QuotaExceeded`).
    Quota,
    /// As [`FaultKind::Eio`], but with EMFILE, whatever the call is.
    NoHandles,
    /// A write does only so many bytes, at most all but one, and fails with `StorageFull`. Any
    /// other call does nothing and fails alike.
    ShortWrite(usize),
    /// The call is done, and yet fails with EIO: the outcome that nobody can know.
    LateEio,
}

/// How many calls a disk has had since it was made. Calls that failed count too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// All calls.
    pub calls: u64,
    /// Those that change the disk: writes, lengths, allocations, syncs and changes of names.
    pub changes: u64,
    /// Writes of bytes.
    pub writes: u64,
    /// Syncs of files and folders.
    pub syncs: u64,
}

/// What a call is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// It leaves the disk as it is: opening what is there, reading, listing.
    Look,
    /// It changes names, a length or what space is taken.
    Change,
    /// It writes bytes.
    Write,
    /// It syncs a file or folder.
    Sync,
}

/// What is to become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Proceed,
    Fail(FaultKind),
    Crash,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) counters: Counters,
    faults: Vec<(u64, FaultKind)>,
    /// What the calls were that failed.
    pub(super) hit: Vec<CallKind>,
    crash_at_call: Option<u64>,
    crash_at_change: Option<u64>,
}

impl Plan {
    pub(super) fn fail_at(&mut self, call: u64, kind: FaultKind) {
        self.faults.push((call, kind));
    }

    pub(super) fn crash_at(&mut self, call: u64) {
        self.crash_at_call = Some(call);
    }

    pub(super) fn crash_at_change(&mut self, change: u64) {
        self.crash_at_change = Some(change);
    }

    /// Plans do not outlive the life they were made for; the counters go on.
    pub(super) fn clear(&mut self) {
        *self = Plan {
            counters: self.counters,
            ..Plan::default()
        };
    }

    pub(super) fn count(&mut self, kind: CallKind) -> Verdict {
        let counters = &mut self.counters;
        counters.calls += 1;
        counters.changes += u64::from(kind != CallKind::Look);
        counters.writes += u64::from(kind == CallKind::Write);
        counters.syncs += u64::from(kind == CallKind::Sync);
        let call = counters.calls;
        let due = |planned: Option<u64>, now: u64| planned.is_some_and(|at| at <= now);
        if due(self.crash_at_call, call)
            || kind != CallKind::Look && due(self.crash_at_change, counters.changes)
        {
            return Verdict::Crash;
        }
        match self.faults.iter().find(|(at, _)| *at == call) {
            Some((_, fault)) => {
                self.hit.push(kind);
                Verdict::Fail(*fault)
            }
            None => Verdict::Proceed,
        }
    }
}

impl FaultKind {
    pub(super) fn error(self) -> io::Error {
        match self {
            FaultKind::Eio | FaultKind::LateEio => rustix::io::Errno::IO.into(),
            FaultKind::NoSpace | FaultKind::ShortWrite(_) => no_space(),
            FaultKind::Quota => rustix::io::Errno::DQUOT.into(),
            FaultKind::NoHandles => rustix::io::Errno::MFILE.into(),
        }
    }
}

pub(super) fn no_space() -> io::Error {
    rustix::io::Errno::NOSPC.into()
}

pub(super) fn down() -> io::Error {
    io::Error::other("the simulated machine is down")
}
