//! Asking for memory before it is needed.
//!
//! The hardware follows a stream of addresses only to the end of a page, and products are through with a page of packed
//! weights before the first line of the next one arrives. So they ask for the next panel while they work on one.

/// Brings the cache line of `p` into the first-level cache, if there is one; never fails.
#[inline(always)]
pub(super) fn near(p: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint that every x86-64 has; it does not access memory as far as the program can tell.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(p.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}
