//! [`infer`]: times one inference: folded network, decode, suppression.

#![expect(
    clippy::result_large_err,
    reason = "closures that hand on the error of an executor, which carries candle's"
)]

use std::time::Duration;

use anyhow::{Result, ensure};
use bonsai_exec::{ExecutorInfo, ExecutorOptions, Mode, build_deployed, check_memory};
use bonsai_graph::Size;
use bonsai_stages::peak_rss_mb;
use bonsai_yolov8::{HeadOutput, NmsOptions, decode, nms};
use serde::Serialize;

use crate::WARM_UP;
use crate::input::images;
use crate::network::Network;
use crate::stopwatch::{LayerShare, PhaseTime, Stopwatch, layer_shares, least, median, timed};

/// Settings of [`infer`].
#[derive(Debug, Clone, PartialEq)]
pub struct InferBench {
    /// The network; its batch norm is folded.
    pub network: Network,
    /// Side of the images in pixels.
    pub imgsz: usize,
    /// Images per run.
    pub batch: usize,
    /// Number of counted runs, after three that warm up.
    pub runs: usize,
    /// The executor.
    pub executor: ExecutorOptions,
    /// Whether to time the layers too.
    pub layers: bool,
}

/// The result of [`infer`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InferFigures {
    /// Median wall-clock milliseconds from images in memory to detections.
    pub latency_ms_median: f64,
    /// Milliseconds of the fastest run.
    pub latency_ms_min: f64,
    /// Peak resident memory of the process in MiB; `None` if the system does not report it.
    pub peak_rss_mb: Option<f64>,
    /// Number of objects found in the last run; 0 with fresh weights.
    pub detections: usize,
    /// Name of the network.
    pub network: String,
    /// Number of its learned scalars, folded.
    pub params: u64,
    /// The executor.
    #[serde(flatten)]
    pub executor: ExecutorInfo,
    /// Median of each phase.
    pub phases: Vec<PhaseTime>,
    /// Layers, most expensive first; empty unless requested.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerShare>,
}

/// Times inference on noise.
///
/// # Errors
/// If the network cannot be loaded or run at that size, or a number is 0.
pub fn infer(what: &InferBench) -> Result<InferFigures> {
    ensure!(
        what.batch > 0 && what.runs > 0,
        "batch {} and runs {} must be at least 1",
        what.batch,
        what.runs
    );
    let folded = what.network.open()?.fold_batch_norm()?;
    let model = folded.model.clone();
    let params = model.graph().cost(Size::square(what.imgsz))?.params;
    check_memory(model.graph(), Mode::Eval, [what.batch, what.imgsz, what.imgsz], &what.executor)?;
    let images = images(what.batch, model.graph().node(model.graph().input()).channels(), what.imgsz);
    let mut network = build_deployed(folded, &what.executor)?;
    let mut watch = Stopwatch::new(["network", "decode", "suppression"], WARM_UP);
    let mut detections = 0;
    for number in 1..=WARM_UP + what.runs {
        if what.layers && number == WARM_UP + 1 {
            network.set_timing(true);
        }
        let mut times = [Duration::ZERO; 3];
        let [forward, decoding, suppression] = &mut times;
        let outputs = timed(forward, || network.infer(&images))?;
        let predictions =
            timed(decoding, || HeadOutput::from_outputs(model.head(), outputs).map(|head| decode(&head)))?;
        detections = timed(suppression, || {
            let found = nms(&predictions, &NmsOptions::PREDICT).iter().map(Vec::len).sum();
            // Freeing the memory of a run is part of the run.
            drop(predictions);
            found
        });
        watch.add(times);
    }
    let totals = watch.totals();
    Ok(InferFigures {
        latency_ms_median: median(&totals),
        latency_ms_min: least(&totals),
        peak_rss_mb: peak_rss_mb(),
        detections,
        network: what.network.name(),
        params,
        executor: what.executor.describe()?,
        phases: watch.phases(),
        layers: if what.layers { layer_shares(network.timings(), what.runs) } else { Vec::new() },
    })
}
