//! [`Backward`]: writes the backward program, unit by unit in reverse.
//!
//! A unit turns the gradient of its output into the gradient of its `y` in place; from that it computes the
//! gradients of the input, the weights and the bias. Gradients of parameters are added to their buffer;
//! [`Gradients`] decides where gradients of wires are stored. A gradient is not computed if no layer before
//! it is trained or tapped.

use bonsai_graph::{NodeId, Op, ParamRole};
use bonsai_kernels::{
    BatchNormGradient, BiasGradient, BiasSums, Copy, KernelError, MaxPoolGradient, Nhwc, PointwiseGradient,
    PointwiseSums, RoundGradient, UpsampleGradient, View, Zero, padded,
};

use super::arena::Boundary;
use super::backend::{Backend, ConvSpec, Convolution, Push};
use super::forward_state::{ForwardState, NormVectors};
use super::gradients::{Gradients, Target};
use super::host_wire::HostWire;
use super::layers::{ConvLayer, ProgramContext};
use super::units::Unit;

/// A backward program under construction.
pub(crate) struct Backward<'a, B> {
    layers: ProgramContext<'a, B>,
    gradients: Gradients,
    /// For each wire, whether a layer before it is trained or tapped.
    wanted: Vec<bool>,
}

impl<'a, B: Backend> Backward<'a, B> {
    /// `want_input`: whether to compute the gradient of the images.
    pub(crate) fn new(mut layers: ProgramContext<'a, B>, want_input: bool) -> Self {
        let network = layers.network;
        let mut wanted: Vec<bool> = Vec::with_capacity(network.graph.nodes().len());
        for node in network.graph.nodes() {
            let before = |wanted: &[bool]| node.inputs().iter().any(|i| wanted[i.index()]);
            wanted.push(match *node.op() {
                Op::Input { .. } => want_input,
                Op::Conv2d { .. } | Op::BatchNorm { .. } => true,
                Op::Silu
                | Op::Add
                | Op::Concat
                | Op::Slice { .. }
                | Op::MaxPool { .. }
                | Op::Upsample { .. } => before(&wanted),
            });
        }
        let roots = network.placement.roots.iter().enumerate();
        // The gradient of dense images is padded, because kernels write whole segments.
        let roots = roots.map(|(index, root)| layers.root(index, padded(root.width)));
        let gradients = Gradients::new(roots.collect());
        Self { layers, gradients, wanted }
    }

    fn is_wanted(&self, wire: NodeId) -> bool {
        self.wanted[wire.index()]
    }

    fn claim(&mut self, p: &mut B::Program, label: &str, wire: NodeId) -> Result<Target, KernelError> {
        let location = self.layers.network.placement.location(wire);
        self.gradients.claim(p, label, location, padded(self.layers.width(wire)))
    }

    fn append_gradient(
        &mut self,
        p: &mut B::Program,
        label: &str,
        wire: NodeId,
    ) -> Result<Option<View>, KernelError> {
        let location = self.layers.network.placement.location(wire);
        self.gradients.append_gradient(p, label, location, padded(self.layers.width(wire)))
    }

    /// Views into which the host writes the gradients of the outputs: the final position, or a separate
    /// tensor if two outputs share memory.
    pub(crate) fn receive(&mut self, p: &mut B::Program) -> Result<Vec<HostWire>, KernelError> {
        let network = self.layers.network;
        let mut wires = Vec::new();
        let mut beside = Vec::new();
        for output in network.graph.outputs() {
            let location = network.placement.location(*output);
            let width = self.layers.width(*output);
            let view = if self.gradients.is_reached(location, width) {
                let pixels = self.layers.pixels(*output);
                let view = self.layers.arena.tensor(pixels, width);
                beside.push((*output, view));
                view
            } else {
                self.gradients.set_written(location, width);
                self.gradients.view(location, width)
            };
            wires.push(self.layers.host_wire(*output, view, Boundary::AfterForward));
        }
        for (output, from) in beside {
            let label = network.graph.node(output).name();
            let Target { view, accumulate } = self.claim(p, label, output)?;
            p.push(label, Copy { from, to: view, accumulate })?;
        }
        Ok(wires)
    }

