//! Tests of the executors against PyTorch, an independent forward, finite differences and steps computed by
//! hand.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod adamw;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod engines;
mod errors;
mod freeze;
mod golden;
mod gradients;
#[cfg(feature = "cuda")]
mod head_pass;
mod inference;
mod int8;
mod memory;
#[cfg(feature = "candle")]
mod module;
mod moment_methods;
mod optimiser;
mod options;
mod penalty;
mod penalty_oracle;
mod random;
mod rounding;
mod seen;
mod wires;
