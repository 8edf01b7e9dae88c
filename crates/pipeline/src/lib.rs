//! The stages composed: dataset, baseline, sparse, prune, finetune, export, engine, report.
//!
//! Each stage is a configuration and a function from values to values; they stand in [`stages`].
//! [`run`] strings them together over a [`RunDir`]: one folder per stage, written as `.partial`, renamed when
//! complete, with a [`Manifest`] of configuration and input digests, so that a second run does only what changed.
//! This is the only crate that knows how a run directory looks, and the only one in which stages meet.
//!
//! It prints nothing: whoever calls it passes a [`Progress`].
//!
//! ```no_run
//! use bonsai_pipeline::{PipelineConfig, Quiet, RunDir, run};
//! let report = run(&PipelineConfig::drawn(), &RunDir::new("runs/shapes"), &mut Quiet)?;
//! assert_eq!(report.rows.len(), 12);
//! # Ok::<(), anyhow::Error>(())
//! ```

mod attempts;
mod batches;
pub mod bench;
mod check;
mod checkpoint_file;
mod classes;
mod config;
mod control;
mod cost_model;
mod cpu_time;
mod decision;
mod difference;
mod distill;
mod doctor;
mod engine_config;
mod engine_folder;
mod engine_job;
mod evaluate;
mod export_folder;
mod export_settings;
mod forecast;
mod gamma_history;
pub mod inspect;
mod iterations;
pub mod jobs;
mod l1;
mod latency;
mod machine;
mod magnitudes;
mod manifest;
mod memory_limits;
mod memory_need;
mod misuse;
mod overwrite;
mod parity;
pub mod path_text;
mod peak_memory;
mod penalty;
mod picture_file;
mod planned_l1;
pub mod predict;
mod predict_names;
mod preset;
mod progress;
mod prune_folder;
mod ranking;
mod recipe;
pub mod recipes;
mod report;
mod road;
mod run;
mod run_dir;
mod run_lock;
mod runtime;
mod settings;
mod sparse_outcome;
mod split_flaws;
mod stage_training;
pub mod stages;
mod summary;
pub mod sweep;
pub mod training;
mod utc;
mod work;

pub use bonsai_data::SplitKind;
pub use bonsai_detector::{LoadOptions, Runtime, Trial};
pub use bonsai_exec::{ExecutorInfo, ExecutorKind, ExecutorOptions};
pub use bonsai_graph::{ClassMap, MatchedBy};
pub use bonsai_metrics::DetMetrics;
pub use bonsai_onnx::{
    Dynamic, ExportOptions, Io, Layout, NmsOptions, Placement, Precision as OnnxPrecision,
};
pub use bonsai_prune::{
    ClampedLayer, Importance, Iterated, Normalisation, Per as ScorePer, Preset, PrunePolicy, PruneReport,
    Reduction, Scope, ScoreConfig, Stopped as StepsEnd, Target,
};
pub use bonsai_tensorrt::{
    Backend, BackendChoice, BuildReport, ComputeCapability, EngineOutcome, HardwareCompatibility, Precision,
    RTX_BUILT_IN, ShapeProfile,
};
pub use bonsai_train::{EpochRecord, EpochTiming, StepRecord, Stopped};
pub use bonsai_yolov8::LossItems;
pub use check::{check, check_imgsz};
pub use classes::ForeignClasses;
pub use config::{
    ControlSettings, IterateSettings, LoaderSettings, PipelineConfig, PruneExtras, PruneSettings,
};
pub use control::Control;
pub use distill::{DistillSettings, Imitate};
pub use doctor::{Check, doctor};
pub use engine_config::EngineConfig;
pub use evaluate::{BatchWatcher, EvalConvention, EvalOptions, Evaluation, evaluate, evaluate_metrics};
pub use export_settings::ExportSettings;
pub use forecast::{Basis, Estimate, Fate, Forecast, StageForecast, forecast};
pub use gamma_history::{GammaHistory, GammaRecord};
pub use l1::{L1Config, L1Preset};
pub use latency::median_latency_ms;
pub use machine::{executor_options, limit_threads};
pub use manifest::{Manifest, digest_file, digest_json};
pub use memory_limits::memory_budget;
pub use misuse::{Misuse, NoDataset, is_misuse};
pub use parity::{Parity, ParityLimits, check_parity, confirm_parity};
pub use path_text::{path_of_text, path_text};
pub use preset::PipelinePreset;
pub use progress::{Progress, Quiet, StageState};
pub use report::{
    BuiltFile, CheckVerdict, Confusion, GammaCounts, Group, LayerWidth, NotRun, PrCurve, Report, ReportCheck,
    Row, SCHEMA, StageCost, Training, markdown,
};
pub use run::{Ended, run, run_stages};
pub use run_dir::{Found, RunDir, Stage};
pub use runtime::{RuntimeChoice, serve_trial};
pub use settings::{Settings, load_settings, nearest, overlay, resolve};
pub use split_flaws::{FlawCount, SplitFlaws};
pub use stage_training::Interrupted;
pub use summary::{LayerSummary, Summary, open_model, summarise};
