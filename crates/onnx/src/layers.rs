//! [`write_layers`]: writes each layer of the graph as ONNX nodes.

use bonsai_checkpoint::Checkpoint;
use bonsai_graph::{Graph, NodeId, Op};

use crate::OnnxError;
use crate::codes::{Codes, convolve};
use crate::dim::Dim;
use crate::element::Element;
use crate::integer::Integers;
use crate::layer::Layer;
use crate::name::common_module;
use crate::options::Precision;
use crate::parameters::Parameters;
use crate::split::splits;
use crate::writer::{Value, Writer};

/// Writes all layers that the outputs depend on; returns the values of the outputs, in the graph's order.
///
/// # Errors
/// [`OnnxError::Checkpoint`] if a weight is missing, [`OnnxError::NotFinite`] if one is not finite,
/// [`OnnxError::Half`] if one does not fit into 16 bits and those were requested, and [`OnnxError::NoRange`]
/// or [`OnnxError::Range`] for ranges of quantised wires.
pub(crate) fn write_layers(
    writer: &mut Writer,
    checkpoint: &Checkpoint,
    sizes: &[[Dim; 4]],
    input: &Value,
    precision: &Precision,
) -> Result<Vec<Value>, OnnxError> {
    let graph = checkpoint.model.graph();
    let live = live(graph);
    let splits = splits(graph, &live);
    let (element, mut integers) = match precision {
        Precision::Fp32 => (Element::F32, None),
        Precision::Half { .. } => (Element::F16, None),
        Precision::Int8(quantization) => (Element::F32, Some(Integers::new(graph, quantization))),
    };
    let codes = checkpoint.quantization.as_ref().map(|quantization| Codes { graph, quantization });
    let round = |writer: &mut Writer, wire: NodeId, value: Value| match codes {
        Some(codes) => codes.round(writer, wire, &value),
        None => Ok(value),
    };
    let mut parameters = Parameters { weights: &checkpoint.weights, element, too_large: Vec::new() };
    let input = writer.cast(graph.node(graph.input()).name(), input, element);
    let mut values: Vec<Option<Value>> = vec![None; graph.nodes().len()];
    for (id, node) in graph.iter().filter(|(id, _)| live[id.index()]) {
        if values[id.index()].is_some() {
            continue; // This slice was written with the first one of its split.
        }
        let inputs: Vec<&Value> = node.inputs().iter().filter_map(|i| values[i.index()].as_ref()).collect();
        if let Some(slices) = splits.get(&id) {
            let parts = split(writer, graph, inputs[0], slices);
            for (slice, part) in slices.iter().zip(parts) {
                values[slice.index()] = Some(round(writer, *slice, part)?);
            }
            continue;
        }
        let mut layer = Layer { writer, node, parameters: &mut parameters, dims: &sizes[id.index()] };
        let value = match (&mut integers, codes) {
            (Some(integers), _) if integers.takes(id) => integers.write(&mut layer, id, inputs[0])?,
            (_, Some(_)) if matches!(node.op(), Op::Conv2d { .. }) => convolve(&mut layer, inputs[0])?,
            _ => layer.write(&input, &inputs)?,
        };
        values[id.index()] = Some(round(writer, id, value)?);
    }
    if !parameters.too_large.is_empty() {
        return Err(OnnxError::half(parameters.too_large));
    }
    Ok(graph.outputs().iter().filter_map(|o| values[o.index()].clone()).collect())
}

/// Whether an output depends on each layer.
fn live(graph: &Graph) -> Vec<bool> {
    let mut live = vec![false; graph.nodes().len()];
    for output in graph.outputs() {
        live[output.index()] = true;
    }
    for (id, node) in graph.iter().rev().filter(|(_, n)| !n.inputs().is_empty()) {
        if live[id.index()] {
            for input in node.inputs() {
                live[input.index()] = true;
            }
        }
    }
    live
}

/// The slices of `input`, which together cover it; a single one is `input` itself.
fn split(writer: &mut Writer, graph: &Graph, input: &Value, slices: &[NodeId]) -> Vec<Value> {
    if slices.len() == 1 {
        return vec![input.clone()];
    }
    let sizes: Vec<usize> = slices.iter().map(|id| graph.node(*id).channels()).collect();
    let name = common_module(graph, slices).unwrap_or_else(|| graph.node(slices[0]).name().to_owned());
    writer.split(&name, input, 1, &sizes)
}
