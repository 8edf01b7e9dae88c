//! [`Control`]: where a run begins and ends, and which stages it repeats.

use anyhow::{Result, ensure};

use crate::{Ranks, Stage};

/// Where a run begins and ends, and which stages it repeats although they are up to date.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    /// Stages before this one must be complete; the run uses their files, whatever they were made from.
    pub from: Option<Stage>,
    /// The run stops when this stage is complete.
    pub until: Option<Stage>,
    /// Stages that run again although they are up to date.
    pub force: Vec<Stage>,
    /// The processes that share the trainings; `None` if there is one process.
    pub ranks: Option<Ranks>,
}

impl Control {
    /// Checks that the settings fit together.
    ///
    /// # Errors
    /// If the run would end before it begins, or a forced stage lies outside of it.
    pub fn check(&self) -> Result<()> {
        let first = self.from.unwrap_or(Stage::Dataset);
        let last = self.until.unwrap_or(Stage::Report);
        ensure!(first <= last, "--from {first} comes after --until {last}: no stage would be left");
        for stage in &self.force {
            ensure!(
                (first..=last).contains(stage),
                "--force {stage} is outside of the stages {first} to {last}, to which --from and --until limit the run"
            );
        }
        Ok(())
    }

    /// Whether the run uses the files of the stage as they are.
    pub fn takes(&self, stage: Stage) -> bool {
        self.from.is_some_and(|from| stage < from)
    }

    /// Whether the stage runs even if it is up to date.
    pub fn forces(&self, stage: Stage) -> bool {
        self.force.contains(&stage)
    }

    /// The last stage.
    pub fn last(&self) -> Stage {
        self.until.unwrap_or(Stage::Report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_range_and_a_force_outside_of_it_are_refused() {
        let from = Some(Stage::Prune);
        let until = Some(Stage::Export);
        let control = |force: &[Stage]| Control { from, until, force: force.to_vec(), ranks: None };
        assert!(control(&[Stage::Prune, Stage::Export]).check().is_ok());
        let text = control(&[Stage::Sparse]).check().unwrap_err().to_string();
        assert!(text.contains("--force sparse") && text.contains("prune to export"), "{text}");
        let text = Control { from: until, until: from, force: Vec::new(), ranks: None }
            .check()
            .unwrap_err()
            .to_string();
        assert!(text.contains("--from export") && text.contains("--until prune"), "{text}");
        assert!(control(&[]).takes(Stage::Sparse) && !control(&[]).takes(Stage::Prune));
    }
}
