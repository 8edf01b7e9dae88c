//! [`Multiply`] and [`Correlate`]: products of planes, `M = V U` of the forward pass and `P (+)= V^T Z` of
//! the gradient of the weights.
//!
//! Both use one micro-kernel: an outer product per step of `k`, with the accumulators in registers. The rows
//! are divided into tiles of nearly equal heights, so that no tile is short.

use std::ops::Range;

use super::blocks::{PLANES, panel};
use super::prefetch::near;
use crate::simd::{Simd, WithSimd};

/// A matrix read value by value: `step` values from `k` to `k + 1`, `pitch` values from row to row.
#[derive(Clone, Copy)]
struct Rows {
    at: *const f32,
    pitch: usize,
    step: usize,
}

/// A matrix read vector by vector: `step` values from `k` to `k + 1`.
#[derive(Clone, Copy)]
struct Columns {
    at: *const f32,
    step: usize,
    /// Start of the next panel; if `AHEAD` is set, every step prefetches one cache line of it.
    ahead: *const f32,
}

/// The destination of a product.
#[derive(Clone, Copy)]
struct Product {
    at: *mut f32,
    pitch: usize,
}

/// Computes `MR` rows and `NR` vectors of a product, over `depth` steps.
///
/// # Safety
/// All values that the arguments describe exist.
#[inline(always)]
unsafe fn tile<S: Simd, const MR: usize, const NR: usize, const ADD: bool, const AHEAD: bool>(
    s: S,
    rows: Rows,
    columns: Columns,
    depth: usize,
    product: Product,
) {
    let mut sums = [[s.splat(0.0); NR]; MR];
    // SAFETY of the block below: guaranteed by the caller.
    unsafe {
        if ADD {
            for m in 0..MR {
                for n in 0..NR {
                    sums[m][n] = s.load(product.at.add(m * product.pitch + n * S::LANES));
                }
            }
        }
        let mut a = rows.at;
        let mut b = columns.at;
        let mut ahead = columns.ahead;
        for _ in 0..depth {
            let mut vectors = [s.splat(0.0); NR];
            for n in 0..NR {
                vectors[n] = s.load(b.add(n * S::LANES));
            }
            for m in 0..MR {
                let value = s.splat(*a.add(m * rows.pitch));
                for n in 0..NR {
                    sums[m][n] = s.fma(value, vectors[n], sums[m][n]);
                }
            }
            if AHEAD {
                near(ahead);
                ahead = ahead.wrapping_add(16);
            }
            a = a.add(rows.step);
            b = b.add(columns.step);
        }
        for m in 0..MR {
            for n in 0..NR {
                s.store(product.at.add(m * product.pitch + n * S::LANES), sums[m][n]);
            }
        }
    }
}

/// Calls [`tile`] with the number of rows as a constant, for heights that fit into the registers.
macro_rules! tile_of_height {
    ($height:expr, $nr:ident, [$($m:literal)*], $arguments:tt) => {
        match $height {
            $($m if $m <= S::PIXELS[$nr] => tile::<S, $m, $nr, ADD, AHEAD> $arguments,)*
            height => unreachable!("{height} rows"),
        }
    };
}

/// Computes `count` rows and `NR` vectors of a product.
///
/// # Safety
/// All values that the arguments describe exist.
#[inline(always)]
unsafe fn strip<S: Simd, const NR: usize, const ADD: bool, const AHEAD: bool>(
    s: S,
    count: usize,
    mut rows: Rows,
    mut columns: Columns,
    depth: usize,
    mut product: Product,
) {
    let most = if S::PIXELS[NR] > 14 { 14 } else { S::PIXELS[NR] };
    let tiles = count.div_ceil(most);
    let height = count / tiles;
    let higher = count % tiles;
    for i in 0..tiles {
        let height = height + usize::from(i < higher);
        // SAFETY: the heights sum to `count`.
        unsafe {
            tile_of_height!(
                height, NR, [1 2 3 4 5 6 7 8 9 10 11 12 13 14],
                (s, rows, columns, depth, product)
            );
            rows.at = rows.at.add(height * rows.pitch);
            product.at = product.at.add(height * product.pitch);
            columns.ahead = columns.ahead.wrapping_add(depth * 16);
        }
    }
}

