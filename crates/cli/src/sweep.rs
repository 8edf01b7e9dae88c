//! `pipeline sweep`: many runs, executed one after another, or written as a list of commands or a Slurm
//! script.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use bonsai_bench::sweep::{Axes, Sweep, gather, run_sweep};
use bonsai_pipeline::{Interrupted, PipelineConfig, PipelinePreset};
use clap::{Args, Subcommand};

use crate::events::set_result;
use crate::failure::{DONE, ErrorExt as _, FAILED, ensure_usage};
use crate::interrupt::Interrupt;
use crate::output::{eprint_line, is_json, is_stream, say, tell};
use crate::settings_args::Settings;
use crate::sweep_script::{command_list, slurm_script};
use crate::terminal::Terminal;

/// Subcommands of `pipeline`.
#[derive(Subcommand)]
pub(crate) enum PipelineCommand {
    /// Run the pipeline for every prune ratio and seed, and make a table of accuracy and cost
    Sweep(Box<Runs>),
}

/// Arguments of `pipeline sweep`.
#[derive(Args)]
pub(crate) struct Runs {
    /// Fractions of channel sets to remove, such as `0.3,0.5,0.7`
    #[arg(long, value_name = "FRACTIONS", value_delimiter = ',', required_unless_present = "gather")]
    ratios: Vec<f64>,
    /// Seeds of all randomness, such as `0,1,2` [default: that of --seed]
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', value_parser = crate::numbers::seed)]
    seeds: Vec<u64>,
    /// Presets to compare: default, original [default: none, the settings as given]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    presets: Vec<String>,
    /// Folder of the runs
    #[arg(long, value_name = "DIR", default_value = "runs/sweep")]
    project: PathBuf,
    /// Print a command for each run instead of running them
    #[arg(long, group = "way")]
    commands: bool,
    /// Write a script that submits the runs to Slurm instead of running them
    #[arg(long, value_name = "FILE", group = "way")]
    slurm: Option<PathBuf>,
    /// Only make the table of the finished runs of a sweep
    #[arg(long, value_name = "DIR", group = "way")]
    gather: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

impl Runs {
    /// Whether the command runs stages.
    pub(crate) const fn is_long(&self) -> bool {
        !self.commands && self.slurm.is_none() && self.gather.is_none()
    }
}

pub(crate) fn sweep(args: &Runs) -> Result<u8> {
    let settings = &args.settings;
    if let Some(folder) = &args.gather {
        settings.only("pipeline sweep --gather", &[])?;
        ensure_usage!(
            args.ratios.is_empty()
                && args.seeds.is_empty()
                && args.presets.is_empty()
                && settings.config.is_none(),
            "--gather only makes the table of finished runs: leave --ratios, --seeds, --presets and --config out"
        );
        return show(&Sweep::open(folder).misuse()?);
    }
    ensure_usage!(
        args.seeds.is_empty() || settings.seed.is_none(),
        "--seed and --seeds both set the seeds: leave one of them out"
    );
    ensure_usage!(
        !settings
            .set
            .iter()
            .any(|set| ["prune.prune_ratio", "prune.target"].iter().any(|key| set.starts_with(key))),
        "--ratios sets how much each run removes: leave `prune.prune_ratio` and `prune.target` out"
    );
    let base = settings.resolve_run(PipelinePreset::Default)?;
    let seeds = if args.seeds.is_empty() { vec![base.seed] } else { args.seeds.clone() };
    let axes = Axes { ratios: args.ratios.clone(), seeds, presets: args.presets.clone() };
    let root = std::path::absolute(&args.project).context("the current folder does not exist")?;
    let (sweep, configs) = Sweep::plan(&root, &base, &axes).misuse()?;
    configs.iter().try_for_each(bonsai_pipeline::check).misuse()?;
    sweep.save(&configs)?;
    if args.commands {
        say!("{}", command_list(&sweep, &program_file()?).trim_end());
        return Ok(DONE);
    }
    if let Some(file) = &args.slurm {
        let script = slurm_script(&sweep, &program_file()?);
        std::fs::write(file, script).with_context(|| format!("cannot write {}", file.display()))?;
        say!("{}: `bash {0}` submits {} runs", file.display(), sweep.runs().len());
        return Ok(DONE);
    }
    one_after_another(&sweep, &configs)
}

fn one_after_another(sweep: &Sweep, configs: &[PipelineConfig]) -> Result<u8> {
    let interrupt = Interrupt::listen()?;
    let failed = match run_sweep(sweep, configs, &mut Terminal::stopping_at(interrupt.clone())) {
        Err(error) if error.is::<Interrupted>() => {
            eprint_line!("{error:#}");
            return Ok(interrupt.exit_code());
        }
        outcome => outcome?,
    };
    show(sweep)?;
    if failed > 0 {
        eprint_line!(
            "error: {failed} of {} runs failed; the same command runs them again",
            sweep.runs().len()
        );
        return Ok(FAILED);
    }
    Ok(DONE)
}

/// Gathers the finished runs and prints the table.
fn show(sweep: &Sweep) -> Result<u8> {
    let table = gather(sweep)?;
    if is_json() && !is_stream() {
        say!("{}", serde_json::to_string_pretty(&table)?);
        return Ok(DONE);
    }
    say!("{}", table.markdown().trim_end());
    tell!("table and picture are in {}", sweep.root().join("sweep.md").display());
    set_result(&table);
    Ok(DONE)
}

/// Absolute path of this program, so that a script can call it from any folder.
fn program_file() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find the file of this program")
}
