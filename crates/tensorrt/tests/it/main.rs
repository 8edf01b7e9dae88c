//! `trtexec` by version: its words, and how its ways of ending are judged.
//!
//! No TensorRT is needed: small shell scripts stand in for `trtexec`.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test reports a broken set-up by panicking")]

mod build;
mod find;
mod golden_argv;
mod stand_in;
