//! [`memory_need`] and [`MemoryBudget`]: how much memory a network needs, computed before allocating, and how
//! much it may use.
//!
//! The caller sets the budget, because a library cannot know how much memory the rest of the program will
//! need. An executor with a budget rejects an image size that does not fit before it allocates.

use std::fmt;

use bonsai_graph::{Graph, Shape};

use crate::{CandleExecutor, CpuInference, Device, ExecError, ExecutorKind, ExecutorOptions, Mode};

/// What limits the memory of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryLimit {
    /// The free memory of the machine.
    Machine,
    /// The limit on the address space of the process (`ulimit -v`, `RLIMIT_AS`), which counts memory as soon
    /// as it is reserved.
    AddressSpace,
    /// The control group of the process: a container, or a job of a batch system.
    Cgroup,
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Machine => "this machine has",
            Self::AddressSpace => "the limit of this process's address space (`ulimit -v`) leaves",
            Self::Cgroup => "the memory limit of this container or control group leaves",
        })
    }
}

/// Memory that a program may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Number of bytes.
    pub bytes: u64,
    /// What limits it.
    pub limit: MemoryLimit,
}

/// Memory that an operation needs, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryNeed {
    /// Memory that is written and therefore occupies the machine.
    pub touched: u64,
    /// Memory that is reserved; a part of it may never be written.
    pub reserved: u64,
}

impl MemoryNeed {
    /// A need of `bytes` bytes, all of them written.
    pub const fn all_touched(bytes: u64) -> Self {
        Self { touched: bytes, reserved: bytes }
    }

    /// The sum of both needs.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            touched: self.touched.saturating_add(other.touched),
            reserved: self.reserved.saturating_add(other.reserved),
        }
    }
}

impl MemoryBudget {
    /// Returns an error if `need` exceeds the budget; `what` describes the operation in the message.
    ///
    /// # Errors
    /// [`ExecError::Memory`] with both numbers.
    pub fn check(&self, what: &str, need: MemoryNeed) -> Result<(), ExecError> {
        let needed = match self.limit {
            MemoryLimit::AddressSpace => need.reserved,
            MemoryLimit::Machine | MemoryLimit::Cgroup => need.touched,
        };
        if needed <= self.bytes {
            return Ok(());
        }
        Err(ExecError::Memory { what: what.to_owned(), needed, budget: *self })
    }
}

/// Displays a number of bytes with a unit.
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
        let mut size = self.0 as f64;
        let mut unit = 0;
        while size >= 1000.0 && unit + 1 < UNITS.len() {
            (size, unit) = (size / 1024.0, unit + 1);
        }
        let digits = usize::from(unit > 0 && size < 100.0);
        write!(f, "{size:.digits$} {}", UNITS[unit])
    }
}

/// Describes a pass over `[n, h, w]` in error messages.
pub(crate) fn pass_of(mode: Mode, [n, h, w]: [usize; 3]) -> String {
    let (of, s) = match mode {
        Mode::Train => ("training", if n == 1 { "" } else { "s" }),
        Mode::Eval => ("running the network", if n == 1 { "" } else { "s" }),
    };
    format!("{of} on {n} image{s} of {h}x{w} pixels at a time")
}

/// Bytes of the `f32` values of `n` images with that shape.
pub(crate) fn bytes_of(n: usize, shape: Shape) -> u64 {
    let values = [n, shape.channels, shape.h, shape.w].map(|size| size as u64);
    values.into_iter().fold(size_of::<f32>() as u64, u64::saturating_mul)
}

/// Lower bound for a pass: the largest wire. It needs no plan, and making a plan takes time and memory
/// itself.
pub(crate) fn least(graph: &Graph, [n, h, w]: [usize; 3]) -> Result<MemoryNeed, ExecError> {
    let shapes = graph.shapes(h, w)?;
    let largest = shapes.iter().map(|shape| bytes_of(n, *shape)).max().unwrap_or(0);
    Ok(MemoryNeed::all_touched(largest))
}

/// Memory for a pass over `n` images of `h` x `w` pixels on an executor with these options, including its
/// parameters and their buffers. The result is exact for the CPU executor, approximate for candle on the
/// host, and zero on a GPU, which does not use memory of the machine.
///
/// [`Mode::Train`] counts a whole step and all buffers of a training executor, [`Mode::Eval`] inference only.
/// The function allocates no tensors, but takes about as long as making a plan for the size.
///
/// # Errors
/// [`ExecError::Graph`] if the graph cannot run on the size, [`ExecError::Kernel`] if the size exceeds any
/// memory.
pub fn memory_need(
    graph: &Graph,
    mode: Mode,
    [n, h, w]: [usize; 3],
    options: &ExecutorOptions,
) -> Result<MemoryNeed, ExecError> {
    match (options.chosen()?, options.device) {
        (ExecutorKind::Cpu, _) => CpuInference::memory_need(graph, mode, [n, h, w], options.cpu()),
        (ExecutorKind::Candle, Device::Cpu) => CandleExecutor::memory_need(graph, mode, [n, h, w]),
        (ExecutorKind::Candle, Device::Cuda(_)) => Ok(MemoryNeed::default()),
    }
}

/// Returns an error for a pass that exceeds the budget, before any memory is allocated.
///
/// # Errors
/// [`ExecError::Memory`] if it does not fit; errors of [`memory_need`].
pub fn check_memory(
    graph: &Graph,
    mode: Mode,
    size: [usize; 3],
    options: &ExecutorOptions,
) -> Result<(), ExecError> {
    let Some(budget) = options.budget else { return Ok(()) };
    if options.device == Device::Cpu {
        budget.check(&pass_of(mode, size), least(graph, size)?)?;
    }
    budget.check(&pass_of(mode, size), memory_need(graph, mode, size, options)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_said_in_three_digits() {
        let said = |bytes: u64| Bytes(bytes).to_string();
        assert_eq!([0, 999, 1000, 1536].map(said), ["0 bytes", "999 bytes", "1.0 KiB", "1.5 KiB"]);
        assert_eq!([300 << 20, 3 << 30, u64::MAX].map(said), ["300 MiB", "3.0 GiB", "16384 PiB"]);
    }

    #[test]
    fn what_is_only_reserved_counts_where_reserving_is_limited() {
        let need = MemoryNeed { touched: 10, reserved: 30 }.and(MemoryNeed::all_touched(5));
        let budget = |limit, bytes| MemoryBudget { bytes, limit };
        assert!(budget(MemoryLimit::Machine, 15).check("x", need).is_ok());
        let error = budget(MemoryLimit::AddressSpace, 34).check("running it", need).unwrap_err().to_string();
        assert!(error.contains("35 bytes") && error.contains("34 bytes"), "{error}");
        assert!(error.contains("running it") && error.contains("ulimit -v"), "{error}");
        assert_eq!(need.and(MemoryNeed::all_touched(u64::MAX)).touched, u64::MAX);
    }
}
