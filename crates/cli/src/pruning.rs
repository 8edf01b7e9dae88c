//! `prune`: which channels go, and what is said about it.

use std::path::PathBuf;

use anyhow::Result;
use bonsai_pipeline::{
    ClampedLayer, Importance, Iterated, Normalisation, PipelineConfig, Preset, PrunePolicy, PruneReport,
    Reduction, Scope, ScoreConfig, ScorePer, StepsEnd, Target, check, jobs,
};
use clap::Args;

use crate::events::set_result;
use crate::failure::{DONE, ErrorExt as _, FAILED, ensure_usage};
use crate::output::{eprint_line, is_json, is_stream, say, tell};
use crate::settings_args::{Settings, for_file};
use crate::terminal::Terminal;

/// Which channels go.
#[derive(Args)]
#[command(next_help_heading = "Choice")]
struct Choice {
    /// Share to remove of the channel sets that may go [default: 0.5]
    #[arg(long = "prune-ratio", value_name = "SHARE", group = "amount")]
    ratio: Option<f64>,
    /// Share to keep: 1 less the ratio
    #[arg(long, value_name = "SHARE", group = "amount")]
    keep: Option<f64>,
    /// Share of the multiply-accumulates that is to be left
    #[arg(long, value_name = "SHARE", group = "amount")]
    target_macs: Option<f64>,
    /// Share of the parameters that is to be left
    #[arg(long, value_name = "SHARE", group = "amount")]
    target_params: Option<f64>,
    /// Share of the measured latency that is to be left
    #[arg(long, value_name = "SHARE", group = "amount")]
    target_latency: Option<f64>,
    /// Do what a plan says (`OUT.plan.json` of an earlier pruning, reviewed or edited)
    #[arg(long, value_name = "FILE", group = "amount")]
    plan: Option<PathBuf>,
    /// Method: group (coupled sets, all guards), slim (masked scripts), original (the script of the original workflow) [default: group]
    #[arg(long)]
    preset: Option<Preset>,
    /// gamma, l1, l2, lamp, taylor, best of several (both need --data) or random [default: gamma]
    #[arg(long)]
    importance: Option<Importance>,
    /// Over the layers of a coupled set: mean, max, sum, first [default: mean]
    #[arg(long)]
    reduction: Option<Reduction>,
    /// Over the sets of a group: auto (mean for taylor, l1 and l2), none, mean, max, sum [default: auto]
    #[arg(long)]
    normalisation: Option<Normalisation>,
    /// What a score is divided by at last: set (nothing), mac (the multiply-accumulates of the set) [default: set]
    #[arg(long)]
    per: Option<ScorePer>,
    /// Where the lowest scores are looked for: global, per-layer [default: global]
    #[arg(long)]
    scope: Option<Scope>,
    /// Channels that each layer keeps at least [default: 8]
    #[arg(long, value_name = "N")]
    min_channels: Option<usize>,
    /// Round what is kept up to a multiple, 1 for none [default: 8]
    #[arg(long, value_name = "N")]
    round_to: Option<usize>,
    /// Largest share that any layer loses
    #[arg(long, value_name = "SHARE")]
    max_ratio_per_layer: Option<f64>,
    /// Layers that keep all channels, with `*` and `?`; may be repeated
    #[arg(long, value_name = "GLOB")]
    protect: Vec<String>,
    /// Leave out what removed channels still emitted, where it could be taken over [default: take over]
    #[arg(long)]
    no_compensate: bool,
    /// Measure running statistics anew over so many batches (needs --data) [default: 0]
    #[arg(long, value_name = "BATCHES")]
    recalibrate: Option<usize>,
    /// Prune in so many steps with fine-tuning between them (needs --data) [default: 1]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// With --steps: epochs of fine-tuning after each [default: 10]
    #[arg(long, value_name = "EPOCHS")]
    step_epochs: Option<usize>,
    /// With --steps: largest loss of mAP50-95 that is accepted [default: 0.2]
    #[arg(long, value_name = "MAP")]
    max_map_drop: Option<f64>,
}

/// A pruning.
#[derive(Args)]
pub(crate) struct Prune {
    /// Checkpoint, best after sparsity training
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    #[command(flatten)]
    choice: Choice,
    /// Where the smaller checkpoint goes
    #[arg(long, short, value_name = "FILE", default_value = "pruned.safetensors")]
    out: PathBuf,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Prune {
    /// Whether nothing is to be written.
    pub(crate) const fn is_dry(&self) -> bool {
        self.dry_run
    }
}

impl Choice {
    /// Refuses what means nothing beside the rest.
    fn refuse_unused(&self, config: &PipelineConfig) -> Result<()> {
        ensure_usage!(
            config.iterate.steps > 1 || (self.step_epochs.is_none() && self.max_map_drop.is_none()),
            "--step-epochs and --max-map-drop are for --steps of 2 or more, which were not asked for"
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
            ("--recalibrate", self.recalibrate.is_some()),
        ];
        let given: Vec<&str> = choices.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        ensure_usage!(
            self.plan.is_none() || given.is_empty(),
            "--plan says what goes, so {} would choose nothing: leave one of them out",
            given.join(", ")
        );
        Ok(())
    }

