//! [`apply_compensated`]: folds the constant output of removed channels into their readers.
//!
//! A channel whose gamma is 0 still outputs a constant, SiLU(beta). Removing the channel removes that
//! constant from every sum in which it was a term. This module walks the graph once, follows each constant to
//! the convolutions that read it, and adds the convolution's constant contribution to its bias or to the
//! running mean of the batch norm after it.
//!
//! In evaluation mode the result is exact for gamma = 0 and readers with 1x1 kernels. With larger kernels it
//! is exact wherever the window lies inside the image; at the border the original also reads zero padding. If
//! gamma is not 0, the channel's mean output is used: a batch norm's output has mean beta and standard
//! deviation |gamma|. In training mode a batch norm removes any constant itself.

use std::collections::BTreeSet;

use bonsai_checkpoint::{Array, Checkpoint, Weights};
use bonsai_graph::{Graph, NodeId, Op, ParamRole};
use serde::{Deserialize, Serialize};

use crate::apply::with_network;
use crate::coupling::for_each_source;
use crate::gaussian::{Gaussian, after_silu};
use crate::param::checked;
use crate::{Coupling, Member, PruneError, PrunePlan, apply_to_graph};

/// What [`apply_compensated`] folded into the remaining layers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Compensation {
    /// Removed channel sets with a non-zero constant that at least one convolution reads.
    pub sets: usize,
    /// Convolutions that read such a constant.
    pub convs: usize,
    /// The largest |constant| that was missing from a convolution's output channel.
    pub largest_shift: f64,
    /// Layers that could not be compensated, because a convolution without bias is read by a layer that is
    /// not a batch norm.
    pub lost: Vec<String>,
}

/// As [`apply`](crate::apply()), and folds the constant output of removed channels into their readers.
///
/// Only biases of convolutions and running means of batch norms differ from the result of
/// [`apply`](crate::apply()).
///
/// # Errors
/// As [`apply`](crate::apply()); [`PruneError::NotFinite`] if a gamma, beta or kernel value is not finite.
pub fn apply_compensated(
    plan: &PrunePlan,
    model: &Checkpoint,
) -> Result<(Checkpoint, Compensation), PruneError> {
    let (graph, weights, compensation) =
        apply_compensated_to_graph(plan, model.model.graph(), &model.weights)?;
    Ok((with_network(model, graph, weights)?, compensation))
}

/// As [`apply_compensated`], for any network.
///
/// # Errors
/// As [`apply_compensated`].
pub fn apply_compensated_to_graph(
    plan: &PrunePlan,
    graph: &Graph,
    weights: &Weights,
) -> Result<(Graph, Weights, Compensation), PruneError> {
    let (pruned, mut remaining) = apply_to_graph(plan, graph, weights)?;
    let coupling = Coupling::from_graph(graph);
    let kept = plan.kept_channels(&coupling)?;
    let missing = Missing::new(graph, weights, &kept)?;
    for (param, shifts) in &missing.shifts {
        let array = remaining.require_mut(param)?;
        array
            .data_mut()
            .iter_mut()
            .zip(shifts)
            .for_each(|(value, shift)| *value = (f64::from(*value) + shift) as f32);
    }
    let sets: BTreeSet<usize> = missing.heard.iter().map(|member| coupling.set_of(*member)).collect();
    let compensation = Compensation {
        sets: sets.len(),
        convs: missing.convs,
        largest_shift: missing.largest_shift,
        lost: missing.lost,
    };
    Ok((pruned, remaining, compensation))
}

/// The constants that are missing from the pruned network, layer by layer.
struct Missing<'a> {
    weights: &'a Weights,
    kept: &'a [Vec<usize>],
    /// For each layer and each of its original channels: the output of a removed channel, or the amount
    /// missing from a kept channel's output.
    wires: Vec<Vec<Gaussian>>,
    /// Parameters of the pruned network and the values to add to them.
    shifts: Vec<(String, Vec<f64>)>,
    heard: BTreeSet<Member>,
    convs: usize,
    largest_shift: f64,
    lost: Vec<String>,
}

impl<'a> Missing<'a> {
    fn new(graph: &Graph, weights: &'a Weights, kept: &'a [Vec<usize>]) -> Result<Self, PruneError> {
        let mut missing = Self {
            weights,
            kept,
            wires: Vec::with_capacity(kept.len()),
            shifts: Vec::new(),
            heard: BTreeSet::new(),
            convs: 0,
            largest_shift: 0.0,
            lost: Vec::new(),
        };
        for (id, node) in graph.iter() {
            let wire = match node.op() {
                Op::Input { .. } => vec![Gaussian::default(); node.channels()],
                Op::Conv2d { bias, groups, .. } => missing.conv(graph, id, *bias, *groups)?,
                Op::BatchNorm { .. } => missing.batch_norm(graph, id)?,
                Op::Silu => missing.silu(graph, id),
                Op::Add | Op::Concat | Op::Slice { .. } | Op::MaxPool { .. } | Op::Upsample { .. } => {
                    missing.passed_on(graph, id)
                }
            };
            // No later layer can add the constant that a network output lacks.
            if graph.outputs().contains(&id) && kept[id.index()].iter().any(|c| wire[*c].mean != 0.0) {
                missing.lost.push(node.name().to_owned());
            }
            missing.wires.push(wire);
        }
        Ok(missing)
    }

