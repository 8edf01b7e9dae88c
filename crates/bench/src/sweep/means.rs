//! [`Mean`]: the mean over all seeds of a ratio, which shows how much one seed varies by chance.

use serde::Serialize;

use super::SweepRun;
use super::row::Figures;

/// Means over the runs of one ratio and preset, with two seeds or more.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mean {
    /// Fraction of channel sets that was removed.
    pub prune_ratio: f64,
    /// Preset, if the sweep varies it.
    pub preset: Option<String>,
    /// Number of seeds.
    pub seeds: usize,
    /// Mean mAP50-95 of the fine-tuned networks, a fraction in 0..=1.
    pub map50_95: f64,
    /// Mean change of mAP50-95 from the baselines.
    pub change: f64,
    /// The smallest and the largest change.
    pub change_range: [f64; 2],
    /// Mean speed-up over the baseline.
    pub speed: f64,
    /// Mean fraction of the baseline's multiply-accumulates.
    pub macs_share: f64,
}

/// One mean for each ratio and preset that has two runs or more, in the order of the runs.
pub(super) fn means<'a>(done: impl Iterator<Item = (&'a SweepRun, &'a Figures)>) -> Vec<Mean> {
    let mut groups: Vec<(&SweepRun, Vec<&Figures>)> = Vec::new();
    for (run, figures) in done {
        let same = |other: &SweepRun| other.prune_ratio == run.prune_ratio && other.preset == run.preset;
        match groups.iter_mut().find(|(first, _)| same(first)) {
            Some((_, group)) => group.push(figures),
            None => groups.push((run, vec![figures])),
        }
    }
    groups.into_iter().filter(|(_, group)| group.len() > 1).map(|(run, group)| mean(run, &group)).collect()
}

fn mean(run: &SweepRun, group: &[&Figures]) -> Mean {
    let over = |of: &dyn Fn(&Figures) -> f64| group.iter().map(|f| of(f)).sum::<f64>() / group.len() as f64;
    let change = |f: &Figures| f.network.map50_95 - f.baseline.map50_95;
    let changes = || group.iter().map(|f| change(f));
    Mean {
        prune_ratio: run.prune_ratio,
        preset: run.preset.clone(),
        seeds: group.len(),
        map50_95: over(&|f| f.network.map50_95),
        change: over(&change),
        change_range: [changes().fold(f64::INFINITY, f64::min), changes().fold(f64::NEG_INFINITY, f64::max)],
        speed: over(&|f| f.baseline.latency_ms / f.network.latency_ms),
        macs_share: over(&|f| f.network.macs as f64 / f.baseline.macs as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Point;
    use super::*;

    fn run(prune_ratio: f64, seed: u64) -> SweepRun {
        SweepRun { name: String::new(), prune_ratio, seed, preset: None, phase: 1 }
    }

    fn figures(map50_95: f64, latency_ms: f64, macs: u64) -> Figures {
        let point = |map50_95, latency_ms, macs| Point { map50_95, latency_ms, macs, params: 1 };
        Figures {
            network: point(map50_95, latency_ms, macs),
            baseline: point(0.5, 8.0, 100),
            best_for_latency: false,
            best_for_macs: false,
        }
    }

    #[test]
    fn seeds_of_a_ratio_are_taken_together() {
        let a = figures(0.4, 4.0, 40);
        let b = figures(0.6, 2.0, 60);
        let c = figures(0.3, 1.0, 10);
        let runs = [run(0.3, 0), run(0.5, 0), run(0.3, 1)];
        let found = means(runs.iter().zip([&a, &c, &b]));
        // A single seed has no mean.
        let [mean] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((mean.prune_ratio, mean.seeds, mean.speed), (0.3, 2, 3.0));
        let near = |actual: f64, expected: f64| assert!((actual - expected).abs() < 1e-12, "{mean:?}");
        near(mean.map50_95, 0.5);
        near(mean.change, 0.0);
        near(mean.change_range[0], -0.1);
        near(mean.change_range[1], 0.1);
        near(mean.macs_share, 0.5);
    }
}
