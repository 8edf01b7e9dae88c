//! [`ProgramContext`]: common parts of the training and inference programs, namely the positions of wires and
//! the layers that are not part of a chain.

use std::sync::Arc;

use bonsai_graph::{NodeId, Op, ParamRole, Shape};
use bonsai_kernels::{
    Blocks, Collect, Copy, KernelError, MaxPool, Nhwc, Pointwise, PoolShape, RoundWeights, Spread, Upsample,
    View, Window, Zero,
};

use super::arena::{Arena, Boundary};
use super::backend::{Backend, ConvSpec, Convolution, Push, Room, Steps};
use super::host_wire::HostWire;
use super::network::Network;
use super::params::ParamMap;
use super::units::Unit;

/// Everything needed to write programs.
pub(crate) struct ProgramContext<'a, B> {
    pub(crate) network: &'a Network,
    pub(crate) params: &'a ParamMap,
    pub(crate) backend: B,
    /// Number of images in the batch.
    pub(crate) n: usize,
    /// Shape of every wire.
    pub(crate) shapes: &'a [Shape],
    pub(crate) arena: &'a mut Arena,
    /// The tensor of every root.
    pub(crate) values: Vec<View>,
}

impl<'a, B: Backend> ProgramContext<'a, B> {
    /// Creates a tensor for every root.
    pub(crate) fn make_values(&mut self) {
        let network = self.network;
        for (index, root) in network.placement.roots.iter().enumerate() {
            let tensor = self.root(index, root.width);
            self.values.push(tensor);
        }
    }

    /// A tensor for the values of a root or their gradient, with this number of channels. Images, outputs and their
    /// gradients are always `f32`.
    pub(crate) fn root(&mut self, index: usize, channels: usize) -> View {
        let Network { graph, placement, .. } = self.network;
        let pixels = self.pixels(placement.roots[index].wire);
        let mut visible = graph.outputs().iter().copied().chain([graph.input()]);
        if visible.any(|wire| placement.location(wire).root == index) {
            self.arena.tensor(pixels, channels)
        } else {
            self.hidden(pixels, channels)
        }
    }

    /// A tensor for values between layers, in the type in which the backend stores them.
    pub(crate) fn hidden(&mut self, pixels: usize, channels: usize) -> View {
        if self.backend.stores_halves() {
            self.arena.halves(pixels, channels)
        } else {
            self.arena.tensor(pixels, channels)
        }
    }

    /// Label of a unit in programs: the name of its first layer.
    pub(crate) fn label(&self, unit: &Unit) -> &'a str {
        self.network.graph.node(unit.node).name()
    }

    /// Physical shape of a wire.
    pub(crate) fn nhwc(&self, wire: NodeId) -> Nhwc {
        let shape = self.shapes[wire.index()];
        Nhwc::new(self.n, shape.h, shape.w, self.width(wire))
    }

    /// Number of physical channels of a wire.
    pub(crate) fn width(&self, wire: NodeId) -> usize {
        self.network.channels[wire.index()].physical()
    }

    /// Number of pixels of a wire in the whole batch.
    pub(crate) fn pixels(&self, wire: NodeId) -> usize {
        let shape = self.shapes[wire.index()];
        self.n * shape.h * shape.w
    }

    /// View of the values of a wire.
    pub(crate) fn value(&self, wire: NodeId) -> View {
        let location = self.network.placement.location(wire);
        self.values[location.root].columns(location.column, self.width(wire))
    }

    /// A wire that the host reads or writes at `boundary`.
    pub(crate) fn host_wire(&mut self, wire: NodeId, view: View, boundary: Boundary) -> HostWire {
        self.arena.touch(&view, boundary);
        let shape = self.shapes[wire.index()];
        let channels = &self.network.channels[wire.index()];
        let shape = [self.n, shape.channels, shape.h, shape.w];
        HostWire { node: wire, view, shape, segments: channels.segments() }
    }

    /// View of a parameter.
    pub(crate) fn param(&self, node: NodeId, role: ParamRole) -> View {
        self.params.view(node, role)
    }

    /// The convolution of a layer; `None` for any other layer.
    pub(crate) fn conv(&self, node: NodeId) -> Result<Option<ConvLayer<B::Conv>>, KernelError> {
        let graph = &self.network.graph;
        let Op::Conv2d { kernel, stride, padding, bias, groups, .. } = *graph.node(node).op() else {
            return Ok(None);
        };
        let input = graph.node(node).inputs()[0];
        let window = Window::square(kernel, stride, padding);
        let live = Some([input, node].map(|wire| self.network.channels[wire.index()].live()));
        let depthwise = graph.is_depthwise(node);
        let spec =
            ConvSpec { input: self.nhwc(input), out_channels: self.width(node), window, depthwise, live };
        let blocks = (groups > 1 && !depthwise).then(|| {
            let [inputs, outputs] = [input, node].map(|wire| self.network.channels[wire.index()].positions());
            let widths = [self.width(input), self.width(node)];
            Blocks { taps: window.area(), groups, inputs, outputs, widths }
        });
        let bias = bias.then(|| self.param(node, ParamRole::ConvBias));
        Ok(Some(ConvLayer {
            node,
            input,
            conv: self.backend.conv(&spec)?,
            spec,
            weights: self.param(node, ParamRole::ConvWeight),
            blocks: blocks.map(Arc::new),
            bias,
            rounds: self.network.rounding.is_on(),
        }))
    }

    /// Appends a layer that is not part of a chain. With `keep_maxima`, returns the positions of the maxima
    /// of a pooling.
    pub(crate) fn push_alone(
        &mut self,
        p: &mut B::Program,
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
    pub(crate) fn pool(&self, node: NodeId) -> Result<Option<PoolShape>, KernelError> {
        let node = self.network.graph.node(node);
        let Op::MaxPool { kernel, stride, padding } = *node.op() else { return Ok(None) };
        PoolShape::new(self.nhwc(node.inputs()[0]), Window::square(kernel, stride, padding)).map(Some)
    }
}

