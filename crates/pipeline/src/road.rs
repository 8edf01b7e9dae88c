//! [`PipelineConfig::stages`] and [`PipelineConfig::inputs`]: the stages of a run and the files that each
//! reads, as the configuration determines them.

use crate::{Control, PipelineConfig, Stage};
use anyhow::Result;
use bonsai_prune::Importance;
use bonsai_stages::ensure_usage;

impl PipelineConfig {
    /// The stages of this run, in order.
    pub fn stages(&self) -> Vec<Stage> {
        Stage::ALL.into_iter().filter(|stage| self.has(*stage)).collect()
    }

    /// Whether a run has this stage.
    pub const fn has(&self, stage: Stage) -> bool {
        match stage {
            Stage::Control => self.control.dense,
            Stage::Sparse => self.sparse.epochs > 0,
            Stage::Dataset
            | Stage::Baseline
            | Stage::Prune
            | Stage::Finetune
            | Stage::Export
            | Stage::Engine
            | Stage::Report => true,
        }
    }

    /// The stages whose files a stage reads.
    pub fn inputs(&self, stage: Stage) -> Vec<Stage> {
        let all: &[Stage] = match stage {
            Stage::Dataset => &[],
            Stage::Baseline => &[Stage::Dataset],
            Stage::Control | Stage::Sparse => &[Stage::Dataset, Stage::Baseline],
            Stage::Prune => {
                let mut inputs = vec![Stage::Dataset];
                inputs.extend(self.pruned_stages());
                inputs.sort_unstable();
                return inputs;
            }
            Stage::Finetune => {
                // Fine-tuning also trains the epochs that sparsity training did not use.
                let sparse = self.checks_sparsity().then_some(Stage::Sparse);
                let mut inputs = vec![Stage::Dataset, Stage::Prune];
                inputs.extend(sparse.into_iter().chain(self.teacher_stage()));
                inputs.sort_unstable();
                return inputs;
            }
            Stage::Export => &[Stage::Dataset, Stage::Baseline, Stage::Finetune],
            Stage::Engine => &[Stage::Baseline, Stage::Finetune, Stage::Export],
            Stage::Report => &[
                Stage::Dataset,
                Stage::Baseline,
                Stage::Control,
                Stage::Sparse,
                Stage::Prune,
                Stage::Finetune,
                Stage::Export,
                Stage::Engine,
            ],
        };
        all.iter().copied().filter(|input| self.has(*input)).collect()
    }

    /// The stages whose network may be pruned, the likeliest first.
    pub(crate) fn pruned_stages(&self) -> Vec<Stage> {
        let sparse = self.has(Stage::Sparse).then_some(Stage::Sparse);
        let is_open = self.checks_sparsity() || self.score.importance == Importance::Best;
        let baseline = (sparse.is_none() || is_open).then_some(Stage::Baseline);
        sparse.into_iter().chain(baseline).collect()
    }

    /// The stage whose network is the teacher in fine-tuning: the dense network with the longest training.
    pub fn teacher_stage(&self) -> Option<Stage> {
        let from_run = self.distill.is_on() && self.distill.teacher.is_none();
        from_run.then(|| if self.has(Stage::Control) { Stage::Control } else { Stage::Baseline })
    }

    /// Whether a run within the limits of `control` needs a teacher.
    pub(crate) fn has_teacher_before(&self, control: &Control) -> bool {
        self.distill.is_on() && control.last() >= Stage::Finetune && !control.takes(Stage::Finetune)
    }

    /// Number of epochs after the baseline; the dense control trains for as many.
    pub const fn further_epochs(&self) -> usize {
        self.sparse.epochs + self.finetune.epochs
    }
}

/// Refuses a `control` that begins with, ends with or forces a stage that this run does not have.
///
/// # Errors
/// With the option, the stage and the setting that adds the stage.
pub(crate) fn check_stages(config: &PipelineConfig, control: &Control) -> Result<()> {
    let from = control.from.iter().map(|stage| ("--from", stage));
    let until = control.until.iter().map(|stage| ("--until", stage));
    let force = control.force.iter().map(|stage| ("--force", stage));
    for (option, stage) in from.chain(until).chain(force) {
        let setting = match stage {
            Stage::Control => "`control.dense` is false: set it to true",
            _ => "`sparse.epochs` is 0: set it to 50, for example",
        };
        ensure_usage!(
            config.has(*stage),
            "{option} {stage}: this run has no stage `{stage}`, because {setting}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{L1Config, L1Preset};

    fn config(sparse: usize, dense: bool) -> PipelineConfig {
        let mut config = PipelineConfig::drawn();
        (config.sparse.epochs, config.control.dense) = (sparse, dense);
        config
    }

    #[test]
    fn every_stage_reads_stages_before_it_that_the_run_has() {
        for (sparse, dense) in [(0, false), (0, true), (3, false), (3, true)] {
            let config = config(sparse, dense);
            let stages = config.stages();
            assert_eq!(stages.len(), 7 + usize::from(sparse > 0) + usize::from(dense));
            for stage in &stages {
                for input in config.inputs(*stage) {
                    assert!(input < *stage && stages.contains(&input), "{stage} reads {input}");
                }
            }
        }
        assert_eq!(config(0, false).inputs(Stage::Prune), [Stage::Dataset, Stage::Baseline]);
        // The baseline is pruned if sparsity training ended early or damaged the network.
        let mut sparse = config(3, false);
        assert_eq!(sparse.inputs(Stage::Prune), [Stage::Dataset, Stage::Baseline, Stage::Sparse]);
        sparse.l1 = L1Config::from_preset(L1Preset::Original);
        assert_eq!(
            sparse.inputs(Stage::Prune),
            [Stage::Dataset, Stage::Baseline, Stage::Sparse],
            "best tries both"
        );
        sparse.score.importance = Importance::Gamma;
        assert_eq!(sparse.inputs(Stage::Prune), [Stage::Dataset, Stage::Sparse]);
    }

    #[test]
    fn a_stage_that_is_not_there_is_refused_with_its_setting() {
        let until = |stage| Control { until: Some(stage), ..Control::default() };
        let text =
            |config: &PipelineConfig, stage| check_stages(config, &until(stage)).unwrap_err().to_string();
        assert!(text(&config(0, true), Stage::Sparse).contains("`sparse.epochs` is 0"));
        assert!(text(&config(3, false), Stage::Control).contains("`control.dense` is false"));
        assert!(check_stages(&config(3, true), &until(Stage::Control)).is_ok());
    }
}
