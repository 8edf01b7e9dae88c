//! The report: what was gained and lost, measured on each thing itself.
//!
//! [`Report`] holds every number, and terminal, Markdown, JSON and page are written from it alone; only the example pictures
//! come beside it.

mod absent;
mod checks;
mod examples;
mod fairness;
mod headline;
mod markdown;
mod original_table;
mod page;

use bonsai_exec::ExecutorInfo;
use bonsai_metrics::{Change, PairedChange};
use bonsai_prune::Importance;
use bonsai_stages::{SplitFlaws, Stage};
use bonsai_tensorrt::Precision;
use bonsai_train::EpochRecord;
use serde::{Deserialize, Serialize};

pub use checks::{Exported, checks, other_classes};
pub use examples::{Example, examples};
pub use fairness::improving;
pub use headline::{Outcome, Reference, with_failures};
pub use markdown::{markdown, plain};
pub use page::page;

/// Version of the form of `report.json`.
pub const SCHEMA: u32 = 6;

/// What a run achieved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The whole report in a sentence, made by rule.
    pub headline: String,
    /// What was trained.
    pub model: String,
    /// What it was trained on.
    pub data: String,
    /// Side of the images in pixels.
    pub imgsz: usize,
    /// Where all randomness started from.
    pub seed: u64,
    /// The split that was measured.
    pub split: String,
    /// Its images.
    pub images: usize,
    /// Its objects.
    pub instances: usize,
    /// What was left out of the dataset's splits, or assumed about them.
    #[serde(default)]
    pub dataset: Vec<SplitFlaws>,
    /// What ran the networks.
    pub executor: ExecutorInfo,
    /// The classes and their objects in the split.
    pub classes: Vec<(String, usize)>,
    /// One row per thing that was measured: the baseline is the first.
    pub rows: Vec<Row>,
    /// The fine-tuned network against the baseline; `None` for a split of fewer than two images.
    pub change: Option<PairedChange>,
    /// mAP50-95 of the fine-tuned network against that of the dense control; `None` where there is no control, or no interval.
    pub control_change: Option<Change>,
    /// Whether what was exported says what its checkpoint says; what failed comes first.
    pub checks: Vec<ReportCheck>,
    /// Files that are made but whose mAP cannot be measured here.
    pub made: Vec<BuiltFile>,
    /// What was not run.
    pub not_run: Vec<NotRun>,
    /// What each stage cost.
    pub stages: Vec<StageCost>,
    /// Every epoch of every training.
    pub trainings: Vec<Training>,
    /// mAP50-95 of the pruned network before fine-tuning, on the validation split as the trainings' figures are.
    pub pruned_validation: f64,
    /// Precision over recall of baseline and fine-tuned network, means over the classes.
    pub curves: Vec<PrCurve>,
    /// Which class they take for which.
    pub confusions: Vec<Confusion>,
    /// What channels were ranked by.
    pub ranked_by: Importance,
    /// The stage whose network was pruned.
    #[serde(default)]
    pub pruned_stage: Option<Stage>,
    /// Every convolution before and after pruning.
    pub layers: Vec<LayerWidth>,
    /// Gammas over sparsity training.
    pub gammas: Vec<GammaCounts>,
}

/// One measured thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// Which network: `baseline`, `dense control`, `sparse`, `pruned` or `fine-tuned`.
    pub network: String,
    /// What it computes with.
    pub precision: Precision,
    /// What ran it: `cpu`, `candle`, `rten` or `onnxruntime`.
    pub runner: String,
    /// What kind of thing.
    pub group: Group,
    /// Fraction in 0..=1.
    pub map50: f64,
    /// Fraction in 0..=1.
    pub map50_95: f64,
    /// mAP50-95 against the baseline's on the same images.
    pub change: Option<Change>,
    /// Learned scalars.
    pub params: u64,
    /// Multiply-accumulates at batch 1.
    pub macs: u64,
    /// Size of the file.
    pub bytes: u64,
    /// Median for one image, decode included.
    pub latency_ms: f64,
}

/// What kind of thing a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// What a training or pruning left.
    Checkpoint,
    /// A file for another program or machine.
    Export,
}

/// Something that this machine could not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotRun {
    /// What.
    pub what: String,
    /// Why.
    pub because: String,
}

/// A file that this program cannot run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuiltFile {
    /// What.
    pub what: String,
    /// Which network.
    pub network: String,
    /// What it computes with.
    pub precision: Precision,
    /// Size in bytes.
    pub bytes: u64,
    /// Median latency as its builder measured it.
    pub latency_ms: Option<f64>,
}

/// Something that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportCheck {
    /// What, with figures and limits.
    pub what: String,
    /// How it went.
    pub verdict: CheckVerdict,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// Outside of its limits.
    Failed,
    /// Within its limits.
    Passed,
    /// There was nothing to check it with.
    NotRun,
}

/// Precision over recall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrCurve {
    /// Which network.
    pub network: String,
    /// At recalls that divide 0 to 1 evenly.
    pub precision: Vec<f64>,
}

/// Which class is taken for which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confusion {
    /// Which network.
    pub network: String,
    /// Row by row: rows are predicted, columns true classes, the last of each is the background.
    pub counts: Vec<u64>,
}

impl NotRun {
    /// Why, and what to do about it, without the places that were looked at.
    pub fn short(&self) -> &str {
        self.because.split("; looked at ").next().unwrap_or(&self.because)
    }
}

/// What a stage cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageCost {
    /// The stage.
    pub stage: Stage,
    /// Wall-clock seconds, with those of interrupted attempts.
    pub seconds: f64,
    /// How often it was interrupted and went on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interruptions: usize,
    /// Most resident memory while it ran, in MiB, where the system tells.
    pub peak_mib: Option<f64>,
}

/// The epochs of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Which one.
    pub stage: Stage,
    /// In order.
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

/// How many gammas have which magnitude.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GammaCounts {
    /// After which epoch; 0 is what training started from.
    pub epoch: usize,
    /// Bins of equal width [`GammaCounts::BIN`] from 0 on.
    pub counts: Vec<u64>,
    /// Share below 1e-2.
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
