//! What the stage `prune` of a run leaves in its folder.

use std::path::Path;

use anyhow::{Result, ensure};
use bonsai_checkpoint::Checkpoint;
use bonsai_prune::{Importance, PruneReport};
use serde::{Deserialize, Serialize};

use crate::iterations::{Files, save_iterations};
use crate::ranking::ranking;
use crate::run::save_json;
use crate::stages::{Data, Setting, Stepwise, iterate_stage, prune_stage};
use crate::{PipelineConfig, Progress};

pub(crate) const PRUNED: &str = "pruned.safetensors";
const PLAN: &str = "plan.json";
pub(crate) const REPORT: &str = "report.json";

/// What went, and what decided it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pruning<R> {
    /// What channels were ranked by.
    pub(crate) importance: Importance,
    #[serde(flatten)]
    pub(crate) report: R,
}

/// Prunes `model` at once, or in steps with fine-tuning between them, and writes network, plan and report.
pub(crate) fn fill_prune_folder(
    folder: &Path,
    model: &Checkpoint,
    config: &PipelineConfig,
    data: &Data,
    setting: &Setting,
    mut progress: &mut dyn Progress,
) -> Result<()> {
    let mut settings = config.prune_settings();
    let (importance, reason) = ranking(model, &settings)?;
    if let Some(reason) = reason {
        progress
            .note(&format!("warning: {reason}: they are ranked by {importance} (extras.dense_importance)"));
    }
    settings.score.importance = importance;
    let report = if config.iterate.steps > 1 {
        let what = Stepwise { prune: &settings, iterate: &config.iterate, finetune: &config.finetune };
        let iterated = iterate_stage(model, &what, data, setting, &mut progress)?;
        let files = Files {
            checkpoint: folder.join(PRUNED),
            plan: folder.join(PLAN),
            records: folder.join("iterations.json"),
            picture: folder.join("pruning.png"),
        };
        save_iterations(&iterated, config.iterate.max_map_drop, &files)?;
        ensure!(
            iterated.good_step > 0,
            "not even the first step stays within `iterate.max_map_drop`: allow more, or take more steps"
        );
        bonsai_prune::report(&iterated.plan, model, config.imgsz, config.imgsz)?
    } else {
        let pruned = prune_stage(model, &settings, setting, Some(data))?;
        pruned.plan.save(&folder.join(PLAN))?;
        pruned.checkpoint.save(&folder.join(PRUNED))?;
        pruned.report
    };
    progress.note(&removed(&report));
    save_json(&folder.join(REPORT), &Pruning { importance, report })
}

fn removed(report: &PruneReport) -> String {
    format!(
        "removed {} of {} channel sets that may go: {} -> {} params, {} -> {} MACs",
        report.removed_sets,
        report.prunable_sets,
        report.before.params,
        report.after.params,
        report.before.macs,
        report.after.macs
    )
}
