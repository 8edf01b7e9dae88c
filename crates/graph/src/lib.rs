#![doc = include_str!("../README.md")]
#![warn(clippy::wildcard_enum_match_arm)]

mod build;
mod class_map;
mod codes;
mod cost;
mod error;
mod file;
mod fold;
mod graph;
mod model;
mod op;
mod param;
mod quantization;
mod shape;
mod size;
mod text;

pub use build::GraphBuilder;
pub use class_map::{ClassMap, MatchedBy};
pub use codes::{CodeScale, silu, weight_codes};
pub use cost::Cost;
pub use error::GraphError;
pub use fold::{Fold, FoldedGraph};
pub use graph::{Graph, Node, NodeId};
pub use model::{DetectHead, ModelSpec};
pub use op::Op;
pub use param::{ParamRole, ParamSpec};
pub use quantization::Quantization;
pub use shape::Shape;
pub use size::Size;
