//! [`Dot`]: the operations that kernels on codes need from an instruction set.
//!
//! As with [`Simd`](crate::simd::Simd), a value of a type that implements it proves that the machine has the
//! instructions, and all code in between is `#[inline(always)]`.

mod avx2;
mod avx512;
mod avx_vnni;
#[cfg(target_arch = "x86_64")]
mod lookup;
mod portable;

pub(crate) use avx_vnni::AvxVnni;
pub(crate) use avx2::Avx2Pairs;
pub(crate) use avx512::Avx512Vnni;
pub(crate) use portable::PortablePairs;

/// A function that is compiled once per instruction set.
pub(crate) trait WithDot {
    /// Runs the function; must be `#[inline(always)]`.
    fn with<D: Dot>(self, d: D);
}

/// Operations on 16 sums of products of codes and weights.
///
/// A *group* is as many neighbouring input channels as one instruction multiplies and adds per output
/// channel: 4 as bytes, or 2 as pairs of 16 bits. Either way, the inputs of a group have 4 bytes, and its
/// weights for 16 output channels have 64.
pub(crate) trait Dot: Copy + Send + Sync + 'static {
    /// 16 sums of `i32`.
    type Sums: Copy;
    /// The weights of one group for 16 output channels.
    type Weights: Copy;
    /// The inputs of one group, once for every output channel.
    type Inputs: Copy;
    /// Bytes of an input channel: 1, or 2 if codes must be widened to 16 bits before.
    const BYTES: usize;
    /// Most pixels of a tile that is `[_, 1, 2, 3, 4]` segments wide; 0 if no tile of that width is used.
    const PIXELS: [usize; 5];

    /// Calls `f`, compiled for these instructions, as a separate function.
    fn enter<F: WithDot>(self, f: F);

    /// Reads 16 sums.
    ///
    /// # Safety
    /// The sums must be readable; no alignment is needed.
    unsafe fn sums(self, p: *const i32) -> Self::Sums;

    /// Reads 64 bytes of weights.
    ///
    /// # Safety
    /// The bytes must be readable; no alignment is needed.
    unsafe fn weights(self, p: *const u8) -> Self::Weights;

    /// Reads the 4 bytes of a group of inputs.
    ///
    /// # Safety
    /// The bytes must be readable; no alignment is needed.
    unsafe fn inputs(self, p: *const u8) -> Self::Inputs;

    /// `sums + inputs * weights`, summed over the group.
    fn dot(self, sums: Self::Sums, inputs: Self::Inputs, weights: Self::Weights) -> Self::Sums;

    /// `sums + codes * weights`, channel by channel, for 16 codes at `p` and 16 weights from -127 to 127 at
    /// `w`.
    ///
    /// # Safety
    /// The codes and weights must be readable; no alignment is needed.
    unsafe fn multiply_add(self, sums: Self::Sums, p: *const u8, w: *const i32) -> Self::Sums;

    /// Writes `sums * scale + bias` as 16 values.
    ///
    /// # Safety
    /// 16 scales and biases must be readable and 16 values writable; no alignment is needed.
    unsafe fn store_values(self, sums: Self::Sums, scale: *const f32, bias: *const f32, y: *mut f32);

    /// Writes `sums * scale + bias` as `16 * N` codes, or their entries in a table of 256 codes if `table` is
    /// not null.
    ///
    /// # Safety
    /// `16 * N` scales and biases and the table must be readable and `16 * N` codes writable; no alignment is
    /// needed.
    unsafe fn store_codes<const N: usize>(
        self,
        sums: [Self::Sums; N],
        scale: *const f32,
        bias: *const f32,
        table: *const u8,
        y: *mut u8,
    );

    /// [`Dot::store_codes`] for `M` pixels, which are `pitch` codes apart.
    ///
    /// # Safety
    /// As [`Dot::store_codes`], for every pixel.
    #[inline(always)]
    unsafe fn store_pixels<const M: usize, const N: usize>(
        self,
        sums: [[Self::Sums; N]; M],
        [scale, bias]: [*const f32; 2],
        table: *const u8,
        y: *mut u8,
        pitch: usize,
    ) {
        for m in 0..M {
            // SAFETY: the caller's promise.
            unsafe { self.store_codes(sums[m], scale, bias, table, y.add(m * pitch)) };
        }
    }

    /// Overwrites 16 codes `y` with `a * factors[0] + b * factors[1] + factors[2]`, each product and sum rounded,
    /// so that the order of the summands does not matter.
    ///
    /// # Safety
    /// 16 codes must be readable at `a` and `b` and writable at `y`; no alignment is needed.
    unsafe fn blend(self, y: *mut u8, a: *const u8, b: *const u8, factors: [f32; 3]);

    /// Replaces 16 codes at `x` by their entries in a table of 256 codes and writes them to `y`.
    ///
    /// # Safety
    /// 16 codes at `x` and the table must be readable and 16 codes at `y` writable; no alignment is needed.
    unsafe fn look_up(self, table: *const u8, x: *const u8, y: *mut u8);
}
