//! [`Curve`]: what networks of several sizes cost on this machine, before anything is trained.

use std::fmt::Write as _;

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_prune::{CostTarget, Importance, PrunePolicy};
use bonsai_stages::{PruneConfig, PruneExtras, RunContext, prune_stage};
use bonsai_tensorrt::EnginePrecision;
use serde::Serialize;

use crate::cost::Scale;
use crate::{Budget, Cost};

/// Fractions of the multiply-accumulates at which networks are timed.
const FRACTIONS: [f64; 6] = [0.75, 0.5, 0.35, 0.25, 0.18, 0.125];

/// Costs of networks of several sizes as CPU engines, the largest first.
///
/// The networks are pruned by L2 norm and not trained: the time of a layer depends on its width and hardly on
/// which channels it keeps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// The networks, each in every precision; the first is the given one, the last the smallest that the guards of
    /// pruning allow.
    pub points: Vec<CurvePoint>,
}

/// A network of a curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurvePoint {
    /// The precision of the engine.
    pub precision: EnginePrecision,
    /// Its cost.
    pub cost: Cost,
}

impl Curve {
    /// Measures the curve of a network; `policy` has the guards of pruning.
    ///
    /// # Errors
    /// If a network cannot be pruned or run.
    pub(crate) fn measure(
        given: &Checkpoint,
        policy: &PrunePolicy,
        precisions: &[EnginePrecision],
        context: &RunContext,
        rounds: usize,
    ) -> Result<Self> {
        let mut networks = vec![given.clone()];
        let targets = FRACTIONS.map(|fraction| Some(CostTarget::Macs(fraction)));
        // The last network is the smallest that the guards allow.
        for target in targets.into_iter().chain([None]) {
            let mut settings = PruneConfig {
                policy: PrunePolicy { target, prune_ratio: 1.0, clamp: true, ..policy.clone() },
                extras: PruneExtras { reconstruct: 0, ..PruneExtras::default() },
                ..PruneConfig::default()
            };
            settings.score.importance = Importance::L2;
            match prune_stage(given, &settings, context, None, &mut |_| {}) {
                Ok(pruned) => networks.push(pruned.checkpoint),
                // The guards allow no network that is so small.
                Err(error) if is_unreachable(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let engines: Vec<(&Checkpoint, EnginePrecision)> =
            networks.iter().flat_map(|network| precisions.iter().map(move |p| (network, *p))).collect();
        let costs = Scale::of(given, context, rounds)?.measure(&engines)?;
        let point = |((_, precision), cost): (&(&Checkpoint, EnginePrecision), Cost)| CurvePoint {
            precision: *precision,
            cost,
        };
        Ok(Self { points: engines.iter().zip(costs).map(point).collect() })
    }

    /// The points of a precision.
    pub(crate) fn of(&self, precision: EnginePrecision) -> impl Iterator<Item = &CurvePoint> {
        self.points.iter().filter(move |point| point.precision == precision)
    }

    /// The curve as a Markdown table; costs beyond the budget are in brackets.
    pub(crate) fn markdown(&self, budget: &Budget) -> String {
        let mut text = "| MACs | precision | latency | size |\n|---:|---|---:|---:|\n".to_owned();
        for CurvePoint { precision, cost } in &self.points {
            let excess = budget.excess(cost);
            let mark = |text: String, bound| {
                if excess.iter().any(|excess| excess.bound == bound) { format!("({text})") } else { text }
            };
            let _ = writeln!(
                text,
                "| {} | {precision} | {} | {} |",
                mark(format!("{:.3}", cost.macs), crate::Bound::Macs),
                mark(format!("{:.2} ms", cost.latency_ms), crate::Bound::Latency),
                mark(format!("{:.2} MB", cost.bytes as f64 / 1e6), crate::Bound::Size)
            );
        }
        text
    }
}

/// Whether an error says that no network is as small as a target.
pub(crate) fn is_unreachable(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| matches!(cause.downcast_ref(), Some(bonsai_prune::PruneError::UnreachableTarget { .. })))
}
