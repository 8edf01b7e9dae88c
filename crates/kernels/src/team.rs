//! The threads that run a program together.
//!
//! They are woken once per program and meet at a barrier after every stage: waking a thread costs more than many a stage.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::memory::Base;
use crate::{Buffer, KernelError};

/// Most threads of a team; no machine has so many cores.
const MOST_THREADS: usize = 4096;

/// A fixed number of threads, with scratch memory for each.
#[derive(Debug)]
pub struct Team {
    pool: Option<rayon::ThreadPool>,
    threads: usize,
    /// Scratch that nobody works in, a buffer for each thread. Who calls the threads takes one and brings it back, so that
    /// nobody waits for another's: threads that wait at a barrier would then wait for each other.
    spare: Mutex<Vec<Vec<Buffer>>>,
}

impl Team {
    /// Starts the threads; `threads` 0 means one per core. One thread is the caller itself.
    ///
    /// # Errors
    /// [`KernelError::Threads`] if the system starts no more, or for more than 4096.
    pub fn new(threads: usize) -> Result<Self, KernelError> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores() } else { threads };
        if threads > MOST_THREADS {
            let reason = format!("a team has at most {MOST_THREADS}");
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

    /// How many.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Calls `f` with these threads as rayon's: for host passes outside a program.
    pub fn install<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        match &self.pool {
            Some(pool) => pool.install(f),
            None => f(),
        }
    }

    /// That much scratch for every thread. It never shrinks.
    ///
    /// # Errors
    /// [`KernelError::Memory`] if the system does not give it.
    fn scratch(&self, len: usize) -> Result<Vec<Buffer>, KernelError> {
        let kept = self.spare().pop();
        let mut scratch = kept.unwrap_or_else(|| (0..self.threads).map(|_| Buffer::zeroed(0)).collect());
        for buffer in scratch.iter_mut().filter(|buffer| buffer.len() < len) {
            *buffer = Buffer::try_zeroed(len)?;
        }
        Ok(scratch)
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Vec<Buffer>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `f(thread, scratch)` on every thread at once.
    ///
    /// # Errors
    /// [`KernelError::Memory`] if there is no room for the scratch; `f` has not been called then.
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

/// Where threads wait for each other, again and again.
pub(crate) struct Barrier {
    threads: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
    broken: AtomicBool,
}

/// How long a waiting thread spins before it lets others run. Short, because the system may have put both threads on one
/// core, or have fewer cores than threads: whoever is waited for then needs this one.
const SPIN: Duration = Duration::from_micros(2);

impl Barrier {
    pub(crate) fn new(threads: usize) -> Self {
        let arrived = AtomicUsize::new(0);
        let round = AtomicUsize::new(0);
        Self { threads, arrived, round, broken: AtomicBool::new(false) }
    }

    /// Returns when all threads have called it, with everything they wrote visible.
    pub(crate) fn wait(&self) {
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            self.arrived.store(0, Ordering::Relaxed);
            self.round.store(round.wrapping_add(1), Ordering::Release);
            return;
        }
        let start = Instant::now();
        let mut spinning = true;
        while self.round.load(Ordering::Acquire) == round {
            assert!(!self.broken.load(Ordering::Relaxed), "another thread of the team panicked");
            if spinning {
                // A pause lasts from 5 to 50 ns, the clock about 25.
                for _ in 0..8 {
                    std::hint::spin_loop();
                }
                spinning = start.elapsed() < SPIN;
            } else {
                std::thread::yield_now();
            }
        }
    }

    /// A guard that releases the others if this thread panics.
    pub(crate) fn guard(&self) -> Guard<'_> {
        Guard { barrier: self, panicking: std::thread::panicking() }
    }
}

pub(crate) struct Guard<'a> {
    barrier: &'a Barrier,
    /// A program may be run while a panic unwinds, by a value that is dropped.
    panicking: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.panicking {
            self.barrier.broken.store(true, Ordering::Relaxed);
        }
    }
}

/// Hands out the tasks of one stage: each thread first those of its own share, then those that others have left.
///
/// The shares are the same in every stage, so that a thread often meets the pixels it wrote in the stage before.
pub(crate) struct Claims {
    tasks: usize,
    shares: Vec<Share>,
}

/// Apart by two cache lines, because neighbours are fetched in pairs.
#[repr(align(128))]
struct Share(AtomicUsize);

impl Claims {
    pub(crate) fn new(tasks: usize, threads: usize) -> Self {
        let claims = Self { tasks, shares: (0..threads).map(|_| Share(AtomicUsize::new(0))).collect() };
        claims.reset();
        claims
    }

    /// Makes all tasks free again.
    pub(crate) fn reset(&self) {
        for (thread, share) in self.shares.iter().enumerate() {
            share.0.store(self.start(thread), Ordering::Relaxed);
        }
    }

    fn start(&self, thread: usize) -> usize {
        self.tasks * thread / self.shares.len()
    }

    /// A task that nobody else gets.
    pub(crate) fn next(&self, thread: usize) -> Option<usize> {
        let threads = self.shares.len();
        (0..threads).map(|i| (thread + i) % threads).find_map(|owner| {
            let end = self.start(owner + 1);
            let share = &self.shares[owner].0;
            if share.load(Ordering::Relaxed) >= end {
                return None;
            }
            let task = share.fetch_add(1, Ordering::Relaxed);
            (task < end).then_some(task)
        })
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
            claims.reset();
            assert_eq!(claims.next(0).is_some(), tasks > 0);
        }
    }

    #[test]
    fn threads_meet_at_the_barrier() {
        let team = Team::new(3).unwrap();
        let barrier = Barrier::new(3);
        let count = AtomicUsize::new(0);
        team.broadcast(0, |_, _| {
            for round in 1..=100 {
                count.fetch_add(1, Ordering::Relaxed);
                barrier.wait();
                assert_eq!(count.load(Ordering::Relaxed), 3 * round);
                barrier.wait();
            }
        })
        .unwrap();
    }

    #[test]
    fn a_panic_in_one_thread_is_no_deadlock() {
        let team = Team::new(2).unwrap();
        let barrier = Barrier::new(2);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            team.broadcast(0, |thread, _| {
                let _guard = barrier.guard();
                assert!(thread != 0, "told to");
                barrier.wait();
            })
        }));
        assert!(outcome.is_err());
    }
}
