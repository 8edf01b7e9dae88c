//! [`Int8Options`] of an [`Int8Inference`](super::Int8Inference).

use bonsai_kernels::KernelError;
use bonsai_kernels::int8::Int8Isa;

use crate::CpuOptions;

/// How an [`Int8Inference`](super::Int8Inference) runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Int8Options {
    /// Number of threads; 0 means one per core.
    pub threads: usize,
    /// Instruction set; `None` means the one that the environment variable `BONSAI_INT8_ISA` names, or else the
    /// one that goes with the instruction set of [`CpuOptions`] ([`Int8Isa::within`]).
    pub isa: Option<Int8Isa>,
}

impl Int8Options {
    /// The instruction set to use. Only this function reads the environment variable.
    ///
    /// # Errors
    /// [`KernelError::Isa`] if the machine lacks the instruction set that a variable names.
    pub fn instruction_set(&self) -> Result<Int8Isa, KernelError> {
        match (self.isa, std::env::var("BONSAI_INT8_ISA")) {
            (Some(isa), _) => Ok(isa),
            (None, Ok(name)) if !name.is_empty() => name.parse(),
            (None, _) => CpuOptions::default().instruction_set().map(Int8Isa::within),
        }
    }
}
