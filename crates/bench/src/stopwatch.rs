//! [`Stopwatch`]: times of repeated phases; and [`layer_shares`], times of the layers in them.

use std::time::{Duration, Instant};

use serde::Serialize;

/// Median time of a phase over all runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhaseTime {
    /// Name of the phase.
    pub phase: &'static str,
    /// Median wall-clock milliseconds.
    pub ms: f64,
}

/// Time of a layer in a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerShare {
    /// The executor's label: the name of the layer and of the operation.
    pub layer: String,
    /// Mean milliseconds in a run; summed over threads if the executor reports it so.
    pub ms: f64,
    /// Fraction of the time of all layers, in 0..=1.
    pub share: f64,
}

/// Collects the times of phases over runs; the first runs are a warm-up and do not count.
#[derive(Debug)]
pub(super) struct Stopwatch<const N: usize> {
    names: [&'static str; N],
    warm_up: usize,
    /// Milliseconds by run and phase.
    runs: Vec<[f64; N]>,
    seen: usize,
}

impl<const N: usize> Stopwatch<N> {
    pub(super) const fn new(names: [&'static str; N], warm_up: usize) -> Self {
        Self { names, warm_up, runs: Vec::new(), seen: 0 }
    }

    /// Whether the next run counts.
    pub(super) const fn counts(&self) -> bool {
        self.seen >= self.warm_up
    }

    /// Adds the times of a run.
    pub(super) fn add(&mut self, times: [Duration; N]) {
        if self.counts() {
            self.runs.push(times.map(|t| t.as_secs_f64() * 1e3));
        }
        self.seen += 1;
    }

    /// Milliseconds of each counted run.
    pub(super) fn totals(&self) -> Vec<f64> {
        self.runs.iter().map(|run| run.iter().sum()).collect()
    }

    /// Medians by phase.
    pub(super) fn phases(&self) -> Vec<PhaseTime> {
        let of = |(i, phase): (usize, &&'static str)| {
            let times: Vec<f64> = self.runs.iter().map(|run| run[i]).collect();
            PhaseTime { phase, ms: median(&times) }
        };
        self.names.iter().enumerate().map(of).collect()
    }
}

/// Runs `work` and adds the time it took to `sum`.
pub(super) fn timed<T>(sum: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    *sum += start.elapsed();
    result
}

/// Times of layers from the clock of the executor over `runs` runs, most expensive first.
pub(super) fn layer_shares(timings: Vec<(String, Duration)>, runs: usize) -> Vec<LayerShare> {
    let total: f64 = timings.iter().map(|(_, t)| t.as_secs_f64()).sum();
    let share = |(layer, time): (String, Duration)| LayerShare {
        layer,
        ms: time.as_secs_f64() * 1e3 / runs.max(1) as f64,
        share: if total > 0.0 { time.as_secs_f64() / total } else { 0.0 },
    };
    let mut shares: Vec<LayerShare> = timings.into_iter().map(share).collect();
    shares.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    shares
}

/// The middle value, or the mean of the two in the middle, as Python's `statistics.median`; NaN for an empty
/// list.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The least value; NaN for an empty list.
pub(super) fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_minima() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(least(&[3.0, 1.0, 2.0]), 1.0);
        assert!(median(&[]).is_nan() && least(&[]).is_nan());
    }

    #[test]
    fn the_first_runs_do_not_count() {
        let mut watch = Stopwatch::new(["a", "b"], 1);
        for (a, b) in [(100, 100), (1, 2), (3, 6), (2, 4)] {
            watch.add([Duration::from_millis(a), Duration::from_millis(b)]);
        }
        assert_eq!(watch.totals(), [3.0, 9.0, 6.0]);
        let phases = watch.phases();
        assert_eq!((phases[0].phase, phases[0].ms, phases[1].ms), ("a", 2.0, 4.0));
    }
}
