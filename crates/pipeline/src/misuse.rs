//! Whether an error is the fault of what was asked for, rather than of files or the machine.

use std::fmt;

use bonsai_data::DataError;
use bonsai_prune::PruneError;
use bonsai_train::TrainError;

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

/// Whether other settings would mend it: a layer or pattern that the network does not have, a ratio that is too much for it,
/// a dataset that was not named or has other classes, labels that cannot be meant as they are written.
pub fn is_misuse(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<NoDataset>()
            || cause.is::<ForeignClasses>()
            || matches!(cause.downcast_ref(), Some(TrainError::Freeze { .. }))
            || matches!(cause.downcast_ref(), Some(DataError::Labels { .. }))
            || cause.downcast_ref().is_some_and(is_policy)
    })
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
        assert!(!is_misuse(&anyhow!("no space left")));
    }
}
