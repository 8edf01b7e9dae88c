//! [`Nhwc`]: the sizes of a batch of images.

/// Sizes of a dense batch of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nhwc {
    /// Images.
    pub n: usize,
    /// Height, px.
    pub h: usize,
    /// Width, px.
    pub w: usize,
    /// Channels.
    pub c: usize,
}

impl Nhwc {
    /// All four sizes, in storage order.
    pub const fn new(n: usize, h: usize, w: usize, c: usize) -> Self {
        Self { n, h, w, c }
    }

    /// Number of values in the batch. Saturates, so that no slice has the length of an impossible shape.
    pub const fn len(&self) -> usize {
        self.pixels().saturating_mul(self.c)
    }

    /// Whether the batch has no values.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of pixels in the batch, which is the number of values per channel.
    pub const fn pixels(&self) -> usize {
        self.n.saturating_mul(self.h).saturating_mul(self.w)
    }
}
