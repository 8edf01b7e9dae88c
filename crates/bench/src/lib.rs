//! [`step`] and [`infer`] time networks, [`compare`] and [`artefact()`] time files in turns, [`recipes`]
//! compares whole runs.
//!
//! The input and the objects are random and the weights are seeded. So the benchmarks need no dataset, and
//! other implementations can be timed on the same work (`scripts/compare-peers.sh`). Times are wall-clock; a
//! ratio means something only if both sides were timed in turns on one machine.

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

/// Number of warm-up runs, which are not counted.
const WARM_UP: usize = 3;
