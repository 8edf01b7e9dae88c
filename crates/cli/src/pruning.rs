//! `prune`: removes channels, and prints which.

use std::path::PathBuf;

use anyhow::Result;
use bonsai_pipeline::{
    CostTarget, Importance, Iterated, Normalisation, PipelineConfig, Preset, PruneExtras, PrunePolicy,
    Reduction, Scope, ScoreConfig, ScorePer, StepsEnd, jobs,
};
use clap::Args;

use crate::events::set_result;
use crate::failure::{DONE, FAILED, ensure_usage};
use crate::output::{eprint_line, is_json, is_stream, say, tell};
use crate::pruning_output::{print_next, print_pruning};
use crate::settings_args::{Settings, for_file};
use crate::terminal::Terminal;

/// Options that choose the channels to remove.
#[derive(Args)]
#[command(next_help_heading = "Choice")]
struct Choice {
    /// Fraction of the prunable channel sets to remove [default: 0.5]
    #[arg(long = "prune-ratio", value_name = "FRACTION", group = "amount")]
    ratio: Option<f64>,
    /// Fraction of the prunable channel sets to keep: 1 minus the ratio
    #[arg(long, value_name = "FRACTION", group = "amount")]
    keep: Option<f64>,
    /// Fraction of the multiply-accumulates to keep
    #[arg(long, value_name = "FRACTION", group = "amount")]
    target_macs: Option<f64>,
    /// Fraction of the parameters to keep
    #[arg(long, value_name = "FRACTION", group = "amount")]
    target_params: Option<f64>,
    /// Fraction of the latency to keep
    #[arg(long, value_name = "FRACTION", group = "amount")]
    target_latency: Option<f64>,
    /// Apply a plan: `OUT.plan.json` of an earlier pruning, possibly edited
    #[arg(long, value_name = "FILE", group = "amount")]
    plan: Option<PathBuf>,
    /// Method: group (coupled sets, all guards), slim (masking scripts), original (script of the original
    /// workflow) [default: group]
    #[arg(long)]
    preset: Option<Preset>,
    /// gamma, l1, l2, lamp, random, taylor or best (the best of several; these two need --data) [default:
    /// gamma]
    #[arg(long)]
    importance: Option<Importance>,
    /// Combination of the layers in a coupled set: mean, max, sum, first [default: mean]
    #[arg(long)]
    reduction: Option<Reduction>,
    /// Divisor of the scores in a group: auto (mean for taylor, l1, l2), none, mean, max, sum [default: auto]
    #[arg(long)]
    normalisation: Option<Normalisation>,
    /// Final divisor of a score: set (none), mac (the multiply-accumulates of the set) [default: set]
    #[arg(long)]
    per: Option<ScorePer>,
    /// Range in which the lowest scores are searched: global, per-layer [default: global]
    #[arg(long)]
    scope: Option<Scope>,
    /// Minimum number of channels that each layer keeps [default: 8]
    #[arg(long, value_name = "N")]
    min_channels: Option<usize>,
    /// Round the kept channels up to a multiple of this, 1 for no rounding [default: 8]
    #[arg(long, value_name = "N")]
    round_to: Option<usize>,
    /// Largest fraction that any layer loses
    #[arg(long, value_name = "FRACTION")]
    max_ratio_per_layer: Option<f64>,
    /// Layers that keep all channels; may contain `*` and `?`; may be repeated
    #[arg(long, value_name = "GLOB")]
    protect: Vec<String>,
    /// Do not fold the constant output of removed channels into the layers that read it
    #[arg(long)]
    no_compensate: bool,
    /// Refit the layers that read removed channels on this many batches (needs --data) [default: 0]
    #[arg(long, value_name = "BATCHES")]
    reconstruct: Option<usize>,
    /// Measure the running statistics again over this many batches (needs --data) [default: 0]
    #[arg(long, value_name = "BATCHES")]
    recalibrate: Option<usize>,
    /// Number of pruning steps, with fine-tuning after each (needs --data) [default: 1]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// With --steps: epochs of fine-tuning after each step [default: 10]
    #[arg(long, value_name = "EPOCHS")]
    step_epochs: Option<usize>,
    /// With --steps: largest accepted drop of mAP50-95 [default: 0.2]
    #[arg(long, value_name = "MAP")]
    max_map_drop: Option<f64>,
}

