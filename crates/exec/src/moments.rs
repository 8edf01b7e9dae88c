//! [`MomentStep`]: a step that keeps two moments of every parameter.

/// One step of an optimiser with two moments, for the parameters of one role.
pub(crate) trait MomentStep: Copy + Send + Sync {
    /// The new parameter, first moment and second moment from parameter, gradient and moments.
    fn apply(&self, w: f32, g: f32, m: f32, s: f32) -> (f32, f32, f32);
}
