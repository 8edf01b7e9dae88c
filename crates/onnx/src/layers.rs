//! [`write_layers`]: writes each layer of the graph as ONNX nodes.

use bonsai_checkpoint::{Checkpoint, Weights};
use bonsai_graph::{Graph, Node, NodeId, Op, ParamRole};

use crate::OnnxError;
use crate::attribute::{float, int, ints, string};
use crate::dim::Dim;
use crate::element::Element;
use crate::integer::Integers;
use crate::name::common_module;
use crate::options::Precision;
use crate::proto::AttributeProto;
use crate::split::splits;
use crate::too_large::TooLarge;
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
                values[slice.index()] = Some(part);
            }
            continue;
        }
        let mut layer = Layer { writer, node, parameters: &mut parameters, dims: &sizes[id.index()] };
        values[id.index()] = Some(match &mut integers {
            Some(integers) if integers.takes(id) => integers.write(&mut layer, id, inputs[0])?,
            _ => layer.write(&input, &inputs)?,
        });
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

/// The network's weights, as the file will store them.
pub(crate) struct Parameters<'a> {
    weights: &'a Weights,
    element: Element,
    /// Tensors met so far with weights that 16 bits cannot hold.
    too_large: Vec<TooLarge>,
}

impl Parameters<'_> {
    /// Shape and values of a parameter; all values must be finite.
    pub(crate) fn read(&self, name: &str) -> Result<(&[usize], &[f32]), OnnxError> {
        let array = self.weights.require(name)?;
        match array.data.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            Some((index, value)) => {
                Err(OnnxError::NotFinite { tensor: name.to_owned(), index, value: *value })
            }
            None => Ok((&array.shape, &array.data)),
        }
    }
}

/// One layer that is being written.
pub(crate) struct Layer<'a, 'w> {
    pub(crate) writer: &'a mut Writer,
    pub(crate) node: &'a Node,
    pub(crate) parameters: &'a mut Parameters<'w>,
    /// Dimensions of the output.
    pub(crate) dims: &'a [Dim; 4],
}

impl Layer<'_, '_> {
    fn write(&mut self, images: &Value, inputs: &[&Value]) -> Result<Value, OnnxError> {
        Ok(match *self.node.op() {
            Op::Input { .. } => images.clone(),
            Op::Conv2d { .. } => {
                let weight = self.weight(ParamRole::ConvWeight)?;
                self.convolve(inputs[0], &weight)?
            }
            Op::BatchNorm { eps, momentum } => {
                let roles = [ParamRole::BnGamma, ParamRole::BnBeta, ParamRole::BnMean, ParamRole::BnVar];
                let [gamma, beta, mean, var] = roles.map(|role| self.weight(role));
                let gamma = gamma?;
                let beta = beta?;
                let mean = mean?;
                let var = var?;
                // ONNX gives the weight of the old statistics, the graph that of the new ones.
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
                    self.writer.ints(&format!("{}.{what}", self.node.name()), &[number as i64])
                });
                self.push("Slice", &[inputs[0], &bounds[0], &bounds[1], &bounds[2]], Vec::new())
            }
            Op::MaxPool { kernel, stride, padding } => {
                let mut attributes = window(kernel, stride, padding);
                attributes.push(int("ceil_mode", 0));
                self.push("MaxPool", inputs, attributes)
            }
            Op::Upsample { scale } => self.upsample(inputs[0], scale),
        })
    }

    /// The convolution with `weight` and the layer's own bias.
    pub(crate) fn convolve(&mut self, input: &Value, weight: &Value) -> Result<Value, OnnxError> {
        let Op::Conv2d { kernel, stride, padding, bias, groups, .. } = *self.node.op() else {
            return Ok(input.clone());
        };
        let bias = if bias { Some(self.weight(ParamRole::ConvBias)?) } else { None };
        let mut inputs = vec![input, weight];
        inputs.extend(bias.as_ref());
        let mut attributes = window(kernel, stride, padding);
        attributes.push(int("group", groups));
        Ok(self.push("Conv", &inputs, attributes))
    }

    fn upsample(&mut self, input: &Value, scale: usize) -> Value {
        let name = |what: &str| format!("{}.{what}", self.node.name());
        // Before opset 13 the region of interest is a required input, although only another mode reads it.
        let region = if self.writer.opset() < 13 {
            self.writer.floats(&name("roi"), Element::F32, &[0], &[])
        } else {
            Value::absent()
        };
        let factors = [1.0, 1.0, scale as f32, scale as f32];
        let scales = self.writer.floats(&name("scales"), Element::F32, &[4], &factors);
        // Output cell i reads input cell floor(i / scale): pixels are repeated, for any size.
        let attributes = vec![
            string("coordinate_transformation_mode", "asymmetric"),
            string("mode", "nearest"),
            string("nearest_mode", "floor"),
        ];
        self.push("Resize", &[input, &region, &scales], attributes)
    }

    fn push(&mut self, op_type: &str, inputs: &[&Value], attributes: Vec<AttributeProto>) -> Value {
        self.writer.node(self.node.name(), op_type, inputs, attributes, self.dims)
    }

    /// Name of the layer's parameter of this role.
    pub(crate) fn parameter(&self, role: ParamRole) -> String {
        format!("{}.{}", self.node.name(), role.suffix())
    }

    /// The layer's parameter of this role, as a constant.
    fn weight(&mut self, role: ParamRole) -> Result<Value, OnnxError> {
        let name = self.parameter(role);
        let element = self.parameters.element;
        let (shape, data) = self.parameters.read(&name)?;
        let value = self.writer.floats(&name, element, shape, data);
        if element == Element::F16 {
            let found = TooLarge::find(&name, data);
            self.parameters.too_large.extend(found);
        }
        Ok(value)
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
