//! Tests of the command line; each runs the built program.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod bad_data;
mod bad_files;
mod benchmarks;
mod classes;
mod command_line;
mod command_line_values;
mod compress;
mod datasets;
mod endings;
mod engine;
#[cfg(unix)]
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
mod ranks;
mod recipes;
mod resumed;
mod serve;
mod sweep;
mod training;
mod training_choices;
#[cfg(unix)]
mod videos;
