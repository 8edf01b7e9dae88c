//! Every knob of a run. Each section is the configuration of the stage it is named for.

use std::path::PathBuf;

use bonsai_data::Augment;
use bonsai_data::shapes::ShapesConfig;
use bonsai_exec::ExecutorKind;
use bonsai_prune::{Importance, Iteration, PrunePolicy, ScoreConfig, Target};
use bonsai_train::TrainConfig;
use serde::{Deserialize, Serialize};

use crate::settings::Settings;
use crate::{DistillSettings, EngineConfig, ExportSettings, L1Config};

/// A whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PipelineConfig {
    /// `data.yaml` of a dataset in YOLO format; without it, shapes are drawn.
    #[serde(with = "crate::path_text::optional")]
    pub data: Option<PathBuf>,
    /// What to start from: `yolov8n` to `yolov8x`, or a checkpoint file.
    pub model: String,
    /// Side of the images in pixels, a multiple of 32.
    pub imgsz: usize,
    /// Where all randomness starts from.
    pub seed: u64,
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// What runs networks; without it the CPU executor on the CPU and candle on a GPU.
    pub executor: Option<ExecutorKind>,
    /// Threads of the CPU; 0 is one per core.
    pub threads: usize,
    /// The drawn dataset, used without `data`.
    pub shapes: ShapesConfig,
    /// How batches are made.
    pub loader: LoaderSettings,
    /// Baseline training.
    pub baseline: TrainConfig,
    /// What pruned networks are compared with.
    pub control: ControlSettings,
    /// Sparsity training, from the baseline; 0 epochs leave it out.
    pub sparse: TrainConfig,
    /// L1 during sparsity training.
    pub l1: L1Config,
    /// What makes channels matter.
    pub score: ScoreConfig,
    /// Which channels go.
    pub prune: PrunePolicy,
    /// What else is done when channels go.
    pub extras: PruneExtras,
    /// Pruning in steps, with recovery between them.
    pub iterate: IterateSettings,
    /// Fine-tuning, from the pruned network, without L1.
    pub finetune: TrainConfig,
    /// Distillation during fine-tuning.
    pub distill: DistillSettings,
    /// ONNX files.
    pub export: ExportSettings,
    /// Engines.
    pub engine: EngineConfig,
    /// Single images timed for a latency in the report.
    pub latency_runs: usize,
}

/// How batches are made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoaderSettings {
    /// Background threads.
    pub workers: usize,
    /// Most bytes of decoded images kept between epochs.
    pub cache_bytes: u64,
    /// Random changes to training images.
    pub augment: Augment,
    /// Last epochs of a training in which images are shown whole, without mosaic and mixup.
    pub close_mosaic: usize,
}

/// What pruned networks are compared with, beside the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ControlSettings {
    /// Whether the baseline is trained on without pruning, for as many epochs as sparsity training and fine-tuning take
    /// together.
    pub dense: bool,
}

/// What is done when channels go, beside removing them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PruneExtras {
    /// Whether the layers behind removed channels take over the constants that these still emitted.
    pub compensate: bool,
    /// Batches of training images over which running statistics are measured anew; 0 leaves them.
    pub recalibrate: usize,
    /// Batches of training images over which gradients are added up, for importance taylor.
    pub gradient_batches: usize,
    /// Images in such a batch.
    pub batch: usize,
    /// Optimiser steps that the network of each candidate is trained for under importance best, before its loss is measured
    /// on training images that are held back.
    pub trial_steps: usize,
    /// What a run ranks channels by in place of gamma where sparsity training was too short to tell them apart: gamma
    /// leaves it at that.
    pub dense_importance: Importance,
}

/// Pruning in steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IterateSettings {
    /// Steps towards the whole; 1 prunes at once, without recovery within the stage.
    pub steps: usize,
    /// Largest loss of mAP50-95 after recovery, against the network before the first step, that is accepted.
    pub max_map_drop: f64,
    /// Epochs of fine-tuning after each step; all else is as in fine-tuning.
    pub epochs: usize,
}

/// All that pruning is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PruneSettings {
    /// What makes channels matter.
    pub score: ScoreConfig,
    /// Which go.
    pub policy: PrunePolicy,
    /// What else is done.
    pub extras: PruneExtras,
    /// How the networks of importance best are trained on trial: as in fine-tuning.
    pub training: TrainConfig,
}

impl PruneSettings {
    /// Whether the choice of channels needs labelled images.
    pub(crate) fn needs_labels(&self) -> bool {
        matches!(self.score.importance, Importance::Taylor | Importance::Best)
    }
}

