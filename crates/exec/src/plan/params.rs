//! [`ParamMap`]: positions of all parameters of a network in a few flat buffers, in the physical layout of
//! the kernels.
//!
//! A convolution kernel is `[tap][in][out]` and a vector `[out]`, in physical channels. In a grouped
//! convolution, `in` counts the inputs of one group, without padding. Padding is zero in every buffer and
//! stays zero, because its gradient is zero and neither weight decay nor L1 changes a zero. [`ParamLayout`]
//! defines order and roles.

use std::ops::Range;

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::{Graph, NodeId, Op, ParamRole, ParamSpec};
use bonsai_kernels::View;

use super::arena::buffers;
use super::cuts::Channels;
use crate::frozen::Frozen;
use crate::layout::role_index;
use crate::penalty_map::{ChannelSlot, Marks, is_affine};
use crate::{ExecError, ParamLayout, PenaltyMap};

/// The position of every parameter.
#[derive(Debug)]
pub(crate) struct ParamMap {
    slots: Vec<Slot>,
    /// Slot of each layer and role.
    by_node: Vec<[Option<usize>; 6]>,
    ranges: Ranges,
    /// Number of values of the trained parameters and of the running statistics.
    lens: [usize; 2],
}

/// The physical range of every role in its buffer.
#[derive(Debug, Clone)]
pub(crate) struct Ranges([Range<usize>; 6]);

impl Ranges {
    pub(crate) fn of(&self, role: ParamRole) -> Range<usize> {
        self.0[role_index(role)].clone()
    }

    /// Length of the longest range.
    pub(crate) fn longest(&self) -> usize {
        self.0.iter().map(Range::len).max().unwrap_or(0)
    }
}

/// Position of a parameter in its buffer.
#[derive(Debug)]
struct Slot {
    spec: ParamSpec,
    offset: usize,
    taps: usize,
    /// Physical position of every input channel, and the number of physical input channels; one for a vector.
    inputs: (Vec<usize>, usize),
    /// The same for output channels.
    outputs: (Vec<usize>, usize),
}

impl Slot {
    fn new(graph: &Graph, channels: &[Channels], spec: ParamSpec) -> Self {
        let node = graph.node(spec.node);
        let wire = |id: NodeId| {
            let channels = &channels[id.index()];
            (channels.positions(), channels.physical())
        };
        let (taps, inputs) = match (spec.role, node.op()) {
            (ParamRole::ConvWeight, Op::Conv2d { kernel, groups: 1, .. }) => {
                (kernel * kernel, wire(node.inputs()[0]))
            }
            (ParamRole::ConvWeight, Op::Conv2d { kernel, .. }) => {
                (kernel * kernel, ((0..spec.shape[1]).collect(), spec.shape[1]))
            }
            _ => (1, (vec![0], 1)),
        };
        Self { outputs: wire(spec.node), spec, offset: 0, taps, inputs }
    }

    /// Number of values, including padding.
    fn len(&self) -> usize {
        self.taps * self.inputs.1 * self.outputs.1
    }

    fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len()
    }

    /// Calls `f(position in the array, position in the slot)` for every scalar.
    fn each(&self, mut f: impl FnMut(usize, usize)) {
        let inputs = &self.inputs.0;
        let outputs = &self.outputs.0;
        for (o, output) in outputs.iter().enumerate() {
            for (i, input) in inputs.iter().enumerate() {
                for tap in 0..self.taps {
                    let physical = (tap * self.inputs.1 + input) * self.outputs.1 + output;
                    f((o * inputs.len() + i) * self.taps + tap, physical);
                }
            }
        }
    }
}

impl ParamMap {
    /// Positions of the parameters of `graph`; `channels` are those of its wires.
    pub(crate) fn new(graph: &Graph, channels: &[Channels]) -> Self {
        let mut slots: Vec<Slot> = ParamLayout::from_graph(graph)
            .slots()
            .iter()
            .map(|s| Slot::new(graph, channels, s.spec.clone()))
            .collect();
        let mut by_node = vec![[None; 6]; graph.nodes().len()];
        let mut ends = [0; 2];
        let mut ranges: [Range<usize>; 6] = Default::default();
        for role in ParamRole::ALL {
            let end = &mut ends[usize::from(!role.is_trained())];
            let start = *end;
            for (position, slot) in slots.iter_mut().enumerate().filter(|(_, s)| s.spec.role == role) {
                slot.offset = *end;
                *end += slot.len();
                by_node[slot.spec.node.index()][role_index(role)] = Some(position);
            }
            ranges[role_index(role)] = start..*end;
        }
        Self { slots, by_node, ranges: Ranges(ranges), lens: ends }
    }

