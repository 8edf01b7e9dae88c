//! [`CudaExecutor`]: runs the [plan](crate::plan) of the CPU executor on a GPU, with the project's own kernels
//! (`cuda/kernels.cu`).
//!
//! Every step of a plan is one launch with fixed arguments ([`step`], [`push`], [`backend`]). Tensors have fixed addresses
//! in one buffer. All work runs on candle's one stream of the GPU; the host waits for the outputs, for the gradient norm,
//! and for the scales and shifts if L1 is on.

mod backend;
#[cfg(feature = "cuda")]
mod executor;
#[cfg(feature = "cuda")]
mod image_plan;
#[cfg(feature = "cuda")]
mod launcher;
#[cfg(feature = "cuda")]
mod params;
mod push;
mod step;
#[cfg(test)]
mod tests;
#[cfg(all(test, feature = "cuda"))]
mod twin;
#[cfg(all(test, feature = "cuda"))]
mod twin_backend;
#[cfg(feature = "cuda")]
mod update;

#[cfg(feature = "cuda")]
pub use executor::CudaExecutor;
