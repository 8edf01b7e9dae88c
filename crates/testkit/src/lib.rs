//! For tests only: named tolerances, golden files, random networks, a reference forward.
//!
//! - [`Tolerance`] and [`assert_close`]: how far two results may lie apart, by name and with a reason.
//! - [`Golden`]: arrays that another program wrote; [`shared_data`]: larger data that may not be there.
//! - [`random_model`] and [`arb_model`]: small valid detectors that contain what real ones rarely do.
//! - [`enlarging_model`] and [`deep_model`]: valid networks that take all memory, or all of a stack.
//! - [`reference_forward`]: the nine layers as plain loops in `f64`, an oracle that shares no code with
//!   any executor.
//!
//! Everything here panics where a library would return an error: in a test that is the report.
//! This crate runs no network for production, knows no executor and is nobody's normal dependency.
//!
//! ```
//! use bonsai_checkpoint::Array;
//! use bonsai_testkit::{RandomGraphConfig, Tolerance, assert_close, random_model, reference_forward};
//!
//! let model = random_model(7, &RandomGraphConfig::default());
//! let images = Array::zeros(&[2, 3, model.h, model.w]);
//! let graph = model.checkpoint.model.graph();
//! let twice = [0, 1].map(|_| reference_forward(graph, &model.checkpoint.weights, &images, false));
//! assert_close(&twice[0][0].data, &twice[1][0].data, Tolerance::Exact, "the same forward");
//! ```
#![warn(clippy::wildcard_enum_match_arm)]

mod extreme_model;
mod golden;
mod random_block;
mod random_model;
mod random_network;
mod random_weights;
mod reference;
mod tolerance;

pub use extreme_model::{deep_model, enlarging_model};
pub use golden::{Golden, fixture, imported, shared_data, workspace_root};
pub use random_model::{RandomGraphConfig, RandomModel, arb_model, random_model};
pub use random_weights::{random_array, random_weights};
pub use reference::{ReferenceTensor, reference_forward, reference_wires, reference_wires_reading};
pub use tolerance::{Tolerance, assert_arrays_close, assert_close};
