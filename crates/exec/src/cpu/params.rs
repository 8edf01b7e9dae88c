//! [`Params`]: all parameters of a network in a few flat buffers, in the physical layout of the kernels.
//!
//! A convolution kernel is `[tap][in][out]` and a vector `[out]`, in physical channels. In a grouped
//! convolution, `in` counts the inputs of one group, without padding. Padding is zero in every buffer and
//! stays zero, because its gradient is zero and neither weight decay nor L1 changes a zero. [`ParamLayout`]
//! defines order and roles.

use std::ops::Range;

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::{Graph, NodeId, Op, ParamRole, ParamSpec};
use bonsai_kernels::{AlignedBuffer, View};

use super::arena::buffers;
use super::cuts::Channels;
use crate::frozen::Frozen;
use crate::layout::role_index;
use crate::penalty_map::{ChannelSlot, Marks, is_affine};
use crate::step::CHUNK;
use crate::{Buffer, ExecError, ParamLayout, PenaltyMap};

/// The buffers, and the position of every parameter.
#[derive(Debug)]
pub(super) struct Params {
    slots: Vec<Slot>,
    /// Slot of each layer and role.
    by_node: Vec<[Option<usize>; 6]>,
    ranges: Ranges,
    /// Number of values of the trained parameters and of the running statistics.
    lens: [usize; 2],
    pub(super) trained: AlignedBuffer,
    pub(super) statistics: AlignedBuffer,
    pub(super) gradients: AlignedBuffer,
    pub(super) momentum: AlignedBuffer,
    /// Empty until AdamW uses it.
    pub(super) second_moment: AlignedBuffer,
    pub(super) ema_trained: AlignedBuffer,
    pub(super) ema_statistics: AlignedBuffer,
    pub(super) frozen: Frozen,
    pub(super) marks: Marks,
    /// One sum per chunk of the longest role.
    pub(super) chunk_sums: Vec<f64>,
}

/// The physical range of every role in its buffer.
#[derive(Debug, Clone)]
pub(super) struct Ranges([Range<usize>; 6]);

