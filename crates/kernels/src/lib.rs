#![doc = include_str!("../README.md")]
#![allow(
    unsafe_code,
    reason = "kernels work on disjoint rectangles of shared buffers; each block says why it is sound"
)]
#![allow(
    clippy::inline_always,
    reason = "what is not inlined into a `target_feature` function runs without the feature"
)]
#![allow(
    clippy::needless_range_loop,
    reason = "an iterator around vectors may not be inlined, and then runs without the feature"
)]

mod bias_gradient;
mod chunk;
mod conv;
mod copy;
mod epilogue;
mod error;
mod fit;
pub mod int8;
mod isa;
pub mod layout;
mod math;
mod max_pool;
mod memory;
mod moments;
mod nhwc;
mod norm;
mod panels;
mod pointwise;
mod program;
mod rounding;
mod shape;
mod simd;
mod team;
mod upsample;
mod view;
mod window;
mod winograd;

pub use bias_gradient::{BiasGradient, BiasSums};
pub use conv::{Algorithm, Blocks, Collect, Conv, Spread, WinogradMode};
pub use copy::{Copy, Zero};
pub use epilogue::Epilogue;
pub use error::KernelError;
pub use isa::Isa;
pub use max_pool::{MaxPool, MaxPoolGradient};
pub use memory::AlignedBuffer;
pub use moments::Moments;
pub use nhwc::Nhwc;
pub use norm::{BatchNorm, BatchNormGradient, FoldBatchNorm, FrozenBatchNorm};
pub use pointwise::{Pointwise, PointwiseGradient, PointwiseSums};
pub use program::{Kernel, Program};
pub use rounding::{RoundCodes, RoundGradient, RoundWeights};
pub use shape::{ConvShape, PoolShape};
pub use team::Team;
pub use upsample::{Upsample, UpsampleGradient};
pub use view::{Access, Operand, SEGMENT, View, padded};
pub use window::Window;
