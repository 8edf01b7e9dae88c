//! Checkpoints of Ultralytics', without Python.
//!
//! An [`archive`] holds a [`pickle`] and the numbers of tensors. The pickle is read into inert values; [`modules`] draws a
//! [`blueprint`] from the modules among them, or [`stock`] from a state dict; the blueprint makes the graph. So a network
//! that was pruned is read as what it is, because nothing but its own modules and shapes says what it looks like.
//!
//! Never: run anything that a file says.

mod archive;
mod blueprint;
mod error;
mod layout;
mod module;
mod modules;
mod pickle;
mod state;
mod stock;
mod ultralytics;

pub use error::PtError;
pub(crate) use state::from_state_dict;
pub(crate) use ultralytics::read;
