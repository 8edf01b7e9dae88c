//! What the report measures, each row on the thing itself.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bonsai_checkpoint::Checkpoint;
use bonsai_data::{Loader, LoaderConfig, Split};
use bonsai_detector::{Detector, FileKind, LoadOptions, Runtime};
use bonsai_exec::ExecutorOptions;
use bonsai_metrics::DetMetrics;

use crate::RunContext;
use crate::{
    EvalOptions, Evaluation, LoaderSettings, RuntimeChoice, evaluate, evaluate_metrics, median_latency_ms,
};

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
    context: &RunContext,
    batch: usize,
) -> Result<DetMetrics> {
    let mut detector = Detector::from_checkpoint(checkpoint.clone(), context.executor)?;
    evaluate_metrics(&mut detector, &validation_loader(split, context.imgsz, batch, &context.loader)?)
}

/// A file as it was measured.
#[derive(Debug, Clone)]
pub struct Artefact {
    /// What was found on the split.
    pub evaluation: Evaluation,
    /// Median milliseconds of one image, decode included.
    pub latency_ms: f64,
    /// What ran it: `cpu`, `candle`, `rten` or `onnxruntime`.
    pub runner: String,
}

/// What became of a file that was to be measured.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "one value per file: a box would save nothing")]
pub enum Measurement {
    /// Its figures.
    Measured(Artefact),
    /// No runtime that is there takes it, and what each said.
    NotRun(String),
}

/// How good and how fast files are, taking turns for the times. An ONNX file is run by onnxruntime where its library is found,
/// which is what it will be run by elsewhere too, or else by rten.
///
/// # Errors
/// If a file of ours cannot be loaded or run, or an ONNX file cannot be read.
pub fn measure_artefacts(
    paths: &[&Path],
    split: &Arc<Split>,
    context: &RunContext,
    batch: usize,
    latency_runs: usize,
) -> Result<Vec<Measurement>> {
    let loader = validation_loader(split, context.imgsz, batch, &context.loader)?;
    let run = |path: &Path, options: LoadOptions| -> Result<(Detector, Evaluation)> {
        let mut detector = Detector::load(path, options)?;
        let evaluation = evaluate(&mut detector, &loader, &EvalOptions::default(), &mut |_, _, _| {})?;
        Ok((detector, evaluation))
    };
    let mut opened = Vec::with_capacity(paths.len());
    for path in paths {
        if FileKind::from_path(path)? != FileKind::Onnx {
            // Executors run networks of ours.
            let (detector, evaluation) = run(path, context.executor.into())?;
            opened.push(Ok((detector, evaluation, context.executor.chosen()?.to_string())));
            continue;
        }
        let mut reasons = Vec::new();
        let found = [Runtime::Onnxruntime, Runtime::Rten].into_iter().find_map(|runtime| {
            let choice = RuntimeChoice { runtime: Some(runtime), ..RuntimeChoice::default() };
            match run(
                path,
                choice.with(ExecutorOptions {
                    threads: context.executor.threads,
                    ..ExecutorOptions::default()
                }),
            ) {
                Ok((detector, evaluation)) => Some((detector, evaluation, runtime.to_string())),
                Err(error) => {
                    reasons.push(format!("{runtime}: {error:#}"));
                    None
                }
            }
        });
        opened.push(found.ok_or_else(|| reasons.join("; ")));
    }
    let mut turns: Vec<&mut Detector> =
        opened.iter_mut().filter_map(|file| file.as_mut().ok()).map(|file| &mut file.0).collect();
    let mut latencies = median_latency_ms(&mut turns, context.imgsz, latency_runs)?.into_iter();
    let measurement = |file| match file {
        Ok((_, evaluation, runner)) => {
            let latency_ms = latencies.next().context("a file was not timed")?;
            Ok(Measurement::Measured(Artefact { evaluation, latency_ms, runner }))
        }
        Err(because) => Ok(Measurement::NotRun(because)),
    };
    opened.into_iter().map(measurement).collect()
}
