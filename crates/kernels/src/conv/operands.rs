//! Checks of the operands of a convolution: [`vector`] and [`tensor`].

use crate::fit::equal;
use crate::{KernelError, Nhwc, View};

/// Checks that `view`, described by `what`, is a vector of `len` values.
pub(super) fn vector(label: &str, what: &'static str, view: &View, len: usize) -> Result<(), KernelError> {
    equal(label, what, view.pixels, 1)?;
    equal(label, what, view.channels, len)
}

/// Checks that `view`, described by `what`, has the pixels and channels of `shape`.
pub(super) fn tensor(label: &str, what: &'static str, view: &View, shape: Nhwc) -> Result<(), KernelError> {
    equal(label, what, view.pixels, shape.pixels())?;
    equal(label, what, view.channels, shape.c)
}
