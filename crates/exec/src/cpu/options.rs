//! How a [`CpuExecutor`](super::CpuExecutor) runs.

use bonsai_kernels::{Isa, KernelError};

/// How a [`CpuExecutor`](super::CpuExecutor) runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuOptions {
    /// Threads; 0 for one per core.
    pub threads: usize,
    /// Whether 3x3 convolutions may use Winograd's algorithm where it pays: faster, a little less exact.
    pub winograd: bool,
    /// Instruction set; `None` for the one that the environment variable `BONSAI_ISA` names, else the fastest.
    pub isa: Option<Isa>,
}

impl Default for CpuOptions {
    fn default() -> Self {
        Self { threads: 0, winograd: true, isa: None }
    }
}

impl CpuOptions {
    /// Threads that run, one per core for 0.
    pub(crate) fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }

    /// The instruction set to use. The only place where the variable is read.
    pub(crate) fn instruction_set(&self) -> Result<Isa, KernelError> {
        match (self.isa, std::env::var("BONSAI_ISA")) {
            (Some(isa), _) => Ok(isa),
            (None, Ok(name)) if !name.is_empty() => name.parse(),
            (None, _) => Ok(Isa::detect()),
        }
    }
}
