//! Inference weights of a [`Conv`]: prepared once for all image sizes, with the batch norm after the
//! convolution folded in.
//!
//! *Panels* are the layout of the weights for direct convolutions. They do not depend on the image size, so a
//! network that runs on several sizes keeps only the panels; the weights of Winograd's algorithm are computed
//! from them. For a depthwise convolution the panels are the weights themselves.

use super::operands::vector;
use super::passes::as_they_are;
use super::{Algorithm, Conv, pack};
use crate::panels::panels;
use crate::program::Program;
use crate::view::View;
use crate::winograd::{self, Source};
use crate::{FoldBatchNorm, KernelError};

impl Conv {
    /// Appends kernels that fill `panels`, which has as many values as the weights, from `weights`.
    ///
    /// # Errors
    /// As [`Conv::push_pack`].
    pub fn push_panels(
        &self,
        p: &mut Program,
        label: &str,
        weights: View,
        panels: View,
    ) -> Result<(), KernelError> {
        self.for_program(p, label)?;
        vector(label, "the weights", &weights, self.weights_len())?;
        vector(label, "the panels", &panels, self.weights_len())?;
        if self.algorithm == Algorithm::Depthwise {
            return as_they_are(p, label, weights, panels);
        }
        p.push(label, pack::Pack::new(self.isa, self.shape, weights, panels))
    }

    /// [`Conv::push_panels`] with batch norm folded in: `fold.weights` become `fold.folded`; here both are
    /// vectors.
    ///
    /// # Errors
    /// As [`Conv::push_pack`].
    pub fn push_folded_panels(
        &self,
        p: &mut Program,
        label: &str,
        fold: &FoldBatchNorm,
    ) -> Result<(), KernelError> {
        self.for_program(p, label)?;
        vector(label, "the weights", &fold.weights, self.weights_len())?;
        vector(label, "the panels", &fold.folded, self.weights_len())?;
        let channels = self.output().c;
        let vectors = [fold.gamma, fold.beta, fold.mean, fold.var, fold.folded_bias];
        for view in vectors.iter().chain(&fold.bias) {
            vector(label, "a vector of the batch norm", view, channels)?;
        }
        let rows = self.weights_len().checked_div(channels).unwrap_or(0);
        let weights = View::dense(fold.weights.buffer, fold.weights.offset, rows, channels);
        if self.algorithm == Algorithm::Depthwise {
            let folded = View::dense(fold.folded.buffer, fold.folded.offset, rows, channels);
            return p.push(label, FoldBatchNorm { weights, folded, ..fold.clone() });
        }
        for panel in panels(self.isa.widest_panel(), channels) {
            let part = |view: View| view.columns(panel.start, panel.width);
            let offset = fold.folded.offset.saturating_add(panel.start * rows);
            let kernel = FoldBatchNorm {
                weights: part(weights),
                folded: View::dense(fold.folded.buffer, offset, rows, panel.width),
                gamma: part(fold.gamma),
                beta: part(fold.beta),
                mean: part(fold.mean),
                var: part(fold.var),
                eps: fold.eps,
                bias: fold.bias.map(part),
                folded_bias: part(fold.folded_bias),
            };
            p.push(label, kernel)?;
        }
        Ok(())
    }

    /// Whether the forward pass reads the panels directly; otherwise it reads the result of
    /// [`Conv::push_pack_panels`].
    pub fn reads_panels(&self) -> bool {
        self.algorithm != Algorithm::Winograd
    }

    /// Appends kernels that fill `packed` from panels.
    ///
    /// # Errors
    /// As [`Conv::push_pack`]; [`KernelError::Operand`] if the forward pass reads the panels directly.
    pub fn push_pack_panels(
        &self,
        p: &mut Program,
        label: &str,
        panels: View,
        packed: View,
    ) -> Result<(), KernelError> {
        self.for_program(p, label)?;
        vector(label, "the panels", &panels, self.weights_len())?;
        vector(label, "the packed weights", &packed, self.packed_len())?;
        let source = Source::Panels(crate::panels::panels(self.isa.widest_panel(), self.output().c));
        p.push(label, winograd::Pack::new(label, &self.shape, panels, packed, source)?)
    }

    /// Most values that [`Conv::push_pack_panels`] may need for any image size; 0 if it is never used.
    pub fn most_packed_len(&self) -> usize {
        let may = self.algorithm != Algorithm::Depthwise && winograd::applies(&self.shape);
        if may { winograd::packed_len(&self.shape) } else { 0 }
    }
}
