#![doc = include_str!("../README.md")]

mod absent;
mod advice;
mod checks;
mod cpu_engines;
mod deploy;
mod examples;
mod fairness;
mod headline;
mod markdown;
mod original_table;
mod page;
mod terminal;

use bonsai_exec::ExecutorInfo;
use bonsai_metrics::{Change, PairedChange};
use bonsai_prune::Importance;
use bonsai_stages::{Latency, Speed, SplitFlaws, Stage};
use bonsai_tensorrt::EnginePrecision;
use bonsai_train::EpochRecord;
use serde::{Deserialize, Serialize};

pub use checks::{Exported, checks, other_classes};
pub use examples::{Example, examples};
pub use fairness::improving;
pub use headline::{Reference, RunResult, with_failures};
pub use markdown::{markdown, plain};
pub use page::page;
pub use terminal::terminal_summary;

/// Version of the format of `report.json`.
pub const SCHEMA: u32 = 8;

/// The results of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The whole report in a sentence, formed by rules.
    pub headline: String,
    /// The starting network.
    pub model: String,
    /// The dataset.
    pub data: String,
    /// Side of the images in pixels.
    pub imgsz: usize,
    /// Seed of all randomness.
    pub seed: u64,
    /// The split that was measured.
    pub split: String,
    /// Number of its images.
    pub images: usize,
    /// Number of its objects.
    pub instances: usize,
    /// Flaws of the splits of the dataset: what was left out or assumed.
    #[serde(default)]
    pub dataset: Vec<SplitFlaws>,
    /// The executor of the networks.
    pub executor: ExecutorInfo,
    /// The classes, each with its number of objects in the split.
    pub classes: Vec<(String, usize)>,
    /// One row per measured file; the baseline is the first.
    pub rows: Vec<Row>,
    /// Change from the baseline to the fine-tuned network; `None` for a split of fewer than two images.
    pub change: Option<PairedChange>,
    /// Change of mAP50-95 from the dense control to the fine-tuned network; `None` if there is no control or
    /// no interval.
    pub control_change: Option<Change>,
    /// Whether exported files agree with their checkpoints; failed checks come first.
    pub checks: Vec<ReportCheck>,
    /// Files that were built but whose mAP cannot be measured here.
    pub made: Vec<BuiltFile>,
    /// What was not run, with the reasons.
    pub not_run: Vec<NotRun>,
    /// Time and memory of each stage.
    pub stages: Vec<StageCost>,
    /// Every epoch of every training.
    pub trainings: Vec<Training>,
    /// mAP50-95 of the pruned network before fine-tuning, on the validation split, as for the trainings.
    pub pruned_validation: f64,
    /// Precision over recall of baseline and fine-tuned network, means over the classes.
    pub curves: Vec<PrCurve>,
    /// Confusion matrices of baseline and fine-tuned network.
    pub confusions: Vec<Confusion>,
    /// The importance by which channels were ranked.
    pub ranked_by: Importance,
    /// The stage whose network was pruned.
    #[serde(default)]
    pub pruned_stage: Option<Stage>,
    /// Every convolution before and after pruning.
    pub layers: Vec<LayerWidth>,
    /// Gammas over sparsity training.
    pub gammas: Vec<GammaCounts>,
}

/// A measured file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Which network: `baseline`, `dense control`, `sparse`, `pruned` or `fine-tuned`.
    pub network: String,
    /// Its precision.
    pub precision: EnginePrecision,
    /// The executor or runtime: `cpu`, `candle`, `rten` or `onnxruntime`.
    pub runner: String,
    /// Whether it is a checkpoint or an export.
    pub group: Group,
    /// Its path in the run directory; empty in reports of earlier versions.
    #[serde(default)]
    pub file: String,
    /// mAP50, a fraction in 0..=1.
    pub map50: f64,
    /// mAP50-95, a fraction in 0..=1.
    pub map50_95: f64,
    /// Change of mAP50-95 from the baseline on the same images.
    pub change: Option<Change>,
    /// Number of learned scalars.
    pub params: u64,
    /// Multiply-accumulates at batch 1.
    pub macs: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Milliseconds for one image, decode included.
    pub latency: Latency,
    /// Speed relative to the baseline's CPU engine in `f32`, or to the baseline where there is no engine.
    pub speed: Speed,
}

impl Row {
    /// Whether the file is an engine for the CPU.
    pub fn is_cpu_engine(&self) -> bool {
        self.name.starts_with("CPU engine")
    }
}

/// The group of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// The result of a training or of pruning.
    Checkpoint,
    /// An exported file or an engine.
    Export,
}

/// Something that was not run or built on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotRun {
    /// What was not run.
    pub what: String,
    /// The reason.
    pub because: String,
}

/// A file that this program cannot run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuiltFile {
    /// The kind of file and the version of its builder.
    pub what: String,
    /// The network: `baseline` or `fine-tuned`.
    pub network: String,
    /// Its precision.
    pub precision: EnginePrecision,
    /// Size in bytes.
    pub bytes: u64,
    /// Median latency in milliseconds as the builder measured it.
    pub latency_ms: Option<f64>,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportCheck {
    /// What was checked, with metrics and limits.
    pub what: String,
    /// Whether it passed.
    pub verdict: CheckVerdict,
}

/// Whether a check passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// A value is outside of its limits.
    Failed,
    /// All values are within their limits.
    Passed,
    /// The check could not run.
    NotRun,
}

/// Precision over recall of a network, as a mean over the classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrCurve {
    /// The network: `baseline` or `fine-tuned`.
    pub network: String,
    /// Precision at evenly spaced recalls from 0 to 1.
    pub precision: Vec<f64>,
}

/// The confusion matrix of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confusion {
    /// The network: `baseline` or `fine-tuned`.
    pub network: String,
    /// Counts, row by row: rows are predicted classes, columns true classes; the last of each is the
    /// background.
    pub counts: Vec<u64>,
}

impl NotRun {
    /// The reason and what to do, without the places that were searched.
    pub fn short(&self) -> &str {
        self.because.split("; looked at ").next().unwrap_or(&self.because)
    }
}

/// Time and memory of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageCost {
    /// The stage.
    pub stage: Stage,
    /// Wall-clock seconds, with those of interrupted attempts.
    pub seconds: f64,
    /// Number of interruptions after which the stage resumed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interruptions: usize,
    /// Peak resident memory, in MiB; `None` if the system does not report it.
    pub peak_mib: Option<f64>,
}

/// The epochs of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The stage.
    pub stage: Stage,
    /// The epochs, in order.
    pub epochs: Vec<EpochRecord>,
}

/// A convolution before and after pruning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerWidth {
    /// Its name.
    pub conv: String,
    /// Output channels before.
    pub original: usize,
    /// Output channels after.
    pub kept: usize,
    /// Multiply-accumulates before.
    pub macs_before: u64,
    /// Multiply-accumulates after.
    pub macs_after: u64,
}

/// Histogram of the magnitudes of the gammas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GammaCounts {
    /// Number of the epoch, from 1; 0 is the network that training started from.
    pub epoch: usize,
    /// Counts in bins of equal width [`GammaCounts::BIN`], starting at 0.
    pub counts: Vec<u64>,
    /// Fraction of the gammas below 1e-2.
    pub below_1e2: f64,
}

impl GammaCounts {
    /// Width of a bin.
    pub const BIN: f64 = 1.0 / bonsai_sparsity::Histogram::BINS_PER_UNIT as f64;
}

impl Report {
    /// The first row of that name.
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }
}

/// Whether a count is left out of a file.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde passes")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}
