//! The detector on networks whose answer is known, its files, and what it draws.

#![allow(clippy::print_stderr, reason = "a test says what it cannot check")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

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
