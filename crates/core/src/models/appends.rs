//! Appends beside readers, beside the journal's thread and beside checkpoints: a reader that sees an end finds all
//! before it, sends are answered once and in order, and nobody hangs when files are full, when the disk fails or when
//! the store closes.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tidelog_io::FaultKind;

use super::{Shop, append, append_leading, done, explore, read_to, spawn};
use crate::bell::Woken;
use crate::config::Durability;
use crate::error::{Error, Result};
use crate::journal::JournalOptions;
use crate::partition::{Appended, Log};

/// Files of one page and thus of one frame, two of them: a third frame waits for a checkpoint.
const SMALL: JournalOptions = JournalOptions {
    file_bytes: 4096,
    files: 2,
    frame_bytes: 64,
    extent_bytes: 1 << 10,
};

/// What sends were answered, with whether readers could already read them.
#[derive(Clone, Default)]
struct Answers(Arc<Mutex<Vec<Result<(u64, bool)>>>>);

impl Answers {
    fn append(&self, log: &Arc<Log>) {
        append(log, self.note(log));
    }

    fn append_leading(&self, log: &Arc<Log>) {
        append_leading(log, self.note(log));
    }

    fn note(&self, log: &Arc<Log>) -> impl FnOnce(Result<Appended>) + Send + 'static {
        let (answers, at) = (self.clone(), Arc::clone(log));
        move |appended| {
            let answer = appended.map(|appended| {
                let readable = at.high_watermark() > appended.last_offset;
                (appended.base_offset, readable)
            });
            answers.0.lock().unwrap().push(answer);
        }
    }

    fn take(&self) -> Vec<Result<(u64, bool)>> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// All were answered, in order, and none before it could be read.
    fn check(&self, count: u64) {
        let answers: Vec<_> = self
            .take()
            .into_iter()
            .map(|answer| answer.unwrap())
            .collect();
        let expected: Vec<_> = (0..count).map(|offset| (offset, true)).collect();
        assert_eq!(answers, expected);
    }
}

fn append_and_wait(log: &Arc<Log>) {
    let (answer, wait) = loom::sync::mpsc::channel();
    append(log, move |appended| answer.send(appended.is_ok()).unwrap());
    assert!(wait.recv().unwrap());
}

/// Reads what the partition says can be read.
fn read_what_is_there(log: &Log) {
    let end = log.high_watermark();
    assert!(end <= log.log_end(), "read ahead of the log's end");
    assert!(read_to(log, 0, end).unwrap() >= end);
}

#[test]
fn a_reader_that_sees_an_end_finds_all_before_it() {
    explore(|| {
        let shop = Shop::new(JournalOptions::default());
        let log = shop.log(0, Durability::Buffered);
        let answers = Answers::default();
        let writer = spawn({
            let (log, answers) = (Arc::clone(&log), answers.clone());
            move || {
                answers.append(&log);
                answers.append(&log);
            }
        });
        read_what_is_there(&log);
        done(writer);
        answers.check(2);
        read_what_is_there(&log);
    });
}

#[test]
fn a_durable_end_is_seen_with_all_before_it() {
    explore(|| {
        let shop = Shop::new(JournalOptions::default());
        let log = shop.log(0, Durability::Fsync);
        let answers = Answers::default();
        let journal = spawn({
            let context = Arc::clone(&shop.context);
            move || context.journal.run(&context)
        });
        let reader = spawn({
            let log = Arc::clone(&log);
            move || read_what_is_there(&log)
        });
        answers.append(&log);
        shop.context.journal.end();
        done(journal);
        done(reader);
        answers.check(1);
        assert_eq!(read_to(&log, 0, 1).unwrap(), 1);
    });
}

#[test]
fn whoever_notes_the_ends_sees_them_as_of_one_frame() {
    explore(|| {
        let shop = Shop::new(JournalOptions::default());
        let logs = [0, 1].map(|number| shop.log(number, Durability::Fsync));
        let answers = Answers::default();
        for log in &logs {
            answers.append(log);
        }
        shop.context.journal.end();
        let journal = spawn({
            let context = Arc::clone(&shop.context);
            move || context.journal.run(&context)
        });
        let look = || {
            shop.context.journal.as_of(|synced| {
                let [one, other] = &logs;
                let ends = [one, other].map(|log| log.committed().end.offset);
                assert_eq!(ends, [synced.frame; 2], "both were in the first frame");
            });
        };
        look();
        done(journal);
        look();
    });
}

