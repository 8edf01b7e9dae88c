//! Tests of the kernels against independent definitions, against finite differences, and against each other.

#![allow(clippy::unwrap_used, reason = "a test reports a refused argument by panicking")]
#![allow(
    clippy::float_cmp,
    reason = "small whole numbers are exact; where rounding occurs, a tolerance is named"
)]

mod arena;
mod batch_norm;
mod conv;
mod depthwise;
mod folded_norm;
mod hostile;
mod int8;
mod layout;
mod linear_maps;
mod max_pool;
mod moments;
mod norm_layer;
mod numbers;
mod pointwise;
mod reference;
mod refusals;
mod rounding;
mod tensors;
