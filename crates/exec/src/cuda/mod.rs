//! [`CudaExecutor`]: runs the [plan](crate::plan) of the CPU executor on a GPU, with the project's own kernels
//! (`cuda/kernels.cu`).
//!
//! Every step of a plan is one launch with fixed arguments ([`step`], [`push`], [`backend`]). Tensors have fixed addresses
//! in one buffer. All work of an executor runs on one stream. In a step of a detector ([`head_pass`]), the host waits for a
//! summary of the outputs, for the logits of the anchors that have an object, and for the gradient norm; also for the scales
//! and shifts if L1 penalises them in groups or by the proximal step.

mod backend;
#[cfg(feature = "cuda")]
mod convert;
#[cfg(feature = "cuda")]
mod executor;
#[cfg(feature = "cuda")]
mod head;
#[cfg(feature = "cuda")]
mod head_pass;
#[cfg(feature = "cuda")]
mod image_bytes;
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
#[cfg(all(test, feature = "cuda"))]
mod twin_update;
#[cfg(feature = "cuda")]
mod update;

#[cfg(feature = "cuda")]
pub use executor::CudaExecutor;
