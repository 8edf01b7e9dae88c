//! [`look_up`]: a table of 256 bytes on AVX2, which only has a lookup in 16 bytes.

#[allow(clippy::wildcard_imports, reason = "some ten intrinsics with long names")]
use std::arch::x86_64::*;

/// The entries of a table of 256 bytes for 32 codes.
///
/// One `pshufb` looks up the codes of one sixteenth of the table: codes of another sixteenth get bit 7, for
/// which the instruction gives 0.
///
/// # Safety
/// The machine has AVX2, and 256 bytes at `table` are readable.
#[inline(always)]
pub(super) unsafe fn look_up(table: *const u8, codes: __m256i) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let mut found = _mm256_setzero_si256();
        let mut part = 0;
        while part < 16 {
            let entries = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.add(part * 16).cast()));
            let nearby = _mm256_xor_si256(codes, _mm256_set1_epi8((part * 16) as u8 as i8));
            let index = _mm256_adds_epu8(nearby, _mm256_set1_epi8(0x70));
            found = _mm256_or_si256(found, _mm256_shuffle_epi8(entries, index));
            part += 1;
        }
        found
    }
}
