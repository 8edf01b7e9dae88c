//! [`Constants`]: the quantised weights of all convolutions, with the scales that turn sums into codes.

use std::collections::BTreeMap;

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::{Graph, NodeId, Op, ParamRole, Quantization, silu, weight_codes};
use bonsai_kernels::int8::{CODES, Int8Isa, QuantizedConv, Requantization};
use bonsai_kernels::{AlignedBuffer, KernelError, Nhwc, SEGMENT, View, Window};

use super::buffers;
use crate::ExecError;
use crate::plan::{Network, units};

/// The constants of all convolutions in one buffer.
pub(super) struct Constants {
    pub(super) memory: AlignedBuffer,
    views: BTreeMap<NodeId, View>,
}

impl Constants {
    /// Quantises the weights.
    pub(super) fn new(
        network: &Network,
        weights: &Weights,
        quantization: &Quantization,
        isa: Int8Isa,
    ) -> Result<Self, ExecError> {
        let graph = &network.graph;
        weights.verify(&graph.params())?;
        check(graph)?;
        check_codes(graph, quantization)?;
        let convs: Vec<NodeId> =
            graph.iter().filter(|(_, n)| matches!(n.op(), Op::Conv2d { .. })).map(|(id, _)| id).collect();
        let mut views = BTreeMap::new();
        let mut end: usize = 0;
        for id in &convs {
            let len = smallest(network, quantization, isa, *id)?.constants_len();
            views.insert(*id, View::vector(buffers::CONSTANTS, end, len));
            end = (end + len).next_multiple_of(SEGMENT);
        }
        let mut memory = AlignedBuffer::try_zeroed(end)?;
        let followers = followers(graph);
        for id in convs {
            let conv = smallest(network, quantization, isa, id)?;
            let layer = Layer { network, weights, quantization, id };
            let view = views[&id];
            let bytes = &mut memory.as_bytes_mut()[CODES * view.offset..CODES * view.end()];
            let requantization = layer.requantization(followers.get(&id).copied())?;
            conv.write_constants(bytes, &layer.weights()?, &requantization)?;
        }
        Ok(Self { memory, views })
    }

    /// The constants of a convolution.
    pub(super) fn view(&self, conv: NodeId) -> View {
        self.views[&conv]
    }
}

/// Checks that every layer can run on codes.
fn check(graph: &Graph) -> Result<(), ExecError> {
    let consumers = graph.consumers();
    for (id, node) in graph.iter() {
        let is_norm = matches!(node.op(), Op::BatchNorm { .. });
        let long_sum = matches!(node.op(), Op::Add) && node.inputs().len() > 2;
        let reason = if is_norm {
            "fold batch norms first, and leave no other ones"
        } else if long_sum {
            "it adds more than two wires; add them one after another"
        } else if graph.is_plain_output(id) && !consumers[id.index()].is_empty() {
            "it is an output of the network and another layer reads it; use f32"
        } else {
            continue;
        };
        return Err(ExecError::Codes { layer: node.name().to_owned(), reason });
    }
    Ok(())
}

/// Checks that every wire has codes, and that wires that share memory or bytes have the same.
fn check_codes(graph: &Graph, quantization: &Quantization) -> Result<(), ExecError> {
    for group in graph.code_groups() {
        let first = quantization.get(graph, group[0])?;
        for wire in group {
            if quantization.get(graph, wire)? != first {
                let reason =
                    "its codes differ from those of wires that share them; calibrate the network again";
                return Err(ExecError::Codes { layer: graph.node(wire).name().to_owned(), reason });
            }
        }
    }
    Ok(())
}

/// The SiLU that is fused with each convolution.
fn followers(graph: &Graph) -> BTreeMap<NodeId, NodeId> {
    units(graph, &[]).iter().filter_map(|unit| Some((unit.conv?, unit.silu?))).collect()
}

/// The convolution `id` on its smallest image; constants do not depend on the size.
fn smallest(
    network: &Network,
    quantization: &Quantization,
    isa: Int8Isa,
    id: NodeId,
) -> Result<QuantizedConv, ExecError> {
    let Op::Conv2d { kernel, .. } = *network.graph.node(id).op() else {
        let layer = network.graph.node(id).name().to_owned();
        return Err(ExecError::Codes { layer, reason: "it is no convolution" });
    };
    conv(network, quantization, isa, id, [1, kernel, kernel])
}

