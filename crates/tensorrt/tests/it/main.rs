//! Builders of engines: their words by version, how their ways of ending are checked, and what is refused before.
//!
//! No TensorRT is needed: small shell scripts stand in for `trtexec` and `tensorrt_rtx`. What builds with TensorRT-RTX's
//! library needs feature `rtx` and the library, and says so where it is absent.

#![cfg(unix)]
#![allow(clippy::print_stdout, reason = "a test says what it cannot check")]
#![allow(clippy::unwrap_used, reason = "a test reports a broken set-up by panicking")]

mod build;
mod failures;
mod find;
mod golden_argv;
mod help;
mod onnx_file;
mod outcome;
mod plan_bytes;
mod preflight;
#[cfg(feature = "rtx")]
mod rtx_library;
mod stand_in;
