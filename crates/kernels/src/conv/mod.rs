//! [`Conv`]: the plan of one two-dimensional convolution, with both gradients, and its algorithm.
//!
//! Weights are `[ky * kw + kx][in][out]` with padded channels. Every pass reads them in its own packed
//! layout, so a program packs them first ([`Conv::push_pack`], [`Conv::push_pack_transposed`]). The weights
//! of a depthwise convolution are `[ky * kw + kx][channel]`, and every pass reads them unchanged.

mod blocks;
mod depthwise;
mod epilogue;
mod fold;
mod forward;
mod grid;
mod input_gradient;
mod live;
mod outer;
mod pack;
mod panels;
mod strip;
mod tile;
mod weight_gradient;

pub use blocks::{Blocks, Collect, Spread};
pub use epilogue::Epilogue;
pub(crate) use epilogue::finish;
pub(crate) use panels::Panel;

use std::ops::Range;

use crate::memory::{SEGMENT, View};
use crate::program::Program;
use crate::winograd::Source;
use crate::{ConvShape, Copy, Isa, KernelError, Nhwc, Window, winograd};
use grid::Grid;
use live::Live;

/// Algorithm of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Direct multiplication and addition, with sums in registers.
    Direct,
    /// Winograd's F(4x4, 3x3): fewer multiplications, slightly larger rounding errors.
    Winograd,
    /// Depthwise: every channel has its own window of weights; see [`Conv::depthwise`].
    Depthwise,
}

/// Whether [`Conv::new`] may select Winograd's algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WinogradMode {
    /// Wherever it is faster.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// A convolution of one shape, for one instruction set.
#[derive(Debug, Clone)]
pub struct Conv {
    isa: Isa,
    shape: ConvShape,
    algorithm: Algorithm,
    live_input: Live,
    live_output: Live,
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
        expect("convolution", "output channels", out_channels, out_channels.next_multiple_of(SEGMENT))?;
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

