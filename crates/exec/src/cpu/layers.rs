//! [`ProgramContext`]: common parts of the training and inference programs, namely the positions of wires and
//! the layers that are not part of a chain.

use std::sync::Arc;

use bonsai_graph::{Graph, NodeId, Op, ParamRole, Shape};
use bonsai_kernels::layout::Segment;
use bonsai_kernels::{
    Blocks, Collect, Conv, Copy, Isa, KernelError, MaxPool, Nhwc, Pointwise, PoolShape, Program, Spread,
    Upsample, View, Window, WinogradMode, Zero,
};

use super::arena::{Arena, Boundary};
use super::cuts::{self, Channels};
use super::params::Params;
use super::placement::Placement;
use super::units::Unit;

/// The parts of a network that do not depend on the image size.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) graph: Graph,
    pub(super) channels: Vec<Channels>,
    pub(super) placement: Placement,
}

impl Network {
    pub(super) fn new(graph: &Graph) -> Self {
        let channels = cuts::channels(graph);
        Self { graph: graph.clone(), placement: Placement::new(graph, &channels), channels }
    }
}

/// A wire that the host reads or writes.
#[derive(Debug, Clone)]
pub(super) struct HostWire {
    pub(super) node: NodeId,
    pub(super) view: View,
    pub(super) shape: [usize; 4],
    pub(super) segments: Vec<Segment>,
}

/// Everything needed to write programs.
pub(super) struct ProgramContext<'a> {
    pub(super) network: &'a Network,
    pub(super) params: &'a Params,
    pub(super) isa: Isa,
    pub(super) winograd: WinogradMode,
    /// Number of images in the batch.
    pub(super) n: usize,
    /// Shape of every wire.
    pub(super) shapes: &'a [Shape],
    pub(super) arena: &'a mut Arena,
    /// The tensor of every root.
    pub(super) values: Vec<View>,
}

impl<'a> ProgramContext<'a> {
    /// Creates a tensor for every root.
    pub(super) fn make_values(&mut self) {
        let network = self.network;
        for root in &network.placement.roots {
            let pixels = self.pixels(root.wire);
            self.values.push(self.arena.tensor(pixels, root.width));
        }
    }

