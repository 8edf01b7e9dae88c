//! [`FlatBuffers`]: all parameters of a network in a few one-dimensional tensors.

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::{Graph, NodeId, Op, ParamRole};
use candle_core::{DType, Device, Result, Tensor};

use super::average::average;
use super::clip::{clipped, gradient_norm};
use super::gradients::Gradients;
use super::roles::{Roles, buffer_len, join};
use super::{adamw, moments, penalty, sgd};
use crate::frozen::Frozen;
use crate::layout::{ParamLayout, ParamSlot, role_index};
use crate::penalty_map::{ChannelSlot, Marks, is_affine};
use crate::step::clip_factor;
use crate::{Buffer, ExecError, L1Placement, PenaltyMap, UpdateReport, UpdateRule};

/// All parameters of a network, their gradients, moments and averages, in a few one-dimensional tensors.
#[derive(Debug)]
pub(super) struct FlatBuffers {
    layout: ParamLayout,
    device: Device,
    /// Slot of each layer and role, for fast lookup in every pass.
    slots: Vec<[Option<usize>; 6]>,
    params: Tensor,
    statistics: Tensor,
    gradients: Option<Tensor>,
    momentum: Tensor,
    second_moment: Option<Tensor>,
    ema_params: Tensor,
    ema_statistics: Tensor,
    batch_norms: Vec<NodeId>,
    frozen: Frozen,
    marks: Marks,
}

impl FlatBuffers {
    pub(super) fn new(
        graph: &Graph,
        weights: &Weights,
        device: &Device,
    ) -> std::result::Result<Self, ExecError> {
        let layout = ParamLayout::from_graph(graph);
        let mut slots = vec![[None; 6]; graph.nodes().len()];
        for (position, slot) in layout.slots().iter().enumerate() {
            slots[slot.spec.node.index()][role_index(slot.spec.role)] = Some(position);
        }
        let zeros = |len| Tensor::zeros(buffer_len(len), DType::F32, device);
        let trained = layout.trained_len();
        let statistics = layout.statistics_len();
        let is_norm = |id: &NodeId| matches!(graph.node(*id).op(), Op::BatchNorm { .. });
        let mut buffers = Self {
            slots,
            params: zeros(trained)?,
            statistics: zeros(statistics)?,
            gradients: None,
            momentum: zeros(trained)?,
            second_moment: None,
            ema_params: zeros(trained)?,
            ema_statistics: zeros(statistics)?,
            batch_norms: graph.ids().filter(is_norm).collect(),
            frozen: Frozen::default(),
            marks: Marks::default(),
            layout,
            device: device.clone(),
        };
        buffers.write(Buffer::Params, &weights.clone().check(graph)?)?;
        buffers.ema_params = buffers.params.clone();
        buffers.ema_statistics = buffers.statistics.clone();
        Ok(buffers)
    }

    pub(super) const fn device(&self) -> &Device {
        &self.device
    }

    /// A parameter as a view into its buffer.
    pub(super) fn view(&self, node: NodeId, role: ParamRole) -> Result<Tensor> {
        let position = self.slots[node.index()][role_index(role)]
            .ok_or_else(|| candle_core::Error::msg(format!("it has no {role:?}")))?;
        let slot = &self.layout.slots()[position];
        let buffer = if role.is_trained() { &self.params } else { &self.statistics };
        buffer.narrow(0, slot.offset, slot.spec.len())?.reshape(slot.spec.shape.as_slice())
    }

    /// Sets new running statistics: one pair per batch norm in the order of the graph.
    pub(super) fn set_statistics(&mut self, statistics: &[[Tensor; 2]]) -> Result<()> {
        debug_assert_eq!(statistics.len(), self.batch_norms.len());
        let means = statistics.iter().map(|s| &s[0]);
        let all: Vec<&Tensor> = means.chain(statistics.iter().map(|s| &s[1])).collect();
        self.statistics = join(&all, &self.device)?;
        Ok(())
    }

    /// Adds the gradients of one backward pass.
    pub(super) fn add_gradients(&mut self, gradients: &Gradients) -> std::result::Result<(), ExecError> {
        let mut by_slot: Vec<Option<Tensor>> = vec![None; self.layout.slots().len()];
        for (node, role, gradient) in gradients {
            let position = self.slots[node.index()][role_index(*role)];
            if let Some(position) = position {
                by_slot[position] = Some(gradient.flatten_all()?);
            }
        }
        let mut parts = Vec::new();
        for (slot, gradient) in self.layout.slots().iter().zip(by_slot) {
            if slot.spec.role.is_trained() {
                // A layer on which no output depends has no gradient.
                parts.push(match gradient {
                    Some(g) => g,
                    None => Tensor::zeros(slot.spec.len(), DType::F32, &self.device)?,
                });
            }
        }
        let new = join(&parts, &self.device)?;
        self.gradients = Some(match self.gradients.take() {
            Some(sum) => (sum + new)?,
            None => new,
        });
        Ok(())
    }

    pub(super) fn zero_gradients(&mut self) {
        self.gradients = None;
    }

    /// See [`Executor::freeze`](crate::Executor::freeze).
    pub(super) fn freeze(&mut self, names: &[String]) -> std::result::Result<(), ExecError> {
        let trained = self.layout.slots().iter().filter(|slot| slot.spec.role.is_trained());
        let slot = |slot: &'_ ParamSlot| slot.offset..slot.offset + slot.spec.len();
        self.frozen = Frozen::of(names, trained.map(|s| (s.spec.name.as_str(), slot(s))))?;
        Ok(())
    }

