//! What removed channels still said: a constant, which the layers that read them can take over.
//!
//! A channel with gamma 0 emits SiLU(beta) everywhere, whatever the image. Without it the convolutions that read it lack
//! that constant times the sum of their kernel. Where a batch norm follows, its running mean takes it; where the
//! convolution has a bias, the bias does.
//! This is exact in evaluation mode for gamma 0 into kernels of one tap, and away from the padded border for larger ones.
//! For other gammas the constant is the channel's expectation, taken over a normalised input that is normal.
//! In training mode batch norm takes any constant away, so nothing changes.

use bonsai_checkpoint::{Checkpoint, Weights};
use bonsai_graph::{Graph, NodeId, Op, ParamRole};
use serde::Serialize;

use crate::param::checked;
use crate::{Coupling, PruneError, PrunePlan};

/// What was taken over.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Compensation {
    /// Convolutions that read a removed channel and whose reader took it over.
    pub convolutions: usize,
    /// Convolutions that have neither bias nor batch norm to take it.
    pub left: usize,
    /// The largest change of a mean or bias.
    pub largest_shift: f32,
}

/// The trapezoidal rule converges fast on a function that dies out at both ends: steps to each side, and how many
/// standard deviations they reach.
const STEPS: i32 = 64;
const REACH: f64 = 8.0;

/// Mean and spread of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Emitted {
    mean: f64,
    spread: f64,
}

/// Changes running means and biases of `pruned`, which `plan` made of `model`, for what is missing.
///
/// # Errors
/// As [`apply`](crate::apply()).
pub fn compensate(
    plan: &PrunePlan,
    model: &Checkpoint,
    pruned: &mut Checkpoint,
) -> Result<Compensation, PruneError> {
    let graph = model.model.graph();
    let kept = plan.kept_channels(&Coupling::of(graph))?;
    let emitted = emitted(graph, &model.weights, &kept)?;
    let mut compensation = Compensation::default();
    for (id, node) in graph.iter() {
        let Op::Conv2d { bias, .. } = *node.op() else { continue };
        let source = node.inputs()[0];
        let missing: Vec<(usize, f64)> = emitted[source.index()]
            .iter()
            .enumerate()
            .filter(|(channel, e)| e.mean != 0.0 && kept[source.index()].binary_search(channel).is_err())
            .map(|(channel, e)| (channel, e.mean))
            .collect();
        if missing.is_empty() {
            continue;
        }
        let shifts = shifts(graph, &model.weights, id, &missing, &kept[id.index()])?;
        let takers = if bias { vec![(id, ParamRole::ConvBias, 1.0)] } else { means_behind(graph, id) };
        if takers.is_empty() {
            compensation.left += 1;
            continue;
        }
        for (taker, role, sign) in takers {
            let name = format!("{}.{}", graph.node(taker).name(), role.suffix());
            let Some(values) = pruned.weights.get_mut(&name) else { continue };
            for (value, shift) in values.data.iter_mut().zip(&shifts) {
                *value = (f64::from(*value) + sign * shift) as f32;
                compensation.largest_shift = compensation.largest_shift.max(shift.abs() as f32);
            }
        }
        compensation.convolutions += 1;
    }
    Ok(compensation)
}

/// What each output channel of a convolution that stays lacks.
fn shifts(
    graph: &Graph,
    weights: &Weights,
    conv: NodeId,
    missing: &[(usize, f64)],
    kept: &[usize],
) -> Result<Vec<f64>, PruneError> {
    let specs = graph.node_params(conv);
    let mut shifts = vec![0.0; kept.len()];
    for spec in specs.iter().filter(|s| s.role == ParamRole::ConvWeight) {
        let values = &checked(weights, spec)?.data;
        let (columns, area) = (spec.shape[1], spec.shape[2] * spec.shape[3]);
        for (shift, row) in shifts.iter_mut().zip(kept) {
            for (column, mean) in missing {
                let taps = &values[(row * columns + column) * area..][..area];
                *shift += mean * taps.iter().map(|w| f64::from(*w)).sum::<f64>();
            }
        }
    }
    Ok(shifts)
}

