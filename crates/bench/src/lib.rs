#![doc = include_str!("../README.md")]

mod artefact;
mod compare;
mod infer;
mod input;
mod narrow;
mod network;
pub mod recipes;
mod step;
mod stopwatch;
pub mod sweep;

pub use artefact::{ArtefactBench, ArtefactFigures, RunnerFigures, artefact};
pub use bonsai_stages::peak_rss_mb;
pub use compare::{CompareBench, ComparedNetwork, compare};
pub use infer::{InferBench, InferFigures, InferPrecision, infer};
pub use narrow::{Narrow, narrow};
pub use network::Network;
pub use step::{StepBench, StepFigures, step};
pub use stopwatch::{LayerShare, PhaseTime, median};

/// Number of warm-up runs, which are not counted.
const WARM_UP: usize = 3;