    /// The gradient of the images, if it is requested.
    pub(crate) fn input_gradient(&mut self, p: &mut B::Program) -> Result<Option<HostWire>, KernelError> {
        let network = self.layers.network;
        let input = network.graph.input();
        if !self.is_wanted(input) {
            return Ok(None);
        }
        let label = network.graph.node(input).name();
        let view = if let Some(view) = self.append_gradient(p, label, input)? {
            view
        } else {
            let Target { view, .. } = self.claim(p, label, input)?;
            p.push(label, Zero { view })?;
            view
        };
        let mut wire = self.layers.host_wire(input, view, Boundary::AfterBackward);
        wire.segments = network.channels[input.index()].to_padded().segments();
        Ok(Some(wire))
    }

    /// Appends the backward of a unit. The gradient of its output must be complete.
    pub(crate) fn push(
        &mut self,
        p: &mut B::Program,
        unit: &Unit,
        kept: &ForwardState,
    ) -> Result<(), KernelError> {
        let label = self.layers.network.graph.node(unit.node).name();
        if matches!(self.layers.network.graph.node(unit.last).op(), Op::Slice { .. } | Op::Input { .. }) {
            return Ok(());
        }
        if !self.is_wanted(unit.last) {
            return Ok(());
        }
        let Some(dz) = self.append_gradient(p, label, unit.last)? else { return Ok(()) };
        if let Some(mask) = kept.mask {
            p.push(label, RoundGradient { dx: dz, mask })?;
        }
        if unit.is_chain() {
            self.push_chain(p, label, unit, kept, dz)
        } else {
            self.push_alone(p, label, unit, kept, dz)
        }
    }

    fn push_chain(
        &mut self,
        p: &mut B::Program,
        label: &str,
        unit: &Unit,
        kept: &ForwardState,
        dz: View,
    ) -> Result<(), KernelError> {
        let network = self.layers.network;
        let input = network.graph.node(unit.node).inputs()[0];
        let residual = unit.residual.map(|r| r.1).filter(|wire| self.is_wanted(*wire));
        let mut residual = residual.map(|wire| self.claim(p, label, wire)).transpose()?;
        let conv = unit.conv.map(|conv| self.layers.conv(conv)).transpose()?.flatten();
        let packed = match &conv {
            Some(conv) if self.is_wanted(input) => Some(self.push_pack(p, label, conv)?),
            _ => None,
        };
        let mut coefficients = None;
        if let (Some(node), Some(norm), Some(y)) = (unit.norm, kept.norm, kept.y) {
            let residual = residual.take().map(|r| (r.view, r.accumulate));
            coefficients =
                Some(self.push_sums(p, label, node, (y, dz), norm, (unit.silu.is_some(), residual))?);
        }
        if let Some(Target { view, accumulate }) = residual {
            p.push(label, Copy { from: dz, to: view, accumulate })?;
        }
        if let Some(y) = kept.y.filter(|_| unit.norm.is_some() || unit.silu.is_some()) {
            let target = match &conv {
                Some(_) => Some(Target { view: dz, accumulate: false }),
                None if self.is_wanted(input) => Some(self.claim(p, label, input)?),
                None => None,
            };
            if let Some(Target { view: dy, accumulate }) = target {
                let silu = unit.silu.is_some();
                p.push(label, PointwiseGradient { y, dz, dy, norm: coefficients, silu, accumulate })?;
            }
        }
        conv.map_or(Ok(()), |conv| self.push_conv(p, label, &conv, packed, dz))
    }

    /// Appends the first pass over a batch norm: its gradients, and the coefficients `scale, shift, k1, k0`
    /// for the second pass.
    fn push_sums(
        &mut self,
        p: &mut B::Program,
        label: &str,
        node: NodeId,
        (y, dz): (View, View),
        norm: NormVectors,
        (silu, residual): (bool, Option<(View, bool)>),
    ) -> Result<[View; 4], KernelError> {
        let NormVectors { mean, inv, scale, shift } = norm;
        let pixels = self.layers.pixels(node);
        let width = self.layers.width(node);
        let parts = PointwiseSums::parts(pixels);
        let partials = self.layers.arena.tensor(2 * parts, width);
        p.push(label, PointwiseSums { y, dz, scale, shift, mean, inv, silu, partials, residual })?;
        let k1 = self.layers.arena.vector(width);
        let k0 = self.layers.arena.vector(width);
        let dgamma = self.layers.params.gradient(node, ParamRole::BnGamma);
        let dbeta = self.layers.params.gradient(node, ParamRole::BnBeta);
        p.push(label, BatchNormGradient { pixels, partials, scale, mean, inv, dgamma, dbeta, k1, k0 })?;
        Ok([scale, shift, k1, k0])
    }

