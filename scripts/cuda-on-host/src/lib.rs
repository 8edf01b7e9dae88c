//! A CUDA driver on the host, to test CUDA programs on a machine without a GPU.
//!
//! The library has the entry points of NVIDIA's driver, cuBLAS and cuRAND that candle uses. Device memory is memory
//! of the host, and kernels are functions of a library that g++ compiled from the same CUDA sources
//! (`kernels/build.sh`). The driver is stricter than a GPU:
//!
//! - A stream runs its work only when the program waits for it, so missing synchronisation shows (`streams.rs`).
//! - New memory is poisoned; freed memory, and memory behind each block, cannot be accessed (`memory.rs`).
//! - Threads of a block run in orders that a GPU seldom takes (`kernels/fibers.cpp`).
//! - Launches, transfers, allocations and waits are counted (`counts.rs`).
//!
//! It does not test: what NVIDIA's compilers make of a kernel, the real cuBLAS, races between blocks, and speed.
//!
//! Environment variables:
//!
//! | name | meaning |
//! |---|---|
//! | `CUDA_ON_HOST_KERNELS` | the library of kernels |
//! | `CUDA_ON_HOST_STREAMS` | `late` (the default) or `now`: when streams run their work |
//! | `CUDA_ON_HOST_REPORT` | a file; at its end, the program writes the counts to it as JSON |

#![allow(clippy::missing_safety_doc, reason = "the functions have the contracts of NVIDIA's documentation")]

pub mod api;
mod context;
mod counts;
mod driver;
mod fault;
mod job;
mod kernels;
mod launch;
mod memory;
mod product;
mod streams;
mod transfer;
mod work;

/// `CUresult`, `cublasStatus_t` or `curandStatus_t`; 0 is success.
pub type Status = i32;
/// An address in device memory, or a handle.
pub type Handle = u64;

/// `CUDA_SUCCESS`.
pub const SUCCESS: Status = 0;
/// `CUDA_ERROR_INVALID_VALUE`.
pub const INVALID_VALUE: Status = 1;
/// `CUDA_ERROR_OUT_OF_MEMORY`.
pub const OUT_OF_MEMORY: Status = 2;
/// `CUDA_ERROR_INVALID_DEVICE`.
pub const INVALID_DEVICE: Status = 101;
/// `CUDA_ERROR_INVALID_CONTEXT`.
pub const INVALID_CONTEXT: Status = 201;
/// `CUDA_ERROR_INVALID_HANDLE`.
pub const INVALID_HANDLE: Status = 400;
/// `CUDA_ERROR_NOT_FOUND`.
pub const NOT_FOUND: Status = 500;
/// `CUDA_ERROR_NOT_READY`.
pub const NOT_READY: Status = 600;
/// `CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED`.
pub const CAPTURE_UNSUPPORTED: Status = 900;
