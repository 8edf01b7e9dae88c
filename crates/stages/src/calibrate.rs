//! [`Calibration`] and [`calibrate_stage`]: value ranges of a network's wires, for arithmetic in 8-bit
//! integers.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Result, ensure};
use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_data::{Split, SplitKind};
use bonsai_exec::{ExecutorOptions, Mode, UnknownName, build_executor};
use bonsai_graph::NodeId;
use bonsai_onnx::{Placement, Quantization, quantized_wires};
use bonsai_tensorrt::EnginePrecision;
use rand::seq::SliceRandom;
use rand::{RngExt as _, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::magnitudes::Magnitudes;
use crate::{ExportConfig, Progress, RunContext, engine_executor, open_split, validation_loader};

/// Images per batch.
const BATCH: usize = 4;
/// Default percentage of values that [`Range::Percentile`] keeps.
const PERCENT: f64 = 99.99;

/// The range that is chosen from the observed values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// All values.
    MinMax,
    /// All values except the largest magnitudes; keeps this percentage of them, above 50.
    Percentile(f64),
}

impl FromStr for Range {
    type Err = UnknownName;

    /// `minmax`, `percentile`, or `percentile:99.9`.
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let refused = || UnknownName::new("calibration", text, "minmax, percentile or percentile:99.9");
        match text.split_once(':') {
            None if text == "minmax" => Ok(Self::MinMax),
            None if text == "percentile" => Ok(Self::Percentile(PERCENT)),
            Some(("percentile", percent)) => match percent.parse() {
                Ok(percent) if percent > 50.0 && percent <= 100.0 => Ok(Self::Percentile(percent)),
                _ => Err(UnknownName::new("percentile", percent, "a number above 50 and at most 100")),
            },
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinMax => f.write_str("minmax"),
            Self::Percentile(percent) => write!(f, "percentile:{percent}"),
        }
    }
}

/// How ranges are determined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// How the range is chosen from the observed values.
    pub range: Range,
    /// Number of training images, drawn with the run's seed; all images if there are fewer.
    pub images: usize,
    /// The sides of a convolution on which values are rounded.
    pub placement: Placement,
}

impl Default for Calibration {
    /// All values of 128 images. On BCCD this lost 0.001 to 0.006 of mAP50-95. Without the largest
    /// ten-thousandth of the values it lost 0.010 to 0.016, because the largest values belong to the most
    /// certain detections.
    fn default() -> Self {
        Self { range: Range::MinMax, images: 128, placement: Placement::default() }
    }
}

impl From<&ExportConfig> for Calibration {
    fn from(config: &ExportConfig) -> Self {
        Self { images: config.calibration_images, ..Self::default() }
    }
}

/// Runs images of `split`, letterboxed as for detection, and returns the ranges of all wires to quantise.
///
/// # Errors
/// If there are no images, one can no longer be read, or the network cannot run.
pub fn calibrate_stage(
    checkpoint: &Checkpoint,
    calibration: &Calibration,
    split: &Split,
    context: &RunContext,
) -> Result<Quantization> {
    let folded = checkpoint.clone().fold_batch_norm()?;
    let wires = quantized_wires(folded.model.graph(), calibration.placement);
    let ranges = observe(&folded, &wires, calibration, split, context)?;
    Ok(Quantization { ranges, placement: calibration.placement })
}

/// Folds the batch norms of a network and chooses the 8-bit codes in which the integer engine runs it, from the
/// values on images of `split`.
///
/// # Errors
/// As [`calibrate_stage`].
pub fn quantize_stage(
    checkpoint: &Checkpoint,
    calibration: &Calibration,
    split: &Split,
    context: &RunContext,
) -> Result<Checkpoint> {
    let folded = checkpoint.clone().fold_batch_norm()?;
    let graph = folded.model.graph();
    let ranges = observe(&folded, &graph.quantized_wires(), calibration, split, context)?;
    let quantization = bonsai_graph::Quantization::from_ranges(graph, &ranges)?;
    Ok(Checkpoint { quantization: Some(quantization), ..folded })
}

