//! The report: what was gained and lost, measured on each thing itself.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bonsai_checkpoint::Checkpoint;
use bonsai_exec::ExecutorInfo;
use bonsai_onnx::OnnxInfo;
use bonsai_tensorrt::EngineOutcome;
use serde::{Deserialize, Serialize};

use crate::stages::{Data, Setting, measure_artefacts};
use crate::{PipelineConfig, Stage};

/// What a run achieved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// What was trained.
    pub model: String,
    /// Side of the images in pixels.
    pub imgsz: usize,
    /// The split that was measured.
    pub split: String,
    /// Its images.
    pub images: usize,
    /// Its objects.
    pub instances: usize,
    /// What ran the networks.
    pub executor: ExecutorInfo,
    /// One row per thing that was measured.
    pub rows: Vec<Row>,
    /// Files that are made but not measured here, with their size in bytes.
    pub exports: Vec<(String, u64)>,
    /// What was not run, and why.
    pub not_run: Vec<(String, String)>,
    /// Seconds by stage.
    pub seconds: Vec<(Stage, f64)>,
}

/// One measured thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// Fraction in 0..=1.
    pub map50: f64,
    /// Fraction in 0..=1.
    pub map50_95: f64,
    /// Learned scalars.
    pub params: u64,
    /// Multiply-accumulates at batch 1.
    pub macs: u64,
    /// Size of the file.
    pub bytes: u64,
    /// Median for one image, decode included.
    pub latency_ms: f64,
}

/// Where the things to be measured are.
pub(crate) struct Measured<'a> {
    pub(crate) config: &'a PipelineConfig,
    pub(crate) data: &'a Data,
    pub(crate) setting: &'a Setting,
    pub(crate) checkpoints: [(&'static str, PathBuf); 4],
    pub(crate) engines: [(&'static str, PathBuf); 2],
    pub(crate) onnx: [(&'static str, PathBuf); 2],
    pub(crate) tensorrt: EngineOutcome,
    pub(crate) seconds: Vec<(Stage, f64)>,
}

/// Measures every file.
pub(crate) fn measure(what: &Measured<'_>) -> Result<Report> {
    let imgsz = what.setting.imgsz;
    let files: Vec<(&str, &Path)> =
        what.checkpoints.iter().chain(&what.engines).map(|(n, p)| (*n, p.as_path())).collect();
    let paths: Vec<&Path> = files.iter().map(|(_, p)| *p).collect();
    let split = &what.data.test;
    let batch = what.config.baseline.batch;
    let measured = measure_artefacts(&paths, split, what.setting, batch, what.config.latency_runs)?;
    let (images, instances) = measured.first().map_or((0, 0), |(m, _)| (m.images, m.instances));
    let mut rows = Vec::new();
    for ((name, path), (metrics, latency_ms)) in files.into_iter().zip(measured) {
        let cost = Checkpoint::load(path)?.model.graph().cost(imgsz, imgsz)?;
        rows.push(Row {
            name: name.to_owned(),
            map50: metrics.map50,
            map50_95: metrics.map50_95,
            params: cost.params,
            macs: cost.macs,
            bytes: size(path)?,
            latency_ms,
        });
    }
    let mut exports = Vec::new();
    for (name, path) in &what.onnx {
        let info = OnnxInfo::open(path)?;
        exports.push((format!("{name} (opset {}, {} nodes)", info.opset, info.node_count), size(path)?));
    }
    let mut not_run = Vec::new();
    match &what.tensorrt {
        EngineOutcome::Built(built) => {
            let (kind, version) = (built.backend.engine_kind(), built.version);
            exports.push((format!("{kind} engine ({version}, {})", built.precision), built.engine_bytes));
        }
        EngineOutcome::NotRun { because } => not_run.push(("TensorRT engine".to_owned(), because.clone())),
    }
    Ok(Report {
        model: what.config.model.clone(),
        imgsz,
        split: what.data.test_name.to_owned(),
        images,
        instances,
        executor: what.setting.executor.describe()?,
        rows,
        exports,
        not_run,
        seconds: what.seconds.clone(),
    })
}

fn size(path: &Path) -> Result<u64> {
    Ok(std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len())
}

/// The report as GitHub-flavoured Markdown.
pub fn markdown(report: &Report) -> String {
    let mut text = String::new();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let _ = writeln!(
        text,
        "# {} at {} px\n\nMeasured on the {} split: {} images, {} objects. mAP is a fraction; latency is the \
         median of one image, decode included ({}).\n",
        report.model, report.imgsz, report.split, report.images, report.instances, report.executor
    );
    let _ = writeln!(text, "| | mAP50 | mAP50-95 | params | MACs | file | latency |");
    let _ = writeln!(text, "|---|---:|---:|---:|---:|---:|---:|");
    for row in &report.rows {
        let _ = writeln!(
            text,
            "| {} | {:.3} | {:.3} | {:.3} M | {:.3} G | {:.1} MiB | {:.1} ms |",
            row.name,
            row.map50,
            row.map50_95,
            row.params as f64 / 1e6,
            row.macs as f64 / 1e9,
            mib(row.bytes),
            row.latency_ms
        );
    }
    let _ = writeln!(text, "\n| export | file |\n|---|---:|");
    for (name, bytes) in &report.exports {
        let _ = writeln!(text, "| {name} | {:.1} MiB |", mib(*bytes));
    }
    if !report.not_run.is_empty() {
        let _ = writeln!(text, "\n| not run | because |\n|---|---|");
        for (name, because) in &report.not_run {
            // The first clause says why and what to do; report.json has the rest (every place looked at).
            let short = because.split(';').next().unwrap_or(because);
            let _ = writeln!(text, "| {name} | {short} |");
        }
    }
    let _ = writeln!(text, "\n| stage | seconds |\n|---|---:|");
    for (stage, seconds) in &report.seconds {
        let _ = writeln!(text, "| {stage} | {seconds:.1} |");
    }
    text
}
