//! [`SweepRow`]: one run of a sweep and its result.

use serde::Serialize;

use super::SweepRun;

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepRow {
    /// Which.
    pub run: SweepRun,
    /// What it came to.
    pub outcome: Outcome,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its report is there.
    Done(Figures),
    /// Why there is none.
    NotDone(String),
}

/// What a run's report says of fine-tuned network and baseline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// The fine-tuned network.
    pub network: Point,
    /// The baseline of the same run.
    pub baseline: Point,
    /// No run of the sweep is both more accurate and faster.
    pub best_for_latency: bool,
    /// No run of the sweep is both more accurate and smaller.
    pub best_for_macs: bool,
}

/// Accuracy and cost of a network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Fraction in 0..=1.
    pub map50_95: f64,
    /// Median for one image.
    pub latency_ms: f64,
    /// Multiply-accumulates at batch 1.
    pub macs: u64,
    /// Learned scalars.
    pub params: u64,
}
