//! Numbers of the buffers on which the programs run.

/// Codes, values of outputs, and temporaries.
pub(super) const ACTIVATIONS: usize = crate::plan::buffers::ACTIVATIONS;
/// Quantised weights.
pub(super) const CONSTANTS: usize = 1;
