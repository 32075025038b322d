//! A promise of exactly one answer: whoever does the work holds the ticket, and one that is dropped without an
//! answer, by a panic for example, answers with an error, so that JavaScript never waits for ever.

use std::sync::Arc;

use tidelog::{Partition, RecordBuffer, Store};

use crate::completions::{Completion, Inbox, Open};
use crate::error::NativeError;

/// The right, and the duty, to answer.
pub(crate) struct Ticket {
    inbox: Arc<Inbox>,
    number: u64,
    /// Whether it can be taken back.
    entered: bool,
    answered: bool,
}

impl Ticket {
    /// For work that can't be taken back.
    pub fn new(inbox: &Arc<Inbox>, number: u64) -> Ticket {
        Ticket {
            inbox: Arc::clone(inbox),
            number,
            entered: false,
            answered: false,
        }
    }

    fn enter(inbox: &Arc<Inbox>, number: u64, open: Open) -> tidelog::Result<Ticket> {
        inbox.enter(number, open)?;
        Ok(Ticket {
            inbox: Arc::clone(inbox),
            number,
            entered: true,
            answered: false,
        })
    }

    /// The numbers of what was done, and an error beside them if it was not all.
    pub fn answer(mut self, numbers: Vec<f64>, error: Option<tidelog::Error>) {
        self.deliver(numbers, error.map(NativeError::from), None);
    }

    /// The numbers of what was done, or why nothing was.
    pub fn answer_with(self, outcome: tidelog::Result<Vec<f64>>) {
        match outcome {
            Ok(numbers) => self.answer(numbers, None),
            Err(error) => self.answer(Vec::new(), Some(error)),
        }
    }

    fn answer_read(mut self, numbers: Vec<f64>, found: RecordBuffer) {
        self.deliver(numbers, None, Some(found));
    }

    fn deliver(
        &mut self,
        numbers: Vec<f64>,
        error: Option<NativeError>,
        found: Option<RecordBuffer>,
    ) {
        self.answered = true;
        let completion = Completion {
            ticket: self.number as f64,
            error,
            numbers,
        };
        if self.entered {
            self.inbox.answer_entered(self.number, completion, found);
        } else {
            self.inbox.answer(completion);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.answered {
            self.deliver(Vec::new(), Some(NativeError::unanswered()), None);
        }
    }
}

/// Runs `read` on the engine's threads with a recycled buffer, which is kept under the ticket until JavaScript
/// takes or discards it. `read` gives the completion's numbers.
pub(crate) fn read(
    inbox: &Arc<Inbox>,
    store: &Store,
    number: u64,
    read: impl FnOnce(&mut RecordBuffer) -> tidelog::Result<Vec<f64>> + Send + 'static,
) -> tidelog::Result<()> {
    let ticket = Ticket::enter(inbox, number, Open::Reading)?;
    store.spawn(move || {
        if !ticket.inbox.is_wanted(number) {
            return;
        }
        let mut buffer = ticket.inbox.buffers.take();
        match read(&mut buffer) {
            Ok(numbers) => ticket.answer_read(numbers, buffer),
            Err(error) => {
                ticket.inbox.buffers.give_back(buffer);
                ticket.answer(Vec::new(), Some(error));
            }
        }
    });
    Ok(())
}

/// Answers the ticket once the partition holds a record at `offset` that may be read.
pub(crate) fn wait(
    inbox: &Arc<Inbox>,
    partition: &Partition,
    number: u64,
    offset: u64,
) -> tidelog::Result<()> {
    let ticket = Ticket::enter(inbox, number, Open::Waiting(None))?;
    match partition.wait_for(offset, move |outcome| {
        ticket.answer(Vec::new(), outcome.err())
    }) {
        Ok(waiter) => inbox.keep_waiter(number, waiter),
        Err(error) => {
            // The callback was dropped or told something already; one answer is due, and this is it.
            inbox.forget(number);
            Ticket::new(inbox, number).answer(Vec::new(), Some(error));
        }
    }
    Ok(())
}
