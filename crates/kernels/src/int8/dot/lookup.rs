//! [`look_up`]: a table of 256 bytes on AVX2, which only has a lookup in 16 bytes.

#[allow(clippy::wildcard_imports, reason = "some ten intrinsics with long names")]
use std::arch::x86_64::*;

/// The entries of a table of 256 bytes for 32 codes: 16 lookups by the lower half of a code, of which the upper
/// half chooses one, bit by bit.
///
/// # Safety
/// The machine has AVX2, and 256 bytes at `table` are readable.
#[inline(always)]
pub(super) unsafe fn look_up(table: *const u8, codes: __m256i) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let index = _mm256_and_si256(codes, _mm256_set1_epi8(0x0f));
        let mut found = [_mm256_setzero_si256(); 16];
        let mut part = 0;
        while part < 16 {
            let entries = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.add(part * 16).cast()));
            found[part] = _mm256_shuffle_epi8(entries, index);
            part += 1;
        }
        // A blend tests the highest bit of every byte; the shift brings bit 4, 5, 6 or 7 there.
        let bits = [
            _mm256_slli_epi16::<3>(codes),
            _mm256_slli_epi16::<2>(codes),
            _mm256_slli_epi16::<1>(codes),
            codes,
        ];
        let mut half = 8;
        let mut bit = 0;
        while bit < 4 {
            part = 0;
            while part < half {
                found[part] = _mm256_blendv_epi8(found[2 * part], found[2 * part + 1], bits[bit]);
                part += 1;
            }
            half /= 2;
            bit += 1;
        }
        found[0]
    }
}