    /// Appends the packing of the weights for the input gradient; returns the convolution that reads them and
    /// their view.
    fn push_pack(
        &mut self,
        p: &mut B::Program,
        label: &str,
        layer: &ConvLayer<B::Conv>,
    ) -> Result<(B::Conv, View), KernelError> {
        let ConvSpec { input, out_channels: output, window, .. } = layer.spec;
        let parameter = layer.push_trained(p, label, &mut |len| self.layers.arena.vector(len))?;
        let mut conv = layer.conv.clone();
        let mut weights = parameter;
        if padded(input.c) != input.c {
            // For the gradient of dense images, use the same convolution on padded images.
            let wide = Nhwc { c: padded(input.c), ..input };
            conv = self.layers.backend.conv(&ConvSpec { input: wide, live: None, ..layer.spec })?;
            weights = self.layers.arena.vector(conv.weights_len());
            p.push(label, Zero { view: weights })?;
            for tap in 0..window.area() {
                let rows = |of: View, c: usize| {
                    View::dense(of.buffer, of.offset + tap * c * output, input.c, output)
                };
                let from = rows(parameter, input.c);
                let to = rows(weights, wide.c);
                p.push(label, Copy { from, to, accumulate: false })?;
            }
        }
        let packed = conv.push_transposed(p, label, &mut |len| self.layers.arena.vector(len), weights)?;
        Ok((conv, packed))
    }

    fn push_conv(
        &mut self,
        p: &mut B::Program,
        label: &str,
        layer: &ConvLayer<B::Conv>,
        packed: Option<(B::Conv, View)>,
        dy: View,
    ) -> Result<(), KernelError> {
        if let Some((conv, packed)) = packed {
            let Target { view, accumulate } = self.claim(p, label, layer.input)?;
            conv.push_input_gradient(
                p,
                label,
                &mut |len| self.layers.arena.vector(len),
                [dy, packed, view],
                accumulate,
            )?;
        }
        let x = self.layers.value(layer.input);
        let dw = self.layers.params.gradient(layer.node, ParamRole::ConvWeight);
        layer.push_weight_gradient(p, label, &mut |len| self.layers.arena.vector(len), [x, dy, dw])?;
        if layer.bias.is_some() {
            let db = self.layers.params.gradient(layer.node, ParamRole::ConvBias);
            let partials = self.layers.arena.tensor(BiasSums::parts(dy.pixels), dy.channels);
            p.push(label, BiasSums { dy, partials })?;
            p.push(label, BiasGradient { partials, db })?;
        }
        Ok(())
    }

    fn push_alone(
        &mut self,
        p: &mut B::Program,
        label: &str,
        unit: &Unit,
        kept: &ForwardState,
        dz: View,
    ) -> Result<(), KernelError> {
        let network = self.layers.network;
        let graph = &network.graph;
        let node = unit.node;
        let inputs = graph.node(node).inputs();
        match *graph.node(node).op() {
            Op::Input { .. } | Op::Slice { .. } | Op::Conv2d { .. } | Op::BatchNorm { .. } | Op::Silu => {}
            Op::Add => {
                for input in inputs {
                    self.push_copy(p, label, dz, *input)?;
                }
            }
            Op::Concat => {
                for (wire, column) in network.placement.copies(graph, &network.channels, node) {
                    self.push_copy(p, label, dz.columns(column, self.layers.width(wire)), wire)?;
                }
            }
            Op::MaxPool { .. } => {
                if let (Some(shape), Some(argmax)) = (self.layers.pool(node)?, kept.argmax) {
                    let Target { view: dx, accumulate } = self.claim(p, label, inputs[0])?;
                    p.push(label, MaxPoolGradient { shape, dy: dz, argmax, dx, accumulate })?;
                }
            }
            Op::Upsample { scale } => {
                let input = self.layers.nhwc(inputs[0]);
                let Target { view: dx, accumulate } = self.claim(p, label, inputs[0])?;
                p.push(label, UpsampleGradient { input, factor: scale, dy: dz, dx, accumulate })?;
            }
        }
        Ok(())
    }

    fn push_copy(
        &mut self,
        p: &mut B::Program,
        label: &str,
        from: View,
        wire: NodeId,
    ) -> Result<(), KernelError> {
        if !self.is_wanted(wire) {
            return Ok(());
        }
        let Target { view: to, accumulate } = self.claim(p, label, wire)?;
        p.push(label, Copy { from, to, accumulate })
    }
}
