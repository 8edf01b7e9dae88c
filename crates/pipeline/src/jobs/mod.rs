//! [`engine()`], [`export()`], [`prune()`], [`validate()`] and others: the work of the single commands, from
//! files to files.

mod coco_results;
mod dataset;
mod engine;
mod export;
mod prune;
mod requirements;
mod validate;

pub use coco_results::{CocoResult, ImageId};
pub use dataset::{CheckedDataset, CheckedSplit, SharedImages, check_dataset, convert_dataset};
pub use engine::{Engine, UltralyticsForm, engine, engine_metadata, unwrap_engine};
pub use export::{UltralyticsExport, export, export_state_dict, export_ultralytics, import};
pub use prune::{RankedBy, iterate, prune, replay};
pub use requirements::trained_imgsz;
pub use validate::{Suppression, Validated, Validation, validate};
