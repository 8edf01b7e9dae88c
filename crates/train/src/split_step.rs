//! [`split_step`]: one batch on an executor that leaves the head's outputs on its device.

use bonsai_exec::{ExecError, HeadGradient, HeadPass};
use bonsai_graph::DetectHead;
use bonsai_yolov8::{HeadError, LossGains, LossItems, SplitLoss};

use crate::Batch;

/// Why a step failed.
pub(crate) enum SplitError {
    Exec(Box<ExecError>),
    Loss(Box<HeadError>),
}

impl From<ExecError> for SplitError {
    fn from(source: ExecError) -> Self {
        Self::Exec(Box::new(source))
    }
}

impl From<HeadError> for SplitError {
    fn from(source: HeadError) -> Self {
        Self::Loss(Box::new(source))
    }
}

/// Forward, loss and backward. `Err` inside `Ok` are the parts of a loss that is not finite; then nothing is added to the
/// gradients.
pub(crate) fn split_step(
    pass: &mut dyn HeadPass,
    head: &DetectHead,
    batch: &Batch,
    gains: LossGains,
) -> Result<Result<LossItems, LossItems>, SplitError> {
    let [n, _, height, width] = *batch.images.shape() else {
        // The executor names the shape.
        pass.forward_head(&batch.images, head, &[])?;
        return Err(
            HeadError::Empty { batch: 0, num_classes: head.num_classes, levels: head.strides.len() }.into()
        );
    };
    let mut loss = SplitLoss::new(head, n, [height, width], &batch.targets)?;
    let summary = pass.forward_head(&batch.images, head, loss.columns())?;
    loss.assign(&summary.distances, &summary.logits);
    let box_logits = pass.box_logits(loss.anchors())?;
    let output = loss.evaluate(summary.softplus, &box_logits, gains);
    if !output.total.is_finite() {
        return Ok(Err(output.items));
    }
    pass.backward_head(&HeadGradient {
        class_scale: output.class_scale,
        anchors: loss.anchors(),
        class_terms: &output.class_terms,
        box_logits: &output.box_logits,
    })?;
    Ok(Ok(output.items))
}
