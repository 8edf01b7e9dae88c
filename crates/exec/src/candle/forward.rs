//! [`run`]: the forward walk, which gives a [`Pass`].

use bonsai_graph::{Graph, NodeId, Op, ParamRole, Size};
use candle_core::{Result, Tensor};

use super::batch_norm::{BatchNorm, Normalised};
use super::clock::Clock;
use super::conv::{self, ConvSpec};
use super::flat::FlatBuffers;
use super::{max_pool, silu, upsample};
use crate::{ExecError, Mode};

/// The values of one forward pass.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) mode: Mode,
    values: Vec<Option<Tensor>>,
    /// For each batch norm, the further values that its backward needs.
    pub(super) saved: Vec<Option<Normalised>>,
    /// New running mean and variance of each batch norm, in order.
    pub(super) statistics: Vec<[Tensor; 2]>,
}

impl Pass {
    pub(super) fn value(&self, node: NodeId) -> Option<&Tensor> {
        self.values[node.index()].as_ref()
    }

    pub(super) fn outputs(&self, graph: &Graph) -> std::result::Result<Vec<Tensor>, ExecError> {
        let output = |id: &NodeId| self.value(*id).cloned().ok_or_else(|| ExecError::not_kept(graph, *id));
        graph.outputs().iter().map(output).collect()
    }
}

/// Runs every layer in order on `input` `[c, n, h, w]`.
pub(super) fn run(
    graph: &Graph,
    buffers: &FlatBuffers,
    mode: Mode,
    input: &Tensor,
    taps: &[NodeId],
    clock: &mut Clock,
) -> std::result::Result<Pass, ExecError> {
    let (c, _, h, w) = input.dims4()?;
    let wanted = graph.node(graph.input()).channels();
    if c != wanted {
        let expected = format!("{wanted} channels, as the network's input");
        return Err(ExecError::Shape { what: "the image batch".to_owned(), got: vec![c, h, w], expected });
    }
    let shapes = graph.shapes(Size { height: h, width: w })?;
    let last_use = last_uses(graph, taps);
    let kept = backward_reads(graph);
    let mut pass = Pass {
        mode,
        values: vec![None; graph.nodes().len()],
        saved: graph.nodes().iter().map(|_| None).collect(),
        statistics: Vec::new(),
    };
    for (id, node) in graph.iter() {
        let shape = shapes[id.index()];
        let value = clock
            .forward(id, || layer(graph, buffers, &mut pass, id, (shape.h, shape.w), input))
            .map_err(|e| ExecError::Layer { node: node.name().to_owned(), source: Box::new(e) })?;
        pass.values[id.index()] = Some(value);
        for input in node.inputs() {
            // In training, a value is kept only if the backward of a layer reads it.
            let freed = mode == Mode::Eval || !kept[input.index()];
            if freed && last_use[input.index()] == Some(id) {
                pass.values[input.index()] = None;
            }
        }
    }
    Ok(pass)
}

fn layer(
    graph: &Graph,
    buffers: &FlatBuffers,
    pass: &mut Pass,
    id: NodeId,
    (h, w): (usize, usize),
    images: &Tensor,
) -> Result<Tensor> {
    let node = graph.node(id);
    let inputs = node
        .inputs()
        .iter()
        .map(|i| pass.values[i.index()].clone().ok_or_else(|| candle_core::Error::msg("its input was freed")))
        .collect::<Result<Vec<_>>>()?;
    match *node.op() {
        Op::Input { .. } => Ok(images.clone()),
        Op::Conv2d { kernel, stride, padding, bias, out_channels, .. } => {
            let spec = ConvSpec { kernel, stride, padding };
            let weight = buffers.view(id, ParamRole::ConvWeight)?;
            let y = conv::forward(spec, &inputs[0], &weight, (h, w))?;
            if bias {
                let bias = buffers.view(id, ParamRole::ConvBias)?.reshape((out_channels, 1, 1, 1))?;
                return y.broadcast_add(&bias);
            }
            Ok(y)
        }
        Op::BatchNorm { eps, momentum } => {
            let layer = BatchNorm {
                gamma: buffers.view(id, ParamRole::BnGamma)?,
                beta: buffers.view(id, ParamRole::BnBeta)?,
                mean: buffers.view(id, ParamRole::BnMean)?,
                var: buffers.view(id, ParamRole::BnVar)?,
                eps: f64::from(eps),
                momentum: f64::from(momentum),
            };
            if pass.mode == Mode::Eval {
                return layer.eval(&inputs[0]);
            }
            let (y, normalised, statistics) = layer.train(&inputs[0])?;
            pass.saved[id.index()] = Some(normalised);
            pass.statistics.push(statistics);
            Ok(y)
        }
        Op::Silu => silu::forward(&inputs[0]),
        Op::Add => inputs[1..].iter().try_fold(inputs[0].clone(), |sum, x| sum + x),
        Op::Concat => Tensor::cat(&inputs, 0),
        Op::Slice { start, len } => inputs[0].narrow(0, start, len),
        Op::MaxPool { kernel, stride, padding } => {
            max_pool::forward(ConvSpec { kernel, stride, padding }, &inputs[0], (h, w))
        }
        Op::Upsample { scale } => upsample::forward(&inputs[0], scale),
    }
}

/// For each layer, whether the backward of some layer needs its output. Convolution, SiLU and pooling read
/// their input; pooling also reads its output. Batch norm stores its input itself.
pub(super) fn backward_reads(graph: &Graph) -> Vec<bool> {
    let mut read = vec![false; graph.nodes().len()];
    for (id, node) in graph.iter() {
        let is_pool = matches!(node.op(), Op::MaxPool { .. });
        if is_pool || matches!(node.op(), Op::Conv2d { .. } | Op::Silu) {
            node.inputs().iter().for_each(|input| read[input.index()] = true);
        }
        read[id.index()] |= is_pool;
    }
    read
}

/// For each layer, the last layer that reads it; `None` if its value must be kept (outputs and taps).
pub(super) fn last_uses(graph: &Graph, taps: &[NodeId]) -> Vec<Option<NodeId>> {
    let mut last = vec![None; graph.nodes().len()];
    for (id, node) in graph.iter() {
        for input in node.inputs() {
            last[input.index()] = Some(id);
        }
    }
    for kept in graph.outputs().iter().chain(taps) {
        last[kept.index()] = None;
    }
    last
}
