//! [`prune()`], [`replay`] and [`iterate`]: pruning from a checkpoint file to a checkpoint file.

use std::path::Path;

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_graph::{ClassMap, Size};
use bonsai_prune::{Iterated, PrunePlan, PruneReport, apply, apply_compensated, report};
use bonsai_stages::{
    Progress, PruneConfig, Stepwise, before_writing, ensure_usage, for_dataset, iterate_stage,
    open_checkpoint, open_dataset, open_images, prune_stage, ranking,
};

use super::requirements::data_yaml;
use crate::PipelineConfig;
use crate::iterations::{Files, save_iterations};

/// Who chose the importance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankedBy {
    /// The user: it is used, with a warning if it tells channels apart badly.
    User,
    /// Nobody: another importance takes the place of one that tells channels apart badly.
    Default,
}

/// Prunes a checkpoint file; with `out`, writes the smaller checkpoint and its plan (`OUT.plan.json`).
///
/// # Errors
/// As [`prune_stage`]; [`Misuse`](bonsai_stages::Misuse) if nobody chose the importance, the gammas do not tell
/// channels apart, and there is no dataset to rank them otherwise.
pub fn prune(
    config: &PipelineConfig,
    ranked_by: RankedBy,
    weights: &Path,
    out: Option<&Path>,
    progress: &mut dyn Progress,
) -> Result<PruneReport> {
    let plan = out.map(|out| out.with_extension("plan.json"));
    let outputs: Vec<&Path> = out.into_iter().chain(plan.as_deref()).collect();
    before_writing(&[weights], &outputs)?;
    let model = open_checkpoint(weights)?;
    let settings = ranked(&model, config, ranked_by, progress)?;
    // The loss needs labels; statistics need images alone.
    let open = if settings.needs_labels() { open_dataset } else { open_images };
    let data = config.data.as_ref().map(|yaml| open(yaml, progress)).transpose()?;
    if let Some(data) = data.as_ref().filter(|_| settings.needs_labels()) {
        let classes = ClassMap::new(model.model.class_names(), &data.class_names);
        if !classes.is_plain() {
            progress.classes(&format!("{}: {classes}", weights.display()));
        }
    }
    let mut note = |text: &str| progress.note(text);
    let pruned = prune_stage(&model, &settings, &config.run_context()?, data.as_ref(), &mut note)?;
    if let (Some(out), Some(plan)) = (out, plan) {
        pruned.plan.save(&plan)?;
        pruned.checkpoint.save(out)?;
    }
    Ok(pruned.report)
}

/// The settings of pruning, with an importance that tells the network's channels apart.
fn ranked(
    model: &Checkpoint,
    config: &PipelineConfig,
    ranked_by: RankedBy,
    progress: &mut dyn Progress,
) -> Result<PruneConfig> {
    let mut settings = config.prune_settings();
    let (importance, Some(reason)) = ranking(model, &settings)? else { return Ok(settings) };
    if ranked_by == RankedBy::User {
        progress.note(&format!(
            "warning: {reason}: `--importance {importance}` with `--data` may rank channels better"
        ));
        return Ok(settings);
    }
    settings.score.importance = importance;
    ensure_usage!(
        config.data.is_some() || !settings.needs_labels(),
        "{reason}: add --data DATA.yaml to rank channels by {importance}, or choose another ranking with --importance (l2 \
         needs no images; gamma prunes by gamma all the same)"
    );
    progress.note(&format!("{reason}: channels are ranked by {importance}"));
    Ok(settings)
}

/// Prunes a checkpoint file by a saved plan; with `out`, writes the smaller checkpoint.
///
/// # Errors
/// If the plan cannot be read or was made for another network.
pub fn replay(
    config: &PipelineConfig,
    weights: &Path,
    plan: &Path,
    out: Option<&Path>,
) -> Result<PruneReport> {
    before_writing(&[weights, plan], out.as_slice())?;
    let model = open_checkpoint(weights)?;
    let plan = PrunePlan::load(plan)?;
    let mut report = report(&plan, &model, Size::square(config.imgsz))?;
    let pruned = if config.extras.compensate {
        let (pruned, compensation) = apply_compensated(&plan, &model)?;
        report.compensation = Some(compensation);
        pruned
    } else {
        apply(&plan, &model)?
    };
    if let Some(out) = out {
        pruned.save(out)?;
    }
    Ok(report)
}

/// Prunes a checkpoint file in steps with fine-tuning between them. Writes the last good network (`out`), its
/// plan (`OUT.plan.json`), the curve (`OUT.iterations.json`) and its picture (`OUT.png`).
///
/// # Errors
/// As [`iterate_stage`], or if a file cannot be written.
pub fn iterate(
    config: &PipelineConfig,
    ranked_by: RankedBy,
    weights: &Path,
    out: &Path,
    mut progress: &mut dyn Progress,
) -> Result<Iterated> {
    let files = Files::beside(out);
    before_writing(&[weights], &[&files.checkpoint, &files.plan, &files.records, &files.picture])?;
    let model = Checkpoint { train: None, ..open_checkpoint(weights)? };
    let data = open_dataset(data_yaml(config)?, progress)?;
    let model = for_dataset(model, &data.class_names, config.seed, &weights.display().to_string(), progress)?;
    let prune = ranked(&model, config, ranked_by, progress)?;
    let what = Stepwise { prune: &prune, iterate: &config.iterate, finetune: &prune.training };
    let iterated = iterate_stage(&model, &what, &data, &config.run_context()?, &mut progress)?;
    save_iterations(&iterated, config.iterate.max_map_drop, &files)?;
    Ok(iterated)
}
