//! [`ConvShape`] and [`PoolShape`]: shapes of convolutions and poolings.
//!
//! Invariant: every [`ConvShape`] or [`PoolShape`] has an output, and neither its sizes nor the sizes that
//! kernels compute from them (padded images, strips of rows, several copies of the weights) overflow. So
//! kernels multiply without checks.

use crate::memory::MOST_VALUES;
use crate::{KernelError, Nhwc, Window};

/// Most pixels under a kernel; below, the largest stride and padding.
const MOST_TAPS: usize = 1 << 20;
const MOST_STEP: usize = 1 << 16;
/// Most channels, because panels list them. A graph has at most 65,536 channels, each possibly padded to a
/// segment.
const MOST_CHANNELS: usize = 1 << 20;

/// Whether so many values fit into memory. A size of 0 counts as 1, because parts of the product are computed
/// too.
fn addressable(sizes: &[usize]) -> bool {
    sizes.iter().fold(1, |product: usize, &size| product.saturating_mul(size.max(1))) <= MOST_VALUES
}

/// Returns an error if no memory holds the values of `shape`, which is described by `what`.
pub(crate) fn check_size(shape: Nhwc, what: &'static str) -> Result<(), KernelError> {
    let Nhwc { n, h, w, c } = shape;
    if addressable(&[n, h, w, c]) { Ok(()) } else { Err(KernelError::TooLarge { what }) }
}

/// Sizes of a two-dimensional convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvShape {
    input: Nhwc,
    output: Nhwc,
    window: Window,
}

impl ConvShape {
    /// A convolution of `input` into `out_channels` channels.
    ///
    /// # Errors
    ///
    /// [`KernelError::EmptyWindow`], [`KernelError::WindowTooLarge`] or [`KernelError::TooLarge`].
    pub fn new(input: Nhwc, out_channels: usize, window: Window) -> Result<Self, KernelError> {
        let output = slide(input, out_channels, window)?;
        let shape = Self { input, output, window };
        if !addressable(&[window.area(), input.c, output.c]) {
            return Err(KernelError::TooLarge { what: "the weights" });
        }
        Ok(shape)
    }

    /// Sizes of `x`.
    pub fn input(&self) -> Nhwc {
        self.input
    }

    /// Sizes of `y`.
    pub fn output(&self) -> Nhwc {
        self.output
    }

    /// The window.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Number of values in the HWIO weights.
    pub fn weights_len(&self) -> usize {
        self.window.area().saturating_mul(self.input.c).saturating_mul(self.output.c)
    }
}

/// Sizes of a max-pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolShape {
    input: Nhwc,
    output: Nhwc,
    window: Window,
}

impl PoolShape {
    /// A max-pool over `input`; the number of channels does not change.
    ///
    /// # Errors
    ///
    /// As [`ConvShape::new`]; also [`KernelError::PoolPadding`] and [`KernelError::PoolArea`].
    pub fn new(input: Nhwc, window: Window) -> Result<Self, KernelError> {
        let output = slide(input, input.c, window)?;
        if window.padding.iter().zip(&window.kernel).any(|(padding, kernel)| padding >= kernel) {
            return Err(KernelError::PoolPadding { window });
        }
        if window.area() > 256 {
            return Err(KernelError::PoolArea { window, area: window.area() });
        }
        Ok(Self { input, output, window })
    }

    /// Sizes of `x`.
    pub fn input(&self) -> Nhwc {
        self.input
    }

    /// Sizes of `y` and of the argmax.
    pub fn output(&self) -> Nhwc {
        self.output
    }

    /// The window.
    pub fn window(&self) -> Window {
        self.window
    }
}

fn slide(input: Nhwc, channels: usize, window: Window) -> Result<Nhwc, KernelError> {
    if window.kernel.contains(&0) || window.stride.contains(&0) {
        return Err(KernelError::EmptyWindow { window });
    }
    let (Some(h), Some(w)) = (window.output_size(0, input.h), window.output_size(1, input.w)) else {
        return Err(KernelError::WindowTooLarge { window, input });
    };
    let output = Nhwc::new(input.n, h, w, channels);
    check_size(input, "the input")?;
    check_size(output, "the output")?;
    let most = |sizes: [usize; 2]| sizes[0].max(sizes[1]);
    if window.area() > MOST_TAPS || most(window.stride).max(most(window.padding)) > MOST_STEP {
        return Err(KernelError::TooLarge { what: "the window" });
    }
    // Copies of an image with its borders that a kernel may make, of inputs or of outputs.
    let bordered = |axis: usize, size: usize| {
        size + window.kernel[axis] + 2 * window.padding[axis] + 2 * window.stride[axis]
    };
    let channels = input.c.max(channels);
    if channels > MOST_CHANNELS || !addressable(&[bordered(0, input.h), bordered(1, input.w), channels]) {
        return Err(KernelError::TooLarge { what: "the padded image" });
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn height_and_width_are_independent() {
        let window = Window { kernel: [3, 1], stride: [2, 1], padding: [1, 0] };
        let shape = ConvShape::new(Nhwc::new(2, 7, 5, 3), 8, window).unwrap();
        assert_eq!(shape.output(), Nhwc::new(2, 4, 5, 8));
        assert_eq!(shape.weights_len(), 3 * 3 * 8);
    }

    #[test]
    fn impossible_shapes_are_refused_with_their_numbers() {
        let image = Nhwc::new(1, 4, 4, 1);
        let conv = |window| ConvShape::new(image, 1, window).unwrap_err();
        assert!(matches!(conv(Window::square(3, 0, 1)), KernelError::EmptyWindow { .. }));
        assert!(matches!(conv(Window::square(0, 1, 1)), KernelError::EmptyWindow { .. }));
        let error = conv(Window::square(7, 1, 1));
        assert!(error.to_string().contains("[7, 7]") && error.to_string().contains("h: 4"), "{error}");
        let huge = Nhwc::new(usize::MAX, 4, 4, 1);
        assert!(matches!(
            ConvShape::new(huge, 1, Window::square(1, 1, 0)),
            Err(KernelError::TooLarge { .. })
        ));
        let padding = usize::MAX / 2 + 1;
        assert!(matches!(conv(Window::square(1, 1, padding)), KernelError::WindowTooLarge { .. }));
        for window in [Window::square(1025, 1, 1 << 10), Window::square(1, 1 << 17, 0)] {
            assert!(matches!(conv(window), KernelError::TooLarge { what: "the window" }));
        }
        // The image has no values, but parts of the product overflow.
        for image in [Nhwc::new(0, 1 << 30, 1 << 30, 16), Nhwc::new(1, 1 << 30, 1 << 30, 0)] {
            let error = ConvShape::new(image, 16, Window::square(1, 1, 0)).unwrap_err();
            assert!(matches!(error, KernelError::TooLarge { what: "the input" }), "{error}");
        }

        let pool = |window| PoolShape::new(Nhwc::new(1, 40, 40, 1), window).unwrap_err();
        assert!(matches!(pool(Window::square(2, 2, 2)), KernelError::PoolPadding { .. }));
        assert!(matches!(pool(Window::square(17, 1, 8)), KernelError::PoolArea { area: 289, .. }));
    }
}
