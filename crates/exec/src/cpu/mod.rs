//! The fast executor for the CPU: the graph compiled to programs of `bonsai-kernels`.
//!
//! Tensors are NHWC with channels in padded segments ([`cuts`]); concats and slices are views ([`placement`]); layers
//! run fused ([`units`]); memory is planned once per image size ([`arena`]); forward ([`train`]), backward
//! ([`backward`], [`gradients`]) and inference ([`folded`], [`eval`]) are programs that a [`runner`] runs, the optimiser
//! step is two passes over flat buffers ([`params`], [`update`]). Nothing here computes a layer.
//!
//! Invariants: the same inputs on the same instruction set give the same bits with any number of threads; padding is zero
//! in every buffer; a pass allocates what it returns and a few words per stage, no more.

mod arena;
mod backward;
mod cuts;
mod eval;
mod executor;
mod folded;
mod gradients;
mod inference;
mod layers;
mod need;
mod options;
mod params;
mod placement;
mod plan;
mod runner;
#[cfg(test)]
mod tests;
mod train;
mod units;
mod update;

use std::fmt;
use std::time::Duration;

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::{Graph, NodeId};
use bonsai_kernels::Isa;

use crate::{ExecError, MemoryBudget};
use params::Params;
use runner::Runner;

pub use inference::CpuInference;
pub use options::CpuOptions;

/// Time that threads spent in one layer, summed over threads. A fused layer's time is its unit's first layer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerTime {
    /// Name of the layer.
    pub node: String,
    /// In forward passes.
    pub forward: Duration,
    /// In backward passes.
    pub backward: Duration,
}

/// Runs a graph with hand-written kernels.
pub struct CpuExecutor {
    runner: Runner,
    params: Params,
    taps: Vec<NodeId>,
    /// The plan whose values are in memory.
    last: Option<usize>,
    input_gradient: Option<Array>,
    /// Changes with every change of parameters or statistics.
    version: u64,
}

impl CpuExecutor {
    /// Takes in a network and its parameters.
    ///
    /// # Errors
    /// [`ExecError::Weights`] if the parameters are not the graph's; [`ExecError::Kernel`] if this machine has no such
    /// instruction set or starts no more threads.
    pub fn new(graph: &Graph, weights: &Weights, options: CpuOptions) -> Result<Self, ExecError> {
        let runner = Runner::new(graph, options)?;
        let mut params = Params::new(graph, weights, &runner.network.channels)?;
        params.start_average();
        Ok(Self { runner, params, taps: Vec::new(), last: None, input_gradient: None, version: 0 })
    }

    /// Refuses passes that do not fit into this memory ([`ExecError::Memory`]) before it asks for any.
    #[must_use]
    pub const fn with_budget(mut self, budget: Option<MemoryBudget>) -> Self {
        self.runner.budget = budget;
        self
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.runner.isa
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.runner.team.threads()
    }

    /// Bytes of activations, gradients and temporaries that the passes so far needed at once.
    pub fn activation_bytes(&self) -> usize {
        size_of_val(self.runner.activations.as_slice())
    }

    /// Whether the next passes measure their layers; forgets what was measured.
    pub fn set_timed(&mut self, timed: bool) {
        self.runner.set_timed(timed);
    }

    /// What [`CpuExecutor::set_timed`] measured, in the graph's order; layers that took no time are left out.
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
