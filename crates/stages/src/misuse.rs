//! Whether an error is the fault of what was asked for, rather than of files or the machine.

use std::fmt;

use bonsai_data::DataError;
use bonsai_detector::DetectorError;
use bonsai_onnx::OnnxError;
use bonsai_prune::PruneError;
use bonsai_sparsity::{PlanError, ScheduleError};
use bonsai_train::TrainError;
use bonsai_yolov8::{DistillError, ImitationError};

use crate::ForeignClasses;

/// A dataset is needed, and none was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoDataset;

impl fmt::Display for NoDataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no dataset: pass --data DATA.yaml")
    }
}

impl std::error::Error for NoDataset {}

/// What was asked for cannot be done as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misuse(String);

impl Misuse {
    /// Says what was found, what was expected and what to do.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

/// Like `anyhow::ensure!`, but the error is a [`Misuse`].
#[macro_export]
macro_rules! ensure_usage {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::Misuse::new(format!($($text)+)).into());
        }
    };
}

/// Whether other settings would mend it: a number out of range, a layer or pattern that the network does not have, a ratio that is too much for it,
/// a dataset that was not named or has other classes, labels that cannot be meant as they are written.
pub fn is_misuse(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<NoDataset>()
            || cause.is::<ForeignClasses>()
            || cause.is::<Misuse>()
            || cause.is::<ScheduleError>()
            || cause.is::<PlanError>()
            || matches!(cause.downcast_ref(), Some(TrainError::Freeze { .. } | TrainError::Config { .. }))
            || matches!(cause.downcast_ref(), Some(DistillError::Setting { .. }))
            || matches!(cause.downcast_ref(), Some(ImitationError::Setting { .. }))
            || matches!(cause.downcast_ref(), Some(DataError::Config { .. } | DataError::Labels { .. }))
            || detector_error(cause).is_some_and(is_detection_setting)
            || cause.downcast_ref().is_some_and(is_export_setting)
            || cause.downcast_ref().is_some_and(is_policy)
    })
}

/// A detector's error, which stands in a box where another says which file it is about.
fn detector_error<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a DetectorError> {
    let boxed = || cause.downcast_ref::<Box<DetectorError>>().map(Box::as_ref);
    cause.downcast_ref().or_else(boxed)
}

/// Whether other options would have the picture searched.
const fn is_detection_setting(error: &DetectorError) -> bool {
    matches!(error, DetectorError::Config { .. } | DetectorError::Choice { .. })
}

/// Whether other options would export the network.
const fn is_export_setting(error: &OnnxError) -> bool {
    matches!(
        error,
        OnnxError::Opset { .. }
            | OnnxError::Names { .. }
            | OnnxError::Batch
            | OnnxError::Combination { .. }
            | OnnxError::Nms { .. }
    )
}

/// Whether another policy would prune the network.
const fn is_policy(error: &PruneError) -> bool {
    matches!(
        error,
        PruneError::Policy { .. }
            | PruneError::NothingProtected { .. }
            | PruneError::EmptyingRatio { .. }
            | PruneError::UnreachableTarget { .. }
            | PruneError::PresetLayer { .. }
            | PruneError::UnknownName { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Error, anyhow};

    #[test]
    fn what_the_user_asked_for_is_told_from_what_the_machine_did() {
        let nothing = PruneError::NothingProtected { pattern: "model.99".to_owned() };
        assert!(is_misuse(&Error::from(nothing).context("stage `prune` failed")));
        assert!(is_misuse(&Error::from(NoDataset)));
        assert!(is_misuse(&Error::from(Misuse::new("a sum below 0")).context("in `sparse`")));
        assert!(is_misuse(&Error::from(OnnxError::Batch)));
        let choice = DetectorError::Choice { given: String::new(), wanted: "", kind: "" };
        let named = DetectorError::Load { path: "w.pt".into(), source: Box::new(choice) };
        assert!(is_misuse(&Error::from(named)));
        assert!(!is_misuse(&anyhow!("no space left")));
    }
}
