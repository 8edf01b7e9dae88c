//! Which stages of a run are to be done, and which in any case.

use anyhow::{Result, ensure};

use crate::Stage;

/// Where a run begins and ends, and what it does though it need not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    /// Stages before this one must be complete and are taken as they are, whatever they were made from.
    pub from: Option<Stage>,
    /// The run stops when this stage is complete.
    pub until: Option<Stage>,
    /// Stages that are done again though they are up to date.
    pub force: Vec<Stage>,
}

impl Control {
    /// Refuses what cannot be meant.
    ///
    /// # Errors
    /// If the run would end before it begins, or a stage is forced that is not in it.
    pub fn check(&self) -> Result<()> {
        let first = self.from.unwrap_or(Stage::Dataset);
        let last = self.until.unwrap_or(Stage::Report);
        ensure!(first <= last, "--from {first} is behind --until {last}: no stage would be left");
        for stage in &self.force {
            ensure!(
                (first..=last).contains(stage),
                "--force {stage} is outside of the stages {first} to {last} that --from and --until leave"
            );
        }
        Ok(())
    }

    /// Whether the stage is taken as it is.
    pub fn takes(&self, stage: Stage) -> bool {
        self.from.is_some_and(|from| stage < from)
    }

    /// Whether the stage is done in any case.
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
        let control = |force: &[Stage]| Control { from, until, force: force.to_vec() };
        assert!(control(&[Stage::Prune, Stage::Export]).check().is_ok());
        let text = control(&[Stage::Sparse]).check().unwrap_err().to_string();
        assert!(text.contains("--force sparse") && text.contains("prune to export"), "{text}");
        let text = Control { from: until, until: from, force: Vec::new() }.check().unwrap_err().to_string();
        assert!(text.contains("--from export") && text.contains("--until prune"), "{text}");
        assert!(control(&[]).takes(Stage::Sparse) && !control(&[]).takes(Stage::Prune));
    }
}
