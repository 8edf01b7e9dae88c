//! Test support: named tolerances, golden files, random networks, and a reference forward.
//!
//! - [`Tolerance`] and [`assert_close`]: how far two results may differ; each tolerance has a name and a
//!   reason.
//! - [`Golden`]: arrays that another program wrote; [`shared_data`]: larger data that may be absent.
//! - [`random_model`] and [`arb_model`]: small valid detectors with structures that are rare in real ones.
//! - [`enlarging_model`] and [`deep_model`]: valid networks that would exhaust the memory or the stack.
//! - [`reference_forward`]: the nine layers as plain loops in `f64`, an oracle that shares no code with any
//!   executor.
//!
//! Functions here panic where a library would return an error, because a panic is how a test reports a
//! failure. This crate runs no network in production, knows no executor and is only a dev-dependency of other
//! crates.
//!
//! ```
//! use bonsai_checkpoint::Array;
//! use bonsai_testkit::{RandomGraphConfig, Tolerance, assert_close, random_model, reference_forward};
//!
//! let model = random_model(7, &RandomGraphConfig::default());
//! let images = Array::zeros(&[2, 3, model.h, model.w]);
//! let graph = model.checkpoint.model.graph();
//! let twice = [0, 1].map(|_| reference_forward(graph, &model.checkpoint.weights, &images, false));
//! assert_close(&twice[0][0].data(), &twice[1][0].data(), Tolerance::Exact, "the same forward");
//! ```
#![warn(clippy::wildcard_enum_match_arm)]

mod extreme_model;
mod golden;
mod random_block;
mod random_config;
mod random_model;
mod random_network;
mod random_weights;
mod reference;
mod tolerance;

pub use extreme_model::{deep_model, enlarging_model};
pub use golden::{Golden, fixture, imported, shared_data, workspace_root};
pub use random_config::RandomGraphConfig;
pub use random_model::{RandomModel, arb_model, random_model};
pub use random_weights::{random_array, random_weights};
pub use reference::{ReferenceTensor, reference_forward, reference_wires, reference_wires_reading};
pub use tolerance::{Tolerance, assert_arrays_close, assert_close};
