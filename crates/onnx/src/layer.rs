//! [`Layer`]: writes the nodes of one layer.

use bonsai_graph::{Node, Op, ParamRole};

use crate::OnnxError;
use crate::attribute::{float, int, ints, string};
use crate::dim::Dim;
use crate::element::Element;
use crate::parameters::Parameters;
use crate::proto::AttributeProto;
use crate::too_large::TooLarge;
use crate::writer::{Value, Writer};

/// One layer that is being written.
pub(crate) struct Layer<'a, 'w> {
    pub(crate) writer: &'a mut Writer,
    pub(crate) node: &'a Node,
    pub(crate) parameters: &'a mut Parameters<'w>,
    /// Dimensions of the output.
    pub(crate) dims: &'a [Dim; 4],
}

impl Layer<'_, '_> {
    pub(crate) fn write(&mut self, images: &Value, inputs: &[&Value]) -> Result<Value, OnnxError> {
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
