//! Definitions of all kernels in `f64`.

pub(crate) mod batch_norm;
pub(crate) mod conv;
pub(crate) mod max_pool;
pub(crate) mod silu;
pub(crate) mod upsample;
