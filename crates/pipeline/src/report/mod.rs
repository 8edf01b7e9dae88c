//! The report: what was gained and lost, measured on each thing itself.
//!
//! [`Report`] holds every number, and terminal, Markdown, JSON and page are written from it alone; only the example pictures
//! come beside it.

mod examples;
mod headline;
mod markdown;
mod measure;
mod page;

use bonsai_exec::ExecutorInfo;
use bonsai_metrics::{Change, PairedChange};
use bonsai_train::EpochRecord;
use serde::{Deserialize, Serialize};

use crate::Stage;

pub(crate) use examples::Example;
pub use markdown::markdown;
pub(crate) use measure::{Measured, measure};
pub(crate) use page::page;

/// Version of the form of `report.json`.
pub const SCHEMA: u32 = 2;

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
    /// What ran the networks.
    pub executor: ExecutorInfo,
    /// The classes and their objects in the split.
    pub classes: Vec<(String, usize)>,
    /// One row per thing that was measured: the baseline is the first.
    pub rows: Vec<Row>,
    /// The fine-tuned network against the baseline; `None` for a split of fewer than two images.
    pub change: Option<PairedChange>,
    /// Files that are made but not measured here, with their size in bytes.
    pub exports: Vec<(String, u64)>,
    /// What was not run.
    pub not_run: Vec<NotRun>,
    /// What each stage cost.
    pub stages: Vec<StageCost>,
    /// Every epoch of every training.
    pub trainings: Vec<Training>,
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

/// What a stage cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageCost {
    /// The stage.
    pub stage: Stage,
    /// Wall-clock seconds.
    pub seconds: f64,
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
