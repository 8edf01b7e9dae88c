//! The pruner's law on random networks, its known answers on YOLOv8, its guards and its refusals.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

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
mod report;
mod select;
mod small_model;
mod target;
mod torch_pruning;
mod zeroing;
