//! Checkpoints of Ultralytics', without Python.
//!
//! An [`archive`] holds a [`pickle`] and the numbers of tensors. The pickle is read into inert values, of any class; where
//! among them the network is, [`find`] knows. [`walk`] lists its tensors within limits, [`modules`] draws a [`blueprint`]
//! from its modules, or [`stock`] from a state dict; the blueprint makes the graph. So a network that was pruned is read as
//! what it is, because nothing but its own modules and shapes says what it looks like. Numbers are read last, when every
//! name and shape fits ([`tensors`]).
//!
//! A class that is not known matters only inside the network, where it is refused with its place.
//!
//! Never: run anything that a file says.

mod archive;
mod blueprint;
mod directory;
mod error;
mod find;
mod layout;
mod module;
mod modules;
mod names;
mod pickle;
mod state;
mod stock;
mod tensors;
mod ultralytics;
mod walk;

pub use error::PtError;
pub(crate) use state::from_state_dict;
pub(crate) use ultralytics::read;
pub(crate) use walk::is_counter;
