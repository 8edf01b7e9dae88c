//! The programs of inference: batch norm goes into the convolution's weights, the rest of a unit into its epilogue.
//!
//! What is made of the parameters (folded and packed weights) is kept until they change: `prepare` makes it.

use bonsai_graph::{NodeId, Op, ParamRole};
use bonsai_kernels::{Epilogue, FoldBatchNorm, FrozenBatchNorm, KernelError, Pointwise, Program, View};

use super::arena::Boundary;
use super::layers::{ConvLayer, HostWire, Layers};
use super::units::Unit;

/// Inference on one size of images.
pub(super) struct EvalPrograms {
    pub(super) prepare: Program,
    pub(super) forward: Program,
    pub(super) images: HostWire,
    pub(super) outputs: Vec<HostWire>,
    pub(super) taps: Vec<HostWire>,
}

/// Writes the programs of inference.
pub(super) fn write(
    mut layers: Layers<'_>,
    units: &[Unit],
    taps: &[NodeId],
) -> Result<EvalPrograms, KernelError> {
    layers.make_values();
    let network = layers.network;
    let input = network.graph.input();
    let images = layers.value(input);
    let images = layers.host_wire(input, images, Boundary::BeforeForward);
    let (mut prepare, mut forward) = (Program::new(layers.isa), Program::new(layers.isa));
    for unit in units {
        match unit.conv.map(|conv| layers.conv(conv)).transpose()?.flatten() {
            Some(conv) => push_conv(&mut layers, &mut prepare, &mut forward, unit, &conv)?,
            None if unit.is_chain() => push_pointwise(&mut layers, &mut prepare, &mut forward, unit)?,
            None => layers.push_alone(&mut forward, unit.node, false).map(|_| ())?,
        }
    }
    let mut visible = |wire: &NodeId| {
        let view = layers.value(*wire);
        layers.host_wire(*wire, view, Boundary::AfterForward)
    };
    let outputs = network.graph.outputs().iter().map(&mut visible).collect();
    let taps = taps.iter().map(visible).collect();
    Ok(EvalPrograms { prepare, forward, images, outputs, taps })
}

fn push_conv(
    layers: &mut Layers<'_>,
    prepare: &mut Program,
    forward: &mut Program,
    unit: &Unit,
    layer: &ConvLayer,
) -> Result<(), KernelError> {
    let network = layers.network;
    let label = network.graph.node(unit.node).name();
    let (mut weights, mut bias) = (layer.weights, layer.bias);
    if let Some(node) = unit.norm
        && let Op::BatchNorm { eps, .. } = *network.graph.node(node).op()
    {
        let width = layers.width(node);
        let rows = |view: View| View::dense(view.buffer, view.offset, view.channels / width, width);
        let folded = layers.arena.vector(layer.conv.weights_len());
        let folded_bias = layers.arena.prepared(width);
        let kernel = FoldBatchNorm {
            weights: rows(weights),
            folded: rows(folded),
            gamma: layers.param(node, ParamRole::BnGamma),
            beta: layers.param(node, ParamRole::BnBeta),
            mean: layers.param(node, ParamRole::BnMean),
            var: layers.param(node, ParamRole::BnVar),
            eps,
            bias,
            folded_bias,
        };
        prepare.push(label, kernel)?;
        (weights, bias) = (folded, Some(folded_bias));
    }
    let packed = layers.arena.prepared(layer.conv.packed_len());
    layer.conv.push_pack(prepare, label, weights, packed)?;
    let residual = unit.residual.map(|(_, wire)| layers.value(wire));
    let epilogue = Epilogue { bias, silu: unit.silu.is_some(), residual, moments: None };
    let (x, z) = (layers.value(layer.input), layers.value(unit.last));
    layer.conv.push_forward(forward, label, x, packed, z, epilogue)
}

/// A chain without a convolution.
fn push_pointwise(
    layers: &mut Layers<'_>,
    prepare: &mut Program,
    forward: &mut Program,
    unit: &Unit,
) -> Result<(), KernelError> {
    let network = layers.network;
    let label = network.graph.node(unit.node).name();
    let mut norm = None;
    if let Some(node) = unit.norm
        && let Op::BatchNorm { eps, .. } = *network.graph.node(node).op()
    {
        let width = layers.width(node);
        let (scale, shift) = (layers.arena.prepared(width), layers.arena.prepared(width));
        let kernel = FrozenBatchNorm {
            gamma: layers.param(node, ParamRole::BnGamma),
            beta: layers.param(node, ParamRole::BnBeta),
            mean: layers.param(node, ParamRole::BnMean),
            var: layers.param(node, ParamRole::BnVar),
            eps,
            scale,
            shift,
        };
        prepare.push(label, kernel)?;
        norm = Some((scale, shift));
    }
    let y = layers.value(network.graph.node(unit.node).inputs()[0]);
    let residual = unit.residual.map(|(_, wire)| layers.value(wire));
    forward
        .push(label, Pointwise { y, z: layers.value(unit.last), norm, silu: unit.silu.is_some(), residual })
}
