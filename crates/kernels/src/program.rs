//! [`Program`]: a list of kernels on shared buffers that a team of threads runs.
//!
//! Consecutive kernels without conflicting operands form a stage, whose tasks run in any order. Between stages
//! the threads wait until all tasks are finished. The result of a task depends only on its number, not on the thread or
//! the time, so the same program gives the same bits with any number of threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::memory::{Base, MOST_VALUES, Memory};
use crate::simd::{Simd, WithSimd};
use crate::team::{Alarm, Claims, Team};
use crate::view::{Access, Operand};
use crate::{AlignedBuffer, Isa, KernelError};

/// A computation divided into tasks that may run in any order and at the same time.
///
/// # Safety
/// [`Kernel::run`] stays inside the declared operands and its scratch. Two tasks never write the same value,
/// and no task writes a value that another task reads.
pub unsafe trait Kernel: Send + Sync + 'static {
    /// Every view that the tasks read or write.
    fn operands(&self) -> Vec<Operand>;

    /// Checks that the operands fit together. [`Program::push`] calls it first, so [`Kernel::run`] may rely
    /// on it.
    ///
    /// # Errors
    /// [`KernelError::Operand`] or another error; `label` names the kernel in the message.
    fn check(&self, label: &str) -> Result<(), KernelError> {
        let _ = label;
        Ok(())
    }

    /// Number of tasks. It depends on shapes, not on threads or instruction set.
    fn tasks(&self) -> usize;

    /// Number of scratch values that a task needs.
    fn scratch_len(&self) -> usize {
        0
    }

    /// Runs one task. Must be `#[inline(always)]`.
    ///
    /// # Safety
    /// The operands lie inside `memory`, `task` is below [`Kernel::tasks`] and runs once at a time, and
    /// `scratch` holds [`Kernel::scratch_len`] values of any content.
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
        // SAFETY: only `ErasedKernel::run` creates it, and its caller makes the same promise.
        unsafe { self.kernel.run(s, self.memory, self.task, self.scratch) }
    }
}

impl<K: Kernel> ErasedKernel for K {
    unsafe fn run(&self, isa: Isa, memory: Memory<'_>, task: usize, scratch: *mut f32) {
        isa.run(Call { kernel: self, memory, task, scratch });
    }
}

/// Most buffers of a program: views refer to them by index, and the program stores a length for every index.
const MOST_BUFFERS: usize = 1 << 22;
/// Most tasks of a program: task counts times any number of threads stay far from overflow.
const MOST_TASKS: usize = 1 << 40;

struct Step {
    label: String,
    kernel: Box<dyn ErasedKernel>,
    operands: Vec<Operand>,
    tasks: usize,
    busy_ns: AtomicU64,
}

/// Kernels in program order. The result is as if they ran one after another.
pub struct Program {
    isa: Isa,
    steps: Vec<Step>,
    /// Index of the first step of each stage.
    stages: Vec<usize>,
    /// Number of values that each buffer must have.
    lens: Vec<usize>,
    scratch_len: usize,
    /// Number of tasks of all steps.
    tasks: usize,
}

impl Program {
    /// An empty program for this instruction set.
    pub fn new(isa: Isa) -> Self {
        Self { isa, steps: Vec::new(), stages: Vec::new(), lens: Vec::new(), scratch_len: 0, tasks: 0 }
    }

    /// The instruction set of the program.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Appends a kernel; `label` names it in messages and in [`Program::timings`].
    ///
    /// # Errors
    /// Any error of [`Kernel::check`]; [`KernelError::View`] if the pitch of a view is smaller than its
    /// width; [`KernelError::Place`] if no buffer can hold a view; [`KernelError::Overlap`] if the kernel
    /// would write values that it also reads or writes through another operand; [`KernelError::TooLarge`] if
    /// there would be too many tasks or too much scratch. After an error the program is unchanged.
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
        // A kernel that writes no value needs no task, whatever the number of pixels without channels.
        let idle = operands.iter().all(|o| !o.access.writes() || o.view.is_empty());
        let tasks = if idle { 0 } else { kernel.tasks() };
        let scratch_len = if idle { 0 } else { kernel.scratch_len() };
        let all_tasks = self.tasks.saturating_add(tasks);
        if all_tasks > MOST_TASKS || scratch_len > MOST_VALUES {
            return Err(KernelError::TooLarge { what: "the list of tasks or the scratch of a task" });
        }
        // From here on nothing fails: a half-changed program could run a kernel that was not checked.
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

