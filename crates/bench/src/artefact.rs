//! [`artefact`]: times an ONNX file in the available runtimes, in turns with our executor on the network that
//! it was exported from.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bonsai_checkpoint::Array;
use bonsai_detector::{Detector, DetectorError, Runtime};
use bonsai_exec::ExecutorOptions;
use bonsai_graph::Size;
use bonsai_stages::{RuntimeChoice, host_executor, peak_rss_mb};
use bonsai_yolov8::NmsOptions;
use serde::Serialize;

use crate::WARM_UP;
use crate::input::images;
use crate::stopwatch::{least, median, timed};

/// Settings of [`artefact`].
#[derive(Debug, Clone, PartialEq)]
pub struct ArtefactBench {
    /// The ONNX file.
    pub file: PathBuf,
    /// A checkpoint or CPU engine that our executor runs first in every round.
    pub beside: Option<PathBuf>,
    /// Side of the images in pixels; that of the file if `None`.
    pub imgsz: Option<usize>,
    /// Images per run.
    pub batch: usize,
    /// Number of counted rounds, after three that warm up; each round runs every runner once.
    pub runs: usize,
    /// The executor of the checkpoint; the runtimes use the same number of threads.
    pub executor: ExecutorOptions,
    /// The runtime to time; all runtimes if it names none.
    pub runtime: RuntimeChoice,
}

/// Times of one runner, from images in memory to detections.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunnerFigures {
    /// `cpu`, `candle`, `rten` or `onnxruntime`.
    pub runner: String,
    /// The file that it ran.
    #[serde(with = "bonsai_stages::path_text")]
    pub file: PathBuf,
    /// Median wall-clock milliseconds.
    pub latency_ms_median: f64,
    /// Milliseconds of the fastest run.
    pub latency_ms_min: f64,
    /// Median over the rounds of its time, as a fraction of the first runner's time in the same round.
    pub share: f64,
    /// Number of objects found in the last run.
    pub detections: usize,
}

/// The result of [`artefact`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArtefactFigures {
    /// Size of the images.
    pub size: Size,
    /// Images per run.
    pub batch: usize,
    /// The runners, in the order of a round.
    pub runners: Vec<RunnerFigures>,
    /// Messages for the runtimes that are missing: `onnxruntime: not run, because ...`.
    pub not_run: Vec<String>,
    /// Peak resident memory of the process in MiB, over all runners.
    pub peak_rss_mb: Option<f64>,
}

struct Runner {
    name: String,
    file: PathBuf,
    detector: Detector,
    times: Vec<f64>,
    detections: usize,
}

/// Times inference on noise.
///
/// # Errors
/// If a file cannot be loaded or run at that size, the requested runtime is missing, or a number is 0.
pub fn artefact(what: &ArtefactBench) -> Result<ArtefactFigures> {
    let &ArtefactBench { batch, runs, .. } = what;
    ensure!(batch > 0 && runs > 0, "batch {batch} and runs {runs} must be at least 1");
    let (mut runners, not_run) = open(what)?;
    let detector = &runners.last().context("no runtime for ONNX files is available")?.detector;
    let side = what.imgsz.unwrap_or(detector.imgsz());
    let size = match detector.fixed_size() {
        Some(size) if what.imgsz.is_none_or(|side| side == size.longer_side()) => size,
        Some(size) => {
            anyhow::bail!("{} was exported for images of {size} pixels, not {side}", what.file.display())
        }
        None => Size::square(side),
    };
    let square = images(batch, 3, size.longer_side());
    let images = crop(square, size);
    for round in 0..WARM_UP + runs {
        for runner in &mut runners {
            let mut time = Duration::ZERO;
            let found = timed(&mut time, || {
                let outputs = runner.detector.run(&images)?;
                Ok::<_, DetectorError>(outputs.suppress(&NmsOptions::PREDICT).iter().map(Vec::len).sum())
            });
            runner.detections = found.with_context(|| format!("cannot run {}", runner.file.display()))?;
            if round >= WARM_UP {
                runner.times.push(time.as_secs_f64() * 1e3);
            }
        }
    }
    let base = runners[0].times.clone();
    let figures = runners.into_iter().map(|runner| RunnerFigures {
        latency_ms_median: median(&runner.times),
        latency_ms_min: least(&runner.times),
        share: median(&runner.times.iter().zip(&base).map(|(t, b)| t / b).collect::<Vec<_>>()),
        runner: runner.name,
        file: runner.file,
        detections: runner.detections,
    });
    let runners = figures.collect();
    Ok(ArtefactFigures { size, batch, runners, not_run, peak_rss_mb: peak_rss_mb() })
}

/// Loads the runners; also returns messages for the runtimes that are missing.
fn open(what: &ArtefactBench) -> Result<(Vec<Runner>, Vec<String>)> {
    let mut runners = Vec::new();
    let mut not_run = Vec::new();
    let mut add = |name: String, file: &PathBuf, detector| {
        let file = file.clone();
        let times = Vec::with_capacity(what.runs);
        runners.push(Runner { name, file, detector, times, detections: 0 });
    };
    if let Some(file) = &what.beside {
        add(what.executor.chosen()?.to_string(), file, Detector::load(file, what.executor)?);
    }
    let asked = what.runtime.runtime;
    for runtime in Runtime::ALL.into_iter().filter(|runtime| asked.is_none_or(|asked| asked == *runtime)) {
        let choice = RuntimeChoice { runtime: Some(runtime), ..what.runtime.clone() };
        // `what.executor` is for the checkpoint; the runtimes take only its number of threads.
        let threads = ExecutorOptions { threads: what.executor.threads, ..host_executor() };
        match Detector::load(&what.file, choice.with(threads)) {
            Ok(detector) => add(runtime.to_string(), &what.file, detector),
            Err(DetectorError::Load { source, .. })
                if asked.is_none() && matches!(*source, DetectorError::NotRun { .. }) =>
            {
                not_run.push(source.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((runners, not_run))
}

/// Crops square images to their upper left pixels.
fn crop(square: Array, size: Size) -> Array {
    let &[n, c, side, _] = square.shape() else { return square };
    if size == Size::square(side) {
        return square;
    }
    let planes = square.data().chunks_exact(side * side);
    let rows = planes
        .flat_map(|plane| plane.chunks_exact(side).take(size.height).flat_map(|row| &row[..size.width]));
    Array::new(&[n, c, size.height, size.width], rows.copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_left_of_each_plane_is_kept() {
        let square = Array::new(&[1, 2, 2, 2], (0..8u8).map(f32::from).collect());
        assert_eq!(
            crop(square.clone(), Size { height: 1, width: 2 }),
            Array::new(&[1, 2, 1, 2], vec![0.0, 1.0, 4.0, 5.0])
        );
        assert_eq!(
            crop(square.clone(), Size { height: 2, width: 1 }),
            Array::new(&[1, 2, 2, 1], vec![0.0, 2.0, 4.0, 6.0])
        );
        assert_eq!(crop(square.clone(), Size::square(2)), square);
    }
}
