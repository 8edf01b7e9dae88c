//! How fast networks are trained and run here, and how much memory it takes.
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
mod step;
mod stopwatch;

pub use crate::peak_memory::peak_rss_mb;
pub use artefact::{ArtefactBench, ArtefactFigures, RunnerFigures, artefact};
pub use compare::{CompareBench, ComparedNetwork, compare};
pub use infer::{InferBench, InferFigures, infer};
pub use narrow::{Narrow, narrow};
pub use network::Network;
pub use step::{StepBench, StepFigures, step};
pub use stopwatch::{LayerShare, PhaseTime, median};

/// Runs before those that count.
const WARM_UP: usize = 3;
