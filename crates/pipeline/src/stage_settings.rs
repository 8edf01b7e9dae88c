//! [`StageSettings`]: the part of the configuration that each stage is made from, by the names of the settings.
//!
//! A stage runs again if its part changes. Settings that change only the last bits (threads, instruction set)
//! are left out, except where times are measured.

use anyhow::Result;
use bonsai_exec::ExecutorInfo;
use bonsai_prune::{CostTarget, Importance};
use bonsai_train::TrainConfig;
use serde_json::{Map, Value, json};

use crate::doctor::engine_builders;
use crate::{LoadingConfig, PipelineConfig, Stage, digest_file, path_of_text, path_text};

/// The inputs from which the settings of the stages are made.
#[derive(Debug)]
pub(crate) struct StageSettings<'a> {
    pub(crate) config: &'a PipelineConfig,
    pub(crate) executor: &'a ExecutorInfo,
    /// Digest of a dataset that was not drawn.
    pub(crate) content: Option<String>,
}

impl StageSettings<'_> {
    /// The configuration that `stage` is made from.
    ///
    /// # Errors
    /// If the file that training starts from cannot be read.
    pub(crate) fn of(&self, stage: Stage) -> Result<Value> {
        let c = self.config;
        Ok(match stage {
            Stage::Dataset if c.data.is_some() => {
                json!({"data": c.data.as_deref().map(path_text), "content": self.content})
            }
            Stage::Dataset => json!({"shapes": c.shapes}),
            Stage::Baseline => {
                // The name of a scale determines the starting network; the content of a file may change.
                let file = path_of_text(&c.model);
                let content = file.is_file().then(|| digest_file(&file)).transpose()?;
                let own = json!({"baseline": c.baseline, "model": c.model, "model_content": content});
                with(own, self.training())
            }
            // The control is trained with the settings of fine-tuning, for as many epochs as all trainings
            // after the baseline.
            Stage::Control => {
                let finetune = TrainConfig { epochs: c.further_epochs(), ..c.float_finetune() };
                with(json!({"control": {"epochs": finetune.epochs}, "finetune": finetune}), self.training())
            }
            Stage::Sparse => with(json!({"sparse": c.sparse, "l1": c.l1}), self.training()),
            Stage::Prune => {
                let own = json!({"score": c.score, "prune": c.prune, "extras": c.extras, "imgsz": c.imgsz});
                // Pruning in steps fine-tunes between the steps.
                let steps = json!({"iterate": c.iterate, "finetune": c.float_finetune()});
                // Importance best chooses the ranking by short fine-tunings.
                let trains = c.iterate.steps > 1 || c.score.importance == Importance::Best;
                let own = if trains { with(with(own, steps), self.training()) } else { own };
                // Latencies depend on the machine.
                let measures = c.prune.target.is_some_and(CostTarget::is_measured);
                if measures { with(own, json!({"machine": self.executor})) } else { own }
            }
            Stage::Finetune => with(self.teacher()?, with(json!({"finetune": c.finetune}), self.training())),
            // Calibration runs images that the seed selects.
            Stage::Export => {
                with(json!({"export": c.export, "imgsz": c.imgsz, "seed": c.seed}), self.machine())
            }
            Stage::Engine => {
                // The result depends on which builders are installed.
                let builders = engine_builders(&c.engine).map(|path| path.as_deref().map(path_text));
                let own = json!({"engine": c.engine, "builders": builders});
                // The engine in codes is calibrated.
                with(own, with(json!({"export": c.export, "imgsz": c.imgsz, "seed": c.seed}), self.machine()))
            }
            Stage::Report => json!({"latency_runs": c.latency_runs, "machine": self.executor}),
        })
    }

    /// The teacher of fine-tuning, if there is one.
    fn teacher(&self) -> Result<Value> {
        let distill = &self.config.distill;
        if !distill.is_on() {
            return Ok(json!({}));
        }
        let file = distill.teacher.as_deref().map(path_of_text);
        let teacher = file.filter(|file| file.is_file()).map(|file| digest_file(&file)).transpose()?;
        Ok(json!({"distill": distill, "teacher_content": teacher}))
    }

    /// The settings that all trainings share.
    fn training(&self) -> Value {
        let c = self.config;
        let LoadingConfig { augment, close_mosaic, rect, multi_scale, .. } = c.loader;
        let loader = json!({
            "augment": augment, "close_mosaic": close_mosaic, "rect": rect, "multi_scale": multi_scale
        });
        with(json!({"imgsz": c.imgsz, "seed": c.seed, "loader": loader}), self.machine())
    }

    /// What decides how values are rounded. Only the CUDA executor has a choice of precision.
    fn machine(&self) -> Value {
        let machine = json!({"executor": self.executor.executor, "device": self.config.device});
        let Some(precision) = self.executor.precision else { return machine };
        with(machine, json!({"precision": precision}))
    }
}

fn with(own: Value, more: Value) -> Value {
    let entries = |value| if let Value::Object(entries) = value { entries } else { Map::new() };
    entries(own).into_iter().chain(entries(more)).collect()
}