impl Ranges {
    pub(super) fn of(&self, role: ParamRole) -> Range<usize> {
        self.0[role_index(role)].clone()
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

impl Params {
    /// The parameters of `graph` for training. Gradients, momentum and averages are zero and take no memory
    /// before they are used.
    pub(super) fn new(graph: &Graph, weights: &Weights, channels: &[Channels]) -> Result<Self, ExecError> {
        let mut params = Self::for_inference(graph, weights, channels)?;
        let [trained, statistics] = params.lens;
        params.gradients = AlignedBuffer::try_zeroed(trained)?;
        params.momentum = AlignedBuffer::try_zeroed(trained)?;
        params.ema_trained = AlignedBuffer::try_zeroed(trained)?;
        params.ema_statistics = AlignedBuffer::try_zeroed(statistics)?;
        Ok(params)
    }

    /// The parameters of `graph` for inference, without the training buffers.
    pub(super) fn for_inference(
        graph: &Graph,
        weights: &Weights,
        channels: &[Channels],
    ) -> Result<Self, ExecError> {
        weights.verify(&graph.params())?;
        let mut params = Self::laid_out(graph, channels);
        let [trained, statistics] = params.lens;
        params.trained = AlignedBuffer::try_zeroed(trained)?;
        params.statistics = AlignedBuffer::try_zeroed(statistics)?;
        params.write(Buffer::Params, weights)?;
        Ok(params)
    }

    /// Positions of the parameters of `graph`, without memory: enough to make plans.
    pub(super) fn laid_out(graph: &Graph, channels: &[Channels]) -> Self {
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
        let longest = ranges.iter().map(|r| r.len().div_ceil(CHUNK)).max().unwrap_or(0);
        let none = || AlignedBuffer::zeroed(0);
        Self {
            slots,
            by_node,
            ranges: Ranges(ranges),
            lens: ends,
            trained: none(),
            statistics: none(),
            gradients: none(),
            momentum: none(),
            second_moment: none(),
            ema_trained: none(),
            ema_statistics: none(),
            frozen: Frozen::default(),
            marks: Marks::default(),
            chunk_sums: vec![0.0; longest],
        }
    }

    /// Number of values of the trained parameters and of the running statistics, including padding, even
    /// without memory.
    pub(super) const fn lens(&self) -> [usize; 2] {
        self.lens
    }

    /// Sets the averages to the current parameters.
    pub(super) fn start_average(&mut self) {
        self.ema_trained.as_mut_slice().copy_from_slice(self.trained.as_slice());
        self.ema_statistics.as_mut_slice().copy_from_slice(self.statistics.as_slice());
    }

    /// Allocates the second moment if it is not allocated yet.
    pub(super) fn use_second_moment(&mut self) -> Result<(), ExecError> {
        if self.second_moment.len() < self.trained.len() {
            self.second_moment = AlignedBuffer::try_zeroed(self.trained.len())?;
        }
        Ok(())
    }

    /// Frees all memory; positions do not change.
    pub(super) fn forget(&mut self) {
        let Self {
            trained, statistics, gradients, momentum, second_moment, ema_trained, ema_statistics, ..
        } = self;
        for memory in [trained, statistics, gradients, momentum, second_moment, ema_trained, ema_statistics] {
            *memory = AlignedBuffer::zeroed(0);
        }
    }

    /// See [`Executor::freeze`](crate::Executor::freeze).
    pub(super) fn freeze(&mut self, names: &[String]) -> Result<(), ExecError> {
        let trained = self.slots.iter().filter(|slot| slot.spec.role.is_trained());
        self.frozen = Frozen::of(names, trained.map(|slot| (slot.spec.name.as_str(), slot.range())))?;
        Ok(())
    }

    /// See [`Executor::penalise`](crate::Executor::penalise).
    pub(super) fn penalise(&mut self, map: &PenaltyMap) -> Result<(), ExecError> {
        let span = self.ranges.of(ParamRole::BnGamma).start..self.ranges.of(ParamRole::BnBeta).end;
        let norms = self.slots.iter().filter(|slot| is_affine(slot.spec.role));
        let slots = norms.map(|slot| ChannelSlot {
            name: &slot.spec.name,
            role: slot.spec.role,
            positions: slot.outputs.0.iter().map(|channel| slot.offset + channel).collect(),
        });
        self.marks = Marks::of(map, slots, span)?;
        Ok(())
    }

    /// Range of each role in its buffer.
    pub(super) fn ranges(&self) -> Ranges {
        self.ranges.clone()
    }

    /// View of a parameter for kernels; empty if the layer has no parameter of this role.
    pub(super) fn view(&self, node: NodeId, role: ParamRole) -> View {
        let buffer = if role.is_trained() { buffers::PARAMS } else { buffers::STATISTICS };
        self.in_buffer(buffer, node, role)
    }

    /// View of the gradient of a parameter for kernels.
    pub(super) fn gradient(&self, node: NodeId, role: ParamRole) -> View {
        self.in_buffer(buffers::GRADIENTS, node, role)
    }

    fn in_buffer(&self, buffer: usize, node: NodeId, role: ParamRole) -> View {
        let position = self.by_node[node.index()][role_index(role)];
        let range = position.map_or(0..0, |position| self.slots[position].range());
        View::vector(buffer, range.start, range.len())
    }

    /// Copies a buffer, by name and without padding.
    pub(super) fn read(&self, buffer: Buffer) -> Weights {
        let (trained, statistics) = self.memory(buffer);
        let mut slots: Vec<_> = self.slots.iter().collect();
        slots.sort_by_key(|s| s.spec.node);
        let read = |slot: &Slot| {
            let memory = if slot.spec.role.is_trained() { trained } else { statistics? };
            let mut data = vec![0.0; slot.spec.len()];
            // A second moment that is not allocated yet is zero.
            if let Some(source) = memory.as_slice().get(slot.range()) {
                slot.each(|logical, physical| data[logical] = source[physical]);
            }
            Some((slot.spec.name.clone(), Array::new(&slot.spec.shape, data)))
        };
        slots.into_iter().filter_map(read).collect()
    }

    /// Replaces a buffer; nothing changes if an array is missing or has another shape.
    pub(super) fn write(&mut self, buffer: Buffer, weights: &Weights) -> Result<(), ExecError> {
        let with_statistics = self.memory(buffer).1.is_some();
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
        if buffer == Buffer::SecondMoment {
            self.use_second_moment()?;
        }
        let (trained, mut statistics) = match buffer {
            Buffer::Params => (&mut self.trained, Some(&mut self.statistics)),
            Buffer::Ema => (&mut self.ema_trained, Some(&mut self.ema_statistics)),
            Buffer::Momentum => (&mut self.momentum, None),
            Buffer::SecondMoment => (&mut self.second_moment, None),
            Buffer::Gradients => (&mut self.gradients, None),
        };
        for slot in &self.slots {
            let memory =
                if slot.spec.role.is_trained() { Some(&mut *trained) } else { statistics.as_deref_mut() };
            let Some(memory) = memory else { continue };
            let source = weights.require(&slot.spec.name)?.data();
            let target = &mut memory.as_mut_slice()[slot.range()];
            slot.each(|logical, physical| target[physical] = source[logical]);
        }
        Ok(())
    }

    fn memory(&self, buffer: Buffer) -> (&AlignedBuffer, Option<&AlignedBuffer>) {
        match buffer {
            Buffer::Params => (&self.trained, Some(&self.statistics)),
            Buffer::Ema => (&self.ema_trained, Some(&self.ema_statistics)),
            Buffer::Momentum => (&self.momentum, None),
            Buffer::SecondMoment => (&self.second_moment, None),
            Buffer::Gradients => (&self.gradients, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cuts;
    use super::*;
    use bonsai_testkit::{RandomGraphConfig, random_model};

    #[test]
    fn arrays_survive_the_physical_layout_and_padding_is_zero() {
        for seed in 0..20 {
            let model = random_model(seed, &RandomGraphConfig::default());
            let graph = model.spec().graph();
            let weights = &model.checkpoint.weights;
            let mut params = Params::new(graph, weights, &cuts::channels(graph)).unwrap();
            params.start_average();
            assert!(params.read(Buffer::Params) == weights.clone().check(graph).unwrap(), "seed {seed}");
            assert!(params.read(Buffer::Ema) == params.read(Buffer::Params), "seed {seed}");
            let nonzero = |m: &AlignedBuffer| m.as_slice().iter().filter(|v| **v != 0.0).count();
            let logical: usize =
                weights.iter().map(|(_, a)| a.data().iter().filter(|v| **v != 0.0).count()).sum();
            assert_eq!(nonzero(&params.trained) + nonzero(&params.statistics), logical);
        }
    }
}
