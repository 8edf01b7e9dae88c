//! [`EvalOnly`]: an executor used for inference only.

use std::time::Duration;

use bonsai_checkpoint::Array;
use bonsai_graph::Graph;

use crate::{ExecError, Executor, Inference, Mode};

/// An executor used for inference only, with its last outputs.
#[derive(Debug)]
pub(crate) struct EvalOnly<E>(E, Vec<Array>);

/// Checks the memory of passes before it is allocated.
pub(crate) trait CheckMemory {
    /// See [`Inference::check_memory`].
    fn check_memory(&mut self, mode: Mode, size: [usize; 3]) -> Result<(), ExecError>;
}

impl<E> EvalOnly<E> {
    pub(crate) fn new(executor: E) -> Self {
        Self(executor, Vec::new())
    }
}

impl<E: Executor + CheckMemory> Inference for EvalOnly<E> {
    fn graph(&self) -> &Graph {
        self.0.graph()
    }

    fn check_memory(&mut self, size: [usize; 3]) -> Result<(), ExecError> {
        self.0.check_memory(Mode::Eval, size)
    }

    fn infer(&mut self, images: &Array) -> Result<&[Array], ExecError> {
        self.1 = self.0.forward(Mode::Eval, images)?;
        Ok(&self.1)
    }

    fn set_timing(&mut self, on: bool) {
        self.0.set_timing(on);
    }

    fn timings(&self) -> Vec<(String, Duration)> {
        self.0.timings()
    }
}