    /// Number of stages; a stage begins when all tasks of the one before are finished.
    pub fn stages(&self) -> usize {
        self.stages.len()
    }

    /// Runs all kernels. A [`View`](crate::View) with `buffer` `i` refers to `buffers[i]`.
    ///
    /// # Errors
    /// [`KernelError::Buffers`] or [`KernelError::Buffer`] if a buffer is missing or too short,
    /// [`KernelError::Memory`] if the scratch of the threads cannot be allocated. After an error no kernel
    /// has run.
    pub fn run(&self, team: &Team, buffers: &mut [&mut AlignedBuffer]) -> Result<(), KernelError> {
        self.execute::<false>(team, buffers)
    }

    /// As [`Program::run`]; also adds the time that threads spend in each kernel to [`Program::timings`].
    ///
    /// # Errors
    /// As [`Program::run`].
    pub fn run_timed(&self, team: &Team, buffers: &mut [&mut AlignedBuffer]) -> Result<(), KernelError> {
        self.execute::<true>(team, buffers)
    }

    /// Label and thread time of every kernel, in order.
    pub fn timings(&self) -> Vec<(&str, Duration)> {
        let time = |s: &Step| Duration::from_nanos(s.busy_ns.load(Ordering::Relaxed));
        self.steps.iter().map(|s| (s.label.as_str(), time(s))).collect()
    }

    /// Resets the timings to zero.
    pub fn reset_timings(&self) {
        self.steps.iter().for_each(|s| s.busy_ns.store(0, Ordering::Relaxed));
    }

    fn execute<const TIMED: bool>(
        &self,
        team: &Team,
        buffers: &mut [&mut AlignedBuffer],
    ) -> Result<(), KernelError> {
        // Even a kernel with empty views computes where they begin.
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
        let alarm = Alarm::default();
        team.broadcast(self.scratch_len, |thread, scratch| {
            let _guard = alarm.guard();
            for (steps, claims) in &stages {
                let mut finished = 0;
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
                    // SAFETY: `push` checked that every operand ends before its buffer does, a task is
                    // claimed once, scratch belongs to this thread, and steps of one stage have no
                    // conflicting operands. The buffers are borrowed exclusively for the whole call.
                    unsafe { step.kernel.run(self.isa, memory, task, scratch) };
                    finished += 1;
                    if let Some(start) = start {
                        step.busy_ns.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
                    }
                }
                claims.finish(finished);
                claims.wait(&alarm);
            }
        })
    }

    /// Label and operands of every kernel, in order; tests of planners use them to check reads and writes.
    pub fn operands(&self) -> impl Iterator<Item = (&str, &[Operand])> {
        self.steps.iter().map(|s| (s.label.as_str(), s.operands.as_slice()))
    }

    /// The operands of [`Program::operands`], grouped by stage. Kernels of one stage run at the same time.
    pub fn stage_operands(&self) -> impl Iterator<Item = impl Iterator<Item = &[Operand]>> {
        let ends = self.stages.iter().skip(1).copied().chain([self.steps.len()]);
        let stages = self.stages.iter().copied().zip(ends);
        stages.map(|(start, end)| self.steps[start..end].iter().map(|s| s.operands.as_slice()))
    }

    /// Number of scratch values that each thread of a team needs.
    pub fn scratch_len(&self) -> usize {
        self.scratch_len
    }

    /// For every buffer of this program, the number of values that it must have.
    pub fn buffer_lens(&self) -> &[usize] {
        &self.lens
    }
}

/// Whether an access changes values.
impl Access {
    /// Whether the kernel changes values of the view.
    pub const fn writes(self) -> bool {
        !matches!(self, Self::Read)
    }
}
