//! Import of Ultralytics checkpoints, and export to them, without Python.
//!
//! An [`archive`] holds a [`pickle`] and the numbers of the tensors. The pickle is read into inert values, of
//! any class. [`find`] locates the network among them, and [`walk`] lists its tensors within limits.
//! [`modules`] makes a [`blueprint`] from its modules, or [`stock`] makes one from a state dict; the
//! blueprint builds the graph. A pruned network is therefore read as it is, because only its own modules and
//! shapes describe it. [`tensors`] reads the numbers last, after every name and shape has been checked.
//!
//! [`write`] makes such a file: [`recognize`] finds the blueprint in a graph, and [`even`] gives it shapes that
//! Ultralytics' modules can compute.
//!
//! An unknown class matters only inside the network, where it is refused with its place.
//!
//! Invariant: nothing in a file is executed.

mod archive;
mod blueprint;
mod directory;
mod error;
mod even;
mod find;
mod module;
mod modules;
mod names;
mod pickle;
mod recognize;
mod state;
mod stock;
mod tensors;
mod ultralytics;
mod walk;
mod write;

pub use error::PtError;
pub(crate) use state::from_state_dict;
pub(crate) use ultralytics::read;
pub(crate) use walk::is_counter;
pub use write::UltralyticsFile;
pub(crate) use write::to_ultralytics;
