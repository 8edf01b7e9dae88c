//! [`Integers`]: convolutions on integers, whose inputs, weights and outputs are rounded to 8 bits and back.
//!
//! A runtime that has integer kernels fuses the pairs of `QuantizeLinear` and `DequantizeLinear` with the
//! convolution between them. For any other runtime they are ordinary arithmetic with the same result.
//! Biases stay in 32 bits: onnxruntime rounds them itself, and `TensorRT` refuses integer biases.
//!
//! On x86, onnxruntime turns signed integers into unsigned ones only if exactly one `DequantizeLinear` reads
//! a `QuantizeLinear` and one node reads that. Otherwise the convolution stays in 32 bits and is slower than
//! without the pairs. It also merges equal pairs. Every convolution therefore reads through a pair of its
//! own, whose scale differs from the others of that wire in the last bit, and a `Clip` without effect
//! separates an output's pair from its readers.

use std::collections::BTreeMap;

use bonsai_graph::{Graph, NodeId, ParamRole};

use crate::OnnxError;
use crate::attribute::int;
use crate::element::Element;
use crate::layer::Layer;
use crate::quantization::{LOWEST, Placement, Quantization, is_quantized, quantize_weights};
use crate::writer::{Value, Writer};

/// Writes the quantised convolutions.
pub(crate) struct Integers<'a> {
    graph: &'a Graph,
    quantization: &'a Quantization,
    /// Number of pairs that each wire has so far.
    pairs: BTreeMap<NodeId, usize>,
}

impl<'a> Integers<'a> {
    /// A writer without written convolutions.
    pub(crate) const fn new(graph: &'a Graph, quantization: &'a Quantization) -> Self {
        Self { graph, quantization, pairs: BTreeMap::new() }
    }

    /// Whether this layer is a quantised convolution.
    pub(crate) fn takes(&self, layer: NodeId) -> bool {
        is_quantized(self.graph, layer)
    }

    /// Writes the convolution `id`, which reads `input`.
    pub(crate) fn write(
        &mut self,
        layer: &mut Layer<'_, '_>,
        id: NodeId,
        input: &Value,
    ) -> Result<Value, OnnxError> {
        let (input, _) = self.rounded(layer.writer, self.graph.node(id).inputs()[0], input)?;
        let weight = weight(layer)?;
        let output = layer.convolve(&input, &weight)?;
        if self.quantization.placement == Placement::Inputs {
            return Ok(output);
        }
        let (rounded, step) = self.rounded(layer.writer, id, &output)?;
        let name = layer.node.name();
        let writer = &mut *layer.writer;
        let lowest = writer.floats(&format!("{name}.lowest"), Element::F32, &[], &[LOWEST * step]);
        Ok(writer.node(name, "Clip", &[&rounded, &lowest], Vec::new(), rounded.dims()))
    }

    /// Rounds `value`, which is the value of `wire`; also returns the step.
    fn rounded(
        &mut self,
        writer: &mut Writer,
        wire: NodeId,
        value: &Value,
    ) -> Result<(Value, f32), OnnxError> {
        let name = self.graph.node(wire).name();
        let pairs = self.pairs.entry(wire).or_default();
        let step = (0..*pairs).fold(self.quantization.wire_scale(name)?, |step, _| step.next_up());
        *pairs += 1;
        let scale = writer.floats(&format!("{name}.scale"), Element::F32, &[], &[step]);
        let zero = writer.floats(&format!("{name}.zero_point"), Element::I8, &[], &[0.0]);
        let form = (Element::I8, value.dims());
        let whole = writer.typed(name, "QuantizeLinear", &[value, &scale, &zero], Vec::new(), form);
        let form = (Element::F32, value.dims());
        let rounded = writer.typed(name, "DequantizeLinear", &[&whole, &scale, &zero], Vec::new(), form);
        Ok((rounded, step))
    }
}

/// The weights as integers with a scale for each output channel.
pub(crate) fn weight(layer: &mut Layer<'_, '_>) -> Result<Value, OnnxError> {
    let name = layer.parameter(ParamRole::ConvWeight);
    let (shape, data) = layer.parameters.read(&name)?;
    let channels = shape.first().copied().unwrap_or(0);
    let (scales, steps) = quantize_weights(data, channels);
    let writer = &mut *layer.writer;
    let whole = writer.floats(&name, Element::I8, shape, &steps);
    let scale = writer.floats(&format!("{name}.scale"), Element::F32, &[channels], &scales);
    let zeros = vec![0.0; channels];
    let zero = writer.floats(&format!("{name}.zero_point"), Element::I8, &[channels], &zeros);
    let form = (Element::F32, whole.dims());
    let inputs = [&whole, &scale, &zero];
    Ok(writer.typed(&name, "DequantizeLinear", &inputs, vec![int("axis", 0)], form))
}
