//! What a kernel needs of a vector instruction set, and how a kernel is compiled once per instruction set.
//!
//! A value of a type that implements [`Simd`] is a proof that the machine has these instructions: its fields are private
//! and only [`Isa`](crate::Isa) makes one, after detection. So arithmetic is safe; only loads and stores are not.
//! Kernels are generic functions over `S: Simd`, all `#[inline(always)]`, entered through [`Simd::vectorize`], the one
//! function that carries `#[target_feature]`. No closures and iterators around vectors: what is not inlined runs without
//! the feature, and every instruction in it becomes a call.

mod avx2;
mod avx512;
mod portable;

pub(crate) use avx2::Avx2;
pub(crate) use avx512::Avx512;
pub(crate) use portable::Portable;

/// A function that is compiled for every instruction set.
pub trait WithSimd {
    /// What it returns.
    type Output;

    /// The function; must be `#[inline(always)]`.
    fn with<S: Simd>(self, s: S) -> Self::Output;
}

/// `f32` vectors of one instruction set.
pub trait Simd: Copy + Send + Sync + 'static {
    /// [`Self::LANES`] values.
    type V: Copy;
    /// The outcome of a comparison, one per lane.
    type M: Copy;
    /// Values in a vector: 16 or 8.
    const LANES: usize;
    /// Most pixels of a convolution tile that is `[_, 1, 2, 3]` vectors wide, so that the accumulators stay in registers;
    /// 0 where the width does not pay.
    const PIXELS: [usize; 4];

    /// Calls `f` compiled for these instructions, as a function of its own.
    fn vectorize<F: WithSimd>(self, f: F) -> F::Output;

    /// All lanes `v`.
    fn splat(self, v: f32) -> Self::V;
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `1 / v` within 1 ulp, for `v` from 1 to 2^126; NaN for NaN.
    fn reciprocal(self, v: Self::V) -> Self::V;
    /// `a * b + c`, rounded once where the machine can.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a * b - c`.
    fn fms(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`.
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `|a|`.
    fn abs(self, a: Self::V) -> Self::V;
    /// Nearest whole number, ties to even, for magnitudes below 2^22.
    fn round(self, v: Self::V) -> Self::V;
    /// `p * 2^n` for whole `n`; overflow and underflow are right only where [`Simd::limit`] leaves its argument alone.
    fn scale2(self, p: Self::V, n: Self::V) -> Self::V;
    /// `x` brought into the range where [`Simd::scale2`] works for `2^(-x log2 e)` and the result is below 2^126; may lose
    /// NaN.
    fn limit(self, x: Self::V) -> Self::V;
    /// `a > b`, or `a` is NaN: PyTorch's rule for a new maximum.
    fn exceeds(self, a: Self::V, b: Self::V) -> Self::M;
    /// `a == b`.
    fn equals(self, a: Self::V, b: Self::V) -> Self::M;
    /// `a` where the mask is set, else `b`.
    fn select(self, mask: Self::M, a: Self::V, b: Self::V) -> Self::V;

    /// Reads [`Self::LANES`] values.
    ///
    /// # Safety
    /// They must be readable; no alignment is needed.
    unsafe fn load(self, p: *const f32) -> Self::V;

    /// Writes [`Self::LANES`] values.
    ///
    /// # Safety
    /// They must be writable; no alignment is needed.
    unsafe fn store(self, p: *mut f32, v: Self::V);

    /// Reads [`Self::LANES`] bytes as whole numbers.
    ///
    /// # Safety
    /// They must be readable.
    unsafe fn load_bytes(self, p: *const u8) -> Self::V;

    /// Writes whole numbers `0..=255` as [`Self::LANES`] bytes.
    ///
    /// # Safety
    /// They must be writable.
    unsafe fn store_bytes(self, p: *mut u8, v: Self::V);
}
