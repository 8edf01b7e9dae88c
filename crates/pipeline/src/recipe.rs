//! What each stage is made from: its part of the configuration, by the names of the settings.
//!
//! This decides what a change of a setting redoes. What changes nothing but the last bits (threads, instruction set) is left
//! out, except where times are measured.

use anyhow::Result;
use bonsai_exec::ExecutorInfo;
use bonsai_prune::Importance;
use bonsai_train::TrainConfig;
use serde_json::{Map, Value, json};

use crate::doctor::engine_builders;
use crate::{PipelineConfig, Stage, digest_file, path_of_text, path_text};

/// Everything that the recipes of a run draw on.
#[derive(Debug)]
pub(crate) struct Recipes<'a> {
    pub(crate) config: &'a PipelineConfig,
    pub(crate) executor: &'a ExecutorInfo,
    /// Digest of a dataset that was not drawn.
    pub(crate) content: Option<String>,
}

impl Recipes<'_> {
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
                // The name of a scale says all about the start; a file may be another one tomorrow.
                let file = path_of_text(&c.model);
                let content = file.is_file().then(|| digest_file(&file)).transpose()?;
                let own = json!({"baseline": c.baseline, "model": c.model, "model_content": content});
                with(own, self.training())
            }
            // Trained as fine-tuning is, for as many epochs as all that follows the baseline.
            Stage::Control => {
                let finetune = TrainConfig { epochs: c.further_epochs(), ..c.finetune.clone() };
                with(json!({"control": {"epochs": finetune.epochs}, "finetune": finetune}), self.training())
            }
            Stage::Sparse => with(json!({"sparse": c.sparse, "l1": c.l1}), self.training()),
            Stage::Prune => {
                let own = json!({"score": c.score, "prune": c.prune, "extras": c.extras, "imgsz": c.imgsz});
                // Fine-tuning belongs to pruning where it happens between steps.
                let steps = json!({"iterate": c.iterate, "finetune": c.finetune});
                // And where short ones of it choose the ranking.
                let trains = c.iterate.steps > 1 || c.score.importance == Importance::Best;
                if trains { with(with(own, steps), self.training()) } else { own }
            }
            Stage::Finetune => {
                with(with(json!({"finetune": c.finetune}), self.distillation()?), self.training())
            }
            Stage::Export => {
                // Calibration runs images, drawn by the seed.
                let executor = self.executor.executor;
                json!({
                    "export": c.export, "imgsz": c.imgsz, "seed": c.seed, "executor": executor, "device": c.device
                })
            }
            Stage::Engine => {
                // Which builders are there decides what this stage does.
                let builders = engine_builders(&c.engine);
                let builders = builders.map(|path| path.as_deref().map(path_text));
                json!({"engine": c.engine, "builders": builders})
            }
            // Latencies are of this machine.
            Stage::Report => json!({"latency_runs": c.latency_runs, "machine": self.executor}),
        })
    }

    /// The teacher of fine-tuning, if there is one.
    fn distillation(&self) -> Result<Value> {
        let distill = &self.config.distill;
        if !distill.is_on() {
            return Ok(json!({}));
        }
        let file = distill.teacher.as_deref().map(path_of_text);
        let teacher = file.filter(|file| file.is_file()).map(|file| digest_file(&file)).transpose()?;
        Ok(json!({"distill": distill, "teacher_content": teacher}))
    }

    /// What all trainings share.
    fn training(&self) -> Value {
        let c = self.config;
        let loader = json!({"augment": c.loader.augment, "close_mosaic": c.loader.close_mosaic});
        let executor = self.executor.executor;
        json!({"imgsz": c.imgsz, "seed": c.seed, "executor": executor, "device": c.device, "loader": loader})
    }
}

fn with(own: Value, more: Value) -> Value {
    let entries = |value| if let Value::Object(entries) = value { entries } else { Map::new() };
    entries(own).into_iter().chain(entries(more)).collect()
}
