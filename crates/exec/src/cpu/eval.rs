//! [`EvalPrograms`]: the programs of inference. Batch norm is folded into the weights of the convolution
//! ([`Folded`]), and the rest of a unit is in its epilogue.

use bonsai_graph::NodeId;
use bonsai_kernels::{Epilogue, KernelError, Pointwise, Program};

use super::arena::Boundary;
use super::folded::{Folded, Place};
use super::layers::{HostWire, ProgramContext};
use super::units::Unit;

/// The programs of inference for one image size.
pub(super) struct EvalPrograms {
    /// Computes the weights for this size from the folded weights.
    pub(super) prepare: Program,
    pub(super) forward: Program,
    pub(super) images: HostWire,
    pub(super) outputs: Vec<HostWire>,
    pub(super) taps: Vec<HostWire>,
}

/// Writes the programs of inference.
pub(super) fn write(
    mut layers: ProgramContext<'_>,
    folded: &Folded,
    taps: &[NodeId],
) -> Result<EvalPrograms, KernelError> {
    layers.make_values();
    let network = layers.network;
    let input = network.graph.input();
    let images = layers.value(input);
    let images = layers.host_wire(input, images, Boundary::BeforeForward);
    let mut prepare = Program::new(layers.isa);
    let mut forward = Program::new(layers.isa);
    for (unit, place) in &folded.units {
        push_unit(&mut layers, &mut prepare, &mut forward, unit, *place)?;
    }
    let mut visible = |wire: &NodeId| {
        let view = layers.value(*wire);
        layers.host_wire(*wire, view, Boundary::AfterForward)
    };
    let outputs = network.graph.outputs().iter().map(&mut visible).collect();
    let taps = taps.iter().map(visible).collect();
    Ok(EvalPrograms { prepare, forward, images, outputs, taps })
}

fn push_unit(
    layers: &mut ProgramContext<'_>,
    prepare: &mut Program,
    forward: &mut Program,
    unit: &Unit,
    place: Place,
) -> Result<(), KernelError> {
    if !unit.is_chain() {
        return layers.push_alone(forward, unit.node, false).map(|_| ());
    }
    let label = layers.label(unit);
    let silu = unit.silu.is_some();
    let residual = unit.residual.map(|(_, wire)| layers.value(wire));
    let z = layers.value(unit.last);
    if let (Some(node), Place::Conv { panels, bias, packed }) = (unit.conv, place)
        && let Some(layer) = layers.conv(node)?
    {
        let weights = if layer.conv.reads_panels() {
            panels
        } else {
            layer.conv.push_pack_panels(prepare, label, panels, packed)?;
            packed
        };
        let epilogue = Epilogue { bias, silu, residual, moments: None };
        return layer.conv.push_forward(forward, label, layers.value(layer.input), weights, z, epilogue);
    }
    let norm = match place {
        Place::Norm { scale, shift } => Some((scale, shift)),
        Place::Nowhere | Place::Conv { .. } => None,
    };
    let y = layers.value(layers.network.graph.node(unit.node).inputs()[0]);
    forward.push(label, Pointwise { y, z, norm, silu, residual })
}