/// A convolution with its parameters.
pub(crate) struct ConvLayer<C> {
    pub(crate) node: NodeId,
    pub(crate) input: NodeId,
    pub(crate) conv: C,
    pub(crate) spec: ConvSpec,
    /// The parameter. `conv` reads the result of [`ConvLayer::push_spread`].
    weights: View,
    /// Positions of the grouped weights in the matrix of `conv`, if the convolution is grouped and not
    /// depthwise.
    blocks: Option<Arc<Blocks>>,
    pub(crate) bias: Option<View>,
    /// Whether training rounds the weights.
    rounds: bool,
}

impl<C: Convolution> ConvLayer<C>
where
    C::Program: Steps,
{
    /// Returns the weights for `conv`. Grouped weights are spread into a matrix with zeros between the
    /// blocks; `room` provides its memory.
    pub(crate) fn push_spread(
        &self,
        p: &mut C::Program,
        label: &str,
        room: &mut Room<'_>,
    ) -> Result<View, KernelError> {
        self.push_spread_of(p, label, room, self.weights)
    }

    /// As [`Self::push_spread`], of the weights that training uses: rounded to codes, if training rounds.
    pub(crate) fn push_trained(
        &self,
        p: &mut C::Program,
        label: &str,
        room: &mut Room<'_>,
    ) -> Result<View, KernelError> {
        if !self.rounds {
            return self.push_spread(p, label, room);
        }
        let to = room(self.weights.channels);
        p.push(label, RoundWeights { from: self.weights, to, channels: self.spec.out_channels })?;
        self.push_spread_of(p, label, room, to)
    }

    fn push_spread_of(
        &self,
        p: &mut C::Program,
        label: &str,
        room: &mut Room<'_>,
        from: View,
    ) -> Result<View, KernelError> {
        let Some(blocks) = &self.blocks else { return Ok(from) };
        let to = room(self.conv.weights_len());
        p.push(label, Spread { blocks: Arc::clone(blocks), from, to })?;
        Ok(to)
    }

    /// Appends the gradient of the weights, which is added to `dw`.
    pub(crate) fn push_weight_gradient(
        &self,
        p: &mut C::Program,
        label: &str,
        room: &mut Room<'_>,
        [x, dy, dw]: [View; 3],
    ) -> Result<(), KernelError> {
        let Some(blocks) = &self.blocks else {
            return self.conv.push_weight_gradient(p, label, room, [x, dy, dw]);
        };
        let whole = room(self.conv.weights_len());
        p.push(label, Zero { view: whole })?;
        self.conv.push_weight_gradient(p, label, room, [x, dy, whole])?;
        p.push(label, Collect { blocks: Arc::clone(blocks), from: whole, to: dw })
    }
}
