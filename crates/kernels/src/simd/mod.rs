//! [`Simd`]: the operations that kernels need from a vector instruction set.
//!
//! A value of a type that implements [`Simd`] proves that the machine has these instructions: its fields are
//! private, and only [`Isa`](crate::Isa) creates one, after detection. Arithmetic is therefore safe; only
//! loads and stores are unsafe. Kernels are generic functions over `S: Simd`, all `#[inline(always)]`,
//! entered through [`Simd::vectorize`], the only function with `#[target_feature]`. Kernels use no closures
//! or iterators around vectors: code that is not inlined is compiled without the feature, and every
//! instruction in it becomes a call.

mod avx2;
mod avx512;
mod portable;

pub(crate) use avx2::Avx2;
pub(crate) use avx512::Avx512;
pub(crate) use portable::Portable;

/// A function that is compiled once per instruction set.
pub trait WithSimd {
    /// Return type of the function.
    type Output;

    /// Runs the function; must be `#[inline(always)]`.
    fn with<S: Simd>(self, s: S) -> Self::Output;
}

/// Operations on `f32` vectors of one instruction set.
pub trait Simd: Copy + Send + Sync + 'static {
    /// A vector of [`Self::LANES`] values.
    type V: Copy;
    /// Result of a comparison, one flag per lane.
    type M: Copy;
    /// Number of values in a vector: 16 or 8.
    const LANES: usize;
    /// Most pixels of a convolution tile that is `[_, 1, 2, 3]` vectors wide, so that the accumulators stay
    /// in registers; 0 if no tile of that width is used.
    const PIXELS: [usize; 4];

    /// Calls `f`, compiled for these instructions, as a separate function.
    fn vectorize<F: WithSimd>(self, f: F) -> F::Output;

    /// A vector with `v` in all lanes.
    fn splat(self, v: f32) -> Self::V;
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `1 / v` with an error of at most 1 ulp, for `v` from 1 to 2^126; NaN for NaN.
    fn reciprocal(self, v: Self::V) -> Self::V;
    /// `a * b + c`, with a single rounding on machines that have the instruction.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a * b - c`.
    fn fms(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`.
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `|a|`.
    fn abs(self, a: Self::V) -> Self::V;
    /// Nearest integer, ties to even, for magnitudes below 2^22.
    fn round(self, v: Self::V) -> Self::V;
    /// `p * 2^n` for an integer `n`. Overflow and underflow are correct only where [`Simd::limit`] does not
    /// clamp.
    fn scale2(self, p: Self::V, n: Self::V) -> Self::V;
    /// Clamps `x` to the range in which [`Simd::scale2`] can compute `2^(-x log2 e)` with a result below
    /// 2^126; may lose NaN.
    fn limit(self, x: Self::V) -> Self::V;
    /// `a > b`, or `a` is NaN: the rule of PyTorch's max-pool for a new maximum.
    fn exceeds(self, a: Self::V, b: Self::V) -> Self::M;
    /// `a == b`.
    fn equals(self, a: Self::V, b: Self::V) -> Self::M;
    /// `a` in lanes where the mask is set, `b` in the others.
    fn select(self, mask: Self::M, a: Self::V, b: Self::V) -> Self::V;

    /// Reads [`Self::LANES`] values.
    ///
    /// # Safety
    /// The values must be readable; no alignment is needed.
    unsafe fn load(self, p: *const f32) -> Self::V;

    /// Writes [`Self::LANES`] values.
    ///
    /// # Safety
    /// The values must be writable; no alignment is needed.
    unsafe fn store(self, p: *mut f32, v: Self::V);

    /// Reads [`Self::LANES`] bytes as integers.
    ///
    /// # Safety
    /// The bytes must be readable.
    unsafe fn load_bytes(self, p: *const u8) -> Self::V;

    /// Writes integers `0..=255` as [`Self::LANES`] bytes.
    ///
    /// # Safety
    /// The bytes must be writable.
    unsafe fn store_bytes(self, p: *mut u8, v: Self::V);
}
