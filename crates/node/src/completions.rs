//! Where the answers of ticketed work wait for JavaScript: one queue per environment (the main thread or a worker),
//! and one weak thread-safe function that asks the event loop to fetch them. Weak, so that an idle store never keeps
//! a process alive.
//!
//! Why no wake-up is lost. `ready` is only touched under the lock. Whoever pushes the first answer into an empty
//! queue calls `wake`, after the lock is released; whoever finds it filled does not, because the one who filled it has
//! called or is about to. `drain` takes everything there is. So at any moment a filled queue has a wake-up under way:
//! if `drain` comes between a push and its call, the call finds an empty queue, which costs a turn and loses nothing.
//! Node runs the function once per call, and calls it only on the environment's own thread.
//!
//! Why teardown is quiet. When the environment goes, Node closes the function, and either the next wake-up says so or
//! the finalizer of the [`Completions`] object comes first. Both close the queue: what is in it is dropped, waiters are
//! taken back, and whatever the engine still finishes falls away.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi::Status;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use tidelog::{Error, RecordBuffer, Waiter};

use crate::buffers::Buffers;
use crate::error::{NativeError, Thrown, thrown};
use crate::numbers::to_u64;

/// The answer to one ticket.
#[napi(object)]
pub struct Completion {
    /// The number that the call was given.
    pub ticket: f64,
    /// What went wrong; `numbers` may still tell of what was done.
    pub error: Option<NativeError>,
    /// The result, as the call that took the ticket documents it.
    pub numbers: Vec<f64>,
}

/// A typed array's memory, written while the call lasts. Under a name of its own, because napi takes a bare `&mut`
/// argument for one of its classes.
type Memory<'a> = &'a mut [u8];

type Wake = ThreadsafeFunction<(), (), (), Status, false, true>;

/// An environment's queue of answers. Lives as long as the environment.
#[napi]
pub struct Completions {
    inbox: Arc<Inbox>,
}

#[napi]
impl Completions {
    /// `wake` is called on this thread whenever answers have begun to wait; it then calls `drain`. It does not keep
    /// the event loop alive: whoever waits for an answer does that.
    #[napi(constructor, catch_unwind)]
    pub fn new(#[napi(ts_arg_type = "() => void")] wake: Wake) -> Completions {
        let wake = move || wake.call((), ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok;
        Completions {
            inbox: Arc::new(Inbox::new(wake)),
        }
    }

    /// Everything that was answered since the last call.
    #[napi(catch_unwind)]
    pub fn drain(&self) -> Vec<Completion> {
        self.inbox.drain()
    }

    /// Copies a finished read to the start of `bytes` and, if given, its rows to the start of `table`, and ends the
    /// ticket. Where they are too small it throws, and the read stays.
    #[napi(catch_unwind)]
    pub fn take(
        &self,
        ticket: f64,
        #[napi(ts_arg_type = "Uint8Array")] bytes: Memory,
        #[napi(ts_arg_type = "Uint8Array | null")] table: Option<Memory>,
    ) -> Result<(), Thrown> {
        self.inbox.take(ticket, bytes, table).map_err(thrown)
    }

    /// Ends a read's ticket without looking at it. If it is still under way, it is not answered any more.
    #[napi(catch_unwind)]
    pub fn discard(&self, ticket: f64) -> Result<(), Thrown> {
        self.inbox.forget(to_u64("ticket", ticket).map_err(thrown)?);
        Ok(())
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }
}

impl Drop for Completions {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

/// The queue itself, shared with the engine's threads.
pub(crate) struct Inbox {
    state: Mutex<State>,
    /// Asks the event loop to drain; false once it is gone.
    wake: Box<dyn Fn() -> bool + Send + Sync>,
    pub(crate) buffers: Buffers,
}

#[derive(Default)]
struct State {
    closed: bool,
    ready: Vec<Completion>,
    /// Tickets that can be taken back, or that hold something.
    open: HashMap<u64, Open>,
}

/// What a ticket in `open` is about.
pub(crate) enum Open {
    /// A wait. The waiter is known once the engine has given it, which may be after it was woken.
    Waiting(Option<Waiter>),
    /// A read under way.
    Reading,
    /// A finished read, until it is taken or discarded.
    Finished(RecordBuffer),
}

impl Inbox {
    fn new(wake: impl Fn() -> bool + Send + Sync + 'static) -> Inbox {
        Inbox {
            state: Mutex::default(),
            wake: Box::new(wake),
            buffers: Buffers::default(),
        }
    }

