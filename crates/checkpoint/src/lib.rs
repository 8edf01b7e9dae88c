//! One self-describing file for a network and its weights.
//!
//! A [`Checkpoint`] is a [`ModelSpec`](bonsai_graph::ModelSpec), plain arrays ([`Weights`]) and, for
//! resuming, the state of a training. It is stored as one safetensors file whose header carries the model, so
//! that a pruned network is loaded by the same code as any other and needs no class definition.
//!
//! Loading is strict both ways: a tensor that is missing, extra or misshaped is an error that names it.
//! Equal content gives equal bytes, and a file is written under a temporary name and then renamed.
//! This crate never runs a network.
//!
//! [`Checkpoint::import`] reads files of other programs: an Ultralytics `.pt` (without Python; nothing in it
//! is executed), or a state dict of one.
//!
//! ```
//! use bonsai_checkpoint::{Array, Weights};
//! let mut weights = Weights::new();
//! weights.insert("stem.conv.bias", Array::zeros(&[4]));
//! assert_eq!(weights.get("stem.conv.bias").unwrap().data, vec![0.0; 4]);
//! ```

mod array;
mod checkpoint;
mod error;
mod file;
mod fold;
mod import;
mod pt;
mod replace;
mod state_dict;
mod weights;

pub use array::Array;
pub use checkpoint::{Checkpoint, Progress, TrainState};
pub use error::CheckpointError;
pub use pt::PtError;
pub use replace::{ScratchFolder, remove_leftovers, write_file};
pub use weights::Weights;
