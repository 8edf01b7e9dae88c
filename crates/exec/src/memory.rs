//! How much memory a network takes, said before any is asked for, and how much there is.
//!
//! What there is, the caller says ([`MemoryBudget`]): a library that looked at the machine by itself could not know what else
//! the program is going to need. Executors with a budget refuse a size of images that does not fit, before they allocate.

use std::fmt;

use bonsai_graph::{Graph, Shape};

use crate::{CandleExecutor, CpuInference, Device, ExecError, ExecutorKind, ExecutorOptions, Mode};

/// What keeps a program from taking more memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryLimit {
    /// The machine has no more that is free.
    Machine,
    /// The limit of the process's address space (`ulimit -v`, `RLIMIT_AS`): memory counts as soon as it is asked for.
    AddressSpace,
    /// The control group that the process is in: a container, or a job of a batch system.
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

/// Memory that a program may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Bytes.
    pub bytes: u64,
    /// What says so.
    pub limit: MemoryLimit,
}

/// Memory that something takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryNeed {
    /// What is written, and so needs memory of the machine.
    pub touched: u64,
    /// What is asked for; some of it only for the case that it is needed.
    pub reserved: u64,
}

impl MemoryNeed {
    /// As much as that, all of it written.
    pub const fn all_touched(bytes: u64) -> Self {
        Self { touched: bytes, reserved: bytes }
    }

    /// Both at once.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            touched: self.touched.saturating_add(other.touched),
            reserved: self.reserved.saturating_add(other.reserved),
        }
    }
}

impl MemoryBudget {
    /// Refuses what does not fit; `what` says what needs it.
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

/// Bytes as people say them.
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

/// What a pass over `[n, h, w]` is called in an error.
pub(crate) fn pass_of(mode: Mode, [n, h, w]: [usize; 3]) -> String {
    let (of, s) = match mode {
        Mode::Train => ("training", if n == 1 { "" } else { "s" }),
        Mode::Eval => ("running the network", if n == 1 { "" } else { "s" }),
    };
    format!("{of} on {n} image{s} of {h}x{w} pixels at a time")
}

/// Bytes of `n` images' values of that shape in `f32`.
pub(crate) fn bytes_of(n: usize, shape: Shape) -> u64 {
    let values = [n, shape.channels, shape.h, shape.w].map(|size| size as u64);
    values.into_iter().fold(size_of::<f32>() as u64, u64::saturating_mul)
}

/// The least that a pass takes, told without a plan, which takes time and memory itself: the largest wire.
pub(crate) fn least(graph: &Graph, [n, h, w]: [usize; 3]) -> Result<MemoryNeed, ExecError> {
    let shapes = graph.shapes(h, w)?;
    let largest = shapes.iter().map(|shape| bytes_of(n, *shape)).max().unwrap_or(0);
    Ok(MemoryNeed::all_touched(largest))
}

/// What a pass over `n` images of `h` x `w` pixels takes on an executor of these options, parameters and all that
/// belongs to them included: to the byte on the CPU executor, about as much with candle on the host, and nothing on a
/// GPU, whose memory is not the machine's.
///
/// [`Mode::Train`] counts a whole step and what an executor for training holds, [`Mode::Eval`] inference alone. Allocates
/// no tensors, but takes about as long as making a plan for the size.
///
/// # Errors
/// [`ExecError::Graph`] if the size does not fit, [`ExecError::Kernel`] if it is beyond what any memory holds.
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

/// Refuses a pass that does not fit, before memory is asked for.
///
/// # Errors
/// [`ExecError::Memory`]; as [`memory_need`].
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
