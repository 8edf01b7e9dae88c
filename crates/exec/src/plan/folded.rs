//! [`Folded`]: the parameters of inference, computed once for all image sizes.

use bonsai_graph::{NodeId, Op, ParamRole};
use bonsai_kernels::{Copy, FrozenBatchNorm, KernelError, SEGMENT, View};

use super::arena::buffers;
use super::backend::{Backend, Convolution, FoldedNorm, Push};
use super::layers::{ConvLayer, ProgramContext};
use super::units::Unit;

/// All units with the positions of their folded parameters.
pub(crate) struct Folded<B: Backend> {
    pub(crate) units: Vec<(Unit, PlaceOf<B>)>,
    /// Computes the folded parameters.
    pub(crate) make: B::Program,
    /// Number of values in the buffer.
    pub(crate) len: usize,
}

/// Position of the folded parameters of a unit.
#[derive(Debug, Clone, std::marker::Copy)]
pub(crate) enum Place<W> {
    /// The unit has no folded parameters.
    Nowhere,
    /// Parameters of a convolution.
    Conv { weights: W, bias: Option<View> },
    /// Scale and shift of a batch norm that is not folded into a convolution.
    Norm { scale: View, shift: View },
}

/// [`Place`] on a backend.
pub(crate) type PlaceOf<B> = Place<<<B as Backend>::Conv as Convolution>::Folded>;

impl<B: Backend> Folded<B> {
    /// Writes the program without allocating memory. The image size of `layers` does not matter.
    pub(crate) fn new(layers: &ProgramContext<'_, B>, units: Vec<Unit>) -> Result<Self, KernelError> {
        let mut writer = Writer { layers, make: layers.backend.program(), len: 0 };
        let place = |unit: Unit| writer.place(&unit).map(|place| (unit, place));
        let units = units.into_iter().map(place).collect::<Result<_, _>>()?;
        let make = writer.make;
        let len = writer.len;
        Ok(Self { units, make, len })
    }
}

struct Writer<'a, B: Backend> {
    layers: &'a ProgramContext<'a, B>,
    make: B::Program,
    len: usize,
}

impl<B: Backend> Writer<'_, B> {
    fn place(&mut self, unit: &Unit) -> Result<PlaceOf<B>, KernelError> {
        match unit.conv.map(|conv| self.layers.conv(conv)).transpose()?.flatten() {
            Some(layer) => self.conv(unit, &layer),
            None => self.norm(unit),
        }
    }

    fn conv(&mut self, unit: &Unit, layer: &ConvLayer<B::Conv>) -> Result<PlaceOf<B>, KernelError> {
        let layers = self.layers;
        let label = layers.label(unit);
        let end = &mut self.len;
        let mut room = |len| vector(end, len);
        let weights = layer.push_spread(&mut self.make, label, &mut room)?;
        let norm = batch_norm(layers, unit).map(|(node, eps)| FoldedNorm {
            gamma: layers.param(node, ParamRole::BnGamma),
            beta: layers.param(node, ParamRole::BnBeta),
            mean: layers.param(node, ParamRole::BnMean),
            var: layers.param(node, ParamRole::BnVar),
            eps,
            bias: layer.bias,
            folded_bias: room(layers.width(node)),
        });
        let bias = match (&norm, layer.bias) {
            (Some(norm), _) => Some(norm.folded_bias),
            (None, Some(from)) => {
                let to = room(from.channels);
                self.make.push(label, Copy { from, to, accumulate: false })?;
                Some(to)
            }
            (None, None) => None,
        };
        let weights = layer.conv.push_fold(&mut self.make, label, &mut room, weights, norm.as_ref())?;
        Ok(Place::Conv { weights, bias })
    }

    fn norm(&mut self, unit: &Unit) -> Result<PlaceOf<B>, KernelError> {
        let layers = self.layers;
        let Some((node, eps)) = batch_norm(layers, unit) else { return Ok(Place::Nowhere) };
        let width = layers.width(node);
        let scale = vector(&mut self.len, width);
        let shift = vector(&mut self.len, width);
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
fn batch_norm<B: Backend>(layers: &ProgramContext<'_, B>, unit: &Unit) -> Option<(NodeId, f32)> {
    let node = unit.norm?;
    let Op::BatchNorm { eps, .. } = *layers.network.graph.node(node).op() else { return None };
    Some((node, eps))
}