#[test]
fn an_append_without_a_free_file_waits_for_the_checkpoint_that_frees_one() {
    explore(|| {
        let shop = Shop::new(SMALL);
        let log = shop.log(0, Durability::Fsync);
        let answers = Answers::default();
        let journal = spawn({
            let context = Arc::clone(&shop.context);
            move || context.journal.run(&context)
        });
        // Both are done before the third comes: while they are not, checkpoint after checkpoint frees nothing, and no
        // end of that is ever tried.
        for _ in 0..2 {
            append_and_wait(&log);
        }
        let checkpoints = spawn({
            let context = Arc::clone(&shop.context);
            move || {
                let long = Duration::from_secs(3600);
                while context.checkpoints.wait(Instant::now() + long) == Woken::Rung {
                    let frame = context.journal.as_of(|synced| synced.frame);
                    context.journal.recycle(frame);
                }
            }
        });
        answers.append(&log);
        shop.context.journal.end();
        done(journal);
        shop.context.checkpoints.stop();
        done(checkpoints);
        assert_eq!(answers.take().pop().unwrap().unwrap(), (2, true));
    });
}

#[test]
fn a_disk_that_fails_lets_everyone_go() {
    // Two frames in new files are six calls of the journal's thread. The sender's own calls may come between.
    for call in 1..=6 {
        explore(move || fail_at(call));
    }
}

fn fail_at(call: u64) {
    let shop = Shop::new(SMALL);
    let log = shop.log(0, Durability::Fsync);
    let (answers, last) = (Answers::default(), Answers::default());
    answers.append(&log);
    answers.append(&log);
    let call = shop.disk.counters().calls + call;
    shop.disk.fail_at(call, FaultKind::Eio);
    // No checkpoint makes room for this one: it waits until something fails.
    let sender = spawn({
        let last = last.clone();
        move || last.append(&log)
    });
    let journal = spawn({
        let context = Arc::clone(&shop.context);
        move || context.journal.run(&context)
    });
    done(sender);
    shop.context.journal.end();
    done(journal);
    let sender_failed = last.take().pop().unwrap().is_err();
    assert!(sender_failed);
    let failed: Vec<bool> = answers.take().iter().map(Result::is_err).collect();
    assert!(
        failed.len() == 2 && failed.is_sorted(),
        "a frame counts behind one that failed: {failed:?}"
    );
}

#[test]
fn a_store_that_closes_answers_everyone() {
    explore(|| {
        let shop = Shop::new(SMALL);
        let log = shop.log(0, Durability::Fsync);
        let answers = Answers::default();
        answers.append(&log);
        answers.append(&log);
        // This one waits for a file that nobody frees.
        let sender = spawn({
            let (log, answers) = (Arc::clone(&log), answers.clone());
            move || answers.append(&log)
        });
        let journal = spawn({
            let context = Arc::clone(&shop.context);
            move || context.journal.run(&context)
        });
        shop.context.health.close();
        shop.context.journal.wake();
        shop.context.journal.end();
        done(sender);
        done(journal);
        let answers = answers.take();
        assert_eq!(answers.len(), 3);
        let closed = |answer: &&Result<_>| matches!(answer, Err(Error::Closed));
        assert_eq!(answers.iter().filter(closed).count(), 1);
    });
}

#[test]
fn a_sender_that_does_its_round_itself_leaves_nobody_behind() {
    explore(|| {
        let shop = Shop::new(JournalOptions::default());
        let log = shop.log(0, Durability::Fsync);
        let answers = Answers::default();
        let journal = spawn({
            let context = Arc::clone(&shop.context);
            move || context.journal.run(&context)
        });
        let leader = spawn({
            let (log, answers) = (Arc::clone(&log), answers.clone());
            move || answers.append_leading(&log)
        });
        // What joins while the leader is at work is the thread's: a lost wake-up is waited for in vain.
        append_and_wait(&log);
        done(leader);
        shop.context.journal.end();
        done(journal);
        let answers = answers.take();
        assert_eq!(answers.len(), 1);
        assert!(answers.iter().all(|answer| answer.as_ref().unwrap().1));
        assert_eq!(log.committed().end.offset, 2);
    });
}

#[test]
fn the_journals_thread_ends_when_the_rounds_of_senders_have() {
    explore(|| {
        let shop = Shop::new(JournalOptions::default());
        let log = shop.log(0, Durability::Fsync);
        let answers = Answers::default();
        let leader = spawn({
            let (log, answers) = (Arc::clone(&log), answers.clone());
            move || answers.append_leading(&log)
        });
        shop.context.journal.end();
        shop.context.journal.run(&shop.context);
        // Nothing is under way any more: what was let in is durable, and the files may go.
        assert_eq!(log.committed().end.offset, log.log_end());
        shop.context.journal.close_files();
        done(leader);
        assert_eq!(answers.take().len(), 1);
    });
}
