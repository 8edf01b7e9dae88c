//! [`Window`]: the sliding window of convolution and pooling, which relates output pixels, input pixels and
//! taps.
//!
//! Forward kernels need the input that a tap reads; backward kernels need the output that reads an input
//! through a tap. Both mappings are defined here, so that they cannot disagree.

/// Kernel size, stride and zero padding, each as `[vertical, horizontal]`, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// Extent of the kernel.
    pub kernel: [usize; 2],
    /// Step between neighbouring outputs.
    pub stride: [usize; 2],
    /// Number of pixels added on each side.
    pub padding: [usize; 2],
}

impl Window {
    /// A window with the same sizes in both directions.
    pub const fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2] }
    }

    /// Number of pixels under the kernel.
    pub fn area(&self) -> usize {
        self.kernel[0].saturating_mul(self.kernel[1])
    }

    /// Number of outputs along `axis` (0 vertical, 1 horizontal) for an image with `size` pixels there.
    /// `None` if the kernel is larger than the padded image or the stride is 0.
    pub fn output_size(&self, axis: usize, size: usize) -> Option<usize> {
        let padded = size.checked_add(self.padding[axis].checked_mul(2)?)?;
        let room = padded.checked_sub(self.kernel[axis])?;
        room.checked_div(self.stride[axis])?.checked_add(1)
    }

    /// The pixel that output `out` reads through tap `tap`; `None` if it lies in the padding.
    pub fn input_of(&self, axis: usize, out: usize, tap: usize, size: usize) -> Option<usize> {
        (out * self.stride[axis] + tap).checked_sub(self.padding[axis]).filter(|&pixel| pixel < size)
    }

    /// The output that reads pixel `pixel` through tap `tap`; `None` if no output does.
    pub fn output_of(&self, axis: usize, pixel: usize, tap: usize, outputs: usize) -> Option<usize> {
        let offset = (pixel + self.padding[axis]).checked_sub(tap)?;
        let aligned = offset.is_multiple_of(self.stride[axis]);
        aligned.then(|| offset / self.stride[axis]).filter(|&out| out < outputs)
    }
}

#[cfg(test)]
mod tests {
    use super::Window;

    #[test]
    fn sizes_follow_the_floor_formula() {
        for (kernel, stride, padding, size, expected) in [
            (3, 2, 1, 640, Some(320)),
            (3, 2, 1, 7, Some(4)),
            (3, 1, 1, 5, Some(5)),
            (5, 1, 2, 1, Some(1)),
            (3, 1, 0, 2, None),
            (3, 0, 1, 5, None),
        ] {
            assert_eq!(Window::square(kernel, stride, padding).output_size(0, size), expected);
        }
    }

    #[test]
    fn both_directions_agree() {
        for (kernel, stride, padding, size) in [(3, 2, 1, 7), (1, 3, 0, 8), (5, 1, 2, 3), (2, 2, 1, 5)] {
            let window = Window::square(kernel, stride, padding);
            let outputs = window.output_size(1, size).unwrap();
            for tap in 0..kernel {
                let forward: Vec<_> = (0..outputs)
                    .filter_map(|out| window.input_of(1, out, tap, size).map(|pixel| (pixel, out)))
                    .collect();
                let backward: Vec<_> = (0..size)
                    .filter_map(|pixel| window.output_of(1, pixel, tap, outputs).map(|out| (pixel, out)))
                    .collect();
                assert_eq!(forward, backward, "{window:?}, tap {tap}");
            }
        }
    }
}
