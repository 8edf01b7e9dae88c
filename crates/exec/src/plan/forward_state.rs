//! [`ForwardState`]: what the forward pass of a unit keeps for its backward pass.

use bonsai_kernels::View;

/// Values of the forward pass of a unit that its backward needs.
#[derive(Default)]
pub(crate) struct ForwardState {
    /// The values before batch norm and activation.
    pub(crate) y: Option<View>,
    pub(crate) norm: Option<NormVectors>,
    /// Positions of the maxima of a pooling.
    pub(crate) argmax: Option<View>,
    /// Where the output was in the range of its codes, if it is rounded.
    pub(crate) mask: Option<View>,
}

/// The vectors of a batch norm for one batch.
#[derive(Clone, Copy)]
pub(crate) struct NormVectors {
    pub(crate) mean: View,
    /// Inverse standard deviation.
    pub(crate) inv: View,
    /// `gamma * inv`.
    pub(crate) scale: View,
    /// `beta - mean * scale`.
    pub(crate) shift: View,
}
