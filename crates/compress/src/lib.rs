#![doc = include_str!("../README.md")]

mod budget;
mod candidates;
mod compress;
mod cost;
mod curve;
mod outcome;
mod prune;

pub use budget::{Bound, Budget, Excess};
pub use compress::{Wishes, compress};
pub use cost::Cost;
pub use curve::{Curve, CurvePoint};
pub use outcome::{Engine, Outcome};
