#![doc = include_str!("../README.md")]

mod array;
mod checkpoint;
mod error;
mod file;
mod fold;
mod import;
mod pt;
mod replace;
mod state_dict;
mod ultralytics_file;
mod weights;

pub use array::Array;
pub use checkpoint::{Checkpoint, TrainProgress, TrainState};
pub use error::CheckpointError;
pub use pt::{PtError, UltralyticsFile};
pub use replace::{ScratchFolder, remove_leftovers, write_file};
pub use weights::Weights;
