//! [`AvxVnni`]: AVX-VNNI, which multiplies groups of four bytes in registers of 256 bits.

#[cfg(target_arch = "x86_64")]
#[allow(clippy::wildcard_imports, reason = "some thirty intrinsics with long names")]
use std::arch::x86_64::*;

#[cfg(target_arch = "x86_64")]
use super::avx2::two_registers;
#[cfg(target_arch = "x86_64")]
use super::lookup;
use super::{Dot, WithDot};

/// Proof that AVX2, FMA and AVX-VNNI were detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AvxVnni(());

impl AvxVnni {
    /// A value if this machine has the instructions.
    pub(crate) fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("avxvnni")
        {
            return Some(Self(()));
        }
        None
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avxvnni")]
fn enter<F: WithDot>(d: AvxVnni, f: F) {
    f.with(d);
}

// SAFETY of every block: `self` exists, so `detect` found the features; callers guarantee that pointers are
// valid.
#[cfg(target_arch = "x86_64")]
impl Dot for AvxVnni {
    two_registers!();

    const BYTES: usize = 1;

    #[inline(always)]
    fn enter<F: WithDot>(self, f: F) {
        unsafe { enter(self, f) }
    }

    #[inline(always)]
    fn dot(self, sums: Self::Sums, inputs: __m256i, weights: Self::Weights) -> Self::Sums {
        unsafe {
            [
                _mm256_dpbusd_avx_epi32(sums[0], inputs, weights[0]),
                _mm256_dpbusd_avx_epi32(sums[1], inputs, weights[1]),
            ]
        }
    }
}
