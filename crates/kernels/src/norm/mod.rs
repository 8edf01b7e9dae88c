//! Coefficients of batch norm: [`BatchNorm`] turns statistics into one scale and shift per channel;
//! [`BatchNormGradient`] is its backward pass.
//!
//! These kernels work in `f64` on vectors of one value per channel, one segment of channels per task. A
//! padding channel has gamma and beta 0, hence scale and shift 0, and stays 0. The kernels of
//! [`pointwise`](crate::pointwise) apply the coefficients to the values of a tensor.

mod fold;
mod frozen;
mod gradient;
mod train;

pub use fold::FoldBatchNorm;
pub use frozen::FrozenBatchNorm;
pub use gradient::BatchNormGradient;
pub use train::BatchNorm;

use crate::memory::Memory;
use crate::{SEGMENT, View};

/// One segment of a vector of one value per channel.
type Lanes = [f64; SEGMENT];

/// Reads row `row` of segment `segment` of a view.
///
/// # Safety
/// The running kernel declared the view, the view has this row and segment, and no other task writes them
/// meanwhile.
#[inline(always)]
unsafe fn load(memory: Memory<'_>, view: &View, row: usize, segment: usize) -> Lanes {
    let mut lanes = [0.0; SEGMENT];
    // SAFETY: guaranteed by the caller.
    let values =
        unsafe { memory.at(view).add(row * view.ld + segment * SEGMENT).cast::<[f32; SEGMENT]>().read() };
    for (lane, value) in lanes.iter_mut().zip(values) {
        *lane = f64::from(value);
    }
    lanes
}

/// Writes a segment of a vector, rounded to `f32`, and returns the rounded values.
///
/// # Safety
/// The running kernel declared the view as written, the view has this segment, and no other task accesses it
/// meanwhile.
#[inline(always)]
unsafe fn store(memory: Memory<'_>, view: &View, segment: usize, lanes: &Lanes) -> Lanes {
    let mut values = [0.0f32; SEGMENT];
    let mut rounded = [0.0; SEGMENT];
    for i in 0..SEGMENT {
        values[i] = lanes[i] as f32;
        rounded[i] = f64::from(values[i]);
    }
    // SAFETY: guaranteed by the caller.
    unsafe { memory.at(view).add(segment * SEGMENT).cast::<[f32; SEGMENT]>().write(values) };
    rounded
}

/// `1 / sqrt(variance + eps)`; 0 instead of infinity, so that a constant channel is normalised to 0.
#[inline(always)]
fn inverse_deviation(variance: f64, eps: f32) -> f64 {
    let square = variance + f64::from(eps);
    if square == 0.0 { 0.0 } else { 1.0 / square.sqrt() }
}
