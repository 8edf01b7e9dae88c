//! The detector on networks with known results, its files, and its drawings.

#![allow(clippy::print_stderr, reason = "a test reports skipped checks")]
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod chain;
mod draw;
mod exported;
mod files;
mod hostile;
mod import;
mod network;
mod onnx;
mod pictures;
mod suppressed;
mod tiny_onnx;
