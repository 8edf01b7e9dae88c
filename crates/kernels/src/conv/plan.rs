//! [`Conv`]: the plan of one convolution, with its shape, its algorithm and the sizes of its operands.

use std::ops::Range;

use super::grid::Grid;
use super::live::Live;
use super::{Algorithm, WinogradMode, depthwise, weight_gradient};
use crate::fit::equal;
use crate::{ConvShape, Isa, KernelError, Nhwc, Program, SEGMENT, Window, winograd};

/// A convolution of one shape, for one instruction set.
#[derive(Debug, Clone)]
pub struct Conv {
    pub(super) isa: Isa,
    pub(super) shape: ConvShape,
    pub(super) algorithm: Algorithm,
    pub(super) live_input: Live,
    pub(super) live_output: Live,
}

impl Conv {
    /// A convolution of `input` into `out_channels` channels; both channel counts include padding.
    ///
    /// # Errors
    /// As [`ConvShape::new`]; [`KernelError::Operand`] if the output channels are not whole segments.
    pub fn new(
        isa: Isa,
        input: Nhwc,
        out_channels: usize,
        window: Window,
        winograd: WinogradMode,
    ) -> Result<Self, KernelError> {
        let shape = ConvShape::new(input, out_channels, window)?;
        equal("convolution", "output channels", out_channels, out_channels.next_multiple_of(SEGMENT))?;
        let pays = winograd == WinogradMode::Auto && winograd::pays(&shape);
        let algorithm = if pays { Algorithm::Winograd } else { Algorithm::Direct };
        let live_input = Live::all(input.c);
        let live_output = Live::all(out_channels);
        Ok(Self { isa, shape, algorithm, live_input, live_output })
    }

    /// A convolution in which every channel of `input` has its own window of weights.
    ///
    /// # Errors
    /// As [`Conv::new`].
    pub fn depthwise(isa: Isa, input: Nhwc, window: Window) -> Result<Self, KernelError> {
        let conv = Self::new(isa, input, input.c, window, WinogradMode::Off)?;
        Ok(Self { algorithm: Algorithm::Depthwise, ..conv })
    }

    /// Sets which channels of input and output are not padding. All other channels must be zero. Direct
    /// convolutions skip the products with them; the results have the same bits.
    ///
    /// # Errors
    /// [`KernelError::Operand`] if ranges are not ascending or end after the last channel.
    pub fn with_live(self, input: &[Range<usize>], output: &[Range<usize>]) -> Result<Self, KernelError> {
        let live_input = Live::new("live channels of the input", input, self.input().c)?;
        let live_output = Live::new("live channels of the output", output, self.output().c)?;
        Ok(Self { live_input, live_output, ..self })
    }

    /// Sizes of the input.
    pub fn input(&self) -> Nhwc {
        self.shape.input()
    }

    /// Sizes of the output.
    pub fn output(&self) -> Nhwc {
        self.shape.output()
    }

    /// The selected algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Number of values of the weights, including padding.
    pub fn weights_len(&self) -> usize {
        match self.algorithm {
            Algorithm::Direct | Algorithm::Winograd => self.shape.weights_len(),
            Algorithm::Depthwise => self.shape.window().area() * self.shape.output().c,
        }
    }

    /// Number of values of the weights in the layout of the forward pass.
    pub fn packed_len(&self) -> usize {
        match self.algorithm {
            Algorithm::Direct | Algorithm::Depthwise => self.weights_len(),
            Algorithm::Winograd => winograd::packed_len(&self.shape),
        }
    }

    /// Number of values of the weights in the layout of the input gradient.
    pub fn packed_transposed_len(&self) -> usize {
        match self.algorithm {
            Algorithm::Direct | Algorithm::Depthwise => self.packed_len(),
            Algorithm::Winograd => self.swapped().map_or(0, |s| winograd::packed_len(&s)),
        }
    }

    pub(super) fn swapped(&self) -> Result<ConvShape, KernelError> {
        ConvShape::new(self.output(), self.input().c, self.shape.window())
    }

    /// Number of scratch values that the weight gradient needs for partial sums.
    pub fn partials_len(&self) -> usize {
        match self.algorithm {
            Algorithm::Direct => weight_gradient::parts(self.isa, &self.shape) * self.shape.weights_len(),
            Algorithm::Winograd => winograd::partials_len(&self.shape),
            Algorithm::Depthwise => {
                depthwise::WeightGradient::parts(&self.shape).count().saturating_mul(self.weights_len())
            }
        }
    }

    /// Number of pixels in each part of [`Epilogue::moments`](crate::Epilogue::moments). That view has two
    /// rows per part.
    pub fn moment_counts(&self) -> Vec<usize> {
        match self.algorithm {
            Algorithm::Direct => Grid::new(self.isa, &self.shape).counts(),
            Algorithm::Winograd => winograd::moment_counts(&self.shape),
            Algorithm::Depthwise => depthwise::Parts::new(self.shape.output()).counts(),
        }
    }

    /// Number of parts of the moments.
    pub(super) fn moment_parts(&self) -> usize {
        match self.algorithm {
            Algorithm::Direct => Grid::new(self.isa, &self.shape).parts(),
            Algorithm::Winograd => winograd::moment_parts(&self.shape),
            Algorithm::Depthwise => depthwise::Parts::new(self.shape.output()).count(),
        }
    }

    /// Returns an error if the program is for another instruction set, whose panels may have other widths.
    pub(super) fn for_program(&self, p: &Program, label: &str) -> Result<(), KernelError> {
        if p.isa() == self.isa {
            return Ok(());
        }
        let conv = self.isa.name();
        let program = p.isa().name();
        Err(KernelError::OtherIsa { label: label.to_owned(), conv, program })
    }
}
