//! [`Program`]: CPU kernels for the layers of a detection network, forward and backward, in `f32` and NHWC
//! order.
//!
//! Tensors are [`View`]s of aligned [`Buffer`]s: one pixel after another, channels padded with zeros to
//! segments of 16. Concats, slices and residuals need no copy, because producers write into views of the same
//! buffer. [`Program::push`] appends a kernel and checks every view that it accesses; a [`Team`] of threads
//! runs the program. Each kernel is compiled for AVX-512, for AVX2 with FMA and as plain Rust; [`Isa`]
//! selects one at run time.
//!
//! Invariants: a program gives the same bits on the same instruction set with any number of threads; padding
//! channels stay zero; a running program allocates no memory for tensors. The crate knows no graph and no
//! layer names.
//!
//! ```
//! use bonsai_kernels::{Buffer, Conv, Epilogue, Isa, Nhwc, Program, Team, View, WinogradMode, Window};
//!
//! // A 3x3 box filter over a 4x4 image of one channel, into the first of 16 channels.
//! let isa = Isa::detect();
//! let conv = Conv::new(isa, Nhwc::new(1, 4, 4, 1), 16, Window::square(3, 1, 1), WinogradMode::Off)?;
//! let x = View::dense(0, 0, 16, 1);
//! let weights = View::vector(0, 16, conv.weights_len());
//! let packed = View::vector(0, weights.end(), conv.packed_len());
//! let y = View::dense(0, packed.end(), 16, 16);
//! let mut program = Program::new(isa);
//! conv.push_pack(&mut program, "pack", weights, packed)?;
//! conv.push_forward(&mut program, "conv", x, packed, y, Epilogue::default())?;
//!
//! let mut memory = Buffer::zeroed(y.end());
//! memory.as_mut_slice()[..16].fill(1.0);
//! for tap in 0..9 {
//!     memory.as_mut_slice()[weights.offset + 16 * tap] = 1.0; // [tap][in][out]
//! }
//! program.run(&Team::new(2)?, &mut [&mut memory])?;
//! assert_eq!(memory.as_slice()[y.offset], 4.0); // a corner sees four pixels
//! assert_eq!(memory.as_slice()[y.offset + 5 * 16], 9.0);
//! # Ok::<(), bonsai_kernels::KernelError>(())
//! ```
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
pub use memory::Buffer;
pub use moments::Moments;
pub use nhwc::Nhwc;
pub use norm::{BatchNorm, BatchNormGradient, FoldBatchNorm, FrozenBatchNorm};
pub use pointwise::{Pointwise, PointwiseGradient, PointwiseSums};
pub use program::{Kernel, Program};
pub use shape::{ConvShape, PoolShape};
pub use team::Team;
pub use upsample::{Upsample, UpsampleGradient};
pub use view::{Access, Operand, SEGMENT, View, padded};
pub use window::Window;
