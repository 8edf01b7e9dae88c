//! The executor against PyTorch's numbers, an independent forward, finite differences and hand-worked steps.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod adamw;
mod cpu;
mod engines;
mod errors;
mod freeze;
mod golden;
mod gradients;
mod inference;
mod memory;
mod module;
mod optimiser;
mod options;
mod penalty;
mod penalty_oracle;
mod random;
mod seen;
mod wires;
