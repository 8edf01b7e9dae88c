//! What the stage `prune` of a run leaves in its folder.

use std::path::Path;

use anyhow::{Result, ensure};
use bonsai_checkpoint::Checkpoint;
use bonsai_prune::{Importance, Preset, PruneReport};
use bonsai_sparsity::GammaStatistics;
use serde::{Deserialize, Serialize};

use crate::iterations::{Files, save_iterations};
use crate::run::save_json;
use crate::stages::{Data, Setting, Stepwise, iterate_stage, prune_stage};
use crate::{PipelineConfig, Progress, PruneSettings};

pub(crate) const PRUNED: &str = "pruned.safetensors";
const PLAN: &str = "plan.json";
pub(crate) const REPORT: &str = "report.json";

/// Share of gammas below 1e-2 under which they do not tell channels apart: sparsity training leaves nine in ten there, or
/// none.
const DENSE: f64 = 0.1;

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
    let near_zero = GammaStatistics::of(model.model.graph(), &model.weights)?.overall.below_1e2;
    let importance = ranking(&settings, near_zero);
    if importance != settings.score.importance {
        progress.note(&format!(
            "warning: {:.0} % of the gammas are below 0.01, too few to tell channels apart: they are ranked by {importance} \
             instead (extras.dense_importance)",
            100.0 * near_zero
        ));
        settings.score.importance = importance;
    }
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

/// What to rank channels by, where so large a share of the gammas is near zero. The presets of other scripts know gammas
/// alone.
fn ranking(settings: &PruneSettings, near_zero: f64) -> Importance {
    let asked = settings.score.importance;
    let is_dense = asked == Importance::Gamma && near_zero < DENSE && settings.policy.preset == Preset::Group;
    if is_dense { settings.extras.dense_importance } else { asked }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PipelineConfig, PipelinePreset};

    #[test]
    fn gammas_rank_where_they_tell_channels_apart() {
        let settings = PipelineConfig::default().prune_settings();
        assert_eq!(ranking(&settings, 0.88), Importance::Gamma);
        assert_eq!(ranking(&settings, 0.0), Importance::Taylor);
        let seed = PipelineConfig::default().with_preset(PipelinePreset::Seed).prune_settings();
        assert_eq!(ranking(&seed, 0.0), Importance::Gamma);
        // What was asked for is done.
        let mut lamp = settings;
        lamp.score.importance = Importance::Lamp;
        assert_eq!(ranking(&lamp, 0.0), Importance::Lamp);
    }
}
