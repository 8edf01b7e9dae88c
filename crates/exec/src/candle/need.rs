//! [`need`]: the memory of a pass, from the walks of [`forward`](super::forward) and
//! [`backward`](super::backward) with sizes in place of tensors.
//!
//! It counts every tensor of the size of a wire, and the temporary tensors of convolutions and poolings. It
//! ignores small tensors.

use bonsai_graph::{Graph, NodeId, Op, Shape, Size};

use super::forward::{backward_reads, last_uses};
use crate::layout::ParamLayout;
use crate::need::bytes_of;
use crate::{ExecError, MemoryNeed, Mode};

/// See [`memory_need`](crate::memory_need).
pub(super) fn need(graph: &Graph, mode: Mode, [n, h, w]: [usize; 3]) -> Result<MemoryNeed, ExecError> {
    let shapes = graph.shapes(Size { height: h, width: w })?;
    let mut walk = Walk::new(graph, &shapes, n);
    walk.forward(mode);
    if mode == Mode::Train {
        walk.backward();
    }
    let layout = ParamLayout::from_graph(graph);
    let parameters = 4 * (layout.trained_len() as u64 + layout.statistics_len() as u64);
    // Copies on the host, and copies between the two layouts.
    let copies = 2 * (walk.bytes(graph.input()) + sum(graph.outputs().iter().map(|id| walk.bytes(*id))));
    let bytes = [walk.peak, copies, parameters.saturating_mul(size_of::<f32>() as u64)];
    Ok(MemoryNeed::all_touched(sum(bytes)))
}

fn sum(bytes: impl IntoIterator<Item = u64>) -> u64 {
    bytes.into_iter().fold(0, u64::saturating_add)
}

struct Walk<'a> {
    graph: &'a Graph,
    shapes: &'a [Shape],
    n: usize,
    /// For each wire, the layer that owns its tensor; a view has the owner of its source.
    owner: Vec<NodeId>,
    /// Bytes of the tensors that are alive at this point of the walk.
    held: u64,
    peak: u64,
}

impl<'a> Walk<'a> {
    fn new(graph: &'a Graph, shapes: &'a [Shape], n: usize) -> Self {
        let mut owner: Vec<NodeId> = Vec::with_capacity(shapes.len());
        for (id, node) in graph.iter() {
            let view = matches!(node.op(), Op::Slice { .. });
            owner.push(if view { owner[node.inputs()[0].index()] } else { id });
        }
        Self { graph, shapes, n, owner, held: 0, peak: 0 }
    }

    fn bytes(&self, id: NodeId) -> u64 {
        bytes_of(self.n, self.shapes[id.index()])
    }

    /// Counts a layer that creates `makes` bytes and temporarily holds `meanwhile` bytes.
    fn run(&mut self, makes: u64, meanwhile: u64) {
        self.held = self.held.saturating_add(makes);
        self.peak = self.peak.max(self.held.saturating_add(meanwhile));
    }

    fn forward(&mut self, mode: Mode) {
        let graph = self.graph;
        let last_use = last_uses(graph, &[]);
        let mut kept = backward_reads(graph);
        let norms = graph.nodes().iter().filter(|node| matches!(node.op(), Op::BatchNorm { .. }));
        norms.for_each(|node| kept[node.inputs()[0].index()] = true);
        // Bytes freed after each layer: a tensor is freed after the last reader of all wires that use it.
        let mut ends: Vec<Option<usize>> = vec![Some(0); self.shapes.len()];
        for id in graph.ids() {
            let end = if mode == Mode::Train && kept[id.index()] { None } else { last_use[id.index()] };
            let of_owner = &mut ends[self.owner[id.index()].index()];
            *of_owner = of_owner.zip(end).map(|(a, b)| a.max(b.index()));
        }
        let mut freed = vec![0u64; self.shapes.len()];
        for id in graph.ids().filter(|id| self.owner[id.index()] == *id) {
            if let Some(end) = ends[id.index()] {
                freed[end.max(id.index())] = freed[end.max(id.index())].saturating_add(self.bytes(id));
            }
        }
        for (id, node) in graph.iter() {
            let makes = if self.owner[id.index()] == id { self.bytes(id) } else { 0 };
            let meanwhile = match *node.op() {
                Op::Conv2d { kernel, stride, bias, .. } => {
                    let copy = if bias { makes } else { 0 };
                    self.gathered(node.inputs()[0], id, kernel, stride).saturating_add(copy)
                }
                Op::MaxPool { .. } => self.bytes(node.inputs()[0]).max(makes).saturating_mul(3),
                Op::Input { .. }
                | Op::BatchNorm { .. }
                | Op::Silu
                | Op::Add
                | Op::Concat
                | Op::Slice { .. }
                | Op::Upsample { .. } => 0,
            };
            self.run(makes, meanwhile);
            self.held = self.held.saturating_sub(freed[id.index()]);
        }
    }

    /// Bytes of the taps of `from` gathered for every pixel of `at`; a pointwise convolution reads `from`
    /// directly.
    fn gathered(&self, from: NodeId, at: NodeId, kernel: usize, stride: usize) -> u64 {
        if kernel == 1 && stride == 1 {
            return 0;
        }
        let shape = Shape { channels: self.shapes[from.index()].channels, ..self.shapes[at.index()] };
        bytes_of(self.n, shape).saturating_mul((kernel * kernel) as u64)
    }

    fn backward(&mut self) {
        let graph = self.graph;
        let mut arrived = vec![false; self.shapes.len()];
        for output in graph.outputs() {
            if !std::mem::replace(&mut arrived[output.index()], true) {
                self.run(self.bytes(*output), 0);
            }
        }
        for (id, node) in graph.iter().rev().filter(|(_, node)| !node.inputs().is_empty()) {
            let dy = self.bytes(id);
            let input = node.inputs()[0];
            let meanwhile = match *node.op() {
                // One phase of the stride at a time, and all their results before they are combined.
                Op::Conv2d { kernel, stride, .. } => {
                    let taps = kernel.div_ceil(stride);
                    let phase = self.gathered(id, id, taps, if kernel == 1 { stride } else { 2 });
                    phase.saturating_add(self.bytes(input)).saturating_add(self.bytes(input))
                }
                Op::MaxPool { .. } => self.bytes(input).max(dy).saturating_mul(4),
                Op::Input { .. }
                | Op::BatchNorm { .. }
                | Op::Silu
                | Op::Add
                | Op::Concat
                | Op::Slice { .. }
                | Op::Upsample { .. } => 0,
            };
            for input in node.inputs() {
                let gradient = self.bytes(*input);
                // A sum is created while its operands still exist.
                if std::mem::replace(&mut arrived[input.index()], true) {
                    self.run(0, gradient.saturating_add(meanwhile));
                } else {
                    self.run(gradient, meanwhile);
                }
            }
            self.held = self.held.saturating_sub(dy);
        }
    }
}
