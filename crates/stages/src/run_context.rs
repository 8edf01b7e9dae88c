//! [`RunContext`]: the settings that all stages of a run share.

use bonsai_exec::ExecutorOptions;

use crate::LoadingConfig;

/// The settings that all stages of a run share.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// Side of the images in pixels.
    pub imgsz: usize,
    /// Seed of all randomness.
    pub seed: u64,
    /// The executor that runs the network.
    pub executor: ExecutorOptions,
    /// How batches are made.
    pub loader: LoadingConfig,
    /// Whether epochs are evaluated on the smallest canvas for each batch, as in Ultralytics, instead of on
    /// squares.
    pub rect: bool,
}
