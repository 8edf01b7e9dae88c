//! [`time_images`]: the times that detectors take for one image; [`Latency`] and [`Speed`] sum them up.

use std::time::{Duration, Instant};

use anyhow::Result;
use bonsai_checkpoint::Array;
use bonsai_detector::Detector;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::cpu_seconds;

/// Fewest rounds of a measurement: with fewer, the median has no 95 % interval.
const FEWEST: usize = 6;
/// Most rounds of a measurement, as a multiple of the rounds that were asked for.
const LONGEST: usize = 5;
/// After this time, a measurement ends as soon as it has the rounds that were asked for.
const PATIENCE: Duration = Duration::from_secs(4);
/// A measurement ends when the medians of its halves differ by at most this fraction for every detector.
const SETTLED: f64 = 0.05;

/// Milliseconds for one image. Wall-clock time includes time in which other programs ran; processor time hardly
/// does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Median of the wall-clock time.
    pub p50_ms: f64,
    /// 95th percentile of the wall-clock time.
    pub p95_ms: f64,
    /// Median of the processor time of all threads; `None` on a system without that clock.
    pub cpu_ms: Option<f64>,
}

/// How many times as fast a network is as another: the median over rounds in which both ran, with its 95 %
/// interval. It compares processor times, or wall-clock times on a system without a clock for them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speed {
    /// Time of the other network divided by the time of this one.
    pub times: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// The times of a detector, in milliseconds, one per round.
#[derive(Debug, Clone, Default)]
pub struct ImageTimes {
    wall: Vec<f64>,
    /// Empty on a system without a clock for processor time.
    cpu: Vec<f64>,
}

impl ImageTimes {
    /// Medians and percentile of the rounds.
    pub fn latency(&self) -> Latency {
        let cpu_ms = (!self.cpu.is_empty()).then(|| quantile(&self.cpu, 0.5));
        Latency { p50_ms: quantile(&self.wall, 0.5), p95_ms: quantile(&self.wall, 0.95), cpu_ms }
    }

    /// The speed relative to a detector of the same measurement.
    pub fn speed_over(&self, reference: &Self) -> Speed {
        let [own, others] = [self, reference].map(|t| if t.cpu.is_empty() { &t.wall } else { &t.cpu });
        let mut ratios: Vec<f64> = own.iter().zip(others).map(|(own, other)| other / own).collect();
        ratios.sort_by(f64::total_cmp);
        // Order statistics of the median: the number of rounds below it is binomial with chance one half.
        let rounds = ratios.len() as f64;
        let reach = 1.96 * rounds.sqrt() / 2.0;
        let low = (rounds / 2.0 - reach).floor().max(0.0) as usize;
        let high = ((rounds / 2.0 + reach).ceil() as usize).min(ratios.len() - 1);
        Speed { times: ratios[ratios.len() / 2], low: ratios[low], high: ratios[high] }
    }

    /// Whether the medians of both halves of the rounds are close.
    fn is_settled(&self) -> bool {
        let (first, second) = self.wall.split_at(self.wall.len() / 2);
        let [first, second] = [first, second].map(|half| quantile(half, 0.5));
        (first - second).abs() <= SETTLED * first.min(second)
    }
}

/// Times every detector on one image of `imgsz` pixels, decode included, for at least `runs` rounds (and at
/// least 6), and for up to five times as many while the times still change. The detectors take turns in a random order, so that other programs
/// delay all of them equally. The first round only warms up.
///
/// # Errors
/// If a network cannot run.
pub fn time_images(detectors: &mut [&mut Detector], imgsz: usize, runs: usize) -> Result<Vec<ImageTimes>> {
    let image = Array::new(&[1, 3, imgsz, imgsz], vec![0.5; 3 * imgsz * imgsz]);
    let mut times = vec![ImageTimes::default(); detectors.len()];
    let runs = runs.max(FEWEST);
    let mut order: Vec<usize> = (0..detectors.len()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let begin = Instant::now();
    for round in 0..=LONGEST * runs {
        let settled = || round % runs == 1 && times.iter().all(ImageTimes::is_settled);
        if round > runs && (begin.elapsed() > PATIENCE || settled()) {
            break;
        }
        // The network before leaves its weights in the caches, so the order changes from round to round.
        order.shuffle(&mut rng);
        for &index in &order {
            let (detector, times) = (&mut detectors[index], &mut times[index]);
            let (start, busy) = (Instant::now(), cpu_seconds());
            detector.predict(&image)?;
            let (wall, busy) = (start.elapsed().as_secs_f64(), busy.zip(cpu_seconds()));
            if round > 0 {
                times.wall.push(wall * 1e3);
                times.cpu.extend(busy.map(|(before, after)| (after - before) * 1e3));
            }
        }
    }
    Ok(times)
}

/// Median milliseconds of the wall-clock time for one image, for each detector.
///
/// # Errors
/// As [`time_images`].
pub fn median_latency_ms(detectors: &mut [&mut Detector], imgsz: usize, runs: usize) -> Result<Vec<f64>> {
    let times = time_images(detectors, imgsz, runs)?;
    Ok(times.iter().map(|times| quantile(&times.wall, 0.5)).collect())
}

/// The value at a fraction of the sorted values.
fn quantile(values: &[f64], fraction: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() as f64 * fraction) as usize).min(sorted.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(wall: &[f64], cpu: &[f64]) -> ImageTimes {
        ImageTimes { wall: wall.to_vec(), cpu: cpu.to_vec() }
    }

    #[test]
    fn a_delayed_round_changes_neither_median_nor_speed() {
        let mut wall = vec![2.0; 30];
        wall[7] = 90.0;
        let slow = times(&wall, &[4.0; 30]);
        let fast = times(&[1.5; 30], &[1.0; 30]);
        assert_eq!(slow.latency(), Latency { p50_ms: 2.0, p95_ms: 2.0, cpu_ms: Some(4.0) });
        assert_eq!(fast.speed_over(&slow), Speed { times: 4.0, low: 4.0, high: 4.0 });
        // Without a clock for processor time, wall-clock time decides.
        let speed = times(&[1.0; 30], &[]).speed_over(&times(&wall, &[]));
        assert_eq!(speed, Speed { times: 2.0, low: 2.0, high: 2.0 });
    }

    #[test]
    fn the_interval_of_a_median_has_the_ranks_of_the_binomial_distribution() {
        let ratios: Vec<f64> = (0..100).map(f64::from).collect();
        let speed = times(&[], &[1.0; 100]).speed_over(&times(&[], &ratios));
        // 100 / 2 - 1.96 * 5 = 40.2 and 59.8.
        assert_eq!(speed, Speed { times: 50.0, low: 40.0, high: 60.0 });
    }

    #[test]
    fn a_change_between_the_halves_is_not_settled() {
        assert!(times(&[1.0, 1.02, 1.01, 1.0], &[]).is_settled());
        assert!(!times(&[1.0, 1.0, 1.2, 1.2], &[]).is_settled());
    }
}
