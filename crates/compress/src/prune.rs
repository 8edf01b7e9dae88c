//! [`prune_to`]: prunes a run until its engines keep the costs of a budget, before it is fine-tuned.

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_pipeline::{Control, PipelineConfig, Progress, RunDir, Stage, load_settings, run_stages};
use bonsai_prune::CostTarget;
use bonsai_tensorrt::EnginePrecision;

use crate::cost::Scale;
use crate::curve::is_unreachable;
use crate::{Bound, Budget, Cost, Excess};

/// Most prunings of a network.
const ATTEMPTS: usize = 6;
/// Fraction by which a target is below the limit: two measurements of a latency differ by a few per cent.
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
    let mut target = earlier_target(base, dir).unwrap_or_else(|| first_target(&first, given));
    for _ in 0..ATTEMPTS {
        let mut config = base.clone();
        config.prune.target = Some(target);
        let control = Control { until: Some(Stage::Prune), ..Control::default() };
        match run_stages(&config, dir, &control, progress) {
            Ok(_) => {}
            Err(error) if is_unreachable(&error) => return Ok(Reached::Never(format!("{error:#}"))),
            Err(error) => return Err(error),
        }
        let pruned = Checkpoint::load(dir.stage(Stage::Prune).join("pruned.safetensors"))?;
        let engines: Vec<(&Checkpoint, EnginePrecision)> = precisions.iter().map(|p| (&pruned, *p)).collect();
        let excess = scale.measure(&engines)?.iter().flat_map(|cost| budget.excess(cost)).collect::<Vec<_>>();
        let Some(worst) = excess.into_iter().max_by(|a, b| a.factor().total_cmp(&b.factor())) else {
            return Ok(Reached::Settings(Box::new(config)));
        };
        progress.note(&format!("after pruning, {worst}: more channels are removed"));
        target = tightened(target, &worst);
    }
    Ok(Reached::Never(format!("{ATTEMPTS} prunings did not reach it")))
}

/// The target of an earlier call that was interrupted after pruning.
fn earlier_target(base: &PipelineConfig, dir: &RunDir) -> Option<CostTarget> {
    dir.completed(Stage::Prune)?;
    let mut earlier = load_settings(&PipelineConfig::default(), &dir.config()).ok()?;
    let target = earlier.prune.target?;
    earlier.prune.target = base.prune.target;
    (earlier == *base).then_some(target)
}

/// The target of the first pruning, from the cost that is exceeded the most.
fn first_target(worst: &Excess, given: &Cost) -> CostTarget {
    match worst.bound {
        Bound::Latency => CostTarget::LatencyMs(worst.limit * (1.0 - MARGIN)),
        Bound::Macs => CostTarget::Macs(worst.limit),
        // A file is nearly all parameters.
        Bound::Size => CostTarget::Params((worst.limit / given.bytes as f64).min(1.0)),
    }
}

/// A lower target after one that left a cost above its limit.
fn tightened(target: CostTarget, worst: &Excess) -> CostTarget {
    let lower = |limit: f64| limit * (1.0 - MARGIN) / worst.factor();
    match (target, worst.bound) {
        (CostTarget::LatencyMs(limit), Bound::Latency | Bound::Size) => CostTarget::LatencyMs(lower(limit)),
        (CostTarget::Params(limit), Bound::Size) => CostTarget::Params(lower(limit)),
        // Another cost is exceeded than the one that decided so far.
        (_, Bound::Latency) => CostTarget::LatencyMs(worst.limit * (1.0 - MARGIN)),
        (_, Bound::Macs) => CostTarget::Macs(worst.limit),
        (CostTarget::Macs(limit), Bound::Size) => CostTarget::Macs(lower(limit)),
        (CostTarget::Latency(limit), Bound::Size) => CostTarget::Latency(lower(limit)),
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
        assert_eq!(tightened(target, &slow), CostTarget::LatencyMs(4.0 * 0.97));
    }
}
