//! [`TinyRun`]: the smallest run that passes through every stage, and [`Told`], which records its progress.

use std::path::PathBuf;

use bonsai_checkpoint::Checkpoint;
use bonsai_pipeline::{
    Control, Ended, Importance, Manifest, PipelineConfig, Progress, Report, RunDir, Stage, StageState, run,
    run_stages,
};
use tempfile::TempDir;

/// Sixteen drawn images, one epoch per training, and one ranking.
pub(crate) fn tiny_config() -> PipelineConfig {
    let mut config = PipelineConfig::drawn();
    config.imgsz = 64;
    config.shapes.imgsz = 64;
    (config.shapes.train, config.shapes.val, config.shapes.test) = (16, 8, 8);
    for training in [&mut config.baseline, &mut config.sparse, &mut config.finetune] {
        training.epochs = 1;
        training.batch = 8;
    }
    (config.prune.prune_ratio, config.prune.target) = (0.6, None);
    config.control.dense = false;
    config.latency_runs = 2;
    // Trials of rankings and reconstruction take most of the time of so small a run.
    config.score.importance = Importance::Taylor;
    config.extras.reconstruct = 0;
    config
}

/// The progress that a run reported.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Stages that ran to their end.
    pub(crate) ran: Vec<Stage>,
    /// Stages that were up to date.
    pub(crate) skipped: Vec<Stage>,
    /// Why stages started.
    pub(crate) reasons: Vec<(Stage, String)>,
    /// Batches that were trained on.
    pub(crate) steps: usize,
    /// Notes.
    pub(crate) notes: Vec<String>,
}

impl Progress for Told {
    fn stage(&mut self, stage: Stage, state: &StageState) {
        match state {
            StageState::Skipped => self.skipped.push(stage),
            StageState::Started(reason) => self.reasons.push((stage, reason.clone())),
            StageState::Finished(_) => self.ran.push(stage),
        }
    }

    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }

    fn step(&mut self, _: &bonsai_pipeline::StepRecord) {
        self.steps += 1;
    }
}

/// A run directory that is deleted when the value is dropped.
pub(crate) struct TinyRun {
    folder: TempDir,
    pub(crate) config: PipelineConfig,
}

impl TinyRun {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), config: tiny_config() }
    }

    pub(crate) fn dir(&self) -> RunDir {
        RunDir::new(self.folder.path().join("run"))
    }

    pub(crate) fn run(&self) -> (Report, Told) {
        let mut told = Told::default();
        let report = run(&self.config, &self.dir(), &mut told).unwrap();
        (report, told)
    }

    /// Runs a part; returns its result and its progress, or the error as text.
    pub(crate) fn part(&self, control: &Control) -> Result<(Ended, Told), String> {
        let mut told = Told::default();
        match run_stages(&self.config, &self.dir(), control, &mut told) {
            Ok(ended) => Ok((ended, told)),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    /// A file of a completed stage.
    pub(crate) fn file(&self, stage: Stage, name: &str) -> PathBuf {
        self.dir().stage(stage).join(name)
    }

    pub(crate) fn checkpoint(&self, stage: Stage, name: &str) -> Checkpoint {
        Checkpoint::load(self.file(stage, name)).unwrap()
    }

    pub(crate) fn manifest(&self, stage: Stage) -> Manifest {
        Manifest::load(&self.file(stage, Manifest::FILE)).unwrap()
    }
}
