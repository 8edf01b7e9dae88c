//! [`TrainPrograms`]: the programs of a training step, forward with batch statistics and then [`Backward`].
//!
//! The forward program keeps for backward: the inputs of convolutions (`x`), their outputs (`y`), four
//! vectors per batch norm, and the positions of maxima.

use bonsai_graph::{CodeScale, NodeId, Op, ParamRole};
use bonsai_kernels::{BatchNorm, Epilogue, KernelError, Moments, Pointwise, RoundCodes};

use super::arena::Boundary;
use super::backend::{Backend, Convolution, Push};
use super::backward::Backward;
use super::forward_state::{ForwardState, NormVectors};
use super::host_wire::HostWire;
use super::layers::{ConvLayer, ProgramContext};
use super::units::Unit;

/// The programs of one training step.
pub(crate) struct TrainPrograms<P> {
    pub(crate) forward: P,
    pub(crate) backward: P,
    pub(crate) images: HostWire,
    pub(crate) outputs: Vec<HostWire>,
    pub(crate) taps: Vec<HostWire>,
    /// Wires into which the host writes the gradients of the outputs.
    pub(crate) upstream: Vec<HostWire>,
    pub(crate) input_gradient: Option<HostWire>,
}

/// Writes the programs of a training step.
pub(crate) fn write<B: Backend>(
    mut layers: ProgramContext<'_, B>,
    units: &[Unit],
    taps: &[NodeId],
) -> Result<TrainPrograms<B::Program>, KernelError> {
    layers.make_values();
    let network = layers.network;
    let input = network.graph.input();
    let images = layers.value(input);
    let images = layers.host_wire(input, images, Boundary::BeforeForward);
    let backend = layers.backend;
    let mut forward = backend.program();
    let kept: Vec<ForwardState> =
        units.iter().map(|unit| push_forward(&mut layers, &mut forward, unit)).collect::<Result<_, _>>()?;
    let mut visible = |wire: &NodeId| {
        let view = layers.value(*wire);
        layers.host_wire(*wire, view, Boundary::AfterForward)
    };
    let outputs = network.graph.outputs().iter().map(&mut visible).collect();
    let tapped = taps.iter().map(visible).collect();

    let mut p = backend.program();
    let mut backward = Backward::new(layers, taps.contains(&input));
    let upstream = backward.receive(&mut p)?;
    for (unit, kept) in units.iter().zip(&kept).rev() {
        backward.push(&mut p, unit, kept)?;
    }
    let input_gradient = backward.input_gradient(&mut p)?;
    Ok(TrainPrograms { forward, backward: p, images, outputs, taps: tapped, upstream, input_gradient })
}

/// Appends a unit and, if its output is rounded, the rounding.
fn push_forward<B: Backend>(
    layers: &mut ProgramContext<'_, B>,
    p: &mut B::Program,
    unit: &Unit,
) -> Result<ForwardState, KernelError> {
    let state = push_exact(layers, p, unit)?;
    let Some(CodeScale { scale, zero_point }) = layers.network.rounding.codes(unit.last) else {
        return Ok(state);
    };
    let x = layers.value(unit.last);
    let mask = layers.arena.vector(RoundCodes::mask_len(&x));
    p.push(layers.label(unit), RoundCodes { x, mask, scale, zero_point })?;
    Ok(ForwardState { mask: Some(mask), ..state })
}

fn push_exact<B: Backend>(
    layers: &mut ProgramContext<'_, B>,
    p: &mut B::Program,
    unit: &Unit,
) -> Result<ForwardState, KernelError> {
    if !unit.is_chain() {
        let argmax = layers.push_alone(p, unit.node, true)?;
        return Ok(ForwardState { argmax, ..ForwardState::default() });
    }
    let network = layers.network;
    let label = network.graph.node(unit.node).name();
    let width = layers.width(unit.node);
    let pixels = layers.pixels(unit.node);
    let residual = unit.residual.map(|(_, wire)| layers.value(wire));
    let z = layers.value(unit.last);
    let conv = unit.conv.map(|conv| layers.conv(conv)).transpose()?.flatten();
    let bare = unit.norm.is_none() && unit.silu.is_none();
    let y = match &conv {
        Some(_) if bare => z,
        Some(_) => layers.hidden(pixels, width),
        None => layers.value(network.graph.node(unit.node).inputs()[0]),
    };
    let counts =
        unit.norm.map(|_| conv.as_ref().map_or_else(|| Moments::counts(pixels), |c| c.conv.moment_counts()));
    let moments = counts.as_ref().map(|counts| layers.arena.tensor(2 * counts.len(), width));
    if let Some(layer @ ConvLayer { input, conv, bias, .. }) = &conv {
        let weights = layer.push_trained(p, label, &mut |len| layers.arena.vector(len))?;
        let residual = residual.filter(|_| bare);
        let epilogue = Epilogue { bias: *bias, silu: false, residual, moments };
        let operands = [layers.value(*input), weights, y];
        conv.push_forward(p, label, &mut |len| layers.arena.vector(len), operands, epilogue)?;
    } else if let Some(partials) = moments {
        p.push(label, Moments { y, partials })?;
    }
    let mut norm = None;
    if let (Some(node), Some(counts), Some(partials)) = (unit.norm, counts, moments)
        && let Op::BatchNorm { eps, momentum } = *network.graph.node(node).op()
    {
        let mut vector = || layers.arena.vector(width);
        let vectors = NormVectors { mean: vector(), inv: vector(), scale: vector(), shift: vector() };
        let NormVectors { mean, inv, scale, shift } = vectors;
        let kernel = BatchNorm {
            counts,
            partials,
            gamma: layers.param(node, ParamRole::BnGamma),
            beta: layers.param(node, ParamRole::BnBeta),
            running_mean: layers.param(node, ParamRole::BnMean),
            running_var: layers.param(node, ParamRole::BnVar),
            momentum,
            eps,
            mean,
            inv,
            scale,
            shift,
        };
        p.push(label, kernel)?;
        norm = Some(vectors);
    }
    if !bare {
        let norm = norm.map(|n| (n.scale, n.shift));
        p.push(label, Pointwise { y, z, norm, silu: unit.silu.is_some(), residual })?;
    }
    Ok(ForwardState { y: Some(y), norm, ..ForwardState::default() })
}
