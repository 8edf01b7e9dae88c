//! Tests of the builders of engines: arguments by version, how runs end, and what is refused before a run.
//!
//! No TensorRT is needed: small shell scripts stand in for `trtexec` and `tensorrt_rtx`. Tests that build
//! with TensorRT-RTX's library need feature `rtx` and the library, and print that they are skipped if it is
//! absent.

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
