//! [`QuantizedConv`]: a convolution of codes with its weights, planned for one instruction set.

use std::ops::Range;

use super::constants::{Constants, Requantization};
use super::offsets::Groups;
use super::tile::GROUP;
use super::{CODES, Int8Isa, LANES};
use crate::conv::grid::{Grid, Limits, is_pointwise};
use crate::conv::live::Live;
use crate::fit::{equal, segments};
use crate::panels::panels;
use crate::{ConvShape, KernelError, Nhwc, View, Window};

/// Limits for codes: at most 128 Ki codes per strip, and three times the products per task of `f32`.
const LIMITS: Limits = Limits { strip: 128 << 10, worth: 6 << 20 };

/// A convolution of codes. Its output is codes or `f32` values ([`QuantizedOutput`]).
///
/// All weights, sums and scales lie in one view of constants, which [`QuantizedConv::write_constants`] fills
/// on the host.
#[derive(Debug, Clone)]
pub struct QuantizedConv {
    pub(crate) isa: Int8Isa,
    pub(crate) shape: ConvShape,
    /// The code that stands for zero in the input, and so in its padding.
    pub(crate) zero_point: u8,
    pub(crate) kind: Kind,
    pub(crate) grid: Grid,
    /// Input channels whose weights may differ from zero; `None` means all.
    live: Option<Vec<Range<usize>>>,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Full(Groups),
    Depthwise,
}

/// The output of a convolution of codes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum QuantizedOutput {
    /// Codes.
    Codes {
        /// Whether the table of the [`Requantization`] replaces them.
        table: bool,
        /// Codes `r` and factors `f`: the code `c` becomes `c * f[0] + r * f[1] + f[2]` in the end.
        residual: Option<(View, [f32; 3])>,
    },
    /// `f32` values; the view of the output counts values.
    Values,
}

impl QuantizedConv {
    /// A convolution of `input`, whose channels are words, into `out_channels`, which are segments.
    ///
    /// # Errors
    /// As [`ConvShape::new`]; [`KernelError::Operand`] if channels are not whole words or segments, and
    /// [`KernelError::TooLarge`] if the sum of the products could exceed 32 bits.
    pub fn new(
        isa: Int8Isa,
        input: Nhwc,
        zero_point: u8,
        out_channels: usize,
        window: Window,
    ) -> Result<Self, KernelError> {
        const LABEL: &str = "quantised convolution";
        let shape = ConvShape::new(input, out_channels, window)?;
        equal(LABEL, "channels of the input", input.c, input.c.next_multiple_of(CODES))?;
        segments(LABEL, "channels of the output", out_channels)?;
        let products = window.area().saturating_mul(input.c);
        if products.saturating_mul(255 * 128) > i32::MAX as usize {
            return Err(KernelError::TooLarge { what: "the sum of the products of a convolution" });
        }
        let kind = Kind::Full(Groups::all(input.c, CODES / isa.input_bytes()));
        let grid = Grid::within(LIMITS, isa.widest_panel(), &shape);
        let conv = Self { isa, shape, zero_point, kind, grid, live: None };
        conv.check_strip()?;
        Ok(conv)
    }

    /// A convolution in which every channel has its own window of weights.
    ///
    /// # Errors
    /// As [`QuantizedConv::new`].
    pub fn depthwise(isa: Int8Isa, input: Nhwc, zero_point: u8, window: Window) -> Result<Self, KernelError> {
        let conv = Self::new(isa, Nhwc { c: LANES, ..input }, zero_point, LANES, window)?;
        segments("quantised convolution", "channels of the input", input.c)?;
        let shape = ConvShape::new(input, input.c, window)?;
        // The work of a depthwise convolution is that of one with a single input channel.
        let work = ConvShape::new(Nhwc { c: 1, ..input }, input.c, window)?;
        // A strip has all channels; the pixels of a pointwise convolution are counted with its output.
        let strip = if is_pointwise(&work) { LIMITS.strip } else { LIMITS.strip / input.c.max(1) };
        let grid = Grid::within(Limits { strip, ..LIMITS }, LANES, &work);
        Ok(Self { shape, kind: Kind::Depthwise, grid, ..conv })
    }

    /// Leaves out input channels outside `input`, whose weights must be zero. A depthwise convolution keeps all.
    ///
    /// # Errors
    /// [`KernelError::Operand`] if ranges are not ascending or end after the channels.
    pub fn with_live(self, input: &[Range<usize>]) -> Result<Self, KernelError> {
        Live::new("live input channels", input, self.shape.input().c)?;
        let Kind::Full(groups) = &self.kind else { return Ok(self) };
        let groups = Groups::live(input, self.shape.input().c, groups.size)?;
        Ok(Self { kind: Kind::Full(groups), live: Some(input.to_vec()), ..self })
    }

