//! [`Outcome`]: the engines that were tried, the one that was kept, and the limits that were not met.

use std::fmt::Write as _;
use std::path::PathBuf;

use bonsai_tensorrt::EnginePrecision;
use serde::Serialize;

use crate::{Budget, Cost, Curve};

/// The result of [`compress`](crate::compress()).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The limits.
    pub budget: Budget,
    /// Costs of networks of several sizes, before anything was trained.
    pub curve: Curve,
    /// The engines; the given network in `f32` is the first.
    pub engines: Vec<Engine>,
    /// Index of the engine that was kept.
    pub kept: Option<usize>,
    /// Copy of that engine's file.
    pub file: Option<PathBuf>,
    /// Limits that are not met, and why; empty if the kept engine meets the budget.
    pub missed: Vec<String>,
    /// Name of the split in `test`.
    pub split: String,
}

/// An engine that was tried.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Engine {
    /// Name of its run, or `given` for the network without pruning.
    pub run: String,
    /// Its precision.
    pub precision: EnginePrecision,
    /// Its file.
    pub file: PathBuf,
    /// Its cost, measured after fine-tuning.
    pub cost: Cost,
    /// mAP50-95 on the validation split, which chooses among the engines.
    pub val: f64,
    /// mAP50-95 on the split of the report.
    pub test: f64,
    /// The limits of costs that it exceeds.
    pub excess: Vec<String>,
    /// The loss of mAP50-95, if it is above its limit.
    pub lost: Option<String>,
}

impl Outcome {
    /// Whether an engine was kept and meets every limit.
    pub fn is_met(&self) -> bool {
        self.kept.is_some() && self.missed.is_empty()
    }

    /// The outcome as Markdown: a sentence, the engines, and the curve.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        let kept = self.kept.map(|index| &self.engines[index]);
        let sentence = match (kept, self.engines.first(), &self.file) {
            (Some(kept), Some(given), Some(file)) => format!(
                "Kept the {} network in {} ({}): latency {:.2} ms (given network in fp32: {:.2} ms), size {:.2} MB ({:.2} MB), \
                 mAP50-95 {:.3} ({:.3}) on the {} split",
                if kept.run == GIVEN { "given" } else { "pruned" },
                kept.precision,
                file.display(),
                kept.cost.latency_ms,
                given.cost.latency_ms,
                kept.cost.bytes as f64 / 1e6,
                given.cost.bytes as f64 / 1e6,
                kept.test,
                given.test,
                self.split
            ),
            _ => "No network meets the budget".to_owned(),
        };
        let _ = writeln!(text, "{sentence}.\n");
        for missed in &self.missed {
            let _ = writeln!(text, "- not met: {missed}");
        }
        if !self.missed.is_empty() {
            text.push('\n');
        }
        if !self.engines.is_empty() {
            let _ = writeln!(
                text,
                "| run | precision | MACs | latency | size | mAP50-95, validation | mAP50-95, {} | budget |\n\
                 |---|---|---:|---:|---:|---:|---:|---|",
                self.split
            );
        }
        for (index, engine) in self.engines.iter().enumerate() {
            let Engine { run, precision, cost, val, test, excess, lost, .. } = engine;
            let kept = if self.kept == Some(index) { ", kept" } else { "" };
            let budget = excess.first().or(lost.as_ref()).map_or("met", String::as_str);
            let _ = writeln!(
                text,
                "| {run} | {precision} | {:.3} | {:.2} ms | {:.2} MB | {val:.3} | {test:.3} | {budget}{kept} |",
                cost.macs,
                cost.latency_ms,
                cost.bytes as f64 / 1e6
            );
        }
        let _ = writeln!(
            text,
            "\nBefore training, Bonsai timed networks of these sizes; a value in brackets is above its limit:\n\n{}",
            self.curve.markdown(&self.budget)
        );
        text
    }
}

/// Name of the network without pruning.
pub(crate) const GIVEN: &str = "given";
