//! What the tree promises about itself: which crate may know which, and the rules of the house; and the command line.
//!
//! The tests of the tree read manifests, sources and documents, never behaviour; each failure lists every place at once
//! and says what to do about it. Those of the command line run the built program.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod bad_data;
mod bad_files;
mod benchmarks;
mod classes;
mod command_line;
mod command_line_values;
mod dependencies;
mod documents;
mod endings;
mod engine;
mod files;
mod foreign_paths;
mod hostile_onnx;
mod imported;
mod killed;
mod machine_output;
#[cfg(target_os = "linux")]
mod memory;
mod pipeline;
mod program;
mod pruning;
mod recipes;
mod resumed;
mod sweep;
mod training;
mod tree;
