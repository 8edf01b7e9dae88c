//! [`Codes`]: a network in 8-bit codes, as pairs of `QuantizeLinear` and `DequantizeLinear`.
//!
//! Every wire that the integer engine computes in codes is rounded here with the same scale and zero point. A sum
//! that lies close to the middle between two codes may round differently in a runtime that adds in `f32`. Weights are the integers of the engine, with a scale for each output channel. A runtime
//! that has integer kernels fuses the pairs with the layer between them.

use bonsai_graph::{Graph, NodeId, Quantization};

use crate::OnnxError;
use crate::element::Element;
use crate::integer::weight;
use crate::layer::Layer;
use crate::writer::{Value, Writer};

/// Rounds wires and weights.
#[derive(Clone, Copy)]
pub(crate) struct Codes<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) quantization: &'a Quantization,
}

/// Writes a convolution with quantised weights.
pub(crate) fn convolve(layer: &mut Layer<'_, '_>, input: &Value) -> Result<Value, OnnxError> {
    let weight = weight(layer)?;
    layer.convolve(input, &weight)
}

impl Codes<'_> {
    /// Rounds the value of a wire to its codes; the value of an output that stays in 32 bits is not changed.
    pub(crate) fn round(self, writer: &mut Writer, wire: NodeId, value: &Value) -> Result<Value, OnnxError> {
        if self.graph.is_plain_output(wire) {
            return Ok(value.clone());
        }
        let name = self.graph.node(wire).name();
        let codes = self.quantization.get(self.graph, wire)?;
        let scale = writer.floats(&format!("{name}.scale"), Element::F32, &[], &[codes.scale]);
        let zero = f32::from(codes.zero_point);
        let zero = writer.floats(&format!("{name}.zero_point"), Element::U8, &[], &[zero]);
        let form = (Element::U8, value.dims());
        let whole = writer.typed(name, "QuantizeLinear", &[value, &scale, &zero], Vec::new(), form);
        let form = (Element::F32, value.dims());
        Ok(writer.typed(name, "DequantizeLinear", &[&whole, &scale, &zero], Vec::new(), form))
    }
}
