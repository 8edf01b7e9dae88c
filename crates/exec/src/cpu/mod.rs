//! [`CpuExecutor`]: the fast executor for the CPU, which compiles the graph to programs of `bonsai-kernels`.
//!
//! The [plan](crate::plan) of an image size becomes programs ([`backend`]) that a [`runner`] runs. The
//! optimiser step is two passes over flat buffers ([`params`], [`update`]). The kernels of `bonsai-kernels`
//! compute all layers.
//!
//! Invariants: the same inputs on the same instruction set give the same bits with any number of threads;
//! padding is zero in every buffer; a pass allocates only its result and a few words per stage.

mod backend;
mod executor;
mod inference;
mod need;
mod options;
mod params;
mod runner;
#[cfg(test)]
mod tests;
mod update;

use std::fmt;
use std::time::Duration;

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::{Graph, NodeId};
use bonsai_kernels::Isa;

use crate::{ExecError, MemoryBudget};
use params::Params;
use runner::Runner;

#[cfg(all(test, feature = "cuda"))]
pub(crate) use backend::{CpuBackend, CpuConv};
pub use inference::CpuInference;
pub use options::CpuOptions;

/// Time that threads spent in one layer, summed over threads. The time of a fused unit is assigned to its
/// first layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerTime {
    /// Name of the layer.
    pub node: String,
    /// Time in forward passes.
    pub forward: Duration,
    /// Time in backward passes.
    pub backward: Duration,
}

/// Runs a graph with hand-written kernels.
pub struct CpuExecutor {
    runner: Runner,
    params: Params,
    taps: Vec<NodeId>,
    /// The plan whose values are currently in memory.
    last: Option<usize>,
    input_gradient: Option<Array>,
    /// Incremented with every change of parameters or statistics.
    version: u64,
}

impl CpuExecutor {
    /// Creates an executor for a network and its parameters.
    ///
    /// # Errors
    /// [`ExecError::Weights`] if the parameters do not fit the graph; [`ExecError::Kernel`] if this machine
    /// lacks the instruction set or cannot start the threads.
    pub fn new(graph: &Graph, weights: &Weights, options: CpuOptions) -> Result<Self, ExecError> {
        let runner = Runner::new(graph, options)?;
        let mut params = Params::new(&runner.network, weights)?;
        params.start_average();
        Ok(Self { runner, params, taps: Vec::new(), last: None, input_gradient: None, version: 0 })
    }

    /// Rejects passes that exceed this budget ([`ExecError::Memory`]) before allocating memory.
    #[must_use]
    pub const fn with_budget(mut self, budget: Option<MemoryBudget>) -> Self {
        self.runner.budget = budget;
        self
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.runner.backend.isa
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.runner.team.threads()
    }

    /// Largest number of bytes that the passes so far needed for activations, gradients and temporaries.
    pub fn activation_bytes(&self) -> usize {
        size_of_val(self.runner.activations.as_slice())
    }

    /// Sets whether the next passes measure the time of layers; discards earlier measurements.
    pub fn set_timed(&mut self, timed: bool) {
        self.runner.set_timed(timed);
    }

    /// Times measured since [`CpuExecutor::set_timed`], in graph order; layers with zero time are left out.
    pub fn timings(&self) -> Vec<LayerTime> {
        self.runner.timings()
    }
}

impl fmt::Debug for CpuExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers = self.runner.network.graph.nodes().len();
        let mut text = f.debug_struct("CpuExecutor");
        text.field("layers", &layers).field("isa", &self.isa().name()).field("threads", &self.threads());
        text.finish_non_exhaustive()
    }
}
