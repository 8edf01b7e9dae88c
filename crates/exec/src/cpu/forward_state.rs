//! [`ForwardState`]: what the forward pass of a unit keeps for its backward pass.

use bonsai_kernels::View;

/// Values of the forward pass of a unit that its backward needs.
#[derive(Default)]
pub(super) struct ForwardState {
    /// The values before batch norm and activation.
    pub(super) y: Option<View>,
    pub(super) norm: Option<NormVectors>,
    /// Positions of the maxima of a pooling.
    pub(super) argmax: Option<View>,
}

/// The vectors of a batch norm for one batch.
#[derive(Clone, Copy)]
pub(super) struct NormVectors {
    pub(super) mean: View,
    /// Inverse standard deviation.
    pub(super) inv: View,
    /// `gamma * inv`.
    pub(super) scale: View,
    /// `beta - mean * scale`.
    pub(super) shift: View,
}
