//! [`Programs`]: the kernels of a quantised network for one image size.

use std::collections::BTreeMap;

use bonsai_graph::{NodeId, Op, Quantization, Shape, Size, silu};
use bonsai_kernels::int8::{
    CODES, Int8Isa, MapCodes, QuantizedAdd, QuantizedMaxPool, QuantizedOutput, QuantizedUpsample,
};
use bonsai_kernels::{Isa, KernelError, Nhwc, PoolShape, Program, View, Window};

use super::buffers;
use super::constants::{Constants, conv};
use super::images::CodedWire;
use crate::ExecError;
use crate::need::bytes_of;
use crate::plan::{Arena, Boundary, HostWire, MOST_BYTES, Network, Unit, by_depth, units};

/// The program of one image size, and the wires of the host.
pub(super) struct Programs {
    pub(super) forward: Program,
    pub(super) images: CodedWire,
    pub(super) outputs: Vec<CodedWire>,
    pub(super) taps: Vec<CodedWire>,
    /// Number of words in the activations.
    pub(super) activations_len: usize,
}

impl Programs {
    /// Writes the program twice: a draft to find the lifetimes of tensors, then with their positions.
    pub(super) fn new(
        network: &Network,
        quantization: &Quantization,
        constants: &Constants,
        taps: &[NodeId],
        isa: Int8Isa,
        [n, h, w]: [usize; 3],
    ) -> Result<Self, ExecError> {
        debug_assert_eq!(buffers::ACTIVATIONS, 0);
        let shapes = network.graph.shapes(Size { height: h, width: w })?;
        if shapes.iter().any(|shape| bytes_of(n, *shape) > MOST_BYTES) {
            return Err(KernelError::TooLarge { what: "the output of a layer" }.into());
        }
        let mut arena = Arena::default();
        let write = |arena: &mut Arena| {
            let values = Vec::new();
            let plain = BTreeMap::new();
            let shapes = &shapes;
            Writer { network, quantization, constants, isa, n, shapes, arena, values, plain }.write(taps)
        };
        let draft = write(&mut arena)?;
        let activations_len = arena.place([&draft.forward, &Program::new(Isa::PORTABLE)]);
        Ok(Self { activations_len, ..write(&mut arena)? })
    }
}

struct Writer<'a> {
    network: &'a Network,
    quantization: &'a Quantization,
    constants: &'a Constants,
    isa: Int8Isa,
    n: usize,
    shapes: &'a [Shape],
    arena: &'a mut Arena,
    /// The tensor of every root, in words.
    values: Vec<View>,
    /// The tensors of outputs that are values.
    plain: BTreeMap<NodeId, View>,
}

