#![doc = include_str!("../README.md")]
#![warn(clippy::wildcard_enum_match_arm)]

mod adam;
mod adamw;
mod budget;
mod build;
#[cfg(feature = "candle")]
mod candle;
mod compute_precision;
mod cpu;
#[cfg(any(test, feature = "cuda"))]
#[cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "without a GPU, tests only check the launches"))]
mod cuda;
mod device;
mod error;
#[cfg(feature = "candle")]
mod eval_only;
mod executor;
mod frozen;
mod gpu;
mod head_pass;
mod inference;
mod int8;
mod kind;
mod layout;
mod memory;
mod moments;
mod need;
mod options;
mod penalty;
mod penalty_map;
mod plan;
mod rmsprop;
mod step;
mod unknown_name;
mod update;

/// The instruction set of [`Int8Inference`].
pub use bonsai_kernels::int8::Int8Isa;
/// The instruction set of [`CpuExecutor`], and the errors of its kernels.
pub use bonsai_kernels::{Isa, KernelError};
pub use budget::{MemoryBudget, MemoryLimit};
pub use build::{build_deployed, build_executor, build_inference};
#[cfg(feature = "candle")]
pub use candle::CandleExecutor;
pub use compute_precision::ComputePrecision;
pub use cpu::{CpuExecutor, CpuInference, CpuOptions, LayerTime};
#[cfg(feature = "cuda")]
pub use cuda::CudaExecutor;
pub use device::{CUDA_BUILT_IN, Device};
pub use error::ExecError;
pub use executor::{Buffer, Executor, Mode};
pub use gpu::Gpu;
pub use head_pass::{HeadGradient, HeadPass, HeadSummary};
pub use inference::Inference;
pub use int8::{Int8Inference, Int8Options};
pub use kind::ExecutorKind;
pub use layout::{ParamLayout, ParamSlot};
pub use memory::{check_memory, memory_need};
pub use need::MemoryNeed;
pub use options::{ExecutorInfo, ExecutorOptions};
pub use penalty_map::PenaltyMap;
pub use unknown_name::UnknownName;
pub use update::{L1Method, L1Placement, Method, RoleRule, UpdateReport, UpdateRule};
