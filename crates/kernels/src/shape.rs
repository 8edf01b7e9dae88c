//! Shapes of images, convolutions and poolings.
//!
//! Invariant: a [`ConvShape`] or [`PoolShape`] that exists has an output, and none of its sizes overflows.

use crate::{KernelError, Window};

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

    /// Values in the batch. Saturates, so that no slice has the length of an absurd shape.
    pub const fn len(&self) -> usize {
        self.pixels().saturating_mul(self.c)
    }

    /// Whether there are no values.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pixels in the batch: values per channel.
    pub const fn pixels(&self) -> usize {
        self.n.saturating_mul(self.h).saturating_mul(self.w)
    }

    fn check_size(&self, what: &'static str) -> Result<(), KernelError> {
        if self.len() == usize::MAX { Err(KernelError::TooLarge { what }) } else { Ok(()) }
    }
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
        if shape.weights_len() == usize::MAX {
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

    /// Values in the HWIO weights.
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
    /// A max-pool over `input`; channels stay.
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
    input.check_size("the input")?;
    output.check_size("the output")?;
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

        let pool = |window| PoolShape::new(Nhwc::new(1, 40, 40, 1), window).unwrap_err();
        assert!(matches!(pool(Window::square(2, 2, 2)), KernelError::PoolPadding { .. }));
        assert!(matches!(pool(Window::square(17, 1, 8)), KernelError::PoolArea { area: 289, .. }));
    }
}