/// [`quantize_stage`] on training images of a dataset.
///
/// # Errors
/// As [`quantize_stage`]; if the dataset cannot be read.
pub fn quantize_on(
    checkpoint: &Checkpoint,
    data: &Path,
    export: &ExportConfig,
    context: &RunContext,
    progress: &mut dyn Progress,
) -> Result<Checkpoint> {
    let split = open_split(data, SplitKind::Train, progress)?;
    quantize_stage(checkpoint, &export.into(), &split, context)
}

/// Chooses the 8-bit codes of a folded network from its values on `images` `[n, c, h, w]`.
///
/// # Errors
/// If the network cannot run.
pub fn quantize_for(folded: Checkpoint, images: &Array, executor: &ExecutorOptions) -> Result<Checkpoint> {
    let graph = folded.model.graph();
    let wires = graph.quantized_wires();
    let mut executor = build_executor(graph, &folded.weights, executor)?;
    executor.set_taps(&wires);
    executor.forward(Mode::Eval, images)?;
    let mut ranges = BTreeMap::new();
    for wire in wires {
        let mut magnitudes = Magnitudes::new();
        magnitudes.widen(executor.tap(wire)?.data());
        ranges.insert(graph.node(wire).name().to_owned(), magnitudes.range());
    }
    let quantization = bonsai_graph::Quantization::from_ranges(graph, &ranges)?;
    Ok(Checkpoint { quantization: Some(quantization), ..folded })
}

/// A network as the CPU engine in `precision`, for timing: codes are calibrated on noise, because the time does
/// not depend on them.
///
/// # Errors
/// If the network cannot run.
pub fn timed_engine(
    network: &Checkpoint,
    precision: EnginePrecision,
    context: &RunContext,
) -> Result<Checkpoint> {
    let folded = network.clone().fold_batch_norm()?;
    if precision != EnginePrecision::Int8 {
        return Ok(folded.without_codes());
    }
    if folded.quantization.is_some() {
        return Ok(folded);
    }
    let values = 3 * context.imgsz * context.imgsz;
    let mut rng = ChaCha8Rng::seed_from_u64(context.seed);
    let noise = (0..values).map(|_| f32::from(rng.random::<u8>()) / 255.0).collect();
    let noise = Array::new(&[1, 3, context.imgsz, context.imgsz], noise);
    quantize_for(folded, &noise, &engine_executor(context.executor))
}

/// The smallest and largest value of each wire of a folded network.
fn observe(
    folded: &Checkpoint,
    wires: &[NodeId],
    calibration: &Calibration,
    split: &Split,
    context: &RunContext,
) -> Result<BTreeMap<String, (f32, f32)>> {
    ensure!(calibration.images > 0, "calibration needs at least 1 image, but 0 are configured");
    ensure!(!split.samples.is_empty(), "calibration needs images, but the training split has none");
    let graph = folded.model.graph();
    let mut executor = build_executor(graph, &folded.weights, &context.executor)?;
    executor.set_taps(wires);

    let mut drawn = split.clone();
    drawn.samples.shuffle(&mut ChaCha8Rng::seed_from_u64(context.seed));
    drawn.samples.truncate(calibration.images);
    let loader = validation_loader(&Arc::new(drawn), context.imgsz, BATCH, &context.loader)?;
    let mut seen = vec![Magnitudes::new(); wires.len()];
    for batch in loader.epoch(0) {
        let batch = batch?;
        executor.forward(Mode::Eval, &Array::new(&batch.shape, batch.images))?;
        for (wire, magnitudes) in wires.iter().zip(&mut seen) {
            let values = executor.tap(*wire)?;
            match calibration.range {
                Range::MinMax => magnitudes.widen(values.data()),
                Range::Percentile(_) => magnitudes.count(values.data()),
            }
        }
    }
    let range = |magnitudes: &Magnitudes| match calibration.range {
        Range::MinMax => magnitudes.range(),
        Range::Percentile(percent) => magnitudes.percentile(percent),
    };
    let named =
        wires.iter().zip(&seen).map(|(wire, seen)| (graph.node(*wire).name().to_owned(), range(seen)));
    Ok(named.collect())
}
