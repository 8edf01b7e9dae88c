//! Coefficients of batch norm: from statistics to one multiplication and one addition per value, and back.
//!
//! These kernels work on vectors of one value per channel, in `f64`, a segment of channels per task.
//! A padding channel has gamma and beta 0, hence scale and shift 0, and stays 0.
//! What is done to every value of a tensor is in [`pointwise`](crate::pointwise).

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

/// A segment of a vector of one value per channel.
type Lanes = [f64; SEGMENT];

/// Row `row` of segment `segment` of a view.
///
/// # Safety
/// The view was declared by the running kernel and has this row and segment; nobody writes it meanwhile.
#[inline(always)]
unsafe fn load(memory: Memory<'_>, view: &View, row: usize, segment: usize) -> Lanes {
    let mut lanes = [0.0; SEGMENT];
    // SAFETY: the caller's promise.
    let values =
        unsafe { memory.at(view).add(row * view.ld + segment * SEGMENT).cast::<[f32; SEGMENT]>().read() };
    for (lane, value) in lanes.iter_mut().zip(values) {
        *lane = f64::from(value);
    }
    lanes
}

/// Writes a segment of a vector, rounded, and returns what was written.
///
/// # Safety
/// The view was declared by the running kernel as written and has this segment; nobody else touches it meanwhile.
#[inline(always)]
unsafe fn store(memory: Memory<'_>, view: &View, segment: usize, lanes: &Lanes) -> Lanes {
    let mut values = [0.0f32; SEGMENT];
    let mut rounded = [0.0; SEGMENT];
    for i in 0..SEGMENT {
        values[i] = lanes[i] as f32;
        rounded[i] = f64::from(values[i]);
    }
    // SAFETY: the caller's promise.
    unsafe { memory.at(view).add(segment * SEGMENT).cast::<[f32; SEGMENT]>().write(values) };
    rounded
}

/// `1 / sqrt(variance + eps)`; 0 where that would be infinite: a constant is normalised to 0.
#[inline(always)]
fn inverse_deviation(variance: f64, eps: f32) -> f64 {
    let square = variance + f64::from(eps);
    if square == 0.0 { 0.0 } else { 1.0 / square.sqrt() }
}
