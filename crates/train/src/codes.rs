//! [`ChooseCodes`]: the 8-bit codes to which a training rounds.
//!
//! Quantisation-aware training (Jacob et al., 2018, arXiv 1712.05877, section 3): the network learns with the
//! rounding of its 8-bit codes. In the first epochs the codes follow the weights; then they stay, so that the
//! weights adapt to constant codes.

use bonsai_checkpoint::Checkpoint;
use bonsai_graph::Quantization;

use crate::TrainError;
use crate::error::ServiceError;
use crate::pass::Run;

/// Chooses the codes of a network from its averaged weights. Equal weights must give equal codes, otherwise a
/// resumed training differs from one that never stopped.
pub type ChooseCodes<'a> = dyn FnMut(&Checkpoint) -> Result<Quantization, ServiceError> + 'a;

/// Number of first epochs at whose start the codes are chosen anew.
const FOLLOWED: usize = 3;

impl Run<'_> {
    /// Chooses the codes for the next epoch, or takes those of the epochs before, and rounds to them.
    pub(crate) fn round(
        &mut self,
        start: &Checkpoint,
        choose: &mut ChooseCodes<'_>,
    ) -> Result<(), TrainError> {
        let epoch = self.progress.epoch;
        let begins = self.progress.batch == 0;
        if self.quantization.is_none() || (begins && epoch < FOLLOWED) {
            let averaged = Checkpoint { quantization: None, ..self.checkpoint(start)?.deployed() };
            let service = |source| TrainError::Service { service: "calibration", epoch: epoch + 1, source };
            self.quantization = Some(choose(&averaged).map_err(service)?);
        }
        let failed = |source| TrainError::exec(epoch + 1, 0, source);
        self.executor.set_rounding(self.quantization.as_ref()).map_err(failed)
    }
}
