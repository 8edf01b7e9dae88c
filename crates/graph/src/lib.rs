//! [`Graph`]: a detection network as data, with its layers, shapes, parameters and cost.
//!
//! A [`Graph`] is a topologically ordered list of nine primitive layers ([`Op`]). A layer that chooses its
//! channel count stores it; the channels of all other layers are inferred. A wrong wire is an error when the
//! layer is added, and the message names the layer and both numbers. Executors, the pruner, the cost counter
//! and the exporters each make one pass over the list.
//!
//! This crate holds no tensors, reads no files and starts no threads.
//!
//! ```
//! use bonsai_graph::{GraphBuilder, Op};
//! let mut b = GraphBuilder::new();
//! let images = b.push("images", Op::Input { channels: 3 }, &[])?;
//! let conv = b.conv("stem.conv", images, 16, 3, 2)?;
//! let bn = b.push("stem.bn", Op::batch_norm(), &[conv])?;
//! let graph = b.finish(&[bn])?;
//! assert_eq!(graph.cost(64, 64)?.params, 16 * 3 * 9 + 2 * 16);
//! assert_eq!(graph.shapes(64, 64)?[bn.index()].h, 32);
//! # Ok::<(), bonsai_graph::GraphError>(())
//! ```
#![warn(clippy::wildcard_enum_match_arm)]

mod build;
mod class_map;
mod cost;
mod error;
mod file;
mod fold;
mod graph;
mod model;
mod op;
mod param;
mod shape;
mod text;

pub use build::GraphBuilder;
pub use class_map::{ClassMap, MatchedBy};
pub use cost::Cost;
pub use error::GraphError;
pub use fold::{Fold, FoldedGraph};
pub use graph::{Graph, Node, NodeId};
pub use model::{DetectHead, ModelSpec};
pub use op::Op;
pub use param::{ParamRole, ParamSpec};
pub use shape::Shape;
