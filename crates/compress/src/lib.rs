#![doc = include_str!("../README.md")]

mod accepted;
mod budget;
mod candidates;
mod compress;
mod cost;
mod curve;
mod outcome;
mod prune;

pub use budget::{Bound, Budget, Excess};
pub use compress::{CompressOptions, compress};
pub use cost::Cost;
pub use curve::{Curve, CurvePoint};
pub use outcome::{Engine, Outcome};
