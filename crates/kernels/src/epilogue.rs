//! [`Epilogue`]: the operations on convolution outputs while they are still in the cache.

use crate::math;
use crate::memory::Memory;
use crate::simd::Simd;
use crate::view::{Operand, View};

/// Steps after a convolution, in this order: bias, moments, SiLU, residual.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Epilogue {
    /// Vector added to every pixel.
    pub bias: Option<View>,
    /// Whether to apply SiLU.
    pub silu: bool,
    /// Tensor of the size of the output, added last.
    pub residual: Option<View>,
    /// Receives mean and M2 of each part, in the layout of [`Moments`](crate::Moments).
    pub moments: Option<View>,
}

impl Epilogue {
    /// Operands of the epilogue, apart from the output.
    pub(crate) fn operands(&self) -> impl Iterator<Item = Operand> {
        let reads = [self.bias, self.residual].into_iter().flatten().map(View::read);
        reads.chain(self.moments.map(View::write))
    }
}

/// Applies all steps except moments to channels `c0 .. c0 + c` of `pixels` pixels from `first` on.
///
/// # Safety
/// The views of the epilogue and `y` belong to the running kernel, and only this task writes these outputs.
#[inline(always)]
pub(crate) unsafe fn finish<S: Simd>(
    s: S,
    memory: Memory<'_>,
    epilogue: &Epilogue,
    y: &View,
    [first, pixels]: [usize; 2],
    [c0, c]: [usize; 2],
) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let out = memory.at(y).add(first * y.ld + c0);
        let bias = epilogue.bias.map(|v| memory.at(&v).add(c0).cast_const());
        let residual = epilogue.residual.map(|v| (memory.at(&v).add(first * v.ld + c0).cast_const(), v.ld));
        match (bias, epilogue.silu, residual) {
            (None, false, None) => {}
            (Some(bias), true, None) => rows::<S, true, true, false>(s, out, y.ld, pixels, c, bias, out, 0),
            (Some(bias), true, Some((r, ldr))) => {
                rows::<S, true, true, true>(s, out, y.ld, pixels, c, bias, r, ldr);
            }
            (Some(bias), false, None) => rows::<S, true, false, false>(s, out, y.ld, pixels, c, bias, out, 0),
            (Some(bias), false, Some((r, ldr))) => {
                rows::<S, true, false, true>(s, out, y.ld, pixels, c, bias, r, ldr);
            }
            (None, true, None) => rows::<S, false, true, false>(s, out, y.ld, pixels, c, out, out, 0),
            (None, true, Some((r, ldr))) => {
                rows::<S, false, true, true>(s, out, y.ld, pixels, c, out, r, ldr);
            }
            (None, false, Some((r, ldr))) => {
                rows::<S, false, false, true>(s, out, y.ld, pixels, c, out, r, ldr);
            }
        }
    }
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "addresses and pitches of three operands")]
unsafe fn rows<S: Simd, const BIAS: bool, const SILU: bool, const RESIDUAL: bool>(
    s: S,
    y: *mut f32,
    ld: usize,
    pixels: usize,
    channels: usize,
    bias: *const f32,
    residual: *const f32,
    residual_ld: usize,
) {
    for pixel in 0..pixels {
        let mut c = 0;
        while c < channels {
            // SAFETY: pixel and channel lie in the range that the caller guarantees.
            unsafe {
                let p = y.add(pixel * ld + c);
                let mut v = s.load(p);
                if BIAS {
                    v = s.add(v, s.load(bias.add(c)));
                }
                if SILU {
                    v = math::silu(s, v);
                }
                if RESIDUAL {
                    v = s.add(v, s.load(residual.add(pixel * residual_ld + c)));
                }
                s.store(p, v);
            }
            c += S::LANES;
        }
    }
}
