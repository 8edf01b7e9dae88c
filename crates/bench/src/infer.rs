//! [`infer`]: times one inference: folded network, decode, suppression.

#![expect(
    clippy::result_large_err,
    reason = "closures that hand on the error of an executor, which carries candle's"
)]

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Result, ensure};
use bonsai_exec::{
    ExecutorInfo, ExecutorOptions, Int8Isa, Int8Options, Mode, UnknownName, build_deployed, check_memory,
};
use bonsai_graph::Size;
use bonsai_stages::{cpu_seconds, ensure_usage, peak_rss_mb, quantize_for};
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
    /// The arithmetic; by default that of the file. With [`InferPrecision::Int8`], a network in `f32` is
    /// calibrated on the random images of the benchmark, so only its time counts.
    pub precision: Option<InferPrecision>,
}

/// The arithmetic of an inference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum InferPrecision {
    /// 32-bit numbers.
    F32,
    /// 8-bit codes.
    Int8,
}

impl FromStr for InferPrecision {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "f32" => Ok(Self::F32),
            "int8" => Ok(Self::Int8),
            _ => Err(UnknownName::new("precision", name, "f32 or int8")),
        }
    }
}

/// The result of [`infer`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InferFigures {
    /// Median wall-clock milliseconds from images in memory to detections.
    pub latency_ms_median: f64,
    /// Milliseconds of the fastest run.
    pub latency_ms_min: f64,
    /// Median milliseconds of processor time of all threads; `None` if the system does not report it. With
    /// one thread, other programs hardly change it.
    pub cpu_ms_median: Option<f64>,
    /// The arithmetic.
    pub precision: InferPrecision,
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
    let mut folded = what.network.open()?.fold_batch_norm()?;
    let model = folded.model.clone();
    let params = model.graph().cost(Size::square(what.imgsz))?.params;
    check_memory(model.graph(), Mode::Eval, [what.batch, what.imgsz, what.imgsz], &what.executor)?;
    let images = images(what.batch, model.graph().node(model.graph().input()).channels(), what.imgsz);
    ensure_usage!(
        what.precision != Some(InferPrecision::F32) || folded.quantization.is_none(),
        "the file is in 8-bit codes: leave --precision f32 out, or pass the checkpoint from which it was made"
    );
    if what.precision == Some(InferPrecision::Int8) && folded.quantization.is_none() {
        folded = quantize_for(folded, &images, &what.executor)?;
    }
    let precision = if folded.quantization.is_some() { InferPrecision::Int8 } else { InferPrecision::F32 };
    let mut network = build_deployed(folded, &what.executor)?;
    let mut cpu_times = Vec::with_capacity(what.runs);
    let mut watch = Stopwatch::new(["network", "decode", "suppression"], WARM_UP);
    let mut detections = 0;
    for number in 1..=WARM_UP + what.runs {
        if what.layers && number == WARM_UP + 1 {
            network.set_timing(true);
        }
        let mut times = [Duration::ZERO; 3];
        let cpu = cpu_seconds();
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
        if watch.counts() {
            cpu_times.extend(cpu.and_then(|before| Some((cpu_seconds()? - before) * 1e3)));
        }
        watch.add(times);
    }
    let totals = watch.totals();
    Ok(InferFigures {
        latency_ms_median: median(&totals),
        latency_ms_min: least(&totals),
        cpu_ms_median: (!cpu_times.is_empty()).then(|| median(&cpu_times)),
        precision,
        peak_rss_mb: peak_rss_mb(),
        detections,
        network: what.network.name(),
        params,
        executor: match precision {
            InferPrecision::F32 => what.executor.describe()?,
            InferPrecision::Int8 => {
                let own =
                    Int8Options { isa: what.executor.isa.map(Int8Isa::within), ..Int8Options::default() };
                let isa = own.instruction_set()?.name().to_owned();
                ExecutorInfo { isa, ..what.executor.describe()? }
            }
        },
        phases: watch.phases(),
        layers: if what.layers { layer_shares(network.timings(), what.runs) } else { Vec::new() },
    })
}
