//! [`Grid`]: divides a convolution into tasks. The division depends on the shape alone, so that results do
//! not depend on threads.

use std::ops::Range;

use crate::panels::{Panel, groups, panels};
use crate::{ConvShape, Isa};

/// Sizes from which the division follows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Number of values in a padded strip of inputs: the strip, its outputs and one panel fit into the
    /// second-level cache.
    pub(crate) strip: usize,
    /// Multiply-accumulates per task below which dividing further takes more time than it saves.
    pub(crate) worth: usize,
}

/// The limits for values of 32 bits.
const LIMITS: Limits = Limits { strip: 48 << 10, worth: 2 << 20 };
/// Number of tasks below which a convolution is divided further, if that pays off.
const TASKS: usize = 16;

/// Whether every output pixel reads only the input pixel at the same position.
pub(crate) fn is_pointwise(shape: &ConvShape) -> bool {
    let w = shape.window();
    w.kernel == [1, 1] && w.stride == [1, 1] && w.padding == [0, 0]
}

/// Parts of the output pixels times groups of output channels.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    /// Rows per part of one image; for a pointwise convolution, pixels per part of the batch.
    step: usize,
    /// Rows of an image, or pixels of the batch.
    size: usize,
    /// Number of images; 1 for a pointwise convolution, 0 without channels.
    images: usize,
    /// Output pixels per row; 1 for a pointwise convolution.
    row: usize,
    /// Groups of panels.
    pub(crate) groups: Vec<Vec<Panel>>,
}

/// The part of the output that a task computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Index of the image; 0 for a pointwise convolution.
    pub(crate) image: usize,
    /// Rows of the image, or pixels of the batch.
    pub(crate) rows: Range<usize>,
    /// The same rows as pixels of the batch.
    pub(crate) pixels: Range<usize>,
}

impl Grid {
    /// The grid of a convolution of this shape.
    pub(crate) fn new(isa: Isa, shape: &ConvShape) -> Self {
        Self::within(LIMITS, isa.widest_panel(), shape)
    }

    /// The grid of a convolution of this shape, with panels of at most `widest` channels.
    pub(crate) fn within(limits: Limits, widest: usize, shape: &ConvShape) -> Self {
        let input = shape.input();
        let output = shape.output();
        let window = shape.window();
        let pointwise = is_pointwise(shape);
        let (images, size, row) =
            if pointwise { (1, output.pixels(), 1) } else { (output.n, output.h, output.w) };
        // Pixels without channels take no memory, so their number is unlimited; no task computes them.
        let images = if output.c == 0 { 0 } else { images };
        let per_row = if pointwise {
            input.c + output.c
        } else {
            (input.w + 2 * window.padding[1]) * input.c * window.stride[0]
        };
        let fitting = (limits.strip / per_row.max(1)).clamp(1, size.max(1));
        let macs = shape.weights_len().saturating_mul(output.pixels());
        let wanted = (macs / limits.worth).clamp(1, TASKS);
        // As many parts as the cache and the number of tasks require, while each part has pixels for a few
        // tiles.
        let mut parts = size.div_ceil(fitting);
        let smallest = 28usize.div_ceil(row);
        parts = parts.max(wanted.div_ceil(images.max(1)).min(size / smallest)).max(1);
        let step = size.div_ceil(parts).max(1);
        let panels = panels(widest, output.c);
        let tasks = size.div_ceil(step) * images;
        let groups = groups(&panels, wanted.div_ceil(tasks.max(1)));
        Self { step, size, images, row, groups }
    }

    /// Number of parts.
    pub(crate) fn parts(&self) -> usize {
        self.images * self.size.div_ceil(self.step)
    }

    /// Part `index`.
    pub(crate) fn part(&self, index: usize) -> Part {
        let per_image = self.size.div_ceil(self.step);
        let image = index / per_image;
        let index = index % per_image;
        let rows = index * self.step..((index + 1) * self.step).min(self.size);
        let pixel = |row: usize| (image * self.size + row) * self.row;
        Part { image, pixels: pixel(rows.start)..pixel(rows.end), rows }
    }

    /// Number of output pixels in every part.
    pub(crate) fn counts(&self) -> Vec<usize> {
        (0..self.parts()).map(|i| self.part(i).pixels.len()).collect()
    }

    /// Number of tasks: parts times groups.
    pub(crate) fn tasks(&self) -> usize {
        self.parts() * self.groups.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Nhwc, Window};

    #[test]
    fn parts_cover_every_pixel_in_order() {
        for (n, h, w, ci, co, k) in
            [(1, 20, 20, 256, 256, 1), (8, 80, 80, 32, 64, 3), (3, 1, 7, 16, 16, 5), (1, 2, 2, 512, 16, 1)]
        {
            let shape = ConvShape::new(Nhwc::new(n, h, w, ci), co, Window::square(k, 1, k / 2)).unwrap();
            let grid = Grid::new(Isa::detect(), &shape);
            let mut next = 0;
            for i in 0..grid.parts() {
                let part = grid.part(i);
                assert_eq!(part.pixels.start, next);
                assert!(!part.pixels.is_empty());
                next = part.pixels.end;
            }
            assert_eq!(next, n * h * w);
        }
    }

    #[test]
    fn pixels_without_channels_are_nobodys() {
        for kernel in [1, 3] {
            let image = Nhwc::new(1 << 32, 13, 1, 0);
            let shape = ConvShape::new(image, 0, Window::square(kernel, 1, kernel / 2)).unwrap();
            assert!(Grid::new(Isa::detect(), &shape).counts().is_empty());
        }
    }

    #[test]
    fn a_small_map_with_many_channels_is_cut_by_channels_too() {
        let shape = ConvShape::new(Nhwc::new(1, 10, 10, 256), 256, Window::square(3, 1, 1)).unwrap();
        assert!(Grid::new(Isa::detect(), &shape).tasks() >= 8);
    }
}
