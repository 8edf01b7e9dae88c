#![doc = include_str!("../README.md")]
#![warn(clippy::wildcard_enum_match_arm)]

mod attribute;
mod codes;
mod decode;
mod dim;
mod element;
mod error;
mod footprint;
mod grid;
mod info;
mod integer;
mod layer;
mod layers;
mod literal;
mod metadata;
mod model;
mod name;
mod nms;
mod options;
mod parameters;
mod parts;
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    rustdoc::all,
    reason = "generated from ONNX's schema, with its comments"
)]
pub mod proto;
mod quantization;
mod sizes;
mod split;
mod too_large;
mod writer;

pub use dim::Dim;
pub use error::OnnxError;
pub use footprint::{Footprint, FootprintLimits, OnnxProgram, OtherOperators};
pub use info::{OnnxInfo, TensorInfo};
pub use model::{OnnxModel, export};
pub use nms::ExportNms;
pub use options::{Dynamic, ExportOptions, Io, Layout, Precision};
pub use parts::{Given, Part, Suppression};
pub use quantization::{Placement, Quantization, quantized_wires};
pub use too_large::TooLarge;
