//! [`Quantization`]: the wires that become 8-bit integers, and their scales.
//!
//! Everything is symmetric, because `TensorRT` supports no zero points. A wire has one scale, its largest
//! magnitude over 127; a convolution's weights have one for each output channel (Nagel et al., "A White Paper
//! on Neural Network Quantization", 2021, arXiv 2106.08295). Rounding is to the nearest, halves to even, as
//! in `QuantizeLinear`.
//!
//! Convolutions that compute the network's outputs stay in 32 bits, because a small rounding error in the
//! logits of a box moves it by pixels.

use std::collections::{BTreeMap, BTreeSet};

use bonsai_graph::{Graph, NodeId, Op, weight_codes};

use crate::OnnxError;

/// Largest magnitude of an 8-bit integer that is used, on both sides of zero.
const LEVELS: f32 = 127.0;
/// The lowest 8-bit integer.
pub(crate) const LOWEST: f32 = -128.0;

/// Sides of a convolution on which numbers are rounded to 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Placement {
    /// The inputs. `TensorRT` and `OpenVINO` make integer convolutions of these, onnxruntime does not.
    Inputs,
    /// Inputs and outputs: onnxruntime needs both.
    #[default]
    InputsAndOutputs,
}

/// Ranges of wires, and the sides of a convolution on which they are used.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Quantization {
    /// Smallest and largest value of a wire, by the name of the layer that computes it in the network with
    /// folded batch norm. [`quantized_wires`] lists the wires that are needed.
    pub ranges: BTreeMap<String, (f32, f32)>,
    /// Sides of a convolution on which numbers are rounded.
    pub placement: Placement,
}

/// The wires of a folded graph whose ranges a [`Quantization`] must have, in the graph's order.
pub fn quantized_wires(graph: &Graph, placement: Placement) -> Vec<NodeId> {
    let mut wires = BTreeSet::new();
    for (id, node) in graph.iter().filter(|(id, _)| is_quantized(graph, *id)) {
        wires.insert(node.inputs()[0]);
        if placement == Placement::InputsAndOutputs {
            wires.insert(id);
        }
    }
    wires.into_iter().collect()
}

/// Whether a layer computes with integers.
pub(crate) fn is_quantized(graph: &Graph, layer: NodeId) -> bool {
    matches!(graph.node(layer).op(), Op::Conv2d { .. }) && !graph.outputs().contains(&layer)
}

impl Quantization {
    /// The value of one integer step of a wire.
    pub(crate) fn wire_scale(&self, wire: &str) -> Result<f32, OnnxError> {
        let range = self.ranges.get(wire);
        let (low, high) = *range.ok_or_else(|| OnnxError::NoRange { wire: wire.to_owned() })?;
        if !(low.is_finite() && high.is_finite() && low <= high) {
            return Err(OnnxError::Range { wire: wire.to_owned(), low, high });
        }
        Ok(scale(low.abs().max(high.abs())))
    }
}

/// One scale for each output channel, and the weights in steps of it.
pub(crate) fn quantize_weights(weights: &[f32], channels: usize) -> (Vec<f32>, Vec<f32>) {
    let per_channel = weights.len() / channels.max(1);
    let mut scales = Vec::with_capacity(channels);
    let mut steps = Vec::with_capacity(weights.len());
    for channel in weights.chunks(per_channel.max(1)) {
        let (scale, codes) = weight_codes(channel);
        scales.push(scale);
        steps.extend(codes.map(f32::from));
    }
    (scales, steps)
}

/// The step for which `magnitude` is 127 steps. If it is zero or too small for a normal step, the step is 1.
fn scale(magnitude: f32) -> f32 {
    let step = magnitude / LEVELS;
    if step.is_normal() { step } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_has_its_own_step() {
        let (scales, steps) = quantize_weights(&[1.0, -2.54, 0.0, 0.0, 1e-3, 127e-3], 3);
        assert_eq!(scales, [0.02, 1.0, 1e-3]);
        assert_eq!(steps, [50.0, -127.0, 0.0, 0.0, 1.0, 127.0]);
    }
}
