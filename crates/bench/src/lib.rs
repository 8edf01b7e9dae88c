//! Benchmarks: [`step`] and [`infer`] time networks, [`compare`] times files beside each other, [`recipes`] compares whole runs.
//!
//! Made input, made objects, seeded weights: no dataset is needed, and other implementations can be timed on the same
//! work (`scripts/compare-peers.sh`). Figures are wall-clock; ratios mean something only when both sides were timed
//! in turns on one machine.

mod artefact;
mod compare;
mod infer;
mod input;
mod narrow;
mod network;
pub mod recipes;
mod step;
mod stopwatch;

pub use artefact::{ArtefactBench, ArtefactFigures, RunnerFigures, artefact};
pub use bonsai_stages::peak_rss_mb;
pub use compare::{CompareBench, ComparedNetwork, compare};
pub use infer::{InferBench, InferFigures, infer};
pub use narrow::{Narrow, narrow};
pub use network::Network;
pub use step::{StepBench, StepFigures, step};
pub use stopwatch::{LayerShare, PhaseTime, median};

/// Runs before those that count.
const WARM_UP: usize = 3;
