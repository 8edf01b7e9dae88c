//! [`fill_prune_folder`]: writes the files of stage `prune` of a run.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bonsai_checkpoint::Checkpoint;
use bonsai_graph::Size;
use bonsai_prune::{Importance, PruneReport, Pruned, best_trial};
use bonsai_stages::{Data, RunContext, Stepwise, UNTRIED, iterate_stage, prune_stage, ranking, save_json};
use serde::{Deserialize, Serialize};

use crate::iterations::{Files, save_iterations};
use crate::{PipelineConfig, Progress, Stage};

pub(crate) const PRUNED: &str = "pruned.safetensors";
pub(crate) const PLAN: &str = "plan.json";
pub(crate) const REPORT: &str = "report.json";

/// The record of a pruning.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pruning<R> {
    /// The importance by which channels were ranked.
    pub(crate) importance: Importance,
    /// The stage whose network was pruned; missing in files of earlier versions.
    #[serde(default)]
    pub(crate) pruned: Option<Stage>,
    #[serde(flatten)]
    pub(crate) report: R,
}

/// Prunes the network of a stage at once, or in steps with fine-tuning between them, and writes network, plan
/// and report. Only importance best may get several networks; the one with the best trial is kept.
pub(crate) fn fill_prune_folder(
    folder: &Path,
    networks: &[(Stage, Checkpoint)],
    config: &PipelineConfig,
    data: &Data,
    context: &RunContext,
    mut progress: &mut dyn Progress,
) -> Result<()> {
    let (stage, model) = networks.first().context("no network to prune")?;
    let mut stage = *stage;
    let mut settings = config.prune_settings();
    let (mut importance, reason) = ranking(model, &settings)?;
    if let Some(reason) = reason {
        progress.note(&format!(
            "warning: {reason}: channels are ranked by {importance} (extras.dense_importance)"
        ));
    }
    settings.score.importance = importance;
    let report = if config.iterate.steps > 1 {
        let what = Stepwise { prune: &settings, iterate: &config.iterate, finetune: &settings.training };
        let iterated = iterate_stage(model, &what, data, context, &mut progress)?;
        let files = Files {
            checkpoint: folder.join(PRUNED),
            plan: folder.join(PLAN),
            records: folder.join("iterations.json"),
            picture: folder.join("pruning.png"),
        };
        save_iterations(&iterated, config.iterate.max_map_drop, &files)?;
        ensure!(
            iterated.good_step > 0,
            "the first step already exceeds `iterate.max_map_drop`: raise that limit, or set more `iterate.steps`"
        );
        bonsai_prune::report(&iterated.plan, model, Size::square(config.imgsz))?
    } else {
        let mut best: Option<(f64, Stage, Pruned)> = None;
        for (of, network) in networks {
            if networks.len() > 1 {
                progress.note(&format!("the network of stage `{of}`:"));
            }
            let pruned =
                prune_stage(network, &settings, context, Some(data), &mut |text| progress.note(text))?;
            let loss = decisive(&pruned).map_or(f64::INFINITY, |(loss, _)| loss);
            if best.as_ref().is_none_or(|(least, ..)| loss < *least) {
                best = Some((loss, *of, pruned));
            }
        }
        let (_, of, pruned) = best.context("no network to prune")?;
        stage = of;
        importance = match decisive(&pruned) {
            Some((_, importance)) => importance,
            None if importance == Importance::Best => UNTRIED,
            None => importance,
        };
        pruned.plan.save(folder.join(PLAN))?;
        pruned.checkpoint.save(folder.join(PRUNED))?;
        pruned.report
    };
    progress.note(&removed(&report));
    save_json(&folder.join(REPORT), &Pruning { importance, pruned: Some(stage), report })
}

/// The loss and the importance of the trial that decided, if there were trials.
fn decisive(pruned: &Pruned) -> Option<(f64, Importance)> {
    let trials = &pruned.report.trials;
    let trial = &trials[best_trial(trials)?];
    Some((trial.loss?, trial.candidate.score.importance))
}

fn removed(report: &PruneReport) -> String {
    let millions = |count: u64| count as f64 / 1e6;
    format!(
        "removed {} of {} channel sets: {:.2} -> {:.2} M params, {:.0} -> {:.0} M MACs",
        report.removed_sets,
        report.prunable_sets,
        millions(report.before.params),
        millions(report.after.params),
        millions(report.before.macs),
        millions(report.after.macs)
    )
}
