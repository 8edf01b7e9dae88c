//! [`CpuOptions`] of a [`CpuExecutor`](super::CpuExecutor).

use bonsai_kernels::{Isa, KernelError};

/// How a [`CpuExecutor`](super::CpuExecutor) runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuOptions {
    /// Number of threads; 0 means one per core.
    pub threads: usize,
    /// Whether 3x3 convolutions may use Winograd's algorithm where it is faster; its rounding errors are
    /// slightly larger.
    pub winograd: bool,
    /// Instruction set; `None` means the one named by the environment variable `BONSAI_ISA`, or else the
    /// fastest.
    pub isa: Option<Isa>,
}

impl Default for CpuOptions {
    fn default() -> Self {
        Self { threads: 0, winograd: true, isa: None }
    }
}

impl CpuOptions {
    /// Number of threads; the number of cores if `threads` is 0.
    pub(crate) fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }

    /// The instruction set to use. Only this function reads the environment variable.
    pub(crate) fn instruction_set(&self) -> Result<Isa, KernelError> {
        match (self.isa, std::env::var("BONSAI_ISA")) {
            (Some(isa), _) => Ok(isa),
            (None, Ok(name)) if !name.is_empty() => name.parse(),
            (None, _) => Ok(Isa::detect()),
        }
    }
}
