//! ONNX files of detectors: their inputs and outputs, and the runtimes that run them.

mod artefact;
mod guard;
mod layout;
mod library;
#[cfg(feature = "ort")]
mod onnxruntime;
mod rten;
mod runtime;
mod signature;
mod suppression;
mod trial;

pub(crate) use artefact::Artefact;
pub use layout::OutputLayout;
pub use library::LibrarySearch;
pub use runtime::{LoadOptions, Runtime};
pub use signature::OnnxSignature;
pub use trial::{Trial, try_onnx};
