//! [`Folded`]: the parameters of inference, computed once for all image sizes: folded weights in panels.
//!
//! The buffer also has room for the weights of Winograd's algorithm. They are computed for the sizes that use
//! them; until then the room takes no memory, because untouched pages take none.

use bonsai_graph::{NodeId, Op, ParamRole};
use bonsai_kernels::{
    AlignedBuffer, Copy, FoldBatchNorm, FrozenBatchNorm, KernelError, Program, SEGMENT, View, WinogradMode,
};

use super::arena::buffers;
use super::layers::{ConvLayer, ProgramContext};
use super::units::Unit;

/// All units with the positions of their folded parameters.
pub(super) struct Folded {
    pub(super) units: Vec<(Unit, Place)>,
    /// Computes the folded parameters.
    pub(super) make: Program,
    /// Number of values in the buffer.
    pub(super) len: usize,
    pub(super) memory: AlignedBuffer,
    /// Version of the parameters from which the memory was computed.
    pub(super) made_from: Option<u64>,
}

/// Position of the folded parameters of a unit.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// The unit has no folded parameters.
    Nowhere,
    /// Parameters of a convolution.
    Conv {
        panels: View,
        bias: Option<View>,
        /// Room for the weights of Winograd's algorithm.
        packed: View,
    },
    /// Scale and shift of a batch norm that is not folded into a convolution.
    Norm { scale: View, shift: View },
}

impl Folded {
    /// Writes the program without allocating memory. The image size of `layers` does not matter.
    pub(super) fn new(layers: &ProgramContext<'_>, units: Vec<Unit>) -> Result<Self, KernelError> {
        let mut writer = Writer { layers, make: Program::new(layers.isa), len: 0 };
        let place = |unit: Unit| writer.place(&unit).map(|place| (unit, place));
        let units = units.into_iter().map(place).collect::<Result<_, _>>()?;
        let make = writer.make;
        let len = writer.len;
        Ok(Self { units, make, len, memory: AlignedBuffer::zeroed(0), made_from: None })
    }
}

struct Writer<'a> {
    layers: &'a ProgramContext<'a>,
    make: Program,
    len: usize,
}

impl Writer<'_> {
    fn vector(&mut self, len: usize) -> View {
        vector(&mut self.len, len)
    }

    fn place(&mut self, unit: &Unit) -> Result<Place, KernelError> {
        match unit.conv.map(|conv| self.layers.conv(conv)).transpose()?.flatten() {
            Some(layer) => self.conv(unit, &layer),
            None => self.norm(unit),
        }
    }

    fn conv(&mut self, unit: &Unit, layer: &ConvLayer) -> Result<Place, KernelError> {
        let layers = self.layers;
        let label = layers.label(unit);
        let conv = &layer.conv;
        let end = &mut self.len;
        let weights = layer.push_spread(&mut self.make, label, |len| vector(end, len))?;
        let panels = self.vector(conv.weights_len());
        let mut bias = None;
        if let Some((node, eps)) = batch_norm(layers, unit) {
            let folded_bias = self.vector(layers.width(node));
            let fold = FoldBatchNorm {
                weights,
                folded: panels,
                gamma: layers.param(node, ParamRole::BnGamma),
                beta: layers.param(node, ParamRole::BnBeta),
                mean: layers.param(node, ParamRole::BnMean),
                var: layers.param(node, ParamRole::BnVar),
                eps,
                bias: layer.bias,
                folded_bias,
            };
            conv.push_folded_panels(&mut self.make, label, &fold)?;
            bias = Some(folded_bias);
        } else {
            conv.push_panels(&mut self.make, label, weights, panels)?;
            if let Some(from) = layer.bias {
                let to = self.vector(from.channels);
                self.make.push(label, Copy { from, to, accumulate: false })?;
                bias = Some(to);
            }
        }
        let packed = match layers.winograd {
            WinogradMode::Auto => conv.most_packed_len(),
            WinogradMode::Off => 0,
        };
        Ok(Place::Conv { panels, bias, packed: self.vector(packed) })
    }

    fn norm(&mut self, unit: &Unit) -> Result<Place, KernelError> {
        let layers = self.layers;
        let Some((node, eps)) = batch_norm(layers, unit) else { return Ok(Place::Nowhere) };
        let width = layers.width(node);
        let scale = self.vector(width);
        let shift = self.vector(width);
        let kernel = FrozenBatchNorm {
            gamma: layers.param(node, ParamRole::BnGamma),
            beta: layers.param(node, ParamRole::BnBeta),
            mean: layers.param(node, ParamRole::BnMean),
            var: layers.param(node, ParamRole::BnVar),
            eps,
            scale,
            shift,
        };
        self.make.push(layers.label(unit), kernel)?;
        Ok(Place::Norm { scale, shift })
    }
}

/// Reserves `len` values after `end`, the current end of the buffer.
fn vector(end: &mut usize, len: usize) -> View {
    let offset = *end;
    *end = (offset + len).next_multiple_of(SEGMENT);
    View::vector(buffers::FOLDED, offset, len)
}

/// The batch norm of a unit and its eps.
fn batch_norm(layers: &ProgramContext<'_>, unit: &Unit) -> Option<(NodeId, f32)> {
    let node = unit.norm?;
    let Op::BatchNorm { eps, .. } = *layers.network.graph.node(node).op() else { return None };
    Some((node, eps))
}
