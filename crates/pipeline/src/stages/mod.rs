//! The stages, as functions from values to values: no stage knows a run directory.

mod calibrate;
mod dataset;
mod engine;
mod export;
mod iterate;
mod measure;
mod prune;
mod start;
mod teacher;
mod train;
mod trial;

pub use calibrate::{Calibration, Range, calibrate_stage};
pub use dataset::{Data, draw_dataset, look_at_dataset, open_dataset, open_images, open_split};
pub use engine::build_tensorrt;
pub use export::export_stage;
pub use iterate::{Stepwise, iterate_stage};
pub use measure::{
    Artefact, Canvas, Measurement, measure_artefacts, measure_checkpoint, validation_loader,
    validation_loader_in,
};
pub use prune::prune_stage;
pub use start::start_checkpoint;
pub use teacher::{FeatureImitation, Teacher};
pub use train::{Objective, RunContext, TrainWatch, train_stage};