    /// Sizes of the output.
    pub fn output(&self) -> Nhwc {
        self.shape.output()
    }

    /// Number of weights: `[tap][in][out]`, or `[tap][channel]` of a depthwise convolution.
    pub fn weights_len(&self) -> usize {
        match &self.kind {
            Kind::Full(_) => self.shape.weights_len(),
            Kind::Depthwise => self.shape.window().area() * self.shape.output().c,
        }
    }

    /// Number of words of the constants.
    pub fn constants_len(&self) -> usize {
        self.constants().len()
    }

    pub(crate) fn constants(&self) -> Constants {
        let channels = self.shape.output().c;
        let weights = match &self.kind {
            Kind::Full(groups) => groups.count(&self.shape) * channels,
            Kind::Depthwise => self.shape.window().area() * channels,
        };
        Constants { weights, channels }
    }

    /// Writes the constants: `weights` from -127 to 127 in the order of [`QuantizedConv::weights_len`], and
    /// how sums become outputs.
    ///
    /// # Errors
    /// [`KernelError::Operand`] if a length does not fit.
    pub fn write_constants(
        &self,
        to: &mut [u8],
        weights: &[i8],
        requantization: &Requantization,
    ) -> Result<(), KernelError> {
        const LABEL: &str = "quantised convolution";
        let constants = self.constants();
        let channels = constants.channels;
        equal(LABEL, "bytes of constants", to.len(), CODES * constants.len())?;
        equal(LABEL, "weights", weights.len(), self.weights_len())?;
        requantization.check(LABEL, channels)?;
        self.check_dead(weights)?;
        let mut sums = vec![0i32; channels];
        for weights in weights.chunks(channels.max(1)) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum -= i32::from(self.zero_point) * i32::from(*weight);
            }
        }
        match &self.kind {
            Kind::Full(groups) => self.write_panels(&mut to[..CODES * constants.weights], groups, weights),
            Kind::Depthwise => {
                for (to, weight) in to.chunks_exact_mut(4).zip(weights) {
                    to.copy_from_slice(&i32::from(*weight).to_ne_bytes());
                }
            }
        }
        constants.write(to, &sums, requantization);
        Ok(())
    }

    /// Checks that the weights of channels that are left out are zero: instruction sets multiply different numbers
    /// of neighbouring channels, so their results would differ.
    fn check_dead(&self, weights: &[i8]) -> Result<(), KernelError> {
        let Some(live) = &self.live else { return Ok(()) };
        let inputs = self.shape.input().c;
        for (row, weights) in weights.chunks(self.shape.output().c.max(1)).enumerate() {
            if !live.iter().any(|range| range.contains(&(row % inputs))) {
                let dead = weights.iter().filter(|weight| **weight != 0).count();
                equal("quantised convolution", "weights of channels that are not live", dead, 0)?;
            }
        }
        Ok(())
    }

    /// Writes weights as one panel after another, each `[group][segment][output of the segment][input of the
    /// group]`.
    fn write_panels(&self, to: &mut [u8], groups: &Groups, weights: &[i8]) {
        let inputs = self.shape.input().c;
        let channels = self.shape.output().c;
        let bytes = self.isa.input_bytes();
        let mut lanes = to.chunks_exact_mut(CODES);
        for panel in panels(self.isa.widest_panel(), channels) {
            for (tap, first) in groups.each(&self.shape) {
                for output in panel.start..panel.start + panel.width {
                    let lane = lanes.next().expect("the constants have room for all weights");
                    for (i, to) in lane.chunks_exact_mut(bytes).enumerate() {
                        let weight = weights[(tap * inputs + first + i) * channels + output];
                        match to {
                            [to] => *to = weight as u8,
                            _ => to.copy_from_slice(&i16::from(weight).to_ne_bytes()),
                        }
                    }
                }
            }
        }
        debug_assert_eq!(GROUP, LANES * CODES);
    }

    fn check_strip(&self) -> Result<(), KernelError> {
        let Kind::Full(groups) = &self.kind else { return Ok(()) };
        let row = (self.shape.input().w + 2 * self.shape.window().padding[1]) * self.shape.input().c;
        let row = row.saturating_mul(self.isa.input_bytes());
        if row.saturating_mul(self.shape.window().kernel[0]) > u32::MAX as usize {
            return Err(KernelError::TooLarge { what: "the strip of a convolution" });
        }
        debug_assert!(groups.size > 0);
        Ok(())
    }
}
