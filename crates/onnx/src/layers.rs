//! Each layer of the graph as ONNX nodes.

use bonsai_checkpoint::{Checkpoint, Weights};
use bonsai_graph::{Graph, Node, NodeId, Op, ParamRole, Shape};

use crate::OnnxError;
use crate::attribute::{float, int, ints, string};
use crate::name::common_module;
use crate::proto::AttributeProto;
use crate::split::splits;
use crate::writer::{Value, Writer};

/// Writes all layers that the outputs depend on; the values of the outputs, in the graph's order.
///
/// # Errors
/// [`OnnxError::Checkpoint`] if a weight is missing, [`OnnxError::NotFinite`] if one is no finite number.
pub(crate) fn write_layers(
    writer: &mut Writer,
    checkpoint: &Checkpoint,
    shapes: &[Shape],
    input: &Value,
) -> Result<Vec<Value>, OnnxError> {
    let graph = checkpoint.model.graph();
    let live = live(graph);
    let splits = splits(graph, &live);
    let mut values = vec![None; graph.nodes().len()];
    for (id, node) in graph.iter().filter(|(id, _)| live[id.index()]) {
        if values[id.index()].is_some() {
            continue; // A slice that came with the first one of its split.
        }
        let inputs: Vec<&Value> = node.inputs().iter().filter_map(|i| values[i.index()].as_ref()).collect();
        if let Some(slices) = splits.get(&id) {
            let parts = split(writer, graph, inputs[0], slices);
            for (slice, part) in slices.iter().zip(parts) {
                values[slice.index()] = Some(part);
            }
            continue;
        }
        let shape = shapes[id.index()];
        let mut layer =
            Layer { writer, node, weights: &checkpoint.weights, dims: [1, shape.channels, shape.h, shape.w] };
        values[id.index()] = Some(layer.write(input, &inputs)?);
    }
    Ok(graph.outputs().iter().filter_map(|o| values[o.index()].clone()).collect())
}

/// Whether each layer is needed for an output.
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

/// Slices that are all of `input`; a single one is `input` itself.
fn split(writer: &mut Writer, graph: &Graph, input: &Value, slices: &[NodeId]) -> Vec<Value> {
    if slices.len() == 1 {
        return vec![input.clone()];
    }
    let sizes: Vec<usize> = slices.iter().map(|id| graph.node(*id).channels()).collect();
    let name = common_module(graph, slices).unwrap_or_else(|| graph.node(slices[0]).name().to_owned());
    writer.split(&name, input, &sizes)
}

/// One layer on its way into the file.
struct Layer<'a> {
    writer: &'a mut Writer,
    node: &'a Node,
    weights: &'a Weights,
    /// Of the output.
    dims: [usize; 4],
}

impl Layer<'_> {
    fn write(&mut self, images: &Value, inputs: &[&Value]) -> Result<Value, OnnxError> {
        Ok(match *self.node.op() {
            Op::Input { .. } => images.clone(),
            Op::Conv2d { kernel, stride, padding, bias, .. } => {
                let mut inputs = inputs.to_vec();
                let weight = self.weight(ParamRole::ConvWeight)?;
                let bias = if bias { Some(self.weight(ParamRole::ConvBias)?) } else { None };
                inputs.push(&weight);
                inputs.extend(bias.as_ref());
                let mut attributes = window(kernel, stride, padding);
                attributes.push(int("group", 1));
                self.push("Conv", &inputs, attributes)
            }
            Op::BatchNorm { eps, momentum } => {
                let roles = [ParamRole::BnGamma, ParamRole::BnBeta, ParamRole::BnMean, ParamRole::BnVar];
                let [gamma, beta, mean, var] = roles.map(|role| self.weight(role));
                let (gamma, beta, mean, var) = (gamma?, beta?, mean?, var?);
                // ONNX states the weight of the old statistics.
                let attributes = vec![float("epsilon", eps), float("momentum", 1.0 - momentum)];
                self.push("BatchNormalization", &[inputs[0], &gamma, &beta, &mean, &var], attributes)
            }
            Op::Silu => {
                let sigmoid = self.push("Sigmoid", inputs, Vec::new());
                self.push("Mul", &[inputs[0], &sigmoid], Vec::new())
            }
            Op::Add => {
                let mut sum = inputs[0].clone();
                for input in &inputs[1..] {
                    sum = self.push("Add", &[&sum, input], Vec::new());
                }
                sum
            }
            Op::Concat if inputs.len() == 1 => inputs[0].clone(),
            Op::Concat => self.push("Concat", inputs, vec![int("axis", 1)]),
            Op::Slice { start, len } => {
                let bounds = [("starts", start), ("ends", start + len), ("axes", 1)].map(|(what, number)| {
                    self.writer.ints(&format!("{}.{what}", self.node.name()), &[number])
                });
                self.push("Slice", &[inputs[0], &bounds[0], &bounds[1], &bounds[2]], Vec::new())
            }
            Op::MaxPool { kernel, stride, padding } => {
                let mut attributes = window(kernel, stride, padding);
                attributes.push(int("ceil_mode", 0));
                self.push("MaxPool", inputs, attributes)
            }
            Op::Upsample { scale } => {
                let name = format!("{}.scales", self.node.name());
                let scales = self.writer.floats(&name, &[4], &[1.0, 1.0, scale as f32, scale as f32]);
                // Output cell i reads input cell floor(i / scale): repetition, whatever the size.
                let attributes = vec![
                    string("coordinate_transformation_mode", "asymmetric"),
                    string("mode", "nearest"),
                    string("nearest_mode", "floor"),
                ];
                self.push("Resize", &[inputs[0], &Value::absent(), &scales], attributes)
            }
        })
    }

    fn push(&mut self, op_type: &str, inputs: &[&Value], attributes: Vec<AttributeProto>) -> Value {
        self.writer.node(self.node.name(), op_type, inputs, attributes, &self.dims)
    }

    /// The layer's parameter of that role, as a constant.
    fn weight(&mut self, role: ParamRole) -> Result<Value, OnnxError> {
        let name = format!("{}.{}", self.node.name(), role.suffix());
        let array = self.weights.require(&name)?;
        if let Some((index, value)) = array.data.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return Err(OnnxError::NotFinite { tensor: name, index, value: *value });
        }
        Ok(self.writer.floats(&name, &array.shape, &array.data))
    }
}

/// Attributes of a square window that slides over a map.
fn window(kernel: usize, stride: usize, padding: usize) -> Vec<AttributeProto> {
    vec![
        ints("dilations", &[1; 2]),
        ints("kernel_shape", &[kernel; 2]),
        ints("pads", &[padding; 4]),
        ints("strides", &[stride; 2]),
    ]
}