    /// What was given, over what the file and the defaults say.
    fn apply(&self, config: &mut PipelineConfig) {
        let Self { preset, importance, reduction, normalisation, per, scope, .. } = *self;
        let score = &mut config.score;
        let policy = &mut config.prune;
        score.importance = importance.unwrap_or(score.importance);
        if let Importance::Random { seed } = &mut score.importance {
            *seed = config.seed;
        }
        score.reduction = reduction.unwrap_or(score.reduction);
        score.normalisation = normalisation.unwrap_or(score.normalisation);
        score.per = per.unwrap_or(score.per);
        policy.preset = preset.unwrap_or(policy.preset);
        policy.scope = scope.unwrap_or(policy.scope);
        if let Some(ratio) = self.ratio.or(self.keep.map(|keep| 1.0 - keep)) {
            (policy.prune_ratio, policy.target) = (ratio, None);
        }
        let targets = [
            self.target_macs.map(Target::Macs),
            self.target_params.map(Target::Params),
            self.target_latency.map(Target::Latency),
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
        config.extras.recalibrate = self.recalibrate.unwrap_or(config.extras.recalibrate);
        config.iterate.steps = self.steps.unwrap_or(config.iterate.steps);
        config.iterate.epochs = self.step_epochs.unwrap_or(config.iterate.epochs);
        config.iterate.max_map_drop = self.max_map_drop.unwrap_or(config.iterate.max_map_drop);
    }
}

/// Keys of the configuration that pruning has a use for.
const USED: [&str; 12] = [
    "data", "imgsz", "seed", "score", "prune", "extras", "iterate", "finetune", "loader", "device",
    "executor", "threads",
];

pub(crate) fn prune(args: &Prune) -> Result<u8> {
    let base = for_file(&args.weights);
    // Alone, it prunes by a ratio unless told otherwise, as every other pruner does, and by gamma: it may have no images.
    let base = PipelineConfig { prune: PrunePolicy::default(), score: ScoreConfig::default(), ..base };
    args.settings.only("prune", &USED)?;
    let mut config = args.settings.resolve(base)?;
    args.choice.apply(&mut config);
    check(&config).misuse()?;
    args.choice.refuse_unused(&config)?;
    let out = (!args.dry_run).then_some(args.out.as_path());
    if config.iterate.steps > 1 {
        ensure_usage!(
            !args.dry_run,
            "--steps fine-tunes between steps, so there is nothing to see without doing it"
        );
        ensure_usage!(
            args.choice.plan.is_none(),
            "--plan says what goes, so there are no --steps towards it"
        );
        return Ok(print_steps(
            &jobs::iterate(&config, &args.weights, &args.out, &mut Terminal::new())?,
            args,
        ));
    }
    let report = match &args.choice.plan {
        Some(plan) => jobs::replay(&config, &args.weights, plan, out)?,
        None => jobs::prune(&config, &args.weights, out, &mut Terminal::new())?,
    };
    if is_json() && !is_stream() {
        say!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print_pruning(&report);
        set_result(&report);
    }
    Ok(DONE)
}

fn print_steps(iterated: &Iterated, args: &Prune) -> u8 {
    set_result(serde_json::json!({ "records": iterated.records, "stopped": iterated.stopped }));
    match iterated.stopped {
        StepsEnd::Done => {}
        StepsEnd::MapDrop { step, drop } => {
            tell!(
                "step {step} lost {drop:.3} of mAP50-95, more than --max-map-drop allows, and was taken back"
            );
        }
        StepsEnd::NothingLeft { step } => {
            tell!("the guards left nothing to remove in step {step}");
        }
    }
    if iterated.good_step == 0 {
        eprint_line!("no step is left; {} is what it began with", args.out.display());
        return FAILED;
    }
    say!("{} is the network after step {}", args.out.display(), iterated.good_step);
    DONE
}

fn print_pruning(report: &PruneReport) {
    say!("{:>28} {:>5} {:>5} {:>8} {:>8} {:>8}", "convolution", "was", "kept", "min", "mean", "max |gamma|");
    for layer in report.layers.iter().filter(|l| l.gamma.is_some()) {
        let (min, mean, max) = layer.gamma.as_ref().map_or((0.0, 0.0, 0.0), |g| (g.min, g.mean, g.max));
        say!("{:>28} {:>5} {:>5} {min:>8.4} {mean:>8.4} {max:>8.4}", layer.conv, layer.original, layer.kept);
    }
    if let Some(chosen) = &report.selection {
        for clamp in &chosen.clamped {
            let &ClampedLayer { channels, asked, lost, guard, .. } = clamp;
            say!("{:>28} loses {lost} of {channels}, not {asked}: {guard:?}", clamp.conv);
        }
        if let Some(limit) = &chosen.safe_limit {
            let ratio = chosen.prune_ratio;
            let safe = limit.ratio;
            let conv = &limit.conv;
            say!(
                "ratio {ratio:.4}; up to {safe:.4} no layer is asked for all it has, beyond it {conv} is the first"
            );
        }
    }
    if let Some(made) = &report.compensation {
        say!(
            "{} convolutions behind removed channels took over what these still emitted, at most {:.3}; {} could not",
            made.convs,
            made.largest_shift,
            made.lost.len()
        );
    }
    let share = |after: u64, before: u64| 100.0 * after as f64 / before as f64;
    say!(
        "removed {} of {} channel sets that may go ({} in all); params {} -> {} ({:.0} %), MACs {} -> {} ({:.0} %)",
        report.removed_sets,
        report.prunable_sets,
        report.sets,
        report.before.params,
        report.after.params,
        share(report.after.params, report.before.params),
        report.before.macs,
        report.after.macs,
        share(report.after.macs, report.before.macs)
    );
}