    /// Number of values of the trained parameters and of the running statistics, including padding.
    pub(crate) const fn lens(&self) -> [usize; 2] {
        self.lens
    }

    /// Range of each role in its buffer.
    pub(crate) const fn ranges(&self) -> &Ranges {
        &self.ranges
    }

    /// See [`Executor::freeze`](crate::Executor::freeze).
    pub(crate) fn frozen(&self, names: &[String]) -> Result<Frozen, ExecError> {
        let trained = self.slots.iter().filter(|slot| slot.spec.role.is_trained());
        Frozen::of(names, trained.map(|slot| (slot.spec.name.as_str(), slot.range())))
    }

    /// See [`Executor::penalise`](crate::Executor::penalise).
    pub(crate) fn marks(&self, map: &PenaltyMap) -> Result<Marks, ExecError> {
        let span = self.ranges.of(ParamRole::BnGamma).start..self.ranges.of(ParamRole::BnBeta).end;
        let norms = self.slots.iter().filter(|slot| is_affine(slot.spec.role));
        let slots = norms.map(|slot| ChannelSlot {
            name: &slot.spec.name,
            role: slot.spec.role,
            positions: slot.outputs.0.iter().map(|channel| slot.offset + channel).collect(),
        });
        Marks::of(map, slots, span)
    }

    /// View of a parameter for kernels; empty if the layer has no parameter of this role.
    pub(crate) fn view(&self, node: NodeId, role: ParamRole) -> View {
        let buffer = if role.is_trained() { buffers::PARAMS } else { buffers::STATISTICS };
        self.in_buffer(buffer, node, role)
    }

    /// View of the gradient of a parameter for kernels.
    pub(crate) fn gradient(&self, node: NodeId, role: ParamRole) -> View {
        self.in_buffer(buffers::GRADIENTS, node, role)
    }

    fn in_buffer(&self, buffer: usize, node: NodeId, role: ParamRole) -> View {
        let position = self.by_node[node.index()][role_index(role)];
        let range = position.map_or(0..0, |position| self.slots[position].range());
        View::vector(buffer, range.start, range.len())
    }

    /// The arrays in these buffers, by name and without padding; trained parameters only if there are no
    /// statistics. An empty buffer reads as zero.
    pub(crate) fn read(&self, trained: &[f32], statistics: Option<&[f32]>) -> Weights {
        let mut slots: Vec<_> = self.slots.iter().collect();
        slots.sort_by_key(|s| s.spec.node);
        let read = |slot: &Slot| {
            let memory = if slot.spec.role.is_trained() { trained } else { statistics? };
            let mut data = vec![0.0; slot.spec.len()];
            if let Some(source) = memory.get(slot.range()) {
                slot.each(|logical, physical| data[logical] = source[physical]);
            }
            Some((slot.spec.name.clone(), Array::new(&slot.spec.shape, data)))
        };
        slots.into_iter().filter_map(read).collect()
    }

    /// Returns an error if `weights` lacks a parameter or one has another shape.
    pub(crate) fn check(&self, weights: &Weights, with_statistics: bool) -> Result<(), ExecError> {
        let wanted = |slot: &&Slot| with_statistics || slot.spec.role.is_trained();
        for slot in self.slots.iter().filter(wanted) {
            let array = weights.require(&slot.spec.name)?;
            if array.shape() != slot.spec.shape {
                return Err(ExecError::Shape {
                    what: format!("parameter `{}`", slot.spec.name),
                    got: array.shape().to_vec(),
                    expected: format!("{:?}", slot.spec.shape),
                });
            }
        }
        Ok(())
    }

    /// Writes arrays that [`ParamMap::check`] accepted into these buffers. Padding does not change.
    pub(crate) fn write(
        &self,
        weights: &Weights,
        trained: &mut [f32],
        mut statistics: Option<&mut [f32]>,
    ) -> Result<(), ExecError> {
        for slot in &self.slots {
            let memory =
                if slot.spec.role.is_trained() { Some(&mut *trained) } else { statistics.as_deref_mut() };
            let Some(memory) = memory else { continue };
            let source = weights.require(&slot.spec.name)?.data();
            let target = &mut memory[slot.range()];
            slot.each(|logical, physical| target[physical] = source[logical]);
        }
        Ok(())
    }
}
