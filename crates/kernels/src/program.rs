//! A list of kernels on shared buffers, run by a team of threads.
//!
//! Kernels that touch nothing in common, one after another, form a stage: their tasks run in any order.
//! Between stages all threads meet. What a task computes depends on its number alone, never on who runs it or when, so the
//! same program gives the same bits with any number of threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::memory::{Access, Base, MOST_VALUES, Memory, Operand};
use crate::simd::{Simd, WithSimd};
use crate::team::{Barrier, Claims, Team};
use crate::{Buffer, Isa, KernelError};

/// A computation cut into tasks that may run in any order and at the same time.
///
/// # Safety
/// [`Kernel::run`] stays inside the declared operands and its scratch, and two tasks never write the same value, nor does
/// one write what another reads.
pub unsafe trait Kernel: Send + Sync + 'static {
    /// Every rectangle that tasks read or write.
    fn operands(&self) -> Vec<Operand>;

    /// Whether the operands fit together. [`Program::push`] asks before anything else, so a kernel that runs may rely on it.
    ///
    /// # Errors
    /// [`KernelError::Operand`] or what else is wrong; `label` is the name to report it under.
    fn check(&self, label: &str) -> Result<(), KernelError> {
        let _ = label;
        Ok(())
    }

    /// Number of tasks: a function of shapes, not of threads or instruction set.
    fn tasks(&self) -> usize;

    /// Values of scratch that a task needs.
    fn scratch_len(&self) -> usize {
        0
    }

    /// Runs one task. Must be `#[inline(always)]`.
    ///
    /// # Safety
    /// The operands lie inside `memory`, `task` is below [`Kernel::tasks`] and runs once at a time, and `scratch` holds
    /// [`Kernel::scratch_len`] values of any content.
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, scratch: *mut f32);
}

trait ErasedKernel: Send + Sync {
    unsafe fn run(&self, isa: Isa, memory: Memory<'_>, task: usize, scratch: *mut f32);
}

struct Call<'a, K> {
    kernel: &'a K,
    memory: Memory<'a>,
    task: usize,
    scratch: *mut f32,
}

impl<K: Kernel> WithSimd for Call<'_, K> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd>(self, s: S) {
        // SAFETY: made only in `ErasedKernel::run`, whose caller promises the same.
        unsafe { self.kernel.run(s, self.memory, self.task, self.scratch) }
    }
}

impl<K: Kernel> ErasedKernel for K {
    unsafe fn run(&self, isa: Isa, memory: Memory<'_>, task: usize, scratch: *mut f32) {
        isa.run(Call { kernel: self, memory, task, scratch });
    }
}

/// Most buffers of a program: views name them by number, and the program keeps a length for each number up to the highest.
const MOST_BUFFERS: usize = 1 << 22;
/// Most tasks of a program: its numbers of tasks times any number of threads stay far from overflow.
const MOST_TASKS: usize = 1 << 40;

struct Step {
    label: String,
    kernel: Box<dyn ErasedKernel>,
    operands: Vec<Operand>,
    tasks: usize,
    busy_ns: AtomicU64,
}

/// Kernels in the order in which they seem to run.
pub struct Program {
    isa: Isa,
    steps: Vec<Step>,
    /// First step of each stage.
    stages: Vec<usize>,
    /// Values that each buffer must have.
    lens: Vec<usize>,
    scratch_len: usize,
    /// Tasks of all steps.
    tasks: usize,
}

