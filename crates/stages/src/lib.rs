#![doc = include_str!("../README.md")]

mod activations;
mod batches;
mod calibrate;
mod checkpoint_file;
mod class_weights;
mod classes;
mod dataset;
mod difference;
mod digest;
mod evaluate;
mod fitting_batch;
mod follow;
mod iterate;
mod json_file;
mod latency_model;
mod machine;
mod magnitudes;
mod measure;
mod memory_need;
mod misuse;
mod objective;
mod overwrite;
mod parity;
mod parity_check;
mod parity_limits;
pub mod path_text;
mod penalty;
mod picture_file;
mod planned_l1;
mod progress;
mod prune;
mod ranking;
mod ranks;
mod run_context;
mod runtime;
mod settings;
mod split_flaws;
mod stage;
mod start;
mod summary;
mod teacher;
mod train;
mod training_job;
mod trial;

pub use bonsai_data::SplitKind;
pub use calibrate::{
    Calibration, Range, calibrate_stage, quantize_for, quantize_on, quantize_stage, timed_engine,
};
pub use checkpoint_file::{is_onnx, open_checkpoint, open_network};
pub use classes::{ForeignClasses, for_dataset, in_dataset, in_network, left_out, matched};
pub use dataset::{Data, draw_dataset, look_at_dataset, one_class, open_dataset, open_images, open_split};
pub use difference::differences;
pub use digest::{digest_file, digest_json};
pub use evaluate::{BatchWatcher, EvalConvention, EvalOptions, Evaluation, evaluate, evaluate_metrics};
pub use fitting_batch::fitting_batch;
pub use follow::follow;
pub use iterate::{Stepwise, iterate_stage};
pub use json_file::{load_json, save_json};
pub use latency_model::LatencyModel;
pub use machine::{
    ImageTimes, Latency, Speed, cpu_seconds, engine_executor, executor_options, host_executor, limit_threads,
    median_latency_ms, memory_budget, peak_rss_mb, reset_peak, time_images,
};
pub use measure::{
    Artefact, Canvas, Measurement, measure_artefacts, measure_checkpoint, validation_loader,
    validation_loader_in,
};
pub use memory_need::{check_optimizer, check_training};
pub use misuse::{Misuse, NoDataset, is_misuse};
pub use objective::Objective;
pub use overwrite::{Inputs, before_writing, is_within};
pub use parity::Parity;
pub use parity_check::{check_parity, confirm_parity, ultralytics_parity};
pub use parity_limits::ParityLimits;
pub use path_text::{path_of_text, path_text};
pub use penalty::Penalised;
pub use picture_file::write_picture;
pub use planned_l1::PlannedL1;
pub use progress::{Progress, Quiet, StageState};
pub use prune::{UNTRIED, prune_stage};
pub use ranking::ranking;
pub use ranks::Ranks;
pub use run_context::RunContext;
pub use runtime::{RuntimeChoice, serve_trial};
pub use settings::{
    COUNTS, DistillConfig, EngineConfig, ExportConfig, Imitate, IterateConfig, L1Config, L1Preset,
    LoadingConfig, PruneConfig, PruneExtras, check_range,
};
pub use split_flaws::{FlawCount, SplitFlaws};
pub use stage::Stage;
pub use start::{start_checkpoint, trained_checkpoint};
pub use summary::{LayerSummary, Summary, open_model, summarise};
pub use teacher::{FeatureImitation, Teacher};
pub use train::{TrainWatch, train_stage};
pub use training_job::dismiss;
pub use trial::trial_steps;