/// [`strip`] for a panel of `width` channels.
///
/// # Safety
/// All values that the arguments describe exist.
#[inline(always)]
unsafe fn panel_strip<S: Simd, const ADD: bool, const AHEAD: bool>(
    s: S,
    width: usize,
    count: usize,
    rows: Rows,
    columns: Columns,
    depth: usize,
    product: Product,
) {
    // SAFETY: guaranteed by the caller. With eight lanes all panels have two vectors; with sixteen all three
    // widths exist.
    unsafe {
        if S::LANES == 8 {
            strip::<S, 2, ADD, AHEAD>(s, count, rows, columns, depth, product);
        } else {
            match width {
                48 => strip::<S, 3, ADD, AHEAD>(s, count, rows, columns, depth, product),
                32 => strip::<S, 2, ADD, AHEAD>(s, count, rows, columns, depth, product),
                _ => strip::<S, 1, ADD, AHEAD>(s, count, rows, columns, depth, product),
            }
        }
    }
}

/// `M = V U` in all planes, for some output channels.
pub(super) struct Multiply {
    /// `V`: planes of `[tile][in]`.
    pub(super) v: *const f32,
    /// Distance between the planes of `V`.
    pub(super) v_pitch: usize,
    /// Distance between the tiles in `V`.
    pub(super) tile_pitch: usize,
    /// Number of rows of `V` and of `M`.
    pub(super) tiles: usize,
    /// Number of input channels.
    pub(super) inputs: usize,
    /// `U`: planes of panels of `[in][panel]`.
    pub(super) u: *const f32,
    /// Distance between the planes of `U`.
    pub(super) u_pitch: usize,
    /// The output channels to compute.
    pub(super) outputs: Range<usize>,
    /// `M`: planes of `[tile][output]`, with the outputs of this range.
    pub(super) m: *mut f32,
    /// Distance between the planes of `M`.
    pub(super) m_pitch: usize,
}

impl WithSimd for Multiply {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd>(self, s: S) {
        let channels = self.outputs.len();
        for plane in 0..PLANES {
            let mut channel = 0;
            while channel < channels {
                let width = panel::<S>(channels - channel);
                // SAFETY: only `Forward` creates it, with planes of these sizes.
                unsafe {
                    let rows = Rows { at: self.v.add(plane * self.v_pitch), pitch: self.tile_pitch, step: 1 };
                    let panel = (self.outputs.start + channel) * self.inputs;
                    let u = self.u.add(plane * self.u_pitch + panel);
                    let ahead = if channel + width < channels {
                        u.wrapping_add(width * self.inputs)
                    } else {
                        u.wrapping_add(self.u_pitch - channel * self.inputs)
                    };
                    let columns = Columns { at: u, step: width, ahead };
                    let m = self.m.add(plane * self.m_pitch + channel);
                    let product = Product { at: m, pitch: channels };
                    panel_strip::<S, false, true>(s, width, self.tiles, rows, columns, self.inputs, product);
                }
                channel += width;
            }
        }
    }
}

/// `P = V^T Z` in all planes, or `P += V^T Z`.
pub(super) struct Correlate {
    /// `V`: planes of `[tile][in]`.
    pub(super) v: *const f32,
    /// Distance between the planes of `V`.
    pub(super) v_pitch: usize,
    /// Number of input channels.
    pub(super) inputs: usize,
    /// `Z`: planes of `[tile][out]`.
    pub(super) z: *const f32,
    /// Distance between the planes of `Z`.
    pub(super) z_pitch: usize,
    /// Number of output channels.
    pub(super) outputs: usize,
    /// Number of rows of `V` and `Z`.
    pub(super) tiles: usize,
    /// `P`: planes of `[in][out]`.
    pub(super) p: *mut f32,
    /// Distance between the planes of `P`.
    pub(super) p_pitch: usize,
    /// Whether to add to the existing values of `P`.
    pub(super) accumulate: bool,
}

impl WithSimd for Correlate {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd>(self, s: S) {
        for plane in 0..PLANES {
            let mut channel = 0;
            while channel < self.outputs {
                let width = panel::<S>(self.outputs - channel);
                // SAFETY: only `WeightGradient` creates it, with planes of these sizes.
                unsafe {
                    let v = self.v.add(plane * self.v_pitch);
                    let z = self.z.add(plane * self.z_pitch + channel);
                    let p = self.p.add(plane * self.p_pitch + channel);
                    let rows = Rows { at: v, pitch: 1, step: self.inputs };
                    let columns = Columns { at: z, step: self.outputs, ahead: z };
                    let product = Product { at: p, pitch: self.outputs };
                    if self.accumulate {
                        panel_strip::<S, true, false>(
                            s,
                            width,
                            self.inputs,
                            rows,
                            columns,
                            self.tiles,
                            product,
                        );
                    } else {
                        panel_strip::<S, false, false>(
                            s,
                            width,
                            self.inputs,
                            rows,
                            columns,
                            self.tiles,
                            product,
                        );
                    }
                }
                channel += width;
            }
        }
    }
}
