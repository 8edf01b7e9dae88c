//! Export of a detector as an ONNX file, and reading of ONNX files.
//!
//! [`export`] is one pass over the folded layer graph. It writes every layer as the equivalent ONNX
//! operators, then the head's decoding (distribution, anchors, sigmoid). The file takes `images [1, 3, h, w]`
//! and returns `output0 [1, 4 + classes, anchors]`, as Ultralytics' files do.
//! [`ExportOptions`] selects other forms: 16 or 8 bits ([`Precision`]), sizes that are chosen when the model
//! runs ([`Dynamic`]), the output of another client ([`Layout`]), non-maximum suppression inside the model
//! ([`NmsOptions`]).
//! The result is topologically sorted, has type and shape on every value, and equal checkpoints give equal
//! bytes.
//!
//! The protobuf types in [`proto`] are checked in, so that building needs neither protoc nor a build script.
//! This crate runs no network and depends on no architecture: a pruned network is exported like any other.
//!
//! ```
//! use bonsai_checkpoint::{Array, Checkpoint};
//! use bonsai_graph::{DetectHead, GraphBuilder, ModelSpec, Op};
//! use bonsai_onnx::{ExportOptions, OnnxInfo, export};
//!
//! // A detector with one level, four bins and one class.
//! let mut b = GraphBuilder::new();
//! let images = b.push("images", Op::Input { channels: 3 }, &[])?;
//! let stem = b.conv("stem.conv", images, 8, 3, 2)?;
//! let stem = b.push("stem.bn", Op::batch_norm(), &[stem])?;
//! let stem = b.push("stem.act", Op::Silu, &[stem])?;
//! let boxes = b.conv("box", stem, 16, 1, 1)?;
//! let classes = b.conv("cls", stem, 1, 1, 1)?;
//! let head = DetectHead {
//!     num_classes: 1,
//!     reg_max: 4,
//!     strides: vec![2],
//!     box_outputs: vec![0],
//!     cls_outputs: vec![1],
//! };
//! let model = ModelSpec::new(b.finish(&[boxes, classes])?, head, vec!["cat".to_owned()])?;
//! let weights = model.graph().params().into_iter().map(|p| (p.name.clone(), Array::zeros(&p.shape)));
//! let checkpoint = Checkpoint::new(model.clone(), weights.collect())?;
//!
//! let onnx = export(&checkpoint, &ExportOptions::new((32, 64)))?;
//! let info = OnnxInfo::read(&onnx.to_bytes())?;
//! assert_eq!(info.inputs[0].to_string(), "images FLOAT [1, 3, 32, 64]");
//! assert_eq!(info.outputs[0].to_string(), "output0 FLOAT [1, 5, 512]");
//! assert_eq!(info.class_names, Some(vec!["cat".to_owned()]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(clippy::wildcard_enum_match_arm)]

mod attribute;
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
pub use nms::NmsOptions;
pub use options::{Dynamic, ExportOptions, Io, Layout, Precision};
pub use parts::{Given, Part, Suppression};
pub use quantization::{Placement, Quantization, quantized_wires};
pub use too_large::TooLarge;
