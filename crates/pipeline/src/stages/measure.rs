//! What the report measures, each row on the thing itself.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_data::{Loader, LoaderConfig, Split};
use bonsai_detector::{Detector, FileKind, LoadOptions, Runtime};
use bonsai_metrics::{DetMetrics, ImageOutcomes};

use super::Setting;
use crate::{Judged, Judging, LoaderSettings, evaluate, judge, median_latency_ms};

/// What images are fitted into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canvas {
    /// Squares.
    Square,
    /// No larger than needed, in multiples of so many pixels; images of about one shape together.
    Rect(usize),
    /// One size: (height, width).
    Fixed((usize, usize)),
}

impl From<Option<usize>> for Canvas {
    fn from(stride: Option<usize>) -> Self {
        stride.map_or(Self::Square, Self::Rect)
    }
}

/// A loader that neither shuffles nor augments.
///
/// # Errors
/// If the configuration is out of range.
pub fn validation_loader(
    split: &Arc<Split>,
    imgsz: usize,
    batch: usize,
    settings: &LoaderSettings,
) -> Result<Loader> {
    validation_loader_in(split, imgsz, batch, settings, Canvas::Square)
}

/// [`validation_loader`] with other canvases than squares.
///
/// # Errors
/// If the configuration is out of range.
pub fn validation_loader_in(
    split: &Arc<Split>,
    imgsz: usize,
    batch: usize,
    settings: &LoaderSettings,
    canvas: impl Into<Canvas>,
) -> Result<Loader> {
    let (rect, canvas) = match canvas.into() {
        Canvas::Square => (None, None),
        Canvas::Rect(stride) => (Some(stride), None),
        // No side of a network's input comes near what 32 bits hold.
        Canvas::Fixed((h, w)) => (None, Some((w as u32, h as u32))),
    };
    let config = LoaderConfig {
        imgsz,
        batch,
        rect,
        canvas,
        workers: settings.workers,
        cache_bytes: settings.cache_bytes,
        ..LoaderConfig::default()
    };
    Ok(Loader::new(Arc::clone(split), config)?)
}

/// How good a checkpoint is on a split.
///
/// # Errors
/// If the network cannot run.
pub fn measure_checkpoint(
    checkpoint: &Checkpoint,
    split: &Arc<Split>,
    setting: &Setting,
    batch: usize,
) -> Result<DetMetrics> {
    let mut detector = Detector::from_checkpoint(checkpoint.clone(), setting.executor)?;
    evaluate(&mut detector, &validation_loader(split, setting.imgsz, batch, &setting.loader)?)
}

/// A file as it was measured.
#[derive(Debug, Clone)]
pub struct Artefact {
    /// Its figures.
    pub metrics: DetMetrics,
    /// What it did on each image.
    pub outcomes: ImageOutcomes,
    /// Median milliseconds of one image, decode included.
    pub latency_ms: f64,
}

/// How good and how fast files that a detector can load are, taking turns for the times. ONNX files are run by rten.
///
/// # Errors
/// If a file cannot be loaded or run.
pub fn measure_artefacts(
    paths: &[&Path],
    split: &Arc<Split>,
    setting: &Setting,
    batch: usize,
    latency_runs: usize,
) -> Result<Vec<Artefact>> {
    let load = |path: &&Path| -> Result<Detector> {
        // Executors run networks of ours.
        let options = match FileKind::of(path)? {
            FileKind::Onnx => LoadOptions { runtime: Some(Runtime::Rten), ..LoadOptions::default() },
            FileKind::Checkpoint => setting.executor.into(),
        };
        Ok(Detector::load(path, options)?)
    };
    let mut detectors = paths.iter().map(load).collect::<Result<Vec<_>>>()?;
    let loader = validation_loader(split, setting.imgsz, batch, &setting.loader)?;
    let judge = |detector: &mut Detector| judge(detector, &loader, &Judging::default(), &mut |_, _, _| {});
    let judged = detectors.iter_mut().map(judge).collect::<Result<Vec<_>>>()?;
    let mut turns: Vec<&mut Detector> = detectors.iter_mut().collect();
    let latencies = median_latency_ms(&mut turns, setting.imgsz, latency_runs)?;
    let artefact = |(judged, latency_ms): (Judged, f64)| Artefact {
        metrics: judged.metrics,
        outcomes: judged.outcomes,
        latency_ms,
    };
    Ok(judged.into_iter().zip(latencies).map(artefact).collect())
}
