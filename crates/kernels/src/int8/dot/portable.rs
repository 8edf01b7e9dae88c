//! [`PortablePairs`]: plain Rust over arrays of 16.

use super::{Dot, WithDot};
use crate::int8::LANES;

/// Every machine can run it, so its value needs no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PortablePairs;

/// The code for a value, rounded to the nearest, halves to even.
#[inline(always)]
pub(super) fn code(value: f32) -> u8 {
    value.clamp(0.0, 255.0).round_ties_even() as u8
}

impl Dot for PortablePairs {
    type Sums = [i32; LANES];
    type Weights = [[i16; 2]; LANES];
    type Inputs = [i16; 2];
    const BYTES: usize = 2;
    const PIXELS: [usize; 5] = [0, 2, 0, 0, 0];

    #[inline(always)]
    fn enter<F: WithDot>(self, f: F) {
        f.with(self);
    }

    #[inline(always)]
    unsafe fn sums(self, p: *const i32) -> Self::Sums {
        // SAFETY: the caller's promise.
        unsafe { p.cast::<Self::Sums>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn weights(self, p: *const u8) -> Self::Weights {
        // SAFETY: the caller's promise; any bytes are valid numbers.
        unsafe { p.cast::<Self::Weights>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn inputs(self, p: *const u8) -> Self::Inputs {
        // SAFETY: the caller's promise; any bytes are valid numbers.
        unsafe { p.cast::<Self::Inputs>().read_unaligned() }
    }

    #[inline(always)]
    fn dot(self, mut sums: Self::Sums, inputs: Self::Inputs, weights: Self::Weights) -> Self::Sums {
        for lane in 0..LANES {
            // Wraps as the vector instructions do, whatever bytes the constants have.
            let products = [0, 1].map(|i| i32::from(inputs[i]) * i32::from(weights[lane][i]));
            sums[lane] = sums[lane].wrapping_add(products[0].wrapping_add(products[1]));
        }
        sums
    }

    #[inline(always)]
    unsafe fn multiply_add(self, mut sums: Self::Sums, p: *const u8, w: *const i32) -> Self::Sums {
        for lane in 0..LANES {
            // SAFETY: the caller's promise.
            let [code, weight] = unsafe { [i32::from(*p.add(lane)), w.add(lane).read_unaligned()] };
            sums[lane] = sums[lane].wrapping_add(code * i32::from(weight as i16));
        }
        sums
    }

    #[inline(always)]
    unsafe fn store_values(self, sums: Self::Sums, scale: *const f32, bias: *const f32, y: *mut f32) {
        for lane in 0..LANES {
            // SAFETY: the caller's promise.
            unsafe { *y.add(lane) = (sums[lane] as f32).mul_add(*scale.add(lane), *bias.add(lane)) };
        }
    }

    #[inline(always)]
    unsafe fn store_codes<const N: usize>(
        self,
        sums: [Self::Sums; N],
        scale: *const f32,
        bias: *const f32,
        table: *const u8,
        y: *mut u8,
    ) {
        for n in 0..N {
            for lane in 0..LANES {
                let channel = n * LANES + lane;
                // SAFETY: the caller's promise; a table has an entry for every code.
                unsafe {
                    let value = (sums[n][lane] as f32).mul_add(*scale.add(channel), *bias.add(channel));
                    let code = code(value);
                    *y.add(channel) = if table.is_null() { code } else { *table.add(usize::from(code)) };
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn blend(self, y: *mut u8, a: *const u8, b: *const u8, [fa, fb, shift]: [f32; 3]) {
        for lane in 0..LANES {
            // SAFETY: the caller's promise.
            unsafe {
                *y.add(lane) = code(f32::from(*a.add(lane)) * fa + f32::from(*b.add(lane)) * fb + shift);
            }
        }
    }

    #[inline(always)]
    unsafe fn look_up(self, table: *const u8, x: *const u8, y: *mut u8) {
        for lane in 0..LANES {
            // SAFETY: the caller's promise; a table has an entry for every code.
            unsafe { *y.add(lane) = *table.add(usize::from(*x.add(lane))) };
        }
    }
}
