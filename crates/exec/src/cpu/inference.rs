//! [`CpuInference`]: a network that only runs forward, with as little memory as possible.

use std::fmt;
use std::time::Duration;

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::Graph;

use super::params::Params;
use super::runner::Runner;
use super::{CpuOptions, need};
use crate::plan::Key;
use crate::{ExecError, Inference, MemoryBudget, MemoryNeed, Mode};

/// The parameters never change, so there is only one version.
const VERSION: u64 = 0;

/// Runs a graph forward with hand-written kernels.
///
/// It keeps only the parameters that it reads: weights with folded batch norm, reordered for the kernels. It
/// has no gradients, momentum or averages.
pub struct CpuInference {
    runner: Runner,
    /// Has no values after the first pass.
    params: Params,
    outputs: Vec<Array>,
}

impl CpuInference {
    /// Creates an executor for a network and takes ownership of its parameters.
    ///
    /// # Errors
    /// As [`CpuExecutor::new`](super::CpuExecutor::new).
    pub fn new(graph: &Graph, weights: Weights, options: CpuOptions) -> Result<Self, ExecError> {
        let runner = Runner::new(graph, options)?;
        let params = Params::for_inference(&runner.network, &weights)?;
        // Frees the weights before more memory is allocated.
        drop(weights);
        Ok(Self { runner, params, outputs: Vec::new() })
    }

    /// As [`CpuExecutor::with_budget`](super::CpuExecutor::with_budget).
    #[must_use]
    pub const fn with_budget(mut self, budget: Option<MemoryBudget>) -> Self {
        self.runner.budget = budget;
        self
    }

    /// See [`memory_need`](crate::memory_need).
    pub(crate) fn memory_need(
        graph: &Graph,
        mode: Mode,
        size: [usize; 3],
        options: CpuOptions,
    ) -> Result<MemoryNeed, ExecError> {
        need::need(graph, mode, size, options)
    }

    /// Largest number of bytes that the passes so far needed for activations.
    pub fn activation_bytes(&self) -> usize {
        size_of_val(self.runner.activations.as_slice())
    }
}

impl CpuInference {
    fn plan(&mut self, [n, h, w]: [usize; 3]) -> Result<usize, ExecError> {
        let key = Key { mode: Mode::Eval, n, h, w, taps: Vec::new() };
        self.runner.plan(&key, &self.params)
    }
}

impl Inference for CpuInference {
    fn graph(&self) -> &Graph {
        &self.runner.network.graph
    }

    fn infer(&mut self, images: &Array) -> Result<&[Array], ExecError> {
        let [n, _, h, w] = self.runner.network.image_dims(images)?;
        let index = self.plan([n, h, w])?;
        self.runner.reserve(index)?;
        self.runner.prepare(index, &mut self.params, VERSION)?;
        self.params.forget();
        self.runner.forward(index, images, &mut self.params, &mut self.outputs)?;
        Ok(&self.outputs)
    }

    fn check_memory(&mut self, size: [usize; 3]) -> Result<(), ExecError> {
        self.plan(size).map(|_| ())
    }

    fn set_timing(&mut self, on: bool) {
        self.runner.set_timed(on);
    }

    fn timings(&self) -> Vec<(String, Duration)> {
        self.runner.timings().into_iter().map(|l| (l.node, l.forward)).collect()
    }
}

impl fmt::Debug for CpuInference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("CpuInference");
        text.field("layers", &self.graph().nodes().len()).field("isa", &self.runner.backend.isa.name());
        text.finish_non_exhaustive()
    }
}
