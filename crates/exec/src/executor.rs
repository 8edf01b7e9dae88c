//! The contract between a network and whoever trains or evaluates it.

use std::time::Duration;

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::{Graph, NodeId};

use crate::{ExecError, PenaltyMap, UpdateReport, UpdateRule};

/// How batch norm behaves and what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics, running statistics updated, values kept for backward.
    Train,
    /// Running statistics; values are freed as soon as nothing reads them.
    Eval,
}

/// One of the flat buffers an executor holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buffer {
    /// The parameters that are run, running statistics included.
    Params,
    /// Accumulated gradients of the trained parameters.
    Gradients,
    /// Momentum of the trained parameters.
    Momentum,
    /// Mean square of the gradients of the trained parameters. Only AdamW has one: until it is used or written it is zero
    /// and takes no memory.
    SecondMoment,
    /// Exponential moving average of parameters and running statistics.
    Ema,
}

/// Runs one graph with one set of parameters.
pub trait Executor {
    /// The network.
    fn graph(&self) -> &Graph;

    /// Runs the network on `images` `[n, c, h, w]` and returns the raw outputs `[n, c, h, w]` in the graph's order.
    ///
    /// # Errors
    /// [`ExecError::Shape`] if the channels differ, [`ExecError::Graph`] if the size does not fit.
    fn forward(&mut self, mode: Mode, images: &Array) -> Result<Vec<Array>, ExecError>;

    /// Adds to the gradient buffer what gradients at the outputs imply. Consumes the kept values.
    ///
    /// # Errors
    /// [`ExecError::NoForward`] unless a training forward came before, [`ExecError::Shape`] if a gradient is misshaped.
    fn backward(&mut self, output_gradients: &[Array]) -> Result<(), ExecError>;

    /// Keeps the outputs of these layers in the next passes, for [`Executor::tap`]. The input layer keeps its gradient too.
    fn set_taps(&mut self, nodes: &[NodeId]);

    /// Output `[n, c, h, w]` of a tapped layer in the last forward pass.
    ///
    /// # Errors
    /// [`ExecError::NoForward`] if it was not tapped or nothing ran.
    fn tap(&self, node: NodeId) -> Result<Array, ExecError>;

    /// Gradient `[n, c, h, w]` at the network's input in the last backward pass; needs a tap on the input layer.
    ///
    /// # Errors
    /// [`ExecError::NoForward`] if it was not asked for.
    fn input_gradient(&self) -> Result<Array, ExecError>;

    /// Copies a buffer to the host, by parameter name.
    ///
    /// # Errors
    /// Only if the device fails.
    fn read(&self, buffer: Buffer) -> Result<Weights, ExecError>;

    /// Replaces a buffer.
    ///
    /// # Errors
    /// [`ExecError::Weights`] if names or shapes differ from the graph's.
    fn write(&mut self, buffer: Buffer, weights: &Weights) -> Result<(), ExecError>;

    /// Sets the gradient buffer to zero.
    ///
    /// # Errors
    /// Only if the device fails.
    fn zero_gradients(&mut self) -> Result<(), ExecError>;

    /// One optimiser step from the accumulated gradients, which are then zero.
    ///
    /// Where the gradient norm is not finite, nothing else changes: the report tells.
    ///
    /// # Errors
    /// Only if the device fails.
    fn update(&mut self, rule: &UpdateRule) -> Result<UpdateReport, ExecError>;

    /// Freezes these trained parameters, by name, and no others: steps leave them, their momentum and their share of the
    /// gradient norm out. Their averages go towards what they are; running statistics go on as ever.
    ///
    /// # Errors
    /// [`ExecError::Frozen`] if a name is no trained parameter's; then nothing changes.
    fn freeze(&mut self, names: &[String]) -> Result<(), ExecError>;

    /// Says which channels of batch norms L1 is on and which gammas are one group, in place of what was said before;
    /// without it L1 is on all channels, each alone. Frozen parameters get no L1 and are in no group, whatever it says.
    ///
    /// # Errors
    /// [`ExecError::Penalised`] if a name is no batch norm's scale or shift, [`ExecError::PenaltyLength`] if it has other
    /// channels; then nothing changes.
    fn penalise(&mut self, map: &PenaltyMap) -> Result<(), ExecError>;

    /// Starts to add up the time that each layer takes, from zero, or stops and forgets it.
    fn set_timing(&mut self, on: bool) {
        let _ = on;
    }

    /// What was added up since timing was started, in the order of execution; empty without timing or where the
    /// executor cannot tell.
    ///
    /// A label begins with the layer's name; what may follow is the part of its work, such as `backward`. Times of
    /// several threads at once may be summed over them, so they are shares rather than a clock.
    fn timings(&self) -> Vec<(String, Duration)> {
        Vec::new()
    }
}
