//! [`measure_artefacts`] and [`measure_checkpoint`]: the measurements of the report, each made on the file or
//! network itself.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bonsai_checkpoint::Checkpoint;
use bonsai_data::{Loader, LoaderConfig, Split};
use bonsai_detector::{Detector, FileKind, LoadOptions, Runtime};
use bonsai_exec::ExecutorOptions;
use bonsai_graph::Size;
use bonsai_metrics::DetMetrics;

use crate::RunContext;
use crate::{
    EvalOptions, Evaluation, ImageTimes, LoadingConfig, RuntimeChoice, evaluate, evaluate_metrics,
    time_images,
};

/// The canvas into which images are fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canvas {
    /// Square canvases.
    Square,
    /// The smallest canvas for each batch, with sides in multiples of this many pixels; images of similar
    /// shape share a batch.
    Rect(usize),
    /// One size for all images.
    Fixed(Size),
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
    settings: &LoadingConfig,
) -> Result<Loader> {
    validation_loader_in(split, imgsz, batch, settings, Canvas::Square)
}

/// As [`validation_loader`], on any kind of canvas.
///
/// # Errors
/// If the configuration is out of range.
pub fn validation_loader_in(
    split: &Arc<Split>,
    imgsz: usize,
    batch: usize,
    settings: &LoadingConfig,
    canvas: impl Into<Canvas>,
) -> Result<Loader> {
    let (rect, canvas) = match canvas.into() {
        Canvas::Square => (None, None),
        Canvas::Rect(stride) => (Some(stride), None),
        // The sides of a network's input are far below the limit of 32 bits.
        Canvas::Fixed(size) => (None, Some((size.width as u32, size.height as u32))),
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

/// The metrics of a checkpoint on a split.
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
    evaluate_metrics(
        &mut detector,
        &validation_loader(split, context.imgsz, context.evaluation_batch(batch), &context.loader)?,
    )
}

/// The measurements of a file.
#[derive(Debug, Clone)]
pub struct Artefact {
    /// The evaluation on the split.
    pub evaluation: Evaluation,
    /// Times for one image, including decode; the files of a measurement take turns.
    pub times: ImageTimes,
    /// The executor or runtime that ran the file: `cpu`, `candle`, `rten` or `onnxruntime`.
    pub runner: String,
}

/// The result of measuring a file.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "one value per file: a box would save nothing")]
pub enum Measurement {
    /// The measurements.
    Measured(Artefact),
    /// No available runtime could run the file; the text has the error of each.
    NotRun(String),
}

/// Evaluates files, each with its executor, and measures their latency; they take turns when they are timed.
/// If onnxruntime's library is found, it runs ONNX files, because it will most likely run them elsewhere too;
/// otherwise rten runs them, on the threads of the executor.
///
/// # Errors
/// If a checkpoint or CPU engine cannot be loaded or run, or a file cannot be read.
pub fn measure_artefacts(
    files: &[(&Path, ExecutorOptions)],
    split: &Arc<Split>,
    context: &RunContext,
    batch: usize,
    latency_runs: usize,
) -> Result<Vec<Measurement>> {
    let loader = validation_loader(split, context.imgsz, context.evaluation_batch(batch), &context.loader)?;
    let run = |path: &Path, options: LoadOptions| -> Result<(Detector, Evaluation)> {
        let mut detector = Detector::load(path, options)?;
        let evaluation = evaluate(&mut detector, &loader, &EvalOptions::default(), &mut |_, _, _| {})?;
        Ok((detector, evaluation))
    };
    let mut opened = Vec::with_capacity(files.len());
    for (path, executor) in files {
        if FileKind::from_path(path)? != FileKind::Onnx {
            // Executors run checkpoints and CPU engines.
            let (detector, evaluation) = run(path, (*executor).into())?;
            opened.push(Ok((detector, evaluation, executor.chosen()?.to_string())));
            continue;
        }
        let mut reasons = Vec::new();
        let found = [Runtime::Onnxruntime, Runtime::Rten].into_iter().find_map(|runtime| {
            let choice = RuntimeChoice { runtime: Some(runtime), ..RuntimeChoice::default() };
            match run(
                path,
                choice.with(ExecutorOptions { threads: executor.threads, ..ExecutorOptions::default() }),
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
    let mut times = time_images(&mut turns, context.imgsz, latency_runs)?.into_iter();
    let measurement = |file| match file {
        Ok((_, evaluation, runner)) => {
            let times = times.next().context("the times of a file are missing")?;
            Ok(Measurement::Measured(Artefact { evaluation, times, runner }))
        }
        Err(because) => Ok(Measurement::NotRun(because)),
    };
    opened.into_iter().map(measurement).collect()
}
