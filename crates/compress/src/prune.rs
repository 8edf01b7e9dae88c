//! [`prune_to`]: prunes a run until its engines keep the costs of a budget, before it is fine-tuned.

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_pipeline::{Control, PipelineConfig, Progress, RunDir, Stage, run_stages};
use bonsai_prune::CostTarget;
use bonsai_tensorrt::EnginePrecision;

use crate::accepted::with_target;
use crate::cost::Scale;
use crate::curve::is_unreachable;
use crate::{Bound, Budget, Cost, Excess};

/// Largest number of prunings of one run.
const ATTEMPTS: usize = 6;
/// Fraction by which a next target is lower than the excess asks for.
const MARGIN: f64 = 0.03;

/// The result of [`prune_to`].
pub(crate) enum Reached {
    /// The settings of the run whose pruned network keeps the budget.
    Settings(Box<PipelineConfig>),
    /// Why no network keeps it.
    Never(String),
}

/// Prunes the run in `dir` until its engines in all `precisions` keep the costs of the budget. `given` is the
/// cost of the network without pruning.
///
/// # Errors
/// As [`run_stages`], or if the pruned network cannot be measured.
pub(crate) fn prune_to(
    budget: &Budget,
    precisions: &[EnginePrecision],
    (base, dir): (&PipelineConfig, &RunDir),
    (scale, given): (&Scale<'_>, &Cost),
    progress: &mut dyn Progress,
) -> Result<Reached> {
    let Some(first) = budget.excess(given).first().copied() else {
        return Ok(Reached::Never("the network keeps the budget without pruning".to_owned()));
    };
    let mut target = first_target(&first, given);
    let mut last = first;
    for attempt in 1..=ATTEMPTS {
        let config = with_target(base, target);
        let control = Control { until: Some(Stage::Prune), ..Control::default() };
        match run_stages(&config, dir, &control, progress) {
            Ok(_) => {}
            Err(error) if is_unreachable(&error) => break,
            Err(error) => return Err(error),
        }
        let pruned = Checkpoint::load(dir.stage(Stage::Prune).join("pruned.safetensors"))?;
        let engines: Vec<(&Checkpoint, EnginePrecision)> = precisions.iter().map(|p| (&pruned, *p)).collect();
        let excess = scale.measure(&engines)?.iter().flat_map(|cost| budget.excess(cost)).collect::<Vec<_>>();
        let Some(worst) = excess.into_iter().max_by(|a, b| a.factor().total_cmp(&b.factor())) else {
            return Ok(Reached::Settings(Box::new(config)));
        };
        last = worst;
        if attempt < ATTEMPTS {
            progress.note(&format!("after pruning, {worst}: Bonsai removes more channels"));
        }
        target = tightened(target, &worst);
    }
    Ok(Reached::Never(format!(
        "the smallest network that pruning reached is still too costly ({last}): allow a higher limit, or lower the guards of \
         pruning (prune.min_channels, prune.max_ratio_per_layer)"
    )))
}

/// The target of the first pruning, from the cost that is exceeded the most.
fn first_target(worst: &Excess, given: &Cost) -> CostTarget {
    match worst.bound {
        Bound::Latency => CostTarget::LatencyMs(worst.limit),
        Bound::Macs => CostTarget::Macs(worst.limit),
        // A file is nearly all parameters.
        Bound::Size => CostTarget::Params((worst.limit / given.bytes as f64).min(1.0)),
    }
}

/// A target of the same kind, lower by the factor of the worst excess.
fn tightened(target: CostTarget, worst: &Excess) -> CostTarget {
    let lower = |limit: f64| limit * (1.0 - MARGIN) / worst.factor();
    match target {
        CostTarget::LatencyMs(limit) => CostTarget::LatencyMs(lower(limit)),
        CostTarget::Latency(limit) => CostTarget::Latency(lower(limit)),
        CostTarget::Params(limit) => CostTarget::Params(lower(limit)),
        CostTarget::Macs(limit) => CostTarget::Macs(lower(limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_tightened_by_the_excess() {
        let given = Cost { latency_ms: 8.0, macs: 1.0, bytes: 12_000_000 };
        let budget = Budget { latency_ms: Some(4.0), bytes: Some(3_000_000), ..Budget::default() };
        let excess = budget.excess(&given);
        // Size is exceeded by a factor of 4, latency by 2.
        let target = first_target(&excess[0], &given);
        assert_eq!(target, CostTarget::Params(0.25));
        let still = Excess { bound: Bound::Size, value: 3.3e6, limit: 3e6 };
        let CostTarget::Params(next) = tightened(target, &still) else { panic!("another target") };
        assert!((next - 0.25 * 0.97 / 1.1).abs() < 1e-12);
        let slow = Excess { bound: Bound::Latency, value: 4.4, limit: 4.0 };
        // The kind of the target stays, so that two limits cannot make it alternate.
        let CostTarget::Params(next) = tightened(target, &slow) else { panic!("another target") };
        assert!((next - 0.25 * 0.97 / 1.1).abs() < 1e-12);
    }
}