/// Arguments of `prune`.
#[derive(Args)]
pub(crate) struct Prune {
    /// Checkpoint to prune, ideally after sparsity training
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    #[command(flatten)]
    choice: Choice,
    /// Checkpoint to write
    #[arg(long, short, value_name = "FILE", default_value = "pruned.safetensors")]
    out: PathBuf,
    /// Only print what would be removed
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Prune {
    /// Whether the command writes nothing.
    pub(crate) const fn is_dry(&self) -> bool {
        self.dry_run
    }
}

impl Choice {
    /// Refuses `--set prune.preset` beside options of the same table, which it would reset.
    fn refuse_reset(&self, set: &[String]) -> Result<()> {
        let given = self.ratio.is_some()
            || self.keep.is_some()
            || self.target_macs.is_some()
            || self.target_params.is_some()
            || self.target_latency.is_some()
            || self.scope.is_some()
            || self.min_channels.is_some()
            || self.round_to.is_some()
            || self.max_ratio_per_layer.is_some()
            || !self.protect.is_empty();
        ensure_usage!(
            !given || !set.iter().any(|setting| setting.trim_start().starts_with("prune.preset")),
            "`--set prune.preset` resets ratio, target and guards, also those of options: use --preset instead"
        );
        Ok(())
    }

    /// Refuses options that have no effect together with the others.
    fn refuse_unused(&self, config: &PipelineConfig) -> Result<()> {
        ensure_usage!(
            config.iterate.steps > 1 || (self.step_epochs.is_none() && self.max_map_drop.is_none()),
            "--step-epochs and --max-map-drop need --steps 2 or more: add it, or leave them out"
        );
        let choices = [
            ("--preset", self.preset.is_some()),
            ("--importance", self.importance.is_some()),
            ("--reduction", self.reduction.is_some()),
            ("--normalisation", self.normalisation.is_some()),
            ("--per", self.per.is_some()),
            ("--scope", self.scope.is_some()),
            ("--min-channels", self.min_channels.is_some()),
            ("--round-to", self.round_to.is_some()),
            ("--max-ratio-per-layer", self.max_ratio_per_layer.is_some()),
            ("--protect", !self.protect.is_empty()),
        ];
        // These may also come from --set or a file.
        let settings = [
            ("extras.reconstruct", config.extras.reconstruct > 0),
            ("extras.recalibrate", config.extras.recalibrate > 0),
        ];
        let given: Vec<&str> =
            choices.iter().chain(&settings).filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        ensure_usage!(
            self.plan.is_none() || given.is_empty(),
            "--plan determines the channels, so {} would have no effect: leave --plan or these options out",
            given.join(", ")
        );
        Ok(())
    }

