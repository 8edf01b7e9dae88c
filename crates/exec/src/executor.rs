//! [`Executor`]: trains and evaluates one network with one set of parameters.

use std::time::Duration;

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::{Graph, NodeId, Quantization};

use crate::{ExecError, HeadPass, PenaltyMap, UpdateReport, UpdateRule};

/// How batch norm behaves and which values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Batch norm uses batch statistics and updates its running statistics; values are kept for backward.
    Train,
    /// Batch norm uses running statistics; a value is freed after its last reader.
    Eval,
}

/// One of the flat buffers of an executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buffer {
    /// The parameters of the network, including running statistics.
    Params,
    /// Accumulated gradients of the trained parameters.
    Gradients,
    /// Momentum of the trained parameters.
    Momentum,
    /// Mean square of the gradients of the trained parameters. SGD does not use it; before another
    /// method or a write sets it, it is zero and takes no memory.
    SecondMoment,
    /// Exponential moving average of parameters and running statistics.
    Ema,
}

impl Buffer {
    /// Whether it holds running statistics too.
    pub(crate) const fn has_statistics(self) -> bool {
        matches!(self, Self::Params | Self::Ema)
    }
}

/// Runs one graph with one set of parameters.
pub trait Executor {
    /// The network.
    fn graph(&self) -> &Graph;

    /// Runs the network on `images` `[n, c, h, w]` and returns the raw outputs `[n, c, h, w]` in the order of
    /// the graph.
    ///
    /// # Errors
    /// [`ExecError::Shape`] if the channels differ, [`ExecError::Graph`] if the size does not fit.
    fn forward(&mut self, mode: Mode, images: &Array) -> Result<Vec<Array>, ExecError>;

    /// Training steps that leave the outputs of a detection head on the device, if the executor has them.
    fn head_pass(&mut self) -> Option<&mut dyn HeadPass> {
        None
    }

    /// Adds the gradients of the parameters, given the gradients at the outputs, to the gradient buffer.
    /// Consumes the values that the forward pass kept.
    ///
    /// # Errors
    /// [`ExecError::NoForward`] without a training forward pass before it, [`ExecError::GradientCount`] or
    /// [`ExecError::Shape`] if the gradients do not match the outputs.
    fn backward(&mut self, output_gradients: &[Array]) -> Result<(), ExecError>;

    /// Keeps the outputs of these layers in the next passes, for [`Executor::tap`]. For the input layer,
    /// backward also keeps its gradient.
    fn set_taps(&mut self, nodes: &[NodeId]);

    /// Output `[n, c, h, w]` of a tapped layer in the last forward pass.
    ///
    /// # Errors
    /// [`ExecError::NotKept`] if the layer was not tapped, no forward pass ran, or backward ran after it.
    fn tap(&self, node: NodeId) -> Result<Array, ExecError>;

    /// Gradient `[n, c, h, w]` at the network's input in the last backward pass; needs a tap on the input
    /// layer.
    ///
    /// # Errors
    /// [`ExecError::NoInputGradient`] if the input layer was not tapped or no backward pass ran.
    fn input_gradient(&self) -> Result<Array, ExecError>;

    /// Copies a buffer to the host; the result is indexed by parameter name.
    ///
    /// # Errors
    /// Only device errors.
    fn read(&self, buffer: Buffer) -> Result<Weights, ExecError>;

    /// Replaces a buffer.
    ///
    /// # Errors
    /// [`ExecError::Weights`] or [`ExecError::Shape`] if names or shapes differ from those of the graph.
    fn write(&mut self, buffer: Buffer, weights: &Weights) -> Result<(), ExecError>;

    /// Sets the gradient buffer to zero.
    ///
    /// # Errors
    /// Only device errors.
    fn zero_gradients(&mut self) -> Result<(), ExecError>;

    /// Passes the accumulated gradients to `exchange` as one array, and takes back what it made of them. Executors of one
    /// kind for equal graphs have the same order of values; some values may belong to no parameter and are zero.
    ///
    /// # Errors
    /// Only device errors.
    fn exchange_gradients(&mut self, exchange: &mut dyn FnMut(&mut [f32])) -> Result<(), ExecError> {
        let mut gradients = self.read(Buffer::Gradients)?;
        let mut values: Vec<f32> = gradients.iter().flat_map(|(_, array)| array.data()).copied().collect();
        exchange(&mut values);
        let mut rest = values.as_slice();
        let names: Vec<String> = gradients.iter().map(|(name, _)| name.to_owned()).collect();
        for name in &names {
            let Some(array) = gradients.get_mut(name) else { continue };
            let (own, others) = rest.split_at(array.data().len());
            array.data_mut().copy_from_slice(own);
            rest = others;
        }
        self.write(Buffer::Gradients, &gradients)
    }

    /// Performs one optimiser step with the accumulated gradients and sets them to zero.
    ///
    /// If the gradient norm is not finite, nothing else changes; the report contains the norm.
    ///
    /// # Errors
    /// Only device errors.
    fn update(&mut self, rule: &UpdateRule) -> Result<UpdateReport, ExecError>;

    /// Freezes exactly these trained parameters, by name. Steps do not change them or their momentum and
    /// exclude them from the gradient norm. Their averages converge to their values; running statistics are
    /// still updated.
    ///
    /// # Errors
    /// [`ExecError::Frozen`] if a name is not a trained parameter; then nothing changes.
    fn freeze(&mut self, names: &[String]) -> Result<(), ExecError>;

    /// Sets the batch-norm channels that L1 penalises and the gammas that form a group; replaces the previous
    /// map. Without a map, L1 penalises every channel separately. Frozen parameters are never penalised and
    /// belong to no group.
    ///
    /// # Errors
    /// [`ExecError::Penalised`] if a name is not a scale or shift of a batch norm,
    /// [`ExecError::PenaltyLength`] if its number of channels differs; then nothing changes.
    fn penalise(&mut self, map: &PenaltyMap) -> Result<(), ExecError>;

    /// Rounds weights and wires of training passes to the 8-bit codes of the network with folded batch norm, so
    /// that the network learns with their error; `None` ends it. Gradients pass through the rounding where a
    /// value is in the range of its codes. Evaluation is not rounded.
    ///
    /// # Errors
    /// [`ExecError::NoRounding`] if the executor cannot round; [`ExecError::Graph`] if a wire has no codes, and
    /// [`ExecError::Codes`] for a layer that cannot run in codes; then nothing changes.
    fn set_rounding(&mut self, codes: Option<&Quantization>) -> Result<(), ExecError> {
        if codes.is_some() { Err(ExecError::NoRounding) } else { Ok(()) }
    }

    /// Starts measuring the time of each layer from zero, or stops and discards the times.
    fn set_timing(&mut self, on: bool) {
        let _ = on;
    }

    /// Time of each layer since timing was started, in execution order; empty without timing or if the
    /// executor cannot measure.
    ///
    /// A label is the name of the layer, optionally followed by the part of its work, such as `backward`.
    /// Times of several threads may be summed, so compare them as fractions of the total, not as wall time.
    fn timings(&self) -> Vec<(String, Duration)> {
        Vec::new()
    }
}
