//! ONNX files of detectors: their inputs and outputs, and the runtimes that run them.

mod artefact;
mod dims;
mod guard;
mod layout;
mod library;
mod load_options;
#[cfg(feature = "ort")]
mod onnxruntime;
#[cfg(feature = "rten")]
mod rten;
mod session;
mod signature;
#[cfg(feature = "rten")]
mod suppression;
mod trial;
mod trial_process;

pub(crate) use artefact::Artefact;
pub use layout::OutputLayout;
pub use library::LibrarySearch;
pub use load_options::LoadOptions;
pub use signature::OnnxSignature;
pub use trial::Trial;
pub use trial_process::try_onnx;
