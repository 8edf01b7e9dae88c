//! [`zero_removed`]: the reference of the pruning law, the original network with the removed channels zeroed.
//!
//! The kept channels are derived from the plan by walking the graph forwards, without the pruner's coupling,
//! so that a wrong coupling is detected.

use bonsai_checkpoint::{Checkpoint, Weights};
use bonsai_graph::{Graph, Op, ParamRole};
use bonsai_prune::{Coupling, PrunePlan};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A plan that removes a random fraction of every group's sets, but never a whole group.
pub(crate) fn random_plan(coupling: &Coupling, seed: u64) -> PrunePlan {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut removed = Vec::new();
    for group in coupling.groups() {
        let share = rng.random_range(0.0..1.0);
        let mut chosen: Vec<usize> = group.iter().copied().filter(|_| rng.random_bool(share)).collect();
        if chosen.len() == group.len() {
            chosen.remove(rng.random_range(0..chosen.len()));
        }
        removed.extend(chosen);
    }
    PrunePlan::removing(coupling, removed).unwrap()
}

/// The channels of every layer that a plan keeps.
///
/// Panics if the inputs of an addition keep different channels.
pub(crate) fn kept_by_walking(plan: &PrunePlan, graph: &Graph) -> Vec<Vec<usize>> {
    let mut kept: Vec<Vec<usize>> = Vec::new();
    for (_, node) in graph.iter() {
        let of = |i: usize| &kept[node.inputs()[i].index()];
        let keep = match *node.op() {
            Op::Input { channels } => (0..channels).collect(),
            Op::Conv2d { .. } => plan.keep(node.name()).unwrap().to_vec(),
            Op::BatchNorm { .. } | Op::Silu | Op::MaxPool { .. } | Op::Upsample { .. } => of(0).clone(),
            Op::Add => {
                (1..node.inputs().len())
                    .for_each(|i| assert_eq!(of(0), of(i), "inputs of `{}`", node.name()));
                of(0).clone()
            }
            Op::Concat => {
                let mut offset = 0;
                let mut keep = Vec::new();
                for (i, input) in node.inputs().iter().enumerate() {
                    keep.extend(of(i).iter().map(|c| c + offset));
                    offset += graph.node(*input).channels();
                }
                keep
            }
            Op::Slice { start, len } => {
                of(0).iter().filter(|c| (start..start + len).contains(c)).map(|c| c - start).collect()
            }
        };
        kept.push(keep);
    }
    kept
}

/// `model` with gamma = beta = 0 in the channels that `plan` removes.
pub(crate) fn zero_removed(plan: &PrunePlan, model: &Checkpoint) -> Checkpoint {
    let weights = zero_removed_of(plan, model.model.graph(), &model.weights);
    Checkpoint { weights, ..model.clone() }
}

/// As [`zero_removed`], for the weights of any network.
pub(crate) fn zero_removed_of(plan: &PrunePlan, graph: &Graph, weights: &Weights) -> Weights {
    let kept = kept_by_walking(plan, graph);
    let mut zeroed = weights.clone();
    for spec in graph.params() {
        if matches!(spec.role, ParamRole::BnGamma | ParamRole::BnBeta) {
            let array = zeroed.get_mut(&spec.name).unwrap();
            for (channel, value) in array.data_mut().iter_mut().enumerate() {
                if !kept[spec.node.index()].contains(&channel) {
                    *value = 0.0;
                }
            }
        }
    }
    zeroed
}