impl Settings for PipelineConfig {
    const OPTIONAL: &'static [&'static str] = &[
        "data",
        "executor",
        "engine.trtexec",
        "engine.tensorrt_rtx",
        "engine.rtx_folder",
        "engine.precision",
        "engine.workspace_mib",
        "engine.optimization_level",
        "engine.timing_cache",
        "engine.hardware_compatibility",
        "prune.max_ratio_per_layer",
        "prune.target",
        "distill.teacher",
        "shapes.style",
    ];
    const WHOLE: &'static [&'static str] =
        &["l1.gamma", "l1.beta", "l1.gamma_decay", "prune.target", "score.importance"];
    const INSTEAD: &'static [(&'static str, &'static str)] = &[("prune.prune_ratio", "prune.target")];
}

impl Default for PipelineConfig {
    /// For a real dataset: 640 px, half of the MACs, 50 epochs for the baseline and 100 for the pruned network.
    ///
    /// Sparsity training is left out: on datasets that it was not tuned on it ruined networks, and its epochs did more as
    /// epochs of fine-tuning after pruning by Taylor importance.
    fn default() -> Self {
        let train = TrainConfig { epochs: 50, nbs: 16, ..TrainConfig::default() };
        Self {
            data: None,
            model: "yolov8n".to_owned(),
            imgsz: 640,
            seed: 0,
            device: "cpu".to_owned(),
            executor: None,
            threads: 0,
            shapes: ShapesConfig::default(),
            loader: LoaderSettings::default(),
            baseline: train.clone(),
            control: ControlSettings::default(),
            // L1 lowers the figures first, and its schedule is to run to the end.
            sparse: TrainConfig { epochs: 0, patience: 0, ..train.clone() },
            l1: L1Config::default(),
            score: ScoreConfig { importance: Importance::Taylor, ..ScoreConfig::default() },
            // Half of the work, whatever share of the channels that takes: how many matter little is the data's to say.
            prune: PrunePolicy { target: Some(Target::Macs(0.5)), ..PrunePolicy::default() },
            extras: PruneExtras::default(),
            iterate: IterateSettings::default(),
            finetune: TrainConfig { epochs: 100, ..train },
            distill: DistillSettings::default(),
            export: ExportSettings::default(),
            engine: EngineConfig::default(),
            latency_runs: 30,
        }
    }
}

impl PipelineConfig {
    /// All that pruning is told.
    pub fn prune_settings(&self) -> PruneSettings {
        PruneSettings {
            score: self.score,
            policy: self.prune.clone(),
            extras: self.extras,
            training: self.finetune.clone(),
        }
    }

    /// The drawn dataset at small size: a few minutes on two cores, with the dense control, because even a baseline whose
    /// metrics hardly rise any more gains from further epochs.
    ///
    /// Small batches, because from scratch it is updates that count; no floor under the warm-up, because a hundred
    /// batches would be a sixth of the whole baseline.
    pub fn drawn() -> Self {
        let imgsz = 128;
        let train = |epochs| TrainConfig {
            epochs,
            batch: 8,
            nbs: 8,
            warmup_epochs: 2.0,
            warmup_min_batches: 0,
            val_period: 4,
            // The metrics rise as the learning rate falls: with this they have risen when a short training ends.
            cos_lr: true,
            ..TrainConfig::default()
        };
        Self {
            imgsz,
            shapes: ShapesConfig { train: 256, val: 96, test: 96, imgsz, seed: 0, ..ShapesConfig::default() },
            // Whole shapes are learned in a few hundred updates, parts of them at any scale are not.
            loader: LoaderSettings { augment: Augment::colours_and_flips(), ..LoaderSettings::default() },
            baseline: train(36),
            control: ControlSettings { dense: true },
            sparse: TrainConfig { epochs: 0, patience: 0, ..train(1) },
            finetune: train(18),
            ..Self::default()
        }
    }
}

impl Default for LoaderSettings {
    /// One worker (the network uses the other cores), half a gibibyte of decoded images, Ultralytics' augmentation.
    fn default() -> Self {
        Self { workers: 1, cache_bytes: 512 << 20, augment: Augment::default(), close_mosaic: 10 }
    }
}

impl Default for PruneExtras {
    fn default() -> Self {
        Self {
            compensate: true,
            recalibrate: 0,
            gradient_batches: 8,
            batch: 8,
            trial_steps: 40,
            // Where five epochs moved gammas by 0.04, a YOLOv8s of half the MACs kept 0.59 of mAP50 behind the first epoch of
            // fine-tuning with it, and nothing with gamma.
            dense_importance: Importance::Taylor,
        }
    }
}

impl Default for IterateSettings {
    /// At once; limit and epochs are those of Torch-Pruning's example.
    fn default() -> Self {
        Self { steps: 1, max_map_drop: Iteration::default().max_map_drop, epochs: 10 }
    }
}
