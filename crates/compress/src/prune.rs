//! [`prune_to`]: prunes a run until its engines keep the costs of a budget, before it is fine-tuned.
//!
//! A search predicts latencies, so the first network may be slower or faster than the budget. A slower one is
//! pruned further. A much faster one has lost channels for nothing, so it is pruned once more, by less.

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
/// Fraction by which a next target is lower than the measurement asks for.
const MARGIN: f64 = 0.03;
/// Fraction of a limit that may stay unused: a smaller gap is not worth another pruning with its trials. The
/// value is an estimate; it was not chosen by measurements.
const SLACK: f64 = 0.08;

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
    let mut kept: Option<PipelineConfig> = None;
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
        let Some(tightest) = budget.tightest(&scale.measure(&engines)?) else { break };
        let is_second = kept.is_some();
        match Verdict::of(&tightest) {
            Verdict::Over if is_second => {
                progress.note(&format!(
                    "with fewer channels removed, {tightest}: Bonsai takes the network before"
                ));
                break;
            }
            Verdict::Over => {
                last = tightest;
                if attempt < ATTEMPTS {
                    progress.note(&format!("after pruning, {tightest}: Bonsai removes more channels"));
                }
            }
            Verdict::Within => return Ok(Reached::Settings(Box::new(config))),
            Verdict::FarBelow if is_second || attempt == ATTEMPTS => {
                return Ok(Reached::Settings(Box::new(config)));
            }
            Verdict::FarBelow => {
                progress.note(&format!("after pruning, {tightest}: Bonsai removes fewer channels"));
                kept = Some(config);
            }
        }
        target = corrected(target, &tightest);
    }
    if let Some(config) = kept {
        return Ok(Reached::Settings(Box::new(config)));
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

/// A pruned network beside the limit that it comes closest to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Over,
    Within,
    FarBelow,
}

impl Verdict {
    fn of(tightest: &Excess) -> Self {
        match tightest.factor() {
            factor if factor > 1.0 => Self::Over,
            factor if factor >= 1.0 - SLACK => Self::Within,
            _ => Self::FarBelow,
        }
    }
}

/// A target of the same kind, changed by the factor between the measurement and its limit.
fn corrected(target: CostTarget, tightest: &Excess) -> CostTarget {
    let scaled = |limit: f64| limit * (1.0 - MARGIN) / tightest.factor();
    match target {
        CostTarget::LatencyMs(limit) => CostTarget::LatencyMs(scaled(limit)),
        CostTarget::Latency(limit) => CostTarget::Latency(scaled(limit).min(1.0)),
        CostTarget::Params(limit) => CostTarget::Params(scaled(limit).min(1.0)),
        CostTarget::Macs(limit) => CostTarget::Macs(scaled(limit).min(1.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_corrected_by_the_measurement() {
        let given = Cost { latency_ms: 8.0, macs: 1.0, bytes: 12_000_000 };
        let budget = Budget { latency_ms: Some(4.0), bytes: Some(3_000_000), ..Budget::default() };
        let excess = budget.excess(&given);
        // Size is exceeded by a factor of 4, latency by 2.
        let target = first_target(&excess[0], &given);
        assert_eq!(target, CostTarget::Params(0.25));
        let still = Excess { bound: Bound::Size, value: 3.3e6, limit: 3e6 };
        let CostTarget::Params(next) = corrected(target, &still) else { panic!("another target") };
        assert!((next - 0.25 * 0.97 / 1.1).abs() < 1e-12);
        let slow = Excess { bound: Bound::Latency, value: 4.4, limit: 4.0 };
        // The kind of the target stays, so that two limits cannot make it alternate.
        let CostTarget::Params(next) = corrected(target, &slow) else { panic!("another target") };
        assert!((next - 0.25 * 0.97 / 1.1).abs() < 1e-12);
    }

    #[test]
    fn a_network_far_below_its_limit_is_pruned_by_less() {
        let latency = |value| Excess { bound: Bound::Latency, value, limit: 4.0 };
        let verdicts = [4.01, 4.0, 3.7, 3.6].map(|value| Verdict::of(&latency(value)));
        assert_eq!(verdicts, [Verdict::Over, Verdict::Within, Verdict::Within, Verdict::FarBelow]);
        let CostTarget::LatencyMs(next) = corrected(CostTarget::LatencyMs(4.0), &latency(3.2)) else {
            panic!("another target")
        };
        assert!((next - 4.0 * 0.97 / 0.8).abs() < 1e-12);
        // No more can be kept than there is.
        assert_eq!(corrected(CostTarget::Params(0.9), &latency(2.0)), CostTarget::Params(1.0));
        let budget = Budget { latency_ms: Some(4.0), macs: Some(0.5), ..Budget::default() };
        let costs = [(3.0, 0.45), (3.8, 0.3)].map(|(latency_ms, macs)| Cost { latency_ms, macs, bytes: 1 });
        assert_eq!(budget.tightest(&costs).map(|tightest| tightest.value), Some(3.8));
    }
}
