//! [`Groups`]: the groups of input channels that a convolution on codes multiplies, and their offsets.

use std::ops::Range;

use crate::conv::live::Live;
use crate::{ConvShape, KernelError};

/// First channels of the groups that have a channel which is not padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Groups {
    firsts: Vec<usize>,
    /// Number of channels of a group.
    pub(crate) size: usize,
}

impl Groups {
    /// All groups of `channels` channels, of `size` channels each.
    pub(crate) fn all(channels: usize, size: usize) -> Self {
        Self { firsts: (0..channels).step_by(size).collect(), size }
    }

    /// The groups with a channel in `ranges`.
    ///
    /// # Errors
    /// [`KernelError::Operand`] if ranges are not ascending or end after `channels`.
    pub(crate) fn live(ranges: &[Range<usize>], channels: usize, size: usize) -> Result<Self, KernelError> {
        Live::new("live input channels", ranges, channels)?;
        let is_live = |first: &usize| ranges.iter().any(|r| r.start < first + size && *first < r.end);
        let all = Self::all(channels, size);
        Ok(Self { firsts: all.firsts.into_iter().filter(is_live).collect(), size })
    }

    /// Number of groups of all taps.
    pub(crate) fn count(&self, shape: &ConvShape) -> usize {
        shape.window().area() * self.firsts.len()
    }

    /// Tap and first channel of every group, in the order of the weights.
    pub(crate) fn each(&self, shape: &ConvShape) -> impl Iterator<Item = (usize, usize)> {
        (0..shape.window().area()).flat_map(|tap| self.firsts.iter().map(move |first| (tap, *first)))
    }

    /// Bytes from the first input of an output pixel to every group, in a strip whose rows are `row` bytes
    /// apart, with `bytes` bytes per channel.
    ///
    /// # Errors
    /// [`KernelError::TooLarge`] if a distance exceeds 32 bits.
    pub(crate) fn offsets(
        &self,
        shape: &ConvShape,
        row: usize,
        bytes: usize,
    ) -> Result<Vec<u32>, KernelError> {
        let columns = shape.window().kernel[1];
        let offset = |(tap, first): (usize, usize)| {
            let offset = tap / columns * row + (tap % columns * shape.input().c + first) * bytes;
            u32::try_from(offset).map_err(|_| KernelError::TooLarge { what: "the strip of a convolution" })
        };
        self.each(shape).map(offset).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Nhwc, Window};

    #[test]
    fn groups_of_padding_are_left_out() {
        let groups = Groups::live(&[0..5, 16..17], 32, 4).unwrap();
        assert_eq!(groups.firsts, [0, 4, 16]);
        assert_eq!(Groups::live(&[0..5, 16..17], 32, 2).unwrap().firsts, [0, 2, 4, 16]);
        assert!(Groups::live(&[0..3, 3..33], 32, 4).is_err());

        let shape = ConvShape::new(Nhwc::new(1, 4, 4, 32), 16, Window::square(2, 1, 0)).unwrap();
        assert_eq!(groups.offsets(&shape, 1000, 2).unwrap()[3..8], [64, 72, 96, 1000, 1008]);
        assert_eq!(groups.count(&shape), 12);
    }
}
