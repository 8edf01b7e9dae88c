//! [`near`]: prefetches memory.
//!
//! The hardware prefetcher follows a stream of addresses only to the end of a page, and a product finishes a
//! page of packed weights before the first line of the next page arrives. Products therefore prefetch the
//! next panel themselves.

/// Brings the cache line at `p` into the first-level cache if the address is valid; never fails.
#[inline(always)]
pub(super) fn near(p: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint that every x86-64 machine has; it does not access memory as far as the program can
    // observe.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(p.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}
