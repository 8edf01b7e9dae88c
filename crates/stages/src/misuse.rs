//! [`Misuse`] and [`is_misuse`]: errors that other options or settings would avoid, unlike those of files or
//! the machine.

use std::fmt;

use bonsai_data::DataError;
use bonsai_detector::DetectorError;
use bonsai_onnx::OnnxError;
use bonsai_prune::PruneError;
use bonsai_sparsity::{L1PlanError, ScheduleError};
use bonsai_train::TrainError;
use bonsai_yolov8::{DistillError, ImitationError};

use crate::ForeignClasses;

/// A dataset is needed, but none was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoDataset;

impl fmt::Display for NoDataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no dataset: pass --data DATA.yaml")
    }
}

impl std::error::Error for NoDataset {}

/// The request is invalid; other options or settings would be valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misuse(String);

impl Misuse {
    /// An error with this text, which says what was found, what was expected and what to do.
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

/// Whether other options or settings would avoid the error: a number out of range, a layer or pattern that
/// the network does not have, a pruning ratio that is too large, a missing dataset or one with other classes,
/// or invalid labels.
pub fn is_misuse(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<NoDataset>()
            || cause.is::<ForeignClasses>()
            || cause.is::<Misuse>()
            || cause.is::<ScheduleError>()
            || cause.is::<L1PlanError>()
            || matches!(cause.downcast_ref(), Some(TrainError::Freeze { .. } | TrainError::Config { .. }))
            || matches!(cause.downcast_ref(), Some(DistillError::Setting { .. }))
            || matches!(cause.downcast_ref(), Some(ImitationError::Setting { .. }))
            || matches!(cause.downcast_ref(), Some(DataError::Config { .. } | DataError::Labels { .. }))
            || detector_error(cause).is_some_and(is_detection_setting)
            || cause.downcast_ref().is_some_and(is_export_setting)
            || cause.downcast_ref().is_some_and(is_policy)
    })
}

/// The detector's error in `cause`; it is boxed if an outer error names its file.
fn detector_error<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a DetectorError> {
    let boxed = || cause.downcast_ref::<Box<DetectorError>>().map(Box::as_ref);
    cause.downcast_ref().or_else(boxed)
}

/// Whether other options for detection would avoid the error.
const fn is_detection_setting(error: &DetectorError) -> bool {
    matches!(
        error,
        DetectorError::Config { .. } | DetectorError::Choice { .. } | DetectorError::OwnSuppression
    )
}

/// Whether other options for export would avoid the error.
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

/// Whether another pruning policy would avoid the error.
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
    fn errors_of_the_user_are_distinguished_from_errors_of_the_machine() {
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
