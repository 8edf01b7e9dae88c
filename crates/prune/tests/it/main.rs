//! Tests of the pruning law on random networks, known answers on YOLOv8, guards and error messages.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod any_graph;
mod compensate;
mod contest;
mod coupling;
mod groups;
mod importance;
mod iterate;
mod law;
mod plan;
mod presets;
mod recalibrate;
mod reconstruct;
mod report;
mod select;
mod small_model;
mod target;
mod torch_pruning;
mod zeroing;
