//! [`Avx2Pairs`]: AVX2, which multiplies pairs of 16 bits.
//!
//! `vpmaddubsw` multiplies bytes, but its sum of two products saturates at 16 bits, so codes and weights are
//! widened and `vpmaddwd` multiplies them exactly.

#[cfg(target_arch = "x86_64")]
#[allow(clippy::wildcard_imports, reason = "some thirty intrinsics with long names")]
use std::arch::x86_64::*;

#[cfg(target_arch = "x86_64")]
use super::lookup;
use super::{Dot, WithDot};

/// Proof that AVX2 and FMA were detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Avx2Pairs(());

impl Avx2Pairs {
    /// A value if this machine has AVX2 and FMA.
    pub(crate) fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Some(Self(()));
        }
        None
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn enter<F: WithDot>(d: Avx2Pairs, f: F) {
    f.with(d);
}

/// Operations that [`Avx2Pairs`] and [`AvxVnni`](super::AvxVnni) share: all but the products.
///
/// SAFETY of every block below: `self` exists, so `detect` found AVX2 and FMA; callers guarantee that
/// pointers are valid.
#[cfg(target_arch = "x86_64")]
macro_rules! two_registers {
    () => {
        type Sums = [__m256i; 2];
        type Weights = [__m256i; 2];
        type Inputs = __m256i;
        const PIXELS: [usize; 5] = [0, 6, 0, 0, 0];

        #[inline(always)]
        unsafe fn sums(self, p: *const i32) -> Self::Sums {
            unsafe { [_mm256_loadu_si256(p.cast()), _mm256_loadu_si256(p.add(8).cast())] }
        }

        #[inline(always)]
        unsafe fn weights(self, p: *const u8) -> Self::Weights {
            unsafe { [_mm256_loadu_si256(p.cast()), _mm256_loadu_si256(p.add(32).cast())] }
        }

        #[inline(always)]
        unsafe fn inputs(self, p: *const u8) -> __m256i {
            unsafe { _mm256_set1_epi32(p.cast::<i32>().read_unaligned()) }
        }

        #[inline(always)]
        unsafe fn multiply_add(self, sums: Self::Sums, p: *const u8, w: *const i32) -> Self::Sums {
            unsafe {
                let codes = _mm_loadu_si128(p.cast());
                let low = _mm256_cvtepu8_epi32(codes);
                let high = _mm256_cvtepu8_epi32(_mm_srli_si128::<8>(codes));
                let [w0, w1] = self.sums(w);
                // The upper half of a code is zero, so the sum of the pair is the product.
                [
                    _mm256_add_epi32(sums[0], _mm256_madd_epi16(low, w0)),
                    _mm256_add_epi32(sums[1], _mm256_madd_epi16(high, w1)),
                ]
            }
        }

        #[inline(always)]
        unsafe fn store_values(self, sums: Self::Sums, scale: *const f32, bias: *const f32, y: *mut f32) {
            unsafe {
                let [low, high] = crate::int8::dot::avx2::values(sums, scale, bias);
                _mm256_storeu_ps(y, low);
                _mm256_storeu_ps(y.add(8), high);
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
                unsafe {
                    let channel = n * crate::int8::LANES;
                    let values =
                        crate::int8::dot::avx2::values(sums[n], scale.add(channel), bias.add(channel));
                    let codes = crate::int8::dot::avx2::codes(values);
                    let y = y.add(channel).cast();
                    if table.is_null() {
                        _mm_storeu_si128(y, codes);
                    } else {
                        let found = lookup::look_up(table, _mm256_castsi128_si256(codes));
                        _mm_storeu_si128(y, _mm256_castsi256_si128(found));
                    }
                }
            }
        }

        /// Looks up the codes of two pixels at once.
        #[inline(always)]
        unsafe fn store_pixels<const M: usize, const N: usize>(
            self,
            sums: [[Self::Sums; N]; M],
            [scale, bias]: [*const f32; 2],
            table: *const u8,
            y: *mut u8,
            pitch: usize,
        ) {
            let mut m = 0;
            while m < M {
                // The last pixel of an odd number is computed twice.
                let next = if m + 1 < M { m + 1 } else { m };
                for n in 0..N {
                    unsafe {
                        let channel = n * crate::int8::LANES;
                        let [scale, bias] = [scale.add(channel), bias.add(channel)];
                        let first = crate::int8::dot::avx2::values(sums[m][n], scale, bias);
                        let second = crate::int8::dot::avx2::values(sums[next][n], scale, bias);
                        let first = crate::int8::dot::avx2::codes(first);
                        let second = crate::int8::dot::avx2::codes(second);
                        let mut both = _mm256_set_m128i(second, first);
                        if !table.is_null() {
                            both = lookup::look_up(table, both);
                        }
                        let y = y.add(channel);
                        _mm_storeu_si128(y.add(m * pitch).cast(), _mm256_castsi256_si128(both));
                        _mm_storeu_si128(y.add(next * pitch).cast(), _mm256_extracti128_si256::<1>(both));
                    }
                }
                m += 2;
            }
        }

        #[inline(always)]
        unsafe fn blend(self, y: *mut u8, a: *const u8, b: *const u8, [fa, fb, shift]: [f32; 3]) {
            unsafe {
                let mut values = [_mm256_setzero_ps(); 2];
                for half in 0..2 {
                    let a = _mm256_cvtepu8_epi32(_mm_loadl_epi64(a.add(8 * half).cast()));
                    let b = _mm256_cvtepu8_epi32(_mm_loadl_epi64(b.add(8 * half).cast()));
                    let a = _mm256_mul_ps(_mm256_cvtepi32_ps(a), _mm256_set1_ps(fa));
                    let b = _mm256_mul_ps(_mm256_cvtepi32_ps(b), _mm256_set1_ps(fb));
                    values[half] = _mm256_add_ps(_mm256_add_ps(a, b), _mm256_set1_ps(shift));
                }
                _mm_storeu_si128(y.cast(), crate::int8::dot::avx2::codes(values));
            }
        }

        #[inline(always)]
        unsafe fn look_up(self, table: *const u8, x: *const u8, y: *mut u8) {
            unsafe {
                let codes = _mm256_castsi128_si256(_mm_loadu_si128(x.cast()));
                _mm_storeu_si128(y.cast(), _mm256_castsi256_si128(lookup::look_up(table, codes)));
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
pub(super) use two_registers;

/// `sums * scale + bias`.
///
/// # Safety
/// The machine has AVX2 and FMA; 16 scales and biases are readable.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) unsafe fn values(sums: [__m256i; 2], scale: *const f32, bias: *const f32) -> [__m256; 2] {
    // SAFETY: the caller's promise.
    unsafe {
        let [low, high] = [_mm256_cvtepi32_ps(sums[0]), _mm256_cvtepi32_ps(sums[1])];
        [
            _mm256_fmadd_ps(low, _mm256_loadu_ps(scale), _mm256_loadu_ps(bias)),
            _mm256_fmadd_ps(high, _mm256_loadu_ps(scale.add(8)), _mm256_loadu_ps(bias.add(8))),
        ]
    }
}

/// The codes for 16 values, rounded to the nearest, halves to even.
///
/// # Safety
/// The machine has AVX2.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) unsafe fn codes(values: [__m256; 2]) -> __m128i {
    // SAFETY: the caller's promise.
    unsafe {
        let mut whole = [_mm256_setzero_si256(); 2];
        for half in 0..2 {
            let value = _mm256_max_ps(values[half], _mm256_setzero_ps());
            whole[half] = _mm256_cvtps_epi32(_mm256_min_ps(value, _mm256_set1_ps(255.0)));
        }
        // The instruction packs each half of the registers: a0-3 b0-3 a4-7 b4-7.
        let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi32(whole[0], whole[1]));
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words))
    }
}

// SAFETY of every block: as above.
#[cfg(target_arch = "x86_64")]
impl Dot for Avx2Pairs {
    two_registers!();

    const BYTES: usize = 2;

    #[inline(always)]
    fn enter<F: WithDot>(self, f: F) {
        unsafe { enter(self, f) }
    }

    #[inline(always)]
    fn dot(self, sums: Self::Sums, inputs: __m256i, weights: Self::Weights) -> Self::Sums {
        unsafe {
            [
                _mm256_add_epi32(sums[0], _mm256_madd_epi16(inputs, weights[0])),
                _mm256_add_epi32(sums[1], _mm256_madd_epi16(inputs, weights[1])),
            ]
        }
    }
}
