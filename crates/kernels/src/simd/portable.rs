//! [`Portable`]: plain Rust over arrays of 8, which the compiler turns into instructions of the build target.

use super::{Simd, WithSimd};

/// Every machine can run it, so its value needs no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Portable;

const LANES: usize = 8;
type V = [f32; LANES];

/// Magnitude of `x` beyond which `2^n` is not a normal number.
const LIMIT: f32 = 87.0;
/// Adding and then subtracting this value rounds to an integer, ties to even.
const ROUNDER: f32 = 12_582_912.0;

macro_rules! lanes {
    ($($v:ident),+ => $result:expr) => {{
        let mut all = [Default::default(); LANES];
        let mut i = 0;
        while i < LANES {
            $(let $v = $v[i];)+
            all[i] = $result;
            i += 1;
        }
        all
    }};
}

impl Simd for Portable {
    type V = V;
    type M = [bool; LANES];
    const LANES: usize = LANES;
    const PIXELS: [usize; 4] = [0, 0, 2, 0];

    #[inline(always)]
    fn vectorize<F: WithSimd>(self, f: F) -> F::Output {
        f.with(self)
    }

    #[inline(always)]
    fn splat(self, v: f32) -> V {
        [v; LANES]
    }

    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        lanes!(a, b => a + b)
    }

    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        lanes!(a, b => a - b)
    }

    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        lanes!(a, b => a * b)
    }

    // Without the instruction `mul_add` is a library call, so the operations below round twice.
    #[inline(always)]
    fn reciprocal(self, v: V) -> V {
        lanes!(v => 1.0 / v)
    }

    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        lanes!(a, b, c => a * b + c)
    }

    #[inline(always)]
    fn fms(self, a: V, b: V, c: V) -> V {
        lanes!(a, b, c => a * b - c)
    }

    #[inline(always)]
    fn fnma(self, a: V, b: V, c: V) -> V {
        lanes!(a, b, c => c - a * b)
    }

    #[inline(always)]
    fn abs(self, a: V) -> V {
        lanes!(a => a.abs())
    }

    #[inline(always)]
    fn round(self, v: V) -> V {
        lanes!(v => (v + ROUNDER) - ROUNDER)
    }

    #[inline(always)]
    fn scale2(self, p: V, n: V) -> V {
        // The last bits of `n + ROUNDER` are those of the integer `n`.
        lanes!(p, n => f32::from_bits(p.to_bits().wrapping_add((n + ROUNDER).to_bits() << 23)))
    }

    #[inline(always)]
    fn limit(self, x: V) -> V {
        lanes!(x => if x > LIMIT { LIMIT } else if x > -LIMIT { x } else { -LIMIT })
    }

    #[inline(always)]
    fn exceeds(self, a: V, b: V) -> [bool; LANES] {
        lanes!(a, b => a > b || a.is_nan())
    }

    #[inline(always)]
    fn equals(self, a: V, b: V) -> [bool; LANES] {
        lanes!(a, b => a == b)
    }

    #[inline(always)]
    fn select(self, mask: [bool; LANES], a: V, b: V) -> V {
        lanes!(mask, a, b => if mask { a } else { b })
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> V {
        // SAFETY: the caller guarantees readable values; an array needs no more alignment than its elements.
        unsafe { p.cast::<V>().read() }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: V) {
        // SAFETY: as above.
        unsafe { p.cast::<V>().write(v) }
    }

    #[inline(always)]
    unsafe fn load_bytes(self, p: *const u8) -> V {
        // SAFETY: as above.
        let bytes = unsafe { p.cast::<[u8; LANES]>().read() };
        lanes!(bytes => f32::from(bytes))
    }

    #[inline(always)]
    unsafe fn store_bytes(self, p: *mut u8, v: V) {
        let bytes: [u8; LANES] = lanes!(v => v as u8);
        // SAFETY: as above.
        unsafe { p.cast::<[u8; LANES]>().write(bytes) }
    }
}
