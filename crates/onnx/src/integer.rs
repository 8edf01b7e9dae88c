//! Convolutions on integers: what they read, their weights and what they make, rounded to 8 bits and back.
//!
//! A reader that has integer kernels takes the pairs of `QuantizeLinear` and `DequantizeLinear` together with the
//! convolution between them; to any other they are ordinary arithmetic with the same result.

use std::collections::BTreeMap;

use bonsai_graph::{Graph, NodeId, ParamRole};

use crate::OnnxError;
use crate::attribute::int;
use crate::element::Element;
use crate::layers::Layer;
use crate::quantization::{Placement, Quantization, is_quantized, quantize_weights};
use crate::writer::{Value, Writer};

/// Writes the convolutions that are quantised.
pub(crate) struct Integers<'a> {
    graph: &'a Graph,
    quantization: &'a Quantization,
    /// Wires that were rounded: once for all who read them.
    rounded: BTreeMap<NodeId, Value>,
}

impl<'a> Integers<'a> {
    /// None written yet.
    pub(crate) const fn new(graph: &'a Graph, quantization: &'a Quantization) -> Self {
        Self { graph, quantization, rounded: BTreeMap::new() }
    }

    /// Whether that layer is one of them.
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
        let input = self.rounded(layer.writer, self.graph.node(id).inputs()[0], input)?;
        let weight = weight(layer)?;
        let output = layer.convolve(&input, &weight)?;
        match self.quantization.placement {
            Placement::Inputs => Ok(output),
            Placement::InputsAndOutputs => self.rounded(layer.writer, id, &output),
        }
    }

    /// `value`, which is what `wire` carries, rounded.
    fn rounded(&mut self, writer: &mut Writer, wire: NodeId, value: &Value) -> Result<Value, OnnxError> {
        if let Some(rounded) = self.rounded.get(&wire) {
            return Ok(rounded.clone());
        }
        let name = self.graph.node(wire).name();
        let step = self.quantization.wire_scale(name)?;
        let scale = writer.floats(&format!("{name}.scale"), Element::F32, &[], &[step]);
        let zero = writer.floats(&format!("{name}.zero_point"), Element::I8, &[], &[0.0]);
        let form = (Element::I8, value.dims());
        let whole = writer.typed(name, "QuantizeLinear", &[value, &scale, &zero], Vec::new(), form);
        let form = (Element::F32, value.dims());
        let rounded = writer.typed(name, "DequantizeLinear", &[&whole, &scale, &zero], Vec::new(), form);
        self.rounded.insert(wire, rounded.clone());
        Ok(rounded)
    }
}

/// The weights as integers with a scale for each output channel.
fn weight(layer: &mut Layer<'_, '_>) -> Result<Value, OnnxError> {
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