    /// Enters a ticket that can be taken back.
    pub(crate) fn enter(&self, ticket: u64, open: Open) -> tidelog::Result<()> {
        let mut state = self.lock();
        if state.closed {
            return Ok(());
        }
        match state.open.entry(ticket) {
            Entry::Vacant(vacant) => {
                vacant.insert(open);
                Ok(())
            }
            Entry::Occupied(_) => Err(Error::InvalidArgument {
                argument: "ticket",
                reason: format!("{ticket} is in use"),
            }),
        }
    }

    /// Whether an entered ticket still waits for its answer.
    pub(crate) fn is_wanted(&self, ticket: u64) -> bool {
        self.lock().open.contains_key(&ticket)
    }

    /// Remembers how to take a wait back, unless it has been answered already.
    pub(crate) fn keep_waiter(&self, ticket: u64, waiter: Waiter) {
        if let Some(Open::Waiting(slot)) = self.lock().open.get_mut(&ticket) {
            *slot = Some(waiter);
        }
    }

    /// Queues the answer of a ticket that was never entered.
    pub(crate) fn answer(&self, completion: Completion) {
        let first = {
            let mut state = self.lock();
            if state.closed {
                return;
            }
            state.ready.push(completion);
            state.ready.len() == 1
        };
        self.wake_if(first);
    }

    /// Queues the answer of an entered ticket, with what a read has found; nothing if it was taken back.
    pub(crate) fn answer_entered(
        &self,
        ticket: u64,
        completion: Completion,
        found: Option<RecordBuffer>,
    ) {
        let mut state = self.lock();
        let Some(done) = state.open.remove(&ticket) else {
            drop(state);
            found
                .into_iter()
                .for_each(|buffer| self.buffers.give_back(buffer));
            return;
        };
        if let Some(buffer) = found {
            state.open.insert(ticket, Open::Finished(buffer));
        }
        state.ready.push(completion);
        let first = state.ready.len() == 1;
        drop(state);
        drop(done);
        self.wake_if(first);
    }

    fn wake_if(&self, first: bool) {
        if first && !(self.wake)() {
            self.close();
        }
    }

    fn drain(&self) -> Vec<Completion> {
        mem::take(&mut self.lock().ready)
    }

    fn take(&self, ticket: f64, bytes: &mut [u8], table: Option<&mut [u8]>) -> tidelog::Result<()> {
        let number = to_u64("ticket", ticket)?;
        let Some(Open::Finished(found)) = self.lock().open.remove(&number) else {
            return Err(Error::InvalidArgument {
                argument: "ticket",
                reason: format!("{number} holds no read"),
            });
        };
        if let Err(error) = copy_out(&found, bytes, table) {
            self.lock().open.insert(number, Open::Finished(found));
            return Err(error);
        }
        self.buffers.give_back(found);
        Ok(())
    }

    /// Takes a ticket back: it holds nothing any more, and no later drain gives an answer to it.
    pub(crate) fn forget(&self, ticket: u64) {
        let open = {
            let mut state = self.lock();
            state
                .ready
                .retain(|completion| completion.ticket != ticket as f64);
            state.open.remove(&ticket)
        };
        if let Some(open) = open {
            self.let_go(open);
        }
    }

    /// Drops all there is and refuses what comes.
    fn close(&self) {
        let (ready, open) = {
            let mut state = self.lock();
            state.closed = true;
            (mem::take(&mut state.ready), mem::take(&mut state.open))
        };
        drop(ready);
        for open in open.into_values() {
            self.let_go(open);
        }
    }

    /// Never under our lock: taking a waiter back takes one of the engine's, under which it drops the ticket.
    fn let_go(&self, open: Open) {
        match open {
            Open::Waiting(Some(waiter)) => {
                waiter.cancel();
            }
            Open::Finished(buffer) => self.buffers.give_back(buffer),
            Open::Waiting(None) | Open::Reading => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn copy_out(
    found: &RecordBuffer,
    bytes: &mut [u8],
    table: Option<&mut [u8]>,
) -> tidelog::Result<()> {
    if let Some(table) = table {
        let (of_bytes, of_table) = (bytes.as_ptr_range(), table.as_ptr_range());
        if of_bytes.start < of_table.end && of_table.start < of_bytes.end {
            return Err(Error::InvalidArgument {
                argument: "table",
                reason: "overlaps bytes".to_owned(),
            });
        }
        fill("table", table, &found.table)?;
    }
    fill("bytes", bytes, &found.bytes)
}

fn fill(argument: &'static str, out: &mut [u8], found: &[u8]) -> tidelog::Result<()> {
    let given = out.len();
    let Some(start) = out.get_mut(..found.len()) else {
        let reason = format!("needs {} bytes, not {given}", found.len());
        return Err(Error::InvalidArgument { argument, reason });
    };
    start.copy_from_slice(found);
    Ok(())
}

#[cfg(test)]
mod tests;