    fn parameter(&self, graph: &Graph, id: NodeId, role: ParamRole) -> Result<&'a Array, PruneError> {
        let specs = graph.node_params(id);
        let spec =
            specs.iter().find(|s| s.role == role).expect("a layer of this kind has a parameter of this role");
        let array = checked(self.weights, spec)?;
        let per_channel = array.data().len() / array.shape()[0];
        match array.data().iter().position(|v| !v.is_finite()) {
            Some(i) => Err(PruneError::NotFinite {
                param: spec.name.clone(),
                channel: i / per_channel,
                value: array.data()[i],
            }),
            None => Ok(array),
        }
    }

    /// Computes the constant that missing inputs contributed. A bias absorbs it; without one, the output
    /// lacks it.
    fn conv(
        &mut self,
        graph: &Graph,
        id: NodeId,
        bias: bool,
        groups: usize,
    ) -> Result<Vec<Gaussian>, PruneError> {
        let node = graph.node(id);
        let source = node.inputs()[0];
        let kept = self.kept;
        let input = &self.wires[source.index()];
        let mut wire = vec![Gaussian::default(); node.channels()];
        if input.iter().all(Gaussian::is_nothing) {
            return Ok(wire);
        }
        let weight = self.parameter(graph, id, ParamRole::ConvWeight)?;
        let area: usize = weight.shape()[2..].iter().product();
        let ins = input.len() / groups;
        let outs = node.channels() / groups;
        // Contribution of the missing inputs of a group to one output.
        let heard_by = |o: usize| {
            let taps = |i: usize| weight.data()[(o * ins + i) * area..][..area].iter().map(|w| f64::from(*w));
            let heard = input[o / outs * ins..][..ins].iter().enumerate().filter(|(_, x)| !x.is_nothing());
            heard.fold(Gaussian::default(), |y, (i, x)| Gaussian {
                mean: y.mean + x.mean * taps(i).sum::<f64>(),
                variance: y.variance + x.variance * taps(i).map(|w| w * w).sum::<f64>(),
            })
        };
        let is_removed = |layer: NodeId, c: &usize| kept[layer.index()].binary_search(c).is_err();
        if groups > 1 {
            // A removed output of a grouped convolution depends only on removed inputs.
            for o in (0..node.channels()).filter(|o| is_removed(id, o)) {
                wire[o] = heard_by(o);
            }
        }
        let shifts: Vec<f64> = kept[id.index()].iter().map(|o| heard_by(*o).mean).collect();
        let silent = (0..input.len()).filter(|c| input[*c].mean != 0.0);
        let (removed, lacking): (Vec<usize>, Vec<usize>) = silent.partition(|c| is_removed(source, c));
        if lacking.is_empty() && (groups > 1 || removed.is_empty()) {
            return Ok(wire);
        }
        if groups == 1 {
            self.heard.extend(removed.into_iter().map(|channel| Member { node: source, channel }));
        }
        self.convs += 1;
        self.largest_shift = shifts.iter().fold(self.largest_shift, |largest, s| largest.max(s.abs()));
        if bias {
            self.shifts.push((format!("{}.{}", node.name(), ParamRole::ConvBias.suffix()), shifts));
        } else {
            for (channel, shift) in kept[id.index()].iter().zip(shifts) {
                wire[*channel].mean = shift;
            }
        }
        Ok(wire)
    }

    /// Removed channels output a distribution; kept channels absorb the missing constant in the running mean.
    fn batch_norm(&mut self, graph: &Graph, id: NodeId) -> Result<Vec<Gaussian>, PruneError> {
        let node = graph.node(id);
        let kept = &self.kept[id.index()];
        let input = &self.wires[node.inputs()[0].index()];
        let shifts: Vec<f64> = kept.iter().map(|c| -input[*c].mean).collect();
        let mut wire = vec![Gaussian::default(); node.channels()];
        if kept.len() < wire.len() {
            let gamma = self.parameter(graph, id, ParamRole::BnGamma)?;
            let beta = self.parameter(graph, id, ParamRole::BnBeta)?;
            for channel in (0..wire.len()).filter(|c| kept.binary_search(c).is_err()) {
                let mean = f64::from(beta.data()[channel]);
                let deviation = f64::from(gamma.data()[channel]);
                wire[channel] = Gaussian { mean, variance: deviation * deviation };
            }
        }
        if shifts.iter().any(|s| *s != 0.0) {
            self.shifts.push((format!("{}.{}", node.name(), ParamRole::BnMean.suffix()), shifts));
        }
        Ok(wire)
    }

    fn silu(&mut self, graph: &Graph, id: NodeId) -> Vec<Gaussian> {
        let mut wire = self.passed_on(graph, id);
        let kept = &self.kept[id.index()];
        if kept.iter().any(|c| wire[*c].mean != 0.0) {
            self.lost.push(graph.node(id).name().to_owned());
        }
        for (channel, emitted) in wire.iter_mut().enumerate() {
            let is_kept = kept.binary_search(&channel).is_ok();
            *emitted = if is_kept { Gaussian::default() } else { after_silu(*emitted) };
        }
        wire
    }

    /// For layers that map constants to constants.
    fn passed_on(&self, graph: &Graph, id: NodeId) -> Vec<Gaussian> {
        let mut wire = vec![Gaussian::default(); graph.node(id).channels()];
        for_each_source(graph, id, |channel, source| {
            let from = self.wires[source.node.index()][source.channel];
            wire[channel].mean += from.mean;
            wire[channel].variance += from.variance;
        });
        wire
    }
}
