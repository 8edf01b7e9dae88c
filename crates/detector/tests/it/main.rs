//! The detector on networks with known results, its files, and its drawings.

#![allow(clippy::print_stderr, reason = "a test reports skipped checks")]
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod chain;
mod decode;
mod draw;
#[cfg(feature = "rten")]
mod exported;
mod files;
#[cfg(feature = "rten")]
mod hostile;
mod import;
mod network;
#[cfg(feature = "rten")]
mod onnx;
mod pictures;
#[cfg(feature = "rten")]
mod suppressed;
mod threads;
#[cfg(feature = "rten")]
mod tiny_onnx;