/// The convolution `id` on `[n, h, w]` inputs.
pub(super) fn conv(
    network: &Network,
    quantization: &Quantization,
    isa: Int8Isa,
    id: NodeId,
    [n, h, w]: [usize; 3],
) -> Result<QuantizedConv, ExecError> {
    let graph = &network.graph;
    let node = graph.node(id);
    let Op::Conv2d { kernel, stride, padding, .. } = *node.op() else {
        return Err(ExecError::Codes { layer: node.name().to_owned(), reason: "it is no convolution" });
    };
    let from = node.inputs()[0];
    let zero_point = quantization.get(graph, from)?.zero_point;
    let channels = &network.channels[from.index()];
    let input = Nhwc::new(n, h, w, channels.physical().next_multiple_of(CODES));
    let window = Window::square(kernel, stride, padding);
    let conv = if graph.is_depthwise(id) {
        QuantizedConv::depthwise(isa, input, zero_point, window)?
    } else {
        let outputs = network.channels[id.index()].physical();
        QuantizedConv::new(isa, input, zero_point, outputs, window)?
    };
    Ok(conv.with_live(&channels.live())?)
}

/// A convolution whose constants are computed.
struct Layer<'a> {
    network: &'a Network,
    weights: &'a Weights,
    quantization: &'a Quantization,
    id: NodeId,
}

impl Layer<'_> {
    fn parameter(&self, role: ParamRole) -> Result<&Array, ExecError> {
        let name = format!("{}.{}", self.network.graph.node(self.id).name(), role.suffix());
        Ok(self.weights.require(&name)?)
    }

    /// Codes in the order of the kernel, `[tap][in][out]` in physical channels; of a depthwise convolution,
    /// `[tap][channel]`.
    fn weights(&self) -> Result<Vec<i8>, ExecError> {
        let graph = &self.network.graph;
        let array = self.parameter(ParamRole::ConvWeight)?;
        let [outs, per_group, taps] = sizes(array);
        let from = &self.network.channels[graph.node(self.id).inputs()[0].index()];
        let inputs = from.positions();
        let to = &self.network.channels[self.id.index()];
        let outputs = to.positions();
        let depthwise = graph.is_depthwise(self.id);
        let rows = if depthwise { 1 } else { from.physical().next_multiple_of(CODES) };
        let width = to.physical();
        let values = taps * rows * width;
        let mut physical = Vec::new();
        physical.try_reserve_exact(values).map_err(|_| KernelError::Memory { values })?;
        physical.resize(values, 0);
        let groups = inputs.len() / per_group.max(1);
        let channels = array.data().chunks_exact((per_group * taps).max(1));
        for (output, channel) in channels.enumerate() {
            // The first input of the group of this output.
            let first = output / (outs / groups.max(1)).max(1) * per_group;
            let (_, codes) = weight_codes(channel);
            for (i, code) in codes.enumerate() {
                let row = if depthwise { 0 } else { inputs[first + i / taps] };
                physical[(i % taps * rows + row) * width + outputs[output]] = code;
            }
        }
        Ok(physical)
    }

    /// How the sums become codes, or values of a plain output. `silu` is the layer whose table replaces the
    /// codes.
    fn requantization(&self, silu_layer: Option<NodeId>) -> Result<Requantization, ExecError> {
        let graph = &self.network.graph;
        let Op::Conv2d { bias, .. } = *graph.node(self.id).op() else {
            return Ok(Requantization { scale: Vec::new(), bias: Vec::new(), table: None });
        };
        let input = self.quantization.get(graph, graph.node(self.id).inputs()[0])?;
        let output =
            if graph.is_plain_output(self.id) { None } else { Some(self.quantization.get(graph, self.id)?) };
        // The size of a code of the output; 1 for values.
        let unit = output.map_or(1.0, |codes| f64::from(codes.scale));
        let zero = output.map_or(0.0, |codes| f64::from(codes.zero_point));
        let array = self.parameter(ParamRole::ConvWeight)?;
        let [_, per_group, taps] = sizes(array);
        let biases = if bias { Some(self.parameter(ParamRole::ConvBias)?) } else { None };
        let channels = &self.network.channels[self.id.index()];
        let mut scales = vec![0.0; channels.physical()];
        let mut shifts = vec![zero as f32; channels.physical()];
        let weights = array.data().chunks_exact((per_group * taps).max(1));
        for ((o, position), channel) in channels.positions().into_iter().enumerate().zip(weights) {
            let (scale, _) = weight_codes(channel);
            scales[position] = (f64::from(input.scale) * f64::from(scale) / unit) as f32;
            let bias = biases.map_or(0.0, |b| f64::from(b.data()[o]));
            shifts[position] = (bias / unit + zero) as f32;
        }
        let table = match (silu_layer, output) {
            (Some(layer), Some(codes)) => {
                Some(Box::new(codes.table(self.quantization.get(graph, layer)?, silu)))
            }
            _ => None,
        };
        Ok(Requantization { scale: scales, bias: shifts, table })
    }
}

/// Outputs, inputs of a group and taps of a kernel `[out, in, k, k]`.
fn sizes(kernel: &Array) -> [usize; 3] {
    let size = |axis: usize| kernel.shape().get(axis).copied().unwrap_or(1);
    [size(0), size(1), size(2) * size(3)]
}