impl Writer<'_> {
    fn write(mut self, taps: &[NodeId]) -> Result<Programs, ExecError> {
        let network = self.network;
        let graph = &network.graph;
        for root in &network.placement.roots {
            let pixels = self.pixels(root.wire);
            let words = root.width.div_ceil(CODES);
            self.values.push(self.arena.tensor(pixels, words));
        }
        for wire in graph.outputs().iter().filter(|wire| graph.is_plain_output(**wire)) {
            let view = self.arena.tensor(self.pixels(*wire), network.channels[wire.index()].physical());
            self.plain.insert(*wire, view);
        }
        let images = self.host(graph.input(), Boundary::BeforeForward)?;
        let mut forward = Program::new(Isa::PORTABLE);
        for unit in by_depth(graph, units(graph, taps)) {
            self.push_unit(&mut forward, &unit)?;
        }
        let mut read = |wire: &NodeId| self.host(*wire, Boundary::AfterForward);
        let outputs = graph.outputs().iter().map(&mut read).collect::<Result<_, _>>()?;
        let taps = taps.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Programs { forward, images, outputs, taps, activations_len: 0 })
    }

    fn pixels(&self, wire: NodeId) -> usize {
        let shape = self.shapes[wire.index()];
        self.n * shape.h * shape.w
    }

    /// View of a wire: words of codes, or values of a plain output.
    fn value(&self, wire: NodeId) -> View {
        if let Some(view) = self.plain.get(&wire) {
            return *view;
        }
        let location = self.network.placement.location(wire);
        let words = self.network.channels[wire.index()].physical().div_ceil(CODES);
        self.values[location.root].columns(location.column / CODES, words)
    }

    fn host(&mut self, wire: NodeId, boundary: Boundary) -> Result<CodedWire, ExecError> {
        let graph = &self.network.graph;
        let view = self.value(wire);
        self.arena.touch(&view, boundary);
        let shape = self.shapes[wire.index()];
        let host = HostWire {
            node: wire,
            view,
            shape: [self.n, shape.channels, shape.h, shape.w],
            segments: self.network.channels[wire.index()].segments(),
        };
        let codes =
            if self.plain.contains_key(&wire) { None } else { Some(self.quantization.get(graph, wire)?) };
        Ok(CodedWire { host, codes })
    }

    /// Physical shape of a wire, in codes.
    fn nhwc(&self, wire: NodeId) -> Nhwc {
        let shape = self.shapes[wire.index()];
        let channels = self.network.channels[wire.index()].physical();
        Nhwc::new(self.n, shape.h, shape.w, channels.next_multiple_of(CODES))
    }

    /// Factors of a sum of wires `a` and `b` in codes of `sum`.
    fn factors(&self, a: NodeId, b: NodeId, sum: NodeId) -> Result<[f32; 3], ExecError> {
        let get = |wire| self.quantization.get(&self.network.graph, wire);
        let [a, b, sum] = [get(a)?, get(b)?, get(sum)?];
        let [fa, fb] = [a, b].map(|codes| f64::from(codes.scale) / f64::from(sum.scale));
        let shift = f64::from(sum.zero_point) - fa * f64::from(a.zero_point) - fb * f64::from(b.zero_point);
        Ok([fa as f32, fb as f32, shift as f32])
    }

    fn push_unit(&self, p: &mut Program, unit: &Unit) -> Result<(), ExecError> {
        let graph = &self.network.graph;
        let label = graph.node(unit.node).name();
        let y = self.value(unit.last);
        let isa = self.isa;
        // The wire whose codes the activation, or the convolution without one, computes.
        let inner = unit.silu.or(unit.conv).unwrap_or(unit.node);
        let residual = match unit.residual {
            Some((sum, other)) => Some((self.value(other), self.factors(inner, other, sum)?)),
            None => None,
        };
        if let Some(node) = unit.conv {
            let from = graph.node(node).inputs()[0];
            let shape = self.shapes[from.index()];
            let size = [self.n, shape.h, shape.w];
            let conv = conv(self.network, self.quantization, isa, node, size)?;
            let output = if self.plain.contains_key(&node) {
                QuantizedOutput::Values
            } else {
                QuantizedOutput::Codes { table: unit.silu.is_some(), residual }
            };
            return Ok(conv.push(p, label, [self.value(from), self.constants.view(node), y], output)?);
        }
        let Some(node) = unit.silu else { return self.push_alone(p, unit.node) };
        let from = graph.node(node).inputs()[0];
        let table = self.quantization.get(graph, from)?.table(self.quantization.get(graph, node)?, silu);
        p.push(label, MapCodes { isa, x: self.value(from), y, table: Box::new(table) })?;
        if let Some((other, factors)) = residual {
            p.push(label, QuantizedAdd { isa, a: y, b: other, y, factors })?;
        }
        Ok(())
    }

    /// Appends a layer that is not part of a chain.
    fn push_alone(&self, p: &mut Program, node: NodeId) -> Result<(), ExecError> {
        let network = self.network;
        let graph = &network.graph;
        let label = graph.node(node).name();
        let inputs = graph.node(node).inputs();
        let y = self.value(node);
        let isa = self.isa;
        match *graph.node(node).op() {
            // The host writes the input, a slice is a view, and the others are appended as chains.
            Op::Input { .. } | Op::Slice { .. } | Op::Conv2d { .. } | Op::BatchNorm { .. } | Op::Silu => {}
            Op::Add => {
                let [a, b] = [inputs[0], inputs[inputs.len() - 1]];
                let factors = self.factors(a, b, node)?;
                p.push(label, QuantizedAdd { isa, a: self.value(a), b: self.value(b), y, factors })?;
            }
            Op::Concat => {
                for (wire, column) in network.placement.copies(graph, &network.channels, node) {
                    let x = self.value(wire);
                    let y = y.columns(column / CODES, x.channels);
                    // Inputs and output have the same codes.
                    let table = Box::new(std::array::from_fn(|code| code as u8));
                    p.push(label, MapCodes { isa, x, y, table })?;
                }
            }
            Op::MaxPool { kernel, stride, padding } => {
                let window = Window::square(kernel, stride, padding);
                let shape = PoolShape::new(self.nhwc(inputs[0]), window)?;
                p.push(label, QuantizedMaxPool { isa, shape, x: self.value(inputs[0]), y })?;
            }
            Op::Upsample { scale } => {
                let input = self.nhwc(inputs[0]);
                p.push(label, QuantizedUpsample { input, factor: scale, x: self.value(inputs[0]), y })?;
            }
        }
        Ok(())
    }
}
