//! CPU kernels for the nine layers of a detection network, on plain slices.
//!
//! Forward and backward of convolution, batch norm, SiLU, max-pool, nearest upsampling, addition, slice and
//! concat.
//! Images are NHWC, `f32`, dense: pixel after pixel, each with all its channels. Convolution weights are HWIO
//! (`[kernel h, kernel w, in, out]`), so that the innermost loop runs over output channels; [`layout`]
//! converts from and to PyTorch's OIHW and NCHW.
//!
//! This is the **portable reference path**: plain safe loops, one thread, no instruction set assumed.
//! The AVX2 and AVX-512 paths come next and are held against it, as is the other executor in tests.
//! Hence the choice for being right over being fast: every sum is carried in `f64` in a fixed order and
//! rounded once.
//!
//! Invariants: outputs are overwritten, never added to, unless the name says so; wrong lengths are errors,
//! found before anything is written; the same inputs give the same bits.
//! The crate knows no graph, allocates nothing that outlives a call except what it returns, and starts no
//! thread.
//!
//! ```
//! use bonsai_kernels::{ConvShape, Nhwc, Window, conv};
//!
//! // A 3x3 box filter over a 4x4 image with one channel, padded by 1.
//! let shape = ConvShape::new(Nhwc::new(1, 4, 4, 1), 1, Window::square(3, 1, 1))?;
//! let (x, weights) = ([1.0; 16], [1.0; 9]);
//! let mut y = vec![0.0; shape.output().len()];
//! conv::forward(&shape, &x, &weights, None, &mut y)?;
//! assert_eq!(y[0], 4.0); // a corner sees four pixels
//! assert_eq!(y[5], 9.0);
//! # Ok::<(), bonsai_kernels::KernelError>(())
//! ```

pub mod add;
pub mod batch_norm;
pub mod channels;
pub mod conv;
mod error;
pub mod layout;
pub mod max_pool;
mod shape;
pub mod silu;
pub mod upsample;
mod window;

pub use error::KernelError;
pub use shape::{ConvShape, Nhwc, PoolShape};
pub use window::Window;
