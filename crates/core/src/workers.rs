//! The core's own threads: writing, reading ahead and checking run here, so that a caller (Node's event
//! loop) never waits for the disk. A lane runs its jobs one after the other, in the order they came. A thread that runs
//! out of jobs does what they have left to be done before it waits.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};

use crate::sync::{Condvar, Mutex, lock};

type Job = Box<dyn FnOnce() + Send>;

/// A fixed pool; its threads end with `stop`.
#[derive(Clone)]
pub(crate) struct Workers(Arc<Pool>);

struct Pool {
    queue: Mutex<Queue>,
    ready: Condvar,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Queue {
    jobs: VecDeque<Job>,
    stopping: bool,
}

impl Workers {
    /// A pool without threads: jobs wait for `start`.
    pub fn new() -> Workers {
        Workers(Arc::new(Pool {
            queue: Mutex::new(Queue {
                jobs: VecDeque::new(),
                stopping: false,
            }),
            ready: Condvar::new(),
            threads: Mutex::default(),
        }))
    }

    /// `left` is called by a thread that has run a job and finds no other one; it may block.
    pub fn start(
        &self,
        threads: usize,
        left: impl Fn() + Clone + Send + 'static,
    ) -> io::Result<()> {
        for number in 0..threads {
            let (shared, left) = (Arc::clone(&self.0), left.clone());
            let handle = thread::Builder::new()
                .name(format!("tidelog-{number}"))
                .spawn(move || shared.work(left))?;
            lock(&self.0.threads).push(handle);
        }
        Ok(())
    }

    /// Runs the job on some thread of the pool, or at once if the pool has stopped: a job's caller
    /// waits for its answer, so none may be dropped.
    pub fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        let mut queue = lock(&self.0.queue);
        if queue.stopping {
            drop(queue);
            job();
            return;
        }
        queue.jobs.push_back(Box::new(job));
        drop(queue);
        self.0.ready.notify_one();
    }

    /// Lets the queued jobs finish and ends the threads.
    pub fn stop(&self) {
        lock(&self.0.queue).stopping = true;
        self.0.ready.notify_all();
        let own = thread::current().id();
        for handle in lock(&self.0.threads).drain(..) {
            // A job that drops the last handle stops the pool from inside; a thread can't join itself.
            if handle.thread().id() != own {
                let _ = handle.join();
            }
        }
    }
}

impl Pool {
    fn work(&self, left: impl Fn()) {
        let mut has_worked = false;
        loop {
            let mut queue = lock(&self.queue);
            let job = loop {
                if let Some(job) = queue.jobs.pop_front() {
                    break job;
                }
                if std::mem::take(&mut has_worked) {
                    drop(queue);
                    let _ = catch_unwind(AssertUnwindSafe(&left));
                    queue = lock(&self.queue);
                    continue;
                }
                if queue.stopping {
                    return;
                }
                queue = self
                    .ready
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            };
            drop(queue);
            // A panic must not take the thread with it; locks it held tell the rest (see `sync`).
            let _ = catch_unwind(AssertUnwindSafe(job));
            has_worked = true;
        }
    }
}

/// A first-in, first-out lane of jobs over the pool.
#[derive(Clone)]
pub(crate) struct Lane {
    workers: Workers,
    state: Arc<Mutex<LaneState>>,
}

#[derive(Default)]
struct LaneState {
    jobs: VecDeque<Job>,
    running: bool,
}

impl Lane {
    pub fn new(workers: Workers) -> Lane {
        Lane {
            workers,
            state: Arc::default(),
        }
    }

    pub fn push(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = lock(&self.state);
        state.jobs.push_back(Box::new(job));
        if !state.running {
            state.running = true;
            drop(state);
            self.schedule();
        }
    }

    fn schedule(&self) {
        let lane = self.clone();
        self.workers.spawn(move || lane.run());
    }

    /// Runs a few jobs and queues the lane again, so that one busy producer does not hold a thread.
    fn run(self) {
        const TURN: usize = 16;
        for _ in 0..TURN {
            let job = {
                let mut state = lock(&self.state);
                let Some(job) = state.jobs.pop_front() else {
                    state.running = false;
                    return;
                };
                job
            };
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
        self.schedule();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_lane_keeps_order_over_many_threads_and_survives_a_panic() {
        let workers = Workers::new();
        workers.start(4, || ()).unwrap();
        let lane = Lane::new(workers.clone());
        let (send, receive) = mpsc::channel();
        for n in 0..1000 {
            let send = send.clone();
            lane.push(move || {
                assert!(n != 500, "this one fails");
                send.send(n).unwrap();
            });
        }
        drop(send);
        let got: Vec<i32> = receive.iter().collect();
        let expected: Vec<i32> = (0..1000).filter(|n| *n != 500).collect();
        assert_eq!(got, expected);
        workers.stop();
    }

    #[test]
    fn stopping_runs_what_was_queued() {
        let workers = Workers::new();
        workers.start(2, || ()).unwrap();
        let (send, receive) = mpsc::channel();
        for n in 0..100 {
            let send = send.clone();
            workers.spawn(move || send.send(n).unwrap());
        }
        workers.stop();
        drop(send);
        assert_eq!(receive.iter().count(), 100);
    }
}
