//! [`RandomGraphConfig`]: the limits of a random network.

/// Limits of a random network.
#[derive(Debug, Clone, Copy)]
pub struct RandomGraphConfig {
    /// Number of building blocks between image and head; each adds one to about ten layers.
    pub blocks: usize,
    /// Largest channel count of a convolution; a concat may have twice as many channels.
    pub max_channels: usize,
    /// Largest side of the image, in pixels; at least 8.
    pub max_side: usize,
}

impl Default for RandomGraphConfig {
    fn default() -> Self {
        Self { blocks: 7, max_channels: 12, max_side: 16 }
    }
}
