//! [`QuantizedConv::push`]: appends a convolution of codes to a program.

use super::CODES;
use super::conv::{Kind, QuantizedConv, QuantizedOutput};
use super::depthwise::Depthwise;
use super::forward::Forward;
use crate::fit::fits;
use crate::{KernelError, Program, View};

impl QuantizedConv {
    /// Appends the convolution. `x` counts words, `constants` has [`QuantizedConv::constants_len`] words, and
    /// `y` counts words or, with [`QuantizedOutput::Values`], values.
    ///
    /// # Errors
    /// [`KernelError::Operand`] if a view does not fit, and the errors of [`Program::push`].
    pub fn push(
        &self,
        program: &mut Program,
        label: &str,
        [x, constants, y]: [View; 3],
        output: QuantizedOutput,
    ) -> Result<(), KernelError> {
        let from = self.shape.input();
        let to = self.shape.output();
        fits!(label, "x", x, from.pixels(), from.c / CODES)?;
        fits!(label, "the constants", constants, 1, self.constants_len())?;
        match output {
            QuantizedOutput::Values => fits!(label, "y", y, to.pixels(), to.c)?,
            QuantizedOutput::Codes { residual, .. } => {
                fits!(label, "y", y, to.pixels(), to.c / CODES)?;
                if let Some((residual, _)) = residual {
                    fits!(label, "the residual", residual, to.pixels(), to.c / CODES)?;
                }
            }
        }
        let operands = [x, constants, y];
        match &self.kind {
            Kind::Full(groups) => program.push(label, Forward::new(self, groups, operands, output)?),
            Kind::Depthwise => program.push(label, Depthwise::new(self, operands, output)),
        }
    }
}
