#![doc = include_str!("../README.md")]

mod attempts;
mod check;
mod config;
mod control;
mod cost_model;
mod current;
mod decision;
mod doctor;
mod engine_folder;
mod epoch_keeper;
mod estimate;
mod export_folder;
mod forecast;
mod gamma_history;
mod iterations;
pub mod jobs;
mod manifest;
mod measure_run;
pub mod neighbours;
mod preset;
mod prune_folder;
mod road;
mod run;
mod run_dir;
mod run_lock;
mod settings;
mod sparse_outcome;
mod stage_settings;
mod stage_training;
pub mod training;
mod utc;
mod work;

pub use bonsai_data::{ClassCount, Statistics, convert::DatasetLayout};
pub use bonsai_detector::{LoadOptions, Runtime, Trial};
pub use bonsai_exec::{ComputePrecision, ExecutorInfo, ExecutorKind, ExecutorOptions};
pub use bonsai_graph::{ClassMap, MatchedBy};
pub use bonsai_metrics::DetMetrics;
pub use bonsai_onnx::{Dynamic, ExportNms, ExportOptions, Io, Layout, Placement, Precision};
pub use bonsai_prune::{
    ClampedLayer, CostTarget, Importance, Iterated, Normalisation, Per as ScorePer, Preset, PrunePolicy,
    PruneReport, Reduction, Scope, ScoreConfig, Stopped as StepsEnd,
};
pub use bonsai_report::{
    BuiltFile, CheckVerdict, Confusion, GammaCounts, Group, LayerWidth, NotRun, PrCurve, Report, ReportCheck,
    Row, SCHEMA, StageCost, Training, markdown, plain, terminal_summary,
};
pub use bonsai_stages::{
    BatchWatcher, DistillConfig, EngineConfig, EvalConvention, EvalOptions, Evaluation, ExportConfig,
    FlawCount, ForeignClasses, Imitate, IterateConfig, L1Config, L1Preset, LayerSummary, LoadingConfig,
    Misuse, NoDataset, Parity, ParityLimits, Progress, PruneConfig, PruneExtras, Quiet, Ranks, RuntimeChoice,
    SplitFlaws, SplitKind, Stage, StageState, Summary, check_parity, confirm_parity, digest_file,
    digest_json, dismiss, evaluate, evaluate_metrics, executor_options, follow, is_misuse, limit_threads,
    median_latency_ms, memory_budget, open_model, path_of_text, path_text, serve_trial, summarise,
};
pub use bonsai_tensorrt::{
    Backend, BackendChoice, BuildReport, ComputeCapability, EngineOutcome, EnginePrecision,
    HardwareCompatibility, RTX_BUILT_IN, ShapeProfile,
};
pub use bonsai_train::{EpochRecord, EpochTiming, Optimizer, StepRecord, Stopped, TrainConfig};
pub use bonsai_yolov8::LossItems;
pub use check::{check, check_imgsz};
pub use config::{ControlConfig, PipelineConfig};
pub use control::Control;
pub use current::is_current;
pub use doctor::{Check, doctor};
pub use estimate::{Basis, Estimate};
pub use forecast::{Fate, Forecast, StageForecast, forecast};
pub use gamma_history::{GammaHistory, GammaRecord};
pub use manifest::Manifest;
pub use preset::PipelinePreset;
pub use run::{Ended, run, run_stages};
pub use run_dir::{Found, RunDir};
pub use settings::{Settings, load_settings, nearest, overlay, resolve};
pub use stage_training::Interrupted;
