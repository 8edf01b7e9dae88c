//! Kernels on 8-bit codes: [`QuantizedConv`], [`QuantizedMaxPool`], [`QuantizedUpsample`], [`QuantizedAdd`]
//! and [`MapCodes`].
//!
//! A *code* is a `u8` that stands for the number `scale * (code - zero_point)`, with one scale and zero point
//! per tensor (Jacob et al., "Quantization and Training of Neural Networks for Efficient
//! Integer-Arithmetic-Only Inference", 2018, arXiv 1712.05877). Weights are `i8` with one scale per output
//! channel and no zero point. Sums are exact in `i32`. All instruction sets convert them by the same `f32` operations, one
//! fused multiply-add and then rounding to the nearest integer with halves to even, so that all instruction sets
//! and thread counts give the same bytes.
//!
//! Codes lie in the buffers of a [`Program`](crate::Program), whose unit is a *word* of 4 bytes: a
//! [`View`](crate::View) of codes counts words, and one segment of 16 codes has 4 words.

mod add;
mod constants;
mod conv;
mod depthwise;
mod dot;
mod forward;
mod isa;
mod map;
mod max_pool;
mod offsets;
mod push;
mod strip;
mod tile;
mod upsample;

pub use add::QuantizedAdd;
pub use constants::Requantization;
pub use conv::{QuantizedConv, QuantizedOutput};
pub use isa::Int8Isa;
pub use map::MapCodes;
pub use max_pool::QuantizedMaxPool;
pub use upsample::QuantizedUpsample;

/// Number of codes in a word, the unit of views.
pub const CODES: usize = 4;

/// Number of codes in a segment.
pub(crate) const LANES: usize = 16;
