//! [`SweepRow`]: one run of a sweep and its result.

use serde::Serialize;

use super::SweepRun;

/// A run and its result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepRow {
    /// The run.
    pub run: SweepRun,
    /// Its result.
    pub outcome: Outcome,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The run is complete.
    Done(Figures),
    /// The run is not complete, for this reason.
    NotDone(String),
}

/// Results of the fine-tuned network and the baseline, from the report of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// The fine-tuned network.
    pub network: Point,
    /// The baseline of the same run.
    pub baseline: Point,
    /// No run of the sweep beats this one in both accuracy and latency.
    pub best_for_latency: bool,
    /// No run of the sweep beats this one in both accuracy and multiply-accumulates.
    pub best_for_macs: bool,
}

/// Accuracy and cost of a network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// mAP50-95, a fraction in 0..=1.
    pub map50_95: f64,
    /// Median latency of one image, in milliseconds.
    pub latency_ms: f64,
    /// Multiply-accumulates at batch 1.
    pub macs: u64,
    /// Number of learned scalars.
    pub params: u64,
}
