//! [`RunContext`]: what all stages of a run share.

use bonsai_exec::ExecutorOptions;

use crate::LoaderSettings;

/// What all stages of a run share.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// Side of the images in pixels.
    pub imgsz: usize,
    /// Where all randomness starts from.
    pub seed: u64,
    /// What runs the network.
    pub executor: ExecutorOptions,
    /// How batches are made.
    pub loader: LoaderSettings,
    /// Whether epochs are evaluated in canvases no larger than needed, as Ultralytics does, rather than in squares.
    pub rect: bool,
}
