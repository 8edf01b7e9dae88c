//! [`Conv`]: one two-dimensional convolution, with both gradients, and its algorithms.
//!
//! Weights are `[ky * kw + kx][in][out]` with padded channels. Every pass reads them in its own packed
//! layout, so a program packs them first ([`Conv::push_pack`], [`Conv::push_pack_transposed`]). The weights
//! of a depthwise convolution are `[ky * kw + kx][channel]`, and every pass reads them unchanged.

mod algorithm;
mod blocks;
mod depthwise;
mod fold;
mod forward;
pub(crate) mod grid;
mod input_gradient;
pub(crate) mod live;
mod operands;
mod outer;
mod pack;
mod passes;
mod plan;
pub(crate) mod strip;
pub(crate) mod tile;
mod weight_gradient;

pub use algorithm::{Algorithm, WinogradMode};
pub use blocks::{Blocks, Collect, Spread};
pub use plan::Conv;