    fn swapped(&self) -> Result<ConvShape, KernelError> {
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

    /// Number of pixels in each part of [`Epilogue::moments`]. That view has two rows per part.
    pub fn moment_counts(&self) -> Vec<usize> {
        match self.algorithm {
            Algorithm::Direct => Grid::new(self.isa, &self.shape).counts(),
            Algorithm::Winograd => winograd::moment_counts(&self.shape),
            Algorithm::Depthwise => depthwise::Parts::new(self.shape.output()).counts(),
        }
    }

    /// Number of parts of the moments.
    fn moment_parts(&self) -> usize {
        match self.algorithm {
            Algorithm::Direct => Grid::new(self.isa, &self.shape).parts(),
            Algorithm::Winograd => winograd::moment_parts(&self.shape),
            Algorithm::Depthwise => depthwise::Parts::new(self.shape.output()).count(),
        }
    }

    /// Returns an error if the program is for another instruction set, whose panels may have other widths.
    fn for_program(&self, p: &Program, label: &str) -> Result<(), KernelError> {
        if p.isa() == self.isa {
            return Ok(());
        }
        let conv = self.isa.name();
        let program = p.isa().name();
        Err(KernelError::OtherIsa { label: label.to_owned(), conv, program })
    }

    /// Appends the kernel that fills `packed` from `weights`, for the forward pass.
    ///
    /// # Errors
    /// [`KernelError::Operand`] if a size does not fit, [`KernelError::OtherIsa`] if the program is for
    /// another instruction set; errors of [`Program::push`].
    pub fn push_pack(
        &self,
        p: &mut Program,
        label: &str,
        weights: View,
        packed: View,
    ) -> Result<(), KernelError> {
        self.for_program(p, label)?;
        vector(label, "the weights", &weights, self.weights_len())?;
        vector(label, "the packed weights", &packed, self.packed_len())?;
        match self.algorithm {
            Algorithm::Direct => p.push(label, pack::Pack::new(self.isa, self.shape, weights, packed)),
            Algorithm::Winograd => {
                p.push(label, winograd::Pack::new(label, &self.shape, weights, packed, Source::Rows)?)
            }
            Algorithm::Depthwise => as_they_are(p, label, weights, packed),
        }
    }

    /// Appends the kernel that fills `packed` from `weights`, for the input gradient.
    ///
    /// # Errors
    /// As [`Conv::push_pack`].
    pub fn push_pack_transposed(
        &self,
        p: &mut Program,
        label: &str,
        weights: View,
        packed: View,
    ) -> Result<(), KernelError> {
        self.for_program(p, label)?;
        vector(label, "the weights", &weights, self.weights_len())?;
        vector(label, "the packed weights", &packed, self.packed_transposed_len())?;
        expect(label, "input channels", self.input().c, self.input().c.next_multiple_of(SEGMENT))?;
        match self.algorithm {
            Algorithm::Direct => {
                p.push(label, pack::PackTransposed::new(self.isa, self.shape, weights, packed))
            }
            Algorithm::Winograd => {
                p.push(label, winograd::Pack::new(label, &self.shape, weights, packed, Source::Transposed)?)
            }
            Algorithm::Depthwise => as_they_are(p, label, weights, packed),
        }
    }

    /// Appends `y = conv(x)`, followed by the epilogue.
    ///
    /// # Errors
    /// As [`Conv::push_pack`].
    pub fn push_forward(
        &self,
        p: &mut Program,
        label: &str,
        x: View,
        packed: View,
        y: View,
        epilogue: Epilogue,
    ) -> Result<(), KernelError> {
        self.for_program(p, label)?;
        tensor(label, "x", &x, self.input())?;
        vector(label, "the packed weights", &packed, self.packed_len())?;
        tensor(label, "y", &y, self.output())?;
        if let Some(bias) = &epilogue.bias {
            vector(label, "the bias", bias, self.output().c)?;
        }
        if let Some(residual) = &epilogue.residual {
            tensor(label, "the residual", residual, self.output())?;
        }
        if let Some(moments) = &epilogue.moments {
            expect(label, "rows of moments", moments.pixels, 2 * self.moment_parts())?;
            expect(label, "channels of moments", moments.channels, self.output().c)?;
        }
        match self.algorithm {
            Algorithm::Direct => {
                let live = &self.live_input;
                p.push(label, forward::Forward::new(self.isa, self.shape, live, x, packed, y, epilogue))
            }
            Algorithm::Winograd => {
                p.push(label, winograd::Forward::new(label, &self.shape, x, packed, y, epilogue, false)?)
            }
            Algorithm::Depthwise => {
                p.push(label, depthwise::Forward::new(self.shape, x, packed, y, epilogue))
            }
        }
    }

    /// Appends the gradient of the input, which is stored in `dx` or, with `accumulate`, added to it.
    ///
    /// # Errors
    /// As [`Conv::push_pack`].
    pub fn push_input_gradient(
        &self,
        p: &mut Program,
        label: &str,
        dy: View,
        packed: View,
        dx: View,
        accumulate: bool,
    ) -> Result<(), KernelError> {
        self.for_program(p, label)?;
        tensor(label, "dy", &dy, self.output())?;
        vector(label, "the packed weights", &packed, self.packed_transposed_len())?;
        tensor(label, "dx", &dx, self.input())?;
        expect(label, "input channels", self.input().c, self.input().c.next_multiple_of(SEGMENT))?;
        match self.algorithm {
            Algorithm::Direct => {
                let live = &self.live_output;
                let gradient = input_gradient::InputGradient::new(
                    self.isa, self.shape, live, dy, packed, dx, accumulate,
                )?;
                p.push(label, gradient)
            }
            Algorithm::Winograd => {
                let swapped = ConvShape::new(self.output(), self.input().c, self.shape.window())?;
                let none = Epilogue::default();
                p.push(label, winograd::Forward::new(label, &swapped, dy, packed, dx, none, accumulate)?)
            }
            Algorithm::Depthwise => {
                let gradient = depthwise::InputGradient::new(self.shape, dy, packed, dx, accumulate);
                p.push(label, gradient)
            }
        }
    }

    /// Appends the gradient of the weights, which is added to `dw`. `partials` is overwritten.
    ///
    /// # Errors
    /// As [`Conv::push_pack`].
    pub fn push_weight_gradient(
        &self,
        p: &mut Program,
        label: &str,
        x: View,
        dy: View,
        partials: View,
        dw: View,
    ) -> Result<(), KernelError> {
        self.for_program(p, label)?;
        tensor(label, "x", &x, self.input())?;
        tensor(label, "dy", &dy, self.output())?;
        vector(label, "the partial sums", &partials, self.partials_len())?;
        vector(label, "dw", &dw, self.weights_len())?;
        if self.output().pixels() == 0 {
            // No task would write the partial sums, so their contents would not be a gradient.
            return Ok(());
        }
        match self.algorithm {
            Algorithm::Direct => {
                let parts = weight_gradient::parts(self.isa, &self.shape);
                p.push(label, weight_gradient::WeightGradient::new(self.isa, self.shape, x, dy, partials))?;
                p.push(label, weight_gradient::Reduce { parts, partials, dw })
            }
            Algorithm::Winograd => winograd::push_weight_gradient(p, label, &self.shape, x, dy, partials, dw),
            Algorithm::Depthwise => {
                let parts = depthwise::WeightGradient::parts(&self.shape).count();
                p.push(label, depthwise::WeightGradient::new(self.shape, x, dy, partials))?;
                p.push(label, weight_gradient::Reduce { parts, partials, dw })
            }
        }
    }
}

/// Appends a copy of weights that every pass reads unchanged.
fn as_they_are(p: &mut Program, label: &str, from: View, to: View) -> Result<(), KernelError> {
    p.push(label, Copy { from, to, accumulate: false })
}

fn expect(label: &str, what: &'static str, got: usize, expected: usize) -> Result<(), KernelError> {
    if got == expected {
        return Ok(());
    }
    Err(KernelError::Operand { label: label.to_owned(), what, got, expected })
}

fn vector(label: &str, what: &'static str, view: &View, len: usize) -> Result<(), KernelError> {
    expect(label, what, view.pixels, 1)?;
    expect(label, what, view.channels, len)
}

fn tensor(label: &str, what: &'static str, view: &View, shape: Nhwc) -> Result<(), KernelError> {
    expect(label, what, view.pixels, shape.pixels())?;
    expect(label, what, view.channels, shape.c)
}