    /// Applies the given options to the configuration from the file and the defaults.
    fn apply(&self, config: &mut PipelineConfig) {
        let Self { preset, importance, reduction, normalisation, per, scope, .. } = *self;
        let score = &mut config.score;
        let policy = &mut config.prune;
        score.importance = importance.unwrap_or(score.importance);
        score.reduction = reduction.unwrap_or(score.reduction);
        score.normalisation = normalisation.unwrap_or(score.normalisation);
        score.per = per.unwrap_or(score.per);
        policy.preset = preset.unwrap_or(policy.preset);
        policy.scope = scope.unwrap_or(policy.scope);
        if let Some(ratio) = self.ratio.or(self.keep.map(|keep| 1.0 - keep)) {
            (policy.prune_ratio, policy.target) = (ratio, None);
        }
        let targets = [
            self.target_macs.map(CostTarget::Macs),
            self.target_params.map(CostTarget::Params),
            self.target_latency.map(CostTarget::Latency),
        ];
        policy.target = targets.into_iter().flatten().next().or(policy.target);
        policy.min_channels = self.min_channels.unwrap_or(policy.min_channels);
        match self.round_to {
            Some(1) => policy.round_to = None,
            Some(multiple) => policy.round_to = Some(multiple),
            None => {}
        }
        policy.max_ratio_per_layer = self.max_ratio_per_layer.or(policy.max_ratio_per_layer);
        policy.protect.extend(self.protect.iter().cloned());
        config.extras.compensate &= !self.no_compensate;
        config.extras.reconstruct = self.reconstruct.unwrap_or(config.extras.reconstruct);
        config.extras.recalibrate = self.recalibrate.unwrap_or(config.extras.recalibrate);
        config.iterate.steps = self.steps.unwrap_or(config.iterate.steps);
        config.iterate.epochs = self.step_epochs.unwrap_or(config.iterate.epochs);
        config.iterate.max_map_drop = self.max_map_drop.unwrap_or(config.iterate.max_map_drop);
    }
}

/// Keys of the configuration that pruning uses.
const USED: [&str; 13] = [
    "data",
    "imgsz",
    "seed",
    "score",
    "prune",
    "extras",
    "iterate",
    "finetune",
    "loader",
    "device",
    "executor",
    "precision",
    "threads",
];

pub(crate) fn prune(args: &Prune) -> Result<u8> {
    let base = for_file(&args.weights);
    // Unlike a run, the command prunes by a ratio, as other pruners do, and by gamma and without
    // reconstruction, because it may have no images.
    let base = PipelineConfig {
        prune: PrunePolicy::default(),
        score: ScoreConfig::default(),
        extras: PruneExtras { reconstruct: 0, ..base.extras },
        ..base
    };
    args.settings.only("prune", &USED)?;
    args.choice.refuse_reset(&args.settings.set)?;
    // If the importance differs for another default, then nobody chose it.
    let other =
        PipelineConfig { score: ScoreConfig { importance: Importance::Lamp, ..base.score }, ..base.clone() };
    let mut config = args.settings.resolve_with(base, |config| args.choice.apply(config))?;
    let other = args.settings.resolve_with(other, |config| args.choice.apply(config))?;
    let is_chosen = other.score.importance == config.score.importance;
    let ranked_by = if is_chosen { jobs::RankedBy::User } else { jobs::RankedBy::Default };
    if let (Some(Importance::Random { .. }), Importance::Random { seed }) =
        (args.choice.importance, &mut config.score.importance)
    {
        *seed = config.seed;
    }
    args.choice.refuse_unused(&config)?;
    let out = (!args.dry_run).then_some(args.out.as_path());
    if config.iterate.steps > 1 {
        ensure_usage!(
            !args.dry_run,
            "--dry-run cannot forecast --steps, because each step depends on fine-tuning: leave one of them out"
        );
        ensure_usage!(
            args.choice.plan.is_none(),
            "--plan determines the channels, so --steps cannot be used: leave one of them out"
        );
        return Ok(print_steps(
            &jobs::iterate(&config, ranked_by, &args.weights, &args.out, &mut Terminal::new())?,
            args,
        ));
    }
    if args.dry_run && config.score.importance != Importance::Best {
        // Neither changes the choice of channels, except for the trials of importance best.
        (config.extras.reconstruct, config.extras.recalibrate) = (0, 0);
    }
    let report = match &args.choice.plan {
        Some(plan) => jobs::replay(&config, &args.weights, plan, out)?,
        None => jobs::prune(&config, ranked_by, &args.weights, out, &mut Terminal::new())?,
    };
    if is_json() && !is_stream() {
        say!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print_pruning(&report);
        if let Some(out) = out {
            print_next(out, args.choice.plan.as_deref(), args.settings.data.as_deref());
        }
        set_result(&report);
    }
    Ok(DONE)
}

fn print_steps(iterated: &Iterated, args: &Prune) -> u8 {
    set_result(serde_json::json!({ "records": iterated.records, "stopped": iterated.stopped }));
    match iterated.stopped {
        StepsEnd::Done => {}
        StepsEnd::MapDrop { step, drop } => {
            tell!("step {step} lost {drop:.3} of mAP50-95, more than --max-map-drop allows, and was undone");
        }
        StepsEnd::NothingLeft { step } => {
            tell!("in step {step}, the guards allow no further removal");
        }
    }
    if iterated.good_step == 0 {
        eprint_line!("no step was good enough; {} is the unpruned network", args.out.display());
        return FAILED;
    }
    say!("{} is the network after step {}", args.out.display(), iterated.good_step);
    DONE
}
