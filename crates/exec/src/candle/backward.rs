//! [`run`]: the reverse walk, with the gradient rule of each layer in candle's forward operations.

use bonsai_checkpoint::Array;
use bonsai_graph::{Graph, NodeId, Op, ParamRole};
use candle_core::{Result, Tensor};

use super::clock::Clock;
use super::conv::{self, ConvSpec};
use super::flat::FlatBuffers;
use super::forward::Pass;
use super::gradients::Gradients;
use super::wire::{flat, upload};
use super::{max_pool, silu, upsample};
use crate::ExecError;

/// Walks the graph in reverse from `output_gradients` `[n, c, h, w]`. Returns the gradients of the parameters
/// and, if `want_input` is set, the gradient at the input of the network.
pub(super) fn run(
    graph: &Graph,
    buffers: &FlatBuffers,
    pass: &Pass,
    output_gradients: &[Array],
    want_input: bool,
    clock: &mut Clock,
) -> std::result::Result<(Gradients, Option<Tensor>), ExecError> {
    let outputs = graph.outputs();
    if outputs.len() != output_gradients.len() {
        return Err(ExecError::GradientCount { expected: outputs.len(), got: output_gradients.len() });
    }
    let mut pending: Vec<Pending> = graph.nodes().iter().map(|_| Pending::default()).collect();
    for (id, array) in outputs.iter().zip(output_gradients) {
        let what = format!("the gradient at `{}`", graph.node(*id).name());
        let gradient = upload(array, buffers.device(), &what)?;
        let value = pass.value(*id).ok_or(ExecError::NoForward)?;
        if gradient.dims() != value.dims() {
            let (c, n, h, w) = value.dims4()?;
            let expected = format!("{:?}, as the output", [n, c, h, w]);
            return Err(ExecError::Shape { what, got: array.shape().to_vec(), expected });
        }
        pending[id.index()].add(gradient)?;
    }
    let input = graph.input();
    let mut gradients = Gradients::new();
    let mut input_gradient = None;
    for (id, node) in graph.iter().rev() {
        let step = || -> Result<()> {
            let Some(dy) = std::mem::take(&mut pending[id.index()]).total(node.channels())? else {
                return Ok(());
            };
            if id == input {
                input_gradient = Some(dy);
                return Ok(());
            }
            let mut walk = Walk { graph, buffers, pass, pending: &mut pending, gradients: &mut gradients };
            walk.layer(id, &dy, want_input)
        };
        clock
            .backward(id, step)
            .map_err(|e| ExecError::Layer { node: node.name().to_owned(), source: Box::new(e) })?;
    }
    Ok((gradients, input_gradient))
}

struct Walk<'a> {
    graph: &'a Graph,
    buffers: &'a FlatBuffers,
    pass: &'a Pass,
    pending: &'a mut [Pending],
    gradients: &'a mut Gradients,
}

impl Walk<'_> {
    fn layer(&mut self, id: NodeId, dy: &Tensor, want_input: bool) -> Result<()> {
        let node = self.graph.node(id);
        let inputs = node.inputs();
        match *node.op() {
            Op::Input { .. } => {}
            Op::Conv2d { kernel, stride, padding, bias, .. } => {
                let spec = ConvSpec { kernel, stride, padding };
                let weight = self.buffers.view(id, ParamRole::ConvWeight)?;
                let want_dx = want_input || inputs[0] != self.graph.input();
                let (dx, dw) = conv::backward(spec, self.value(inputs[0])?, &weight, dy, want_dx)?;
                self.gradients.push((id, ParamRole::ConvWeight, dw));
                if bias {
                    self.gradients.push((id, ParamRole::ConvBias, flat(dy)?.sum(1)?));
                }
                if let Some(dx) = dx {
                    self.pending[inputs[0].index()].add(dx)?;
                }
            }
            Op::BatchNorm { .. } => {
                let Some(normalised) = &self.pass.saved[id.index()] else {
                    return Err(candle_core::Error::msg("its statistics were not kept"));
                };
                let gamma = self.buffers.view(id, ParamRole::BnGamma)?;
                let (dx, d_gamma, d_beta) = normalised.backward(&gamma, dy)?;
                self.gradients.push((id, ParamRole::BnGamma, d_gamma));
                self.gradients.push((id, ParamRole::BnBeta, d_beta));
                self.pending[inputs[0].index()].add(dx)?;
            }
            Op::Silu => {
                let dx = silu::backward(self.value(inputs[0])?, dy)?;
                self.pending[inputs[0].index()].add(dx)?;
            }
            Op::Add => {
                for input in inputs {
                    self.pending[input.index()].add(dy.clone())?;
                }
            }
            Op::Concat => {
                let mut start = 0;
                for input in inputs {
                    let len = self.graph.node(*input).channels();
                    self.pending[input.index()].add(dy.narrow(0, start, len)?)?;
                    start += len;
                }
            }
            Op::Slice { start, .. } => self.pending[inputs[0].index()].slices.push((start, dy.clone())),
            Op::MaxPool { kernel, stride, padding } => {
                let spec = ConvSpec { kernel, stride, padding };
                let dx = max_pool::backward(spec, self.value(inputs[0])?, self.value(id)?, dy)?;
                self.pending[inputs[0].index()].add(dx)?;
            }
            Op::Upsample { scale } => {
                self.pending[inputs[0].index()].add(upsample::backward(dy, scale)?)?;
            }
        }
        Ok(())
    }

    fn value(&self, id: NodeId) -> Result<&Tensor> {
        self.pass.value(id).ok_or_else(|| candle_core::Error::msg("a value it needs was not kept"))
    }
}

/// The gradients received at a wire: whole ones, and those of channel ranges from slices.
#[derive(Default)]
struct Pending {
    whole: Option<Tensor>,
    slices: Vec<(usize, Tensor)>,
}

impl Pending {
    fn add(&mut self, gradient: Tensor) -> Result<()> {
        self.whole = Some(match self.whole.take() {
            Some(sum) => (sum + gradient)?,
            None => gradient,
        });
        Ok(())
    }

    /// The sum of all received gradients, for all `channels`.
    fn total(mut self, channels: usize) -> Result<Option<Tensor>> {
        self.slices.sort_by_key(|(start, _)| *start);
        // One copy joins slices that do not overlap; the remaining slices take another round.
        while !self.slices.is_empty() {
            let mut parts = Vec::new();
            let mut rest = Vec::new();
            let mut end = 0;
            for (start, gradient) in std::mem::take(&mut self.slices) {
                if start < end {
                    rest.push((start, gradient));
                    continue;
                }
                if start > end {
                    parts.push(zeros_like(&gradient, start - end)?);
                }
                end = start + gradient.dim(0)?;
                parts.push(gradient);
            }
            if end < channels {
                parts.push(zeros_like(&parts[0], channels - end)?);
            }
            self.add(Tensor::cat(&parts, 0)?)?;
            self.slices = rest;
        }
        Ok(self.whole)
    }
}

fn zeros_like(gradient: &Tensor, channels: usize) -> Result<Tensor> {
    let mut dims = gradient.dims().to_vec();
    dims[0] = channels;
    Tensor::zeros(dims, gradient.dtype(), gradient.device())
}
