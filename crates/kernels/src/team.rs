//! [`Team`]: the threads that run a program together.
//!
//! The threads are woken once per program and wait for the tasks of every stage, because waking a thread takes
//! longer than many stages. They wait for tasks and not for each other: on a busy machine the system may not run
//! a thread for milliseconds, and the others then do its tasks.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::memory::Base;
use crate::{AlignedBuffer, KernelError};

/// Most threads of a team; no machine has as many cores.
const MOST_THREADS: usize = 4096;

/// A fixed number of threads, with scratch memory for each.
#[derive(Debug)]
pub struct Team {
    pool: Option<rayon::ThreadPool>,
    threads: usize,
    /// Unused scratch: each entry has one buffer per thread. Every call takes an entry and returns it, so
    /// that concurrent calls never wait for each other's scratch; threads that already wait for tasks would
    /// then deadlock.
    spare: Mutex<Vec<Vec<AlignedBuffer>>>,
}

impl Team {
    /// Starts the threads; 0 means one per core. A team of one thread uses the calling thread.
    ///
    /// # Errors
    /// [`KernelError::Threads`] if the system cannot start them or `threads` is more than 4096.
    pub fn new(threads: usize) -> Result<Self, KernelError> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores() } else { threads };
        if threads > MOST_THREADS {
            let reason = format!("a team has at most {MOST_THREADS} threads");
            return Err(KernelError::Threads { threads, reason });
        }
        let pool = (threads > 1)
            .then(|| {
                let names = |i| format!("bonsai-{i}");
                rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(names).build()
            })
            .transpose()
            .map_err(|e| KernelError::Threads { threads, reason: e.to_string() })?;
        Ok(Self { pool, threads, spare: Mutex::default() })
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Calls `f` with these threads as its rayon pool; for work on the host outside a program.
    pub fn install<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        match &self.pool {
            Some(pool) => pool.install(f),
            None => f(),
        }
    }

    /// Scratch of at least `len` values for every thread. It never shrinks.
    ///
    /// # Errors
    /// [`KernelError::Memory`] if the system cannot allocate it.
    fn scratch(&self, len: usize) -> Result<Vec<AlignedBuffer>, KernelError> {
        let kept = self.spare().pop();
        let mut scratch =
            kept.unwrap_or_else(|| (0..self.threads).map(|_| AlignedBuffer::zeroed(0)).collect());
        for buffer in scratch.iter_mut().filter(|buffer| buffer.len() < len) {
            *buffer = AlignedBuffer::try_zeroed(len)?;
        }
        Ok(scratch)
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Vec<AlignedBuffer>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `f(thread, scratch)` on every thread at once.
    ///
    /// # Errors
    /// [`KernelError::Memory`] if the scratch cannot be allocated; then `f` was not called.
    pub(crate) fn broadcast(
        &self,
        scratch_len: usize,
        f: impl Fn(usize, *mut f32) + Sync,
    ) -> Result<(), KernelError> {
        let mut scratch = self.scratch(scratch_len)?;
        let bases: Vec<Base> = scratch.iter_mut().map(Base::from_buffer).collect();
        let with_scratch = |thread: usize| f(thread, bases[thread].start());
        match &self.pool {
            Some(pool) => {
                pool.broadcast(|context| with_scratch(context.index()));
            }
            None => with_scratch(0),
        }
        self.spare().push(scratch);
        Ok(())
    }
}

/// Whether a thread of the team panicked, so that the others stop waiting for its tasks.
#[derive(Default)]
pub(crate) struct Alarm(AtomicBool);

impl Alarm {
    /// A guard that raises the alarm if this thread panics.
    pub(crate) fn guard(&self) -> Guard<'_> {
        Guard { alarm: self, panicking: std::thread::panicking() }
    }
}

pub(crate) struct Guard<'a> {
    alarm: &'a Alarm,
    /// Whether the thread was already panicking: a value dropped while a panic unwinds may run a program.
    panicking: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.panicking {
            self.alarm.0.store(true, Ordering::Relaxed);
        }
    }
}

/// How long a waiting thread spins before it yields. The time is short, because the system may run both
/// threads on one core or have fewer cores than threads; then the other thread needs this core.
const SPIN: Duration = Duration::from_micros(2);

/// Hands out the tasks of one stage and counts the finished ones: each thread first takes tasks of its own
/// range, then tasks left in other ranges.
///
/// The ranges are proportional to the thread number in every stage, so that a thread often reads pixels that
/// it wrote in the stage before.
pub(crate) struct Claims {
    tasks: usize,
    shares: Vec<Share>,
    finished: Share,
}

/// Aligned to two cache lines, because the hardware fetches neighbouring lines in pairs.
#[repr(align(128))]
struct Share(AtomicUsize);

