//! [`Team`]: the threads that run a program together.
//!
//! The threads are woken once per program and wait at a barrier after every stage, because waking a thread
//! takes longer than many stages.

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
    /// that concurrent calls never wait for each other's scratch; threads that already wait at a barrier
    /// would then deadlock.
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

/// A reusable barrier at which all threads wait for each other.
pub(crate) struct Barrier {
    threads: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
    broken: AtomicBool,
}

/// How long a waiting thread spins before it yields. The time is short, because the system may run both
/// threads on one core or have fewer cores than threads; then the other thread needs this core.
const SPIN: Duration = Duration::from_micros(2);

impl Barrier {
    pub(crate) fn new(threads: usize) -> Self {
        let arrived = AtomicUsize::new(0);
        let round = AtomicUsize::new(0);
        Self { threads, arrived, round, broken: AtomicBool::new(false) }
    }

    /// Returns when all threads have called it; everything they wrote before is then visible.
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
                // A spin hint takes 5 to 50 ns, reading the clock about 25 ns.
                for _ in 0..8 {
                    std::hint::spin_loop();
                }
                spinning = start.elapsed() < SPIN;
            } else {
                std::thread::yield_now();
            }
        }
    }

    /// A guard that releases the other threads if this thread panics.
    pub(crate) fn guard(&self) -> Guard<'_> {
        Guard { barrier: self, panicking: std::thread::panicking() }
    }
}

pub(crate) struct Guard<'a> {
    barrier: &'a Barrier,
    /// Whether the thread was already panicking: a value dropped while a panic unwinds may run a program.
    panicking: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.panicking {
            self.barrier.broken.store(true, Ordering::Relaxed);
        }
    }
}

/// Hands out the tasks of one stage: each thread first takes tasks of its own range, then tasks left in other
/// ranges.
///
/// The ranges are proportional to the thread number in every stage, so that a thread often reads pixels that
/// it wrote in the stage before.
pub(crate) struct Claims {
    tasks: usize,
    shares: Vec<Share>,
}

/// Aligned to two cache lines, because the hardware fetches neighbouring lines in pairs.
#[repr(align(128))]
struct Share(AtomicUsize);

impl Claims {
    pub(crate) fn new(tasks: usize, threads: usize) -> Self {
        let claims = Self { tasks, shares: (0..threads).map(|_| Share(AtomicUsize::new(0))).collect() };
        claims.reset();
        claims
    }

    /// Makes all tasks available again.
    pub(crate) fn reset(&self) {
        for (thread, share) in self.shares.iter().enumerate() {
            share.0.store(self.start(thread), Ordering::Relaxed);
        }
    }

    fn start(&self, thread: usize) -> usize {
        self.tasks * thread / self.shares.len()
    }

    /// Claims a task; each task is claimed once. `None` if none is left.
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
                assert!(thread != 0, "this thread panics on purpose");
                barrier.wait();
            })
        }));
        assert!(outcome.is_err());
    }
}
