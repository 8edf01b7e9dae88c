//! [`Avx512Vnni`]: AVX-512 with VNNI and VBMI, which multiplies groups of four bytes and looks up 128 bytes at
//! once.

#[cfg(target_arch = "x86_64")]
#[allow(clippy::wildcard_imports, reason = "some thirty intrinsics with long names")]
use std::arch::x86_64::*;

use super::{Dot, WithDot};

/// Proof that AVX-512 F, BW, DQ, VL, VNNI and VBMI were detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Avx512Vnni(());

impl Avx512Vnni {
    /// A value if this machine has the instructions.
    pub(crate) fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("avx512vbmi")
        {
            return Some(Self(()));
        }
        None
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,fma")]
fn enter<F: WithDot>(d: Avx512Vnni, f: F) {
    f.with(d);
}

/// The codes for 16 values, rounded to the nearest, halves to even.
///
/// # Safety
/// The machine has AVX-512 F.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn codes(values: __m512) -> __m128i {
    // SAFETY: the caller's promise.
    unsafe {
        let values = _mm512_min_ps(_mm512_max_ps(values, _mm512_setzero_ps()), _mm512_set1_ps(255.0));
        _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(values))
    }
}

/// The entries of a table of 256 bytes for 64 codes.
///
/// # Safety
/// The machine has AVX-512 BW and VBMI; 256 bytes at `table` are readable.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn entries(table: *const u8, codes: __m512i) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe {
        let part = |index: usize| _mm512_loadu_si512(table.add(64 * index).cast());
        let low = _mm512_permutex2var_epi8(part(0), codes, part(1));
        let high = _mm512_permutex2var_epi8(part(2), codes, part(3));
        _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), low, high)
    }
}

// SAFETY of every block below: `self` exists, so `detect` found the features; callers guarantee that pointers
// are valid.
#[cfg(target_arch = "x86_64")]
impl Dot for Avx512Vnni {
    type Sums = __m512i;
    type Weights = __m512i;
    type Inputs = __m512i;
    const BYTES: usize = 1;
    const PIXELS: [usize; 5] = [0, 15, 10, 8, 6];

    #[inline(always)]
    fn enter<F: WithDot>(self, f: F) {
        unsafe { enter(self, f) }
    }

    #[inline(always)]
    unsafe fn sums(self, p: *const i32) -> __m512i {
        unsafe { _mm512_loadu_si512(p.cast()) }
    }

    #[inline(always)]
    unsafe fn weights(self, p: *const u8) -> __m512i {
        unsafe { _mm512_loadu_si512(p.cast()) }
    }

    #[inline(always)]
    unsafe fn inputs(self, p: *const u8) -> __m512i {
        unsafe { _mm512_set1_epi32(p.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    fn dot(self, sums: __m512i, inputs: __m512i, weights: __m512i) -> __m512i {
        unsafe { _mm512_dpbusd_epi32(sums, inputs, weights) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, sums: __m512i, p: *const u8, w: *const i32) -> __m512i {
        unsafe {
            let codes = _mm512_cvtepu8_epi32(_mm_loadu_si128(p.cast()));
            // The upper half of a code is zero, so the sum of the pair is the product.
            _mm512_add_epi32(sums, _mm512_madd_epi16(codes, _mm512_loadu_si512(w.cast())))
        }
    }

    #[inline(always)]
    unsafe fn store_values(self, sums: __m512i, scale: *const f32, bias: *const f32, y: *mut f32) {
        unsafe {
            let values = _mm512_cvtepi32_ps(sums);
            _mm512_storeu_ps(y, _mm512_fmadd_ps(values, _mm512_loadu_ps(scale), _mm512_loadu_ps(bias)));
        }
    }

    #[inline(always)]
    unsafe fn store_codes<const N: usize>(
        self,
        sums: [__m512i; N],
        scale: *const f32,
        bias: *const f32,
        table: *const u8,
        y: *mut u8,
    ) {
        unsafe {
            let mut parts = [_mm_setzero_si128(); 4];
            for n in 0..N {
                let values = _mm512_cvtepi32_ps(sums[n]);
                let scale = _mm512_loadu_ps(scale.add(16 * n));
                parts[n] = codes(_mm512_fmadd_ps(values, scale, _mm512_loadu_ps(bias.add(16 * n))));
            }
            let mut all = _mm512_castsi128_si512(parts[0]);
            if N > 1 {
                all = _mm512_inserti32x4::<1>(all, parts[1]);
            }
            if N > 2 {
                all = _mm512_inserti32x4::<2>(all, parts[2]);
            }
            if N > 3 {
                all = _mm512_inserti32x4::<3>(all, parts[3]);
            }
            if !table.is_null() {
                all = entries(table, all);
            }
            match N {
                1 => _mm_storeu_si128(y.cast(), _mm512_castsi512_si128(all)),
                2 => _mm256_storeu_si256(y.cast(), _mm512_castsi512_si256(all)),
                3 => {
                    _mm256_storeu_si256(y.cast(), _mm512_castsi512_si256(all));
                    _mm_storeu_si128(y.add(32).cast(), _mm512_extracti32x4_epi32::<2>(all));
                }
                _ => _mm512_storeu_si512(y.cast(), all),
            }
        }
    }

    #[inline(always)]
    unsafe fn blend(self, y: *mut u8, a: *const u8, b: *const u8, [fa, fb, shift]: [f32; 3]) {
        unsafe {
            let a = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(a.cast())));
            let b = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(b.cast())));
            let sum =
                _mm512_add_ps(_mm512_mul_ps(a, _mm512_set1_ps(fa)), _mm512_mul_ps(b, _mm512_set1_ps(fb)));
            _mm_storeu_si128(y.cast(), codes(_mm512_add_ps(sum, _mm512_set1_ps(shift))));
        }
    }

    #[inline(always)]
    unsafe fn look_up(self, table: *const u8, x: *const u8, y: *mut u8) {
        unsafe {
            let codes = _mm512_castsi128_si512(_mm_loadu_si128(x.cast()));
            _mm_storeu_si128(y.cast(), _mm512_castsi512_si128(entries(table, codes)));
        }
    }
}
