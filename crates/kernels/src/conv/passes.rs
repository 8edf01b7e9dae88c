//! Passes of a [`Conv`]: packing, forward and both gradients, appended to a program.

use super::operands::{tensor, vector};
use super::{Algorithm, Conv, depthwise, forward, input_gradient, pack, weight_gradient};
use crate::fit::equal;
use crate::winograd::{self, Source};
use crate::{ConvShape, Copy, Epilogue, KernelError, Program, SEGMENT, View};

impl Conv {
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
        equal(label, "input channels", self.input().c, self.input().c.next_multiple_of(SEGMENT))?;
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
            equal(label, "rows of moments", moments.pixels, 2 * self.moment_parts())?;
            equal(label, "channels of moments", moments.channels, self.output().c)?;
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
        equal(label, "input channels", self.input().c, self.input().c.next_multiple_of(SEGMENT))?;
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
pub(super) fn as_they_are(p: &mut Program, label: &str, from: View, to: View) -> Result<(), KernelError> {
    p.push(label, Copy { from, to, accumulate: false })
}