    /// See [`Executor::penalise`](crate::Executor::penalise).
    pub(super) fn penalise(&mut self, map: &PenaltyMap) -> std::result::Result<(), ExecError> {
        let span = self.layout.range(ParamRole::BnGamma).start..self.layout.range(ParamRole::BnBeta).end;
        let norms = self.layout.slots().iter().filter(|slot| is_affine(slot.spec.role));
        let slots = norms.map(|slot| ChannelSlot {
            name: &slot.spec.name,
            role: slot.spec.role,
            positions: (slot.offset..slot.offset + slot.spec.len()).collect(),
        });
        self.marks = Marks::of(map, slots, span)?;
        Ok(())
    }

    /// Performs one step; see [`UpdateRule`] for the order of operations.
    pub(super) fn update(&mut self, rule: &UpdateRule) -> std::result::Result<UpdateReport, ExecError> {
        let mut gradients = match self.gradients.take() {
            Some(g) => g,
            None => self.momentum.zeros_like()?,
        };
        let roles = Roles::new(rule, &self.layout, &self.frozen);
        let pull = penalty::pull(rule, &roles, &self.marks, &self.params)?;
        if rule.l1_placement == L1Placement::BeforeClip {
            gradients = penalty::add(&gradients, &pull)?;
        }
        let gradient_norm = gradient_norm(&roles, &gradients)?;
        if !gradient_norm.is_finite() {
            return Ok(UpdateReport { gradient_norm });
        }
        let mut clip = clip_factor(rule, gradient_norm);
        if rule.l1_placement == L1Placement::AfterClip && !pull.is_empty() {
            gradients = penalty::add(&clipped(gradients, clip)?, &pull)?;
            clip = 1.0;
        }
        let kept = (&self.momentum, self.second_moment.as_ref());
        let moved = match adamw::step(rule, &roles, clip, &self.params, &gradients, kept)? {
            Some(moved) => Some(moved),
            None => moments::step(rule, &roles, clip, &self.params, &gradients, kept)?,
        };
        match moved {
            Some((params, first, second)) => {
                (self.params, self.momentum, self.second_moment) = (params, first, Some(second));
            }
            None => {
                (self.params, self.momentum) =
                    sgd::step(rule, &roles, clip, &self.params, &gradients, &self.momentum)?;
            }
        }
        self.params = penalty::shrink(rule, &roles, &self.marks, &self.params)?;
        self.ema_params = roles.average(rule.ema_decay, &self.ema_params, &self.params)?;
        self.ema_statistics = average(rule.ema_decay, &self.ema_statistics, &self.statistics)?;
        Ok(UpdateReport { gradient_norm })
    }

    pub(super) fn read(&self, buffer: Buffer) -> std::result::Result<Weights, ExecError> {
        let (trained, statistics) = match buffer {
            Buffer::Params => (Some(&self.params), Some(&self.statistics)),
            Buffer::Ema => (Some(&self.ema_params), Some(&self.ema_statistics)),
            Buffer::Momentum => (Some(&self.momentum), None),
            Buffer::SecondMoment => (self.second_moment.as_ref(), None),
            Buffer::Gradients => (self.gradients.as_ref(), None),
        };
        let host = |t: Option<&Tensor>| t.map(Tensor::to_vec1::<f32>).transpose();
        let trained = host(trained)?;
        let statistics = host(statistics)?;
        let with_statistics = matches!(buffer, Buffer::Params | Buffer::Ema);
        let mut slots: Vec<_> = self.layout.slots().iter().collect();
        slots.sort_by_key(|s| s.spec.node);
        let wanted = slots.into_iter().filter(|s| with_statistics || s.spec.role.is_trained());
        Ok(wanted
            .map(|slot| {
                let source = if slot.spec.role.is_trained() { &trained } else { &statistics };
                let values = source.as_ref().map_or_else(
                    || vec![0.0; slot.spec.len()],
                    |v| v[slot.offset..slot.offset + slot.spec.len()].to_vec(),
                );
                (slot.spec.name.clone(), Array::new(&slot.spec.shape, values))
            })
            .collect())
    }

    pub(super) fn write(&mut self, buffer: Buffer, weights: &Weights) -> std::result::Result<(), ExecError> {
        let mut trained = vec![0.0; buffer_len(self.layout.trained_len())];
        let mut statistics = vec![0.0; buffer_len(self.layout.statistics_len())];
        let with_statistics = matches!(buffer, Buffer::Params | Buffer::Ema);
        for slot in self.layout.slots() {
            if !slot.spec.role.is_trained() && !with_statistics {
                continue;
            }
            let array = weights.require(&slot.spec.name)?;
            if array.shape() != slot.spec.shape {
                return Err(ExecError::Shape {
                    what: format!("parameter `{}`", slot.spec.name),
                    got: array.shape().to_vec(),
                    expected: format!("{:?}", slot.spec.shape),
                });
            }
            let target = if slot.spec.role.is_trained() { &mut trained } else { &mut statistics };
            target[slot.offset..slot.offset + slot.spec.len()].copy_from_slice(array.data());
        }
        let tensor = |v: Vec<f32>| Tensor::new(v, &self.device);
        match buffer {
            Buffer::Params => (self.params, self.statistics) = (tensor(trained)?, tensor(statistics)?),
            Buffer::Ema => (self.ema_params, self.ema_statistics) = (tensor(trained)?, tensor(statistics)?),
            Buffer::Momentum => self.momentum = tensor(trained)?,
            Buffer::SecondMoment => self.second_moment = Some(tensor(trained)?),
            Buffer::Gradients => self.gradients = Some(tensor(trained)?),
        }
        Ok(())
    }
}
