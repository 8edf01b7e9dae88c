//! [`EvalPrograms`]: the programs of inference. Batch norm is folded into the weights of the convolution
//! ([`Folded`]), and the rest of a unit is in its epilogue.

use bonsai_graph::NodeId;
use bonsai_kernels::{Epilogue, KernelError, Pointwise};

use super::arena::Boundary;
use super::backend::{Backend, Convolution, Push};
use super::folded::{Folded, Place, PlaceOf};
use super::host_wire::HostWire;
use super::layers::ProgramContext;
use super::units::Unit;

/// The programs of inference for one image size.
pub(crate) struct EvalPrograms<P> {
    /// Computes the weights for this size from the folded weights.
    pub(crate) prepare: P,
    pub(crate) forward: P,
    pub(crate) images: HostWire,
    pub(crate) outputs: Vec<HostWire>,
    pub(crate) taps: Vec<HostWire>,
}

/// Writes the programs of inference.
pub(crate) fn write<B: Backend>(
    mut layers: ProgramContext<'_, B>,
    folded: &Folded<B>,
    taps: &[NodeId],
) -> Result<EvalPrograms<B::Program>, KernelError> {
    layers.make_values();
    let network = layers.network;
    let input = network.graph.input();
    let images = layers.value(input);
    let images = layers.host_wire(input, images, Boundary::BeforeForward);
    let mut prepare = layers.backend.program();
    let mut forward = layers.backend.program();
    for (unit, place) in &folded.units {
        push_unit(&mut layers, [&mut prepare, &mut forward], unit, *place)?;
    }
    let mut visible = |wire: &NodeId| {
        let view = layers.value(*wire);
        layers.host_wire(*wire, view, Boundary::AfterForward)
    };
    let outputs = network.graph.outputs().iter().map(&mut visible).collect();
    let taps = taps.iter().map(visible).collect();
    Ok(EvalPrograms { prepare, forward, images, outputs, taps })
}

fn push_unit<B: Backend>(
    layers: &mut ProgramContext<'_, B>,
    [prepare, forward]: [&mut B::Program; 2],
    unit: &Unit,
    place: PlaceOf<B>,
) -> Result<(), KernelError> {
    if !unit.is_chain() {
        return layers.push_alone(forward, unit.node, false).map(|_| ());
    }
    let label = layers.label(unit);
    let silu = unit.silu.is_some();
    let residual = unit.residual.map(|(_, wire)| layers.value(wire));
    let z = layers.value(unit.last);
    if let (Some(node), Place::Conv { weights, bias }) = (unit.conv, place)
        && let Some(layer) = layers.conv(node)?
    {
        let epilogue = Epilogue { bias, silu, residual, moments: None };
        let operands = [layers.value(layer.input), z];
        return layer.conv.push_inference([prepare, forward], label, operands, weights, epilogue);
    }
    let norm = match place {
        Place::Norm { scale, shift } => Some((scale, shift)),
        Place::Nowhere | Place::Conv { .. } => None,
    };
    let y = layers.value(layers.network.graph.node(unit.node).inputs()[0]);
    forward.push(label, Pointwise { y, z, norm, silu, residual })
}