    /// Label of a unit in programs: the name of its first layer.
    pub(super) fn label(&self, unit: &Unit) -> &'a str {
        self.network.graph.node(unit.node).name()
    }

    /// Physical shape of a wire.
    pub(super) fn nhwc(&self, wire: NodeId) -> Nhwc {
        let shape = self.shapes[wire.index()];
        Nhwc::new(self.n, shape.h, shape.w, self.width(wire))
    }

    /// Number of physical channels of a wire.
    pub(super) fn width(&self, wire: NodeId) -> usize {
        self.network.channels[wire.index()].physical()
    }

    /// Number of pixels of a wire in the whole batch.
    pub(super) fn pixels(&self, wire: NodeId) -> usize {
        let shape = self.shapes[wire.index()];
        self.n * shape.h * shape.w
    }

    /// View of the values of a wire.
    pub(super) fn value(&self, wire: NodeId) -> View {
        let location = self.network.placement.location(wire);
        self.values[location.root].columns(location.column, self.width(wire))
    }

    /// A wire that the host reads or writes at `boundary`.
    pub(super) fn host_wire(&mut self, wire: NodeId, view: View, boundary: Boundary) -> HostWire {
        self.arena.touch(&view, boundary);
        let shape = self.shapes[wire.index()];
        let channels = &self.network.channels[wire.index()];
        let shape = [self.n, shape.channels, shape.h, shape.w];
        HostWire { node: wire, view, shape, segments: channels.segments() }
    }

    /// View of a parameter.
    pub(super) fn param(&self, node: NodeId, role: ParamRole) -> View {
        self.params.view(node, role)
    }

    /// The convolution of a layer; `None` for any other layer.
    pub(super) fn conv(&self, node: NodeId) -> Result<Option<ConvLayer>, KernelError> {
        let graph = &self.network.graph;
        let Op::Conv2d { kernel, stride, padding, bias, groups, .. } = *graph.node(node).op() else {
            return Ok(None);
        };
        let input = graph.node(node).inputs()[0];
        let window = Window::square(kernel, stride, padding);
        let [live_input, live_output] = [input, node].map(|wire| self.network.channels[wire.index()].live());
        let depthwise = graph.is_depthwise(node);
        let conv = if depthwise {
            Conv::depthwise(self.isa, self.nhwc(input), window)
        } else {
            Conv::new(self.isa, self.nhwc(input), self.width(node), window, self.winograd)
        };
        let conv = conv?.with_live(&live_input, &live_output)?;
        let blocks = (groups > 1 && !depthwise).then(|| {
            let [inputs, outputs] = [input, node].map(|wire| self.network.channels[wire.index()].positions());
            let widths = [self.width(input), self.width(node)];
            Blocks { taps: window.area(), groups, inputs, outputs, widths }
        });
        let bias = bias.then(|| self.param(node, ParamRole::ConvBias));
        Ok(Some(ConvLayer {
            node,
            input,
            conv,
            window,
            weights: self.param(node, ParamRole::ConvWeight),
            blocks: blocks.map(Arc::new),
            bias,
        }))
    }

    /// Appends a layer that is not part of a chain. With `keep_maxima`, returns the positions of the maxima
    /// of a pooling.
    pub(super) fn push_alone(
        &mut self,
        p: &mut Program,
        node: NodeId,
        keep_maxima: bool,
    ) -> Result<Option<View>, KernelError> {
        let network = self.network;
        let graph = &network.graph;
        let label = graph.node(node).name();
        let inputs = graph.node(node).inputs();
        let to = self.value(node);
        match *graph.node(node).op() {
            // The host writes the input, a slice is a view, and the others are appended as chains.
            Op::Input { .. } | Op::Slice { .. } | Op::Conv2d { .. } | Op::BatchNorm { .. } | Op::Silu => {}
            Op::Add => {
                let mut sum = self.value(inputs[0]);
                for input in &inputs[1..] {
                    let residual = Some(self.value(*input));
                    p.push(label, Pointwise { y: sum, z: to, norm: None, silu: false, residual })?;
                    sum = to;
                }
            }
            Op::Concat => {
                for (wire, column) in network.placement.copies(graph, &network.channels, node) {
                    let to = to.columns(column, self.width(wire));
                    p.push(label, Copy { from: self.value(wire), to, accumulate: false })?;
                }
            }
            Op::MaxPool { .. } => {
                let Some(shape) = self.pool(node)? else { return Ok(None) };
                let argmax = keep_maxima.then(|| self.arena.vector(MaxPool::argmax_len(&shape)));
                p.push(label, MaxPool { shape, x: self.value(inputs[0]), y: to, argmax })?;
                return Ok(argmax);
            }
            Op::Upsample { scale } => {
                let input = self.nhwc(inputs[0]);
                p.push(label, Upsample { input, factor: scale, x: self.value(inputs[0]), y: to })?;
            }
        }
        Ok(None)
    }

    /// The shape of a pooling; `None` for any other layer.
    pub(super) fn pool(&self, node: NodeId) -> Result<Option<PoolShape>, KernelError> {
        let node = self.network.graph.node(node);
        let Op::MaxPool { kernel, stride, padding } = *node.op() else { return Ok(None) };
        PoolShape::new(self.nhwc(node.inputs()[0]), Window::square(kernel, stride, padding)).map(Some)
    }
}

/// A convolution with its parameters.
pub(super) struct ConvLayer {
    pub(super) node: NodeId,
    pub(super) input: NodeId,
    pub(super) conv: Conv,
    pub(super) window: Window,
    /// The parameter. `conv` reads the result of [`ConvLayer::push_spread`].
    weights: View,
    /// Positions of the grouped weights in the matrix of `conv`, if the convolution is grouped and not
    /// depthwise.
    blocks: Option<Arc<Blocks>>,
    pub(super) bias: Option<View>,
}

impl ConvLayer {
    /// Returns the weights for `conv`. Grouped weights are spread into a matrix with zeros between the
    /// blocks; `room` provides its memory.
    pub(super) fn push_spread(
        &self,
        p: &mut Program,
        label: &str,
        room: impl FnOnce(usize) -> View,
    ) -> Result<View, KernelError> {
        let Some(blocks) = &self.blocks else { return Ok(self.weights) };
        let to = room(self.conv.weights_len());
        p.push(label, Spread { blocks: Arc::clone(blocks), from: self.weights, to })?;
        Ok(to)
    }

    /// Appends the gradient of the weights, which is added to `dw`.
    pub(super) fn push_weight_gradient(
        &self,
        p: &mut Program,
        label: &str,
        [x, dy, dw]: [View; 3],
        mut room: impl FnMut(usize) -> View,
    ) -> Result<(), KernelError> {
        let partials = room(self.conv.partials_len());
        let Some(blocks) = &self.blocks else {
            return self.conv.push_weight_gradient(p, label, x, dy, partials, dw);
        };
        let whole = room(self.conv.weights_len());
        p.push(label, Zero { view: whole })?;
        self.conv.push_weight_gradient(p, label, x, dy, partials, whole)?;
        p.push(label, Collect { blocks: Arc::clone(blocks), from: whole, to: dw })
    }
}