impl Claims {
    pub(crate) fn new(tasks: usize, threads: usize) -> Self {
        let start = |thread| Share(AtomicUsize::new(Self::first(tasks, thread, threads)));
        Self { tasks, shares: (0..threads).map(start).collect(), finished: Share(AtomicUsize::new(0)) }
    }

    /// First task of a thread's range.
    const fn first(tasks: usize, thread: usize, threads: usize) -> usize {
        tasks * thread / threads
    }

    /// Claims a task; each task is claimed once. `None` if none is left.
    pub(crate) fn next(&self, thread: usize) -> Option<usize> {
        let threads = self.shares.len();
        (0..threads).map(|i| (thread + i) % threads).find_map(|owner| {
            let end = Self::first(self.tasks, owner + 1, threads);
            let share = &self.shares[owner].0;
            if share.load(Ordering::Relaxed) >= end {
                return None;
            }
            let task = share.fetch_add(1, Ordering::Relaxed);
            (task < end).then_some(task)
        })
    }

    /// Records that `count` tasks of the calling thread are finished.
    pub(crate) fn finish(&self, count: usize) {
        // Additions continue the release sequence of earlier ones, so that a thread which reads the last sum
        // sees what all tasks wrote.
        self.finished.0.fetch_add(count, Ordering::Release);
    }

    /// Returns when all tasks are finished; everything they wrote is then visible.
    pub(crate) fn wait(&self, alarm: &Alarm) {
        let mut start = None;
        while self.finished.0.load(Ordering::Acquire) < self.tasks {
            assert!(!alarm.0.load(Ordering::Relaxed), "another thread of the team panicked");
            if start.get_or_insert_with(Instant::now).elapsed() < SPIN {
                // A spin hint takes 5 to 50 ns, reading the clock about 25 ns.
                for _ in 0..8 {
                    std::hint::spin_loop();
                }
            } else {
                std::thread::yield_now();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_claimed_once_whoever_asks() {
        for (tasks, threads) in [(0, 1), (1, 3), (7, 3), (8, 2)] {
            let claims = Claims::new(tasks, threads);
            let mut seen = vec![0; tasks];
            for turn in 0.. {
                let Some(task) = claims.next(turn * turn % threads) else { break };
                seen[task] += 1;
            }
            while let Some(task) = claims.next(0) {
                seen[task] += 1;
            }
            assert_eq!(seen, vec![1; tasks]);
        }
    }

    #[test]
    fn no_thread_begins_a_stage_before_the_last_one_is_finished() {
        const STAGES: usize = 100;
        let team = Team::new(3).unwrap();
        let alarm = Alarm::default();
        let stages: Vec<Claims> = (0..STAGES).map(|stage| Claims::new(stage % 5, 3)).collect();
        let count = AtomicUsize::new(0);
        team.broadcast(0, |thread, _| {
            let mut before = 0;
            for (stage, claims) in stages.iter().enumerate() {
                let mut finished = 0;
                while claims.next(thread).is_some() {
                    assert!(count.load(Ordering::Relaxed) >= before);
                    count.fetch_add(1, Ordering::Relaxed);
                    finished += 1;
                }
                claims.finish(finished);
                claims.wait(&alarm);
                before += stage % 5;
                assert!(count.load(Ordering::Relaxed) >= before);
            }
        })
        .unwrap();
        assert_eq!(count.into_inner(), (0..STAGES).map(|stage| stage % 5).sum());
    }

    #[test]
    fn a_thread_that_is_not_running_is_not_waited_for() {
        let team = Team::new(2).unwrap();
        let alarm = Alarm::default();
        let stages: Vec<Claims> = (0..20).map(|_| Claims::new(4, 2)).collect();
        let other_is_done = AtomicBool::new(false);
        team.broadcast(0, |thread, _| {
            // One thread begins after the other has done everything.
            while thread == 1 && !other_is_done.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            for claims in &stages {
                let finished = std::iter::from_fn(|| claims.next(thread)).count();
                assert_eq!(finished, if thread == 1 { 0 } else { 4 });
                claims.finish(finished);
                claims.wait(&alarm);
            }
            other_is_done.store(true, Ordering::Release);
        })
        .unwrap();
    }

    #[test]
    fn a_panic_in_one_thread_is_no_deadlock() {
        let team = Team::new(2).unwrap();
        let alarm = Alarm::default();
        let claims = Claims::new(2, 2);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            team.broadcast(0, |thread, _| {
                let _guard = alarm.guard();
                assert!(thread != 0, "this thread panics on purpose");
                claims.wait(&alarm);
            })
        }));
        assert!(outcome.is_err());
    }
}