impl Program {
    /// An empty program for this instruction set.
    pub fn new(isa: Isa) -> Self {
        Self { isa, steps: Vec::new(), stages: Vec::new(), lens: Vec::new(), scratch_len: 0, tasks: 0 }
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Appends a kernel; `label` is what [`Program::timings`] calls it.
    ///
    /// # Errors
    /// What [`Kernel::check`] says; [`KernelError::View`] if a rectangle has a pitch smaller than its width;
    /// [`KernelError::Place`] if no buffer can hold it; [`KernelError::Overlap`] if the kernel would write what it also reads
    /// or writes through another operand; [`KernelError::TooLarge`] if there would be too much to do. The program is then
    /// what it was before.
    pub fn push<K: Kernel>(&mut self, label: &str, kernel: K) -> Result<(), KernelError> {
        kernel.check(label)?;
        let operands = kernel.operands();
        for (i, operand) in operands.iter().enumerate() {
            let view = operand.view;
            if view.ld < view.channels {
                return Err(KernelError::View { label: label.to_owned(), view });
            }
            if view.end().max(view.pixels).max(view.ld) > MOST_VALUES || view.buffer >= MOST_BUFFERS {
                return Err(KernelError::Place { label: label.to_owned(), view });
            }
            if let Some(other) = operands[..i].iter().find(|other| operand.conflicts(other)) {
                let views = Box::new([other.view, view]);
                return Err(KernelError::Overlap { label: label.to_owned(), views });
            }
        }
        // Without a value to write there is nothing to do, however many pixels of no channels there are.
        let idle = operands.iter().all(|o| !o.access.writes() || o.view.is_empty());
        let tasks = if idle { 0 } else { kernel.tasks() };
        let scratch_len = if idle { 0 } else { kernel.scratch_len() };
        let all_tasks = self.tasks.saturating_add(tasks);
        if all_tasks > MOST_TASKS || scratch_len > MOST_VALUES {
            return Err(KernelError::TooLarge { what: "the list of tasks, or what a task works in," });
        }
        // From here on nothing fails: a program that a caught panic left half changed could run what it did not check.
        let buffers = operands.iter().map(|o| o.view.buffer + 1).max().unwrap_or(0);
        if self.lens.len() < buffers {
            self.lens.resize(buffers, 0);
        }
        for Operand { view, .. } in &operands {
            self.lens[view.buffer] = self.lens[view.buffer].max(view.end());
        }
        self.scratch_len = self.scratch_len.max(scratch_len);
        self.tasks = all_tasks;
        let stage = self.stages.last().copied().unwrap_or(0);
        let depends = self.steps[stage..]
            .iter()
            .any(|step| step.operands.iter().any(|a| operands.iter().any(|b| a.conflicts(b))));
        if depends || self.stages.is_empty() {
            self.stages.push(self.steps.len());
        }
        let kernel = Box::new(kernel);
        let busy_ns = AtomicU64::new(0);
        self.steps.push(Step { label: label.to_owned(), kernel, operands, tasks, busy_ns });
        Ok(())
    }

    /// Number of kernels.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is no kernel.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Number of times the threads meet.
    pub fn stages(&self) -> usize {
        self.stages.len()
    }

    /// Runs all kernels. Buffer `i` of a [`View`](crate::View) is `buffers[i]`.
    ///
    /// # Errors
    /// [`KernelError::Buffers`] or [`KernelError::Buffer`] if a buffer is missing or too short, [`KernelError::Memory`] if
    /// there is none for the threads to work in; nothing has run then.
    pub fn run(&self, team: &Team, buffers: &mut [&mut Buffer]) -> Result<(), KernelError> {
        self.execute::<false>(team, buffers)
    }

    /// [`Program::run`], adding the time that threads spend in each kernel to [`Program::timings`].
    ///
    /// # Errors
    /// As [`Program::run`].
    pub fn run_timed(&self, team: &Team, buffers: &mut [&mut Buffer]) -> Result<(), KernelError> {
        self.execute::<true>(team, buffers)
    }

    /// Label and thread time of every kernel, in order.
    pub fn timings(&self) -> Vec<(&str, Duration)> {
        let time = |s: &Step| Duration::from_nanos(s.busy_ns.load(Ordering::Relaxed));
        self.steps.iter().map(|s| (s.label.as_str(), time(s))).collect()
    }

    /// Forgets the timings.
    pub fn reset_timings(&self) {
        self.steps.iter().for_each(|s| s.busy_ns.store(0, Ordering::Relaxed));
    }

    fn execute<const TIMED: bool>(
        &self,
        team: &Team,
        buffers: &mut [&mut Buffer],
    ) -> Result<(), KernelError> {
        // Even a kernel with empty rectangles asks where they begin.
        if buffers.len() < self.lens.len() {
            return Err(KernelError::Buffers { got: buffers.len(), needed: self.lens.len() });
        }
        for (index, (buffer, &needed)) in buffers.iter().zip(&self.lens).enumerate() {
            if buffer.len() < needed {
                return Err(KernelError::Buffer { index, len: buffer.len(), needed });
            }
        }
        let bases: Vec<Base> = buffers.iter_mut().map(|b| Base::from_buffer(b)).collect();
        let memory = Memory::new(&bases);
        let threads = team.threads();
        let stages: Vec<(&[Step], Claims)> = (0..self.stages.len())
            .map(|i| {
                let end = self.stages.get(i + 1).copied().unwrap_or(self.steps.len());
                let steps = &self.steps[self.stages[i]..end];
                (steps, Claims::new(steps.iter().map(|s| s.tasks).sum(), threads))
            })
            .collect();
        let barrier = Barrier::new(threads);
        team.broadcast(self.scratch_len, |thread, scratch| {
            let _guard = barrier.guard();
            for (steps, claims) in &stages {
                while let Some(mut task) = claims.next(thread) {
                    let mut step = steps.iter();
                    let step = loop {
                        let step = step.next().expect("claims count the tasks of these steps");
                        match task.checked_sub(step.tasks) {
                            Some(rest) => task = rest,
                            None => break step,
                        }
                    };
                    let start = TIMED.then(Instant::now);
                    // SAFETY: every operand was checked to end before its buffer does, a task is claimed once, scratch is
                    // the thread's own, and steps of one stage have no conflicting operands. The buffers are borrowed
                    // exclusively for the whole call.
                    unsafe { step.kernel.run(self.isa, memory, task, scratch) };
                    if let Some(start) = start {
                        step.busy_ns.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
                    }
                }
                barrier.wait();
            }
        })
    }

    /// What is read before anything in the program writes it, and what is written: for planners' tests.
    pub fn operands(&self) -> impl Iterator<Item = (&str, &[Operand])> {
        self.steps.iter().map(|s| (s.label.as_str(), s.operands.as_slice()))
    }

    /// What [`Program::operands`] gives, one list of kernels for each stage: those of one stage run at the same time.
    pub fn stage_operands(&self) -> impl Iterator<Item = impl Iterator<Item = &[Operand]>> {
        let ends = self.stages.iter().skip(1).copied().chain([self.steps.len()]);
        let stages = self.stages.iter().copied().zip(ends);
        stages.map(|(start, end)| self.steps[start..end].iter().map(|s| s.operands.as_slice()))
    }

    /// Values of scratch that each thread of a team needs.
    pub fn scratch_len(&self) -> usize {
        self.scratch_len
    }

    /// Buffers of this program and the values each must have.
    pub fn buffer_lens(&self) -> &[usize] {
        &self.lens
    }
}

/// Whether an access changes anything.
impl Access {
    /// Whether values are changed.
    pub const fn writes(self) -> bool {
        !matches!(self, Self::Read)
    }
}