/// The batch norms that read a convolution, if nothing else does: a smaller input needs a smaller mean.
fn means_behind(graph: &Graph, conv: NodeId) -> Vec<(NodeId, ParamRole, f64)> {
    let readers: Vec<_> = graph.iter().filter(|(_, n)| n.inputs().contains(&conv)).collect();
    let all_norms = readers.iter().all(|(_, n)| matches!(n.op(), Op::BatchNorm { .. }));
    if !all_norms || graph.outputs().contains(&conv) {
        return Vec::new();
    }
    readers.into_iter().map(|(id, _)| (id, ParamRole::BnMean, -1.0)).collect()
}

/// What each removed channel of each layer emits. Kept channels emit what they always did, which is nothing here.
fn emitted(graph: &Graph, weights: &Weights, kept: &[Vec<usize>]) -> Result<Vec<Vec<Emitted>>, PruneError> {
    let mut all: Vec<Vec<Emitted>> = Vec::with_capacity(kept.len());
    for (id, node) in graph.iter() {
        let of = |i: usize| -> &Vec<Emitted> { &all[node.inputs()[i].index()] };
        let nothing = || vec![Emitted::default(); node.channels()];
        let channels = match *node.op() {
            Op::Input { .. } | Op::Conv2d { .. } => nothing(),
            Op::BatchNorm { .. } => {
                let mut channels = nothing();
                for spec in graph.node_params(id) {
                    let values = &checked(weights, &spec)?.data;
                    for (channel, value) in channels.iter_mut().zip(values) {
                        match spec.role {
                            ParamRole::BnGamma => channel.spread = f64::from(value.abs()),
                            ParamRole::BnBeta => channel.mean = f64::from(*value),
                            ParamRole::ConvWeight
                            | ParamRole::ConvBias
                            | ParamRole::BnMean
                            | ParamRole::BnVar => {}
                        }
                    }
                }
                for channel in &kept[id.index()] {
                    channels[*channel] = Emitted::default();
                }
                channels
            }
            Op::Silu => of(0).iter().map(|e| e.through_silu()).collect(),
            Op::MaxPool { .. } | Op::Upsample { .. } => of(0).clone(),
            Op::Add => {
                let mut sum = of(0).clone();
                for i in 1..node.inputs().len() {
                    sum.iter_mut().zip(of(i)).for_each(|(a, b)| *a = a.plus(*b));
                }
                sum
            }
            Op::Concat => (0..node.inputs().len()).flat_map(|i| of(i).iter().copied()).collect(),
            Op::Slice { start, len } => of(0)[start..start + len].to_vec(),
        };
        all.push(channels);
    }
    Ok(all)
}

impl Emitted {
    /// Both at once, as if independent.
    fn plus(self, other: Self) -> Self {
        Self { mean: self.mean + other.mean, spread: self.spread.hypot(other.spread) }
    }

    /// The expectation of SiLU over a normal input; exactly its value at the mean where nothing varies.
    fn through_silu(self) -> Self {
        let silu = |v: f64| v / (1.0 + (-v).exp());
        if self.spread == 0.0 {
            return Self { mean: silu(self.mean), spread: 0.0 };
        }
        let (mut mean, mut square, mut total) = (0.0, 0.0, 0.0);
        for step in -STEPS..=STEPS {
            let z = f64::from(step) / f64::from(STEPS) * REACH;
            let density = (-0.5 * z * z).exp();
            let value = silu(self.mean + self.spread * z);
            mean += density * value;
            square += density * value * value;
            total += density;
        }
        let mean = mean / total;
        Self { mean, spread: (square / total - mean * mean).max(0.0).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_of_silu() {
        let of = |mean: f64, spread: f64| Emitted { mean, spread }.through_silu();
        assert_eq!(of(0.0, 0.0), Emitted::default());
        assert!((of(1.0, 0.0).mean - 0.731_058_578_630_004_9).abs() < 1e-15);
        // Far from zero SiLU is the identity, or nothing.
        assert!((of(50.0, 2.0).mean - 50.0).abs() < 1e-9 && (of(50.0, 2.0).spread - 2.0).abs() < 1e-9);
        assert!(of(-80.0, 1.0).mean.abs() < 1e-9);
        // SiLU(z) = z / 2 + an even part: E = 0.2066214 for a standard normal input (mean of 1e8 draws, 4e-5 apart).
        assert!((of(0.0, 1.0).mean - 0.2066).abs() < 1e-3, "{:?}", of(0.0, 1.0));
        assert!((of(0.3, 1e-9).mean - of(0.3, 0.0).mean).abs() < 1e-12);
    }
}
