//! [`Executor`]: runs a layer graph forward and backward and applies the optimiser step.
//!
//! An [`Executor`] returns raw outputs as host arrays, computes a backward pass from gradients at the
//! outputs, and applies an optimiser step given as data ([`UpdateRule`]) where the parameters are stored.
//! [`CpuExecutor`] is the fast executor for the CPU, with hand-written kernels for several instruction sets
//! ([`Isa`]). `CandleExecutor` is portable and runs on any candle device. [`build_executor`] selects one by
//! [`ExecutorOptions`]. [`Inference`] is the smaller interface for forward passes only; [`CpuInference`]
//! implements it and [`build_inference`] selects an implementation.
//!
//! `CandleExecutor` belongs to the feature `candle`, which is on by default. Without it this crate does not
//! depend on candle, and a choice of [`ExecutorKind::Candle`] is an error ([`ExecError::NoCandle`]).
//!
//! Losses, datasets and files belong to other crates.
//!
//! ```
//! use bonsai_checkpoint::{Array, Weights};
//! use bonsai_exec::{CpuExecutor, CpuOptions, Executor, ExecutorOptions, Mode, build_executor};
//! use bonsai_graph::{GraphBuilder, Op};
//!
//! let mut b = GraphBuilder::new();
//! let x = b.push("x", Op::Input { channels: 1 }, &[])?;
//! let y = b.conv("y", x, 1, 1, 1)?;
//! let graph = b.finish(&[y])?;
//! let mut weights = Weights::new();
//! weights.insert("y.weight", Array::new(&[1, 1, 1, 1], vec![2.0]));
//!
//! let images = Array::new(&[1, 1, 1, 2], vec![3.0, 4.0]);
//! let mut cpu = CpuExecutor::new(&graph, &weights, CpuOptions::default())?;
//! assert_eq!(cpu.forward(Mode::Eval, &images)?[0].data, [6.0, 8.0]);
//! let mut selected = build_executor(&graph, &weights, &ExecutorOptions::default())?;
//! assert_eq!(selected.forward(Mode::Eval, &images)?[0].data, [6.0, 8.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(clippy::wildcard_enum_match_arm)]

mod adamw;
mod budget;
mod build;
#[cfg(feature = "candle")]
mod candle;
mod cpu;
mod device;
mod error;
mod executor;
mod frozen;
mod inference;
mod kind;
mod layout;
mod memory;
mod need;
mod options;
mod penalty;
mod penalty_map;
mod step;
mod update;

/// The instruction set of [`CpuExecutor`], and the errors of its kernels.
pub use bonsai_kernels::{Isa, KernelError};
pub use budget::{MemoryBudget, MemoryLimit};
pub use build::{build_executor, build_inference};
#[cfg(feature = "candle")]
pub use candle::CandleExecutor;
pub use cpu::{CpuExecutor, CpuInference, CpuOptions, LayerTime};
pub use device::Device;
pub use error::ExecError;
pub use executor::{Buffer, Executor, Mode};
pub use inference::Inference;
pub use kind::ExecutorKind;
pub use layout::{ParamLayout, ParamSlot};
pub use memory::{check_memory, memory_need};
pub use need::MemoryNeed;
pub use options::{ExecutorInfo, ExecutorOptions};
pub use penalty_map::PenaltyMap;
pub use update::{L1Method, L1Placement, Method, RoleRule, UpdateReport, UpdateRule};
