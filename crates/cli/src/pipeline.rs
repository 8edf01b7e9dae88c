//! `pipeline`: runs all or some stages, forecasts a run, and prints the command that resumes it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;
use bonsai_bench::sweep::note_failure;
use bonsai_pipeline::{
    Control, Ended, Estimate, Fate, Forecast, Interrupted, PipelineConfig, PipelinePreset, RunDir, Stage,
    check, forecast, path_of_text, path_text, run_stages, terminal_summary,
};
use clap::Args;

use crate::duration::duration;
use crate::events::set_result;
use crate::failure::{DONE, ErrorExt as _, ensure_usage};
use crate::interrupt::Interrupt;
use crate::invocation::program;
use crate::output::{eprint_line, is_json, say};
use crate::ranks::{Role, join};
use crate::settings_args::Settings;
use crate::shell::quoted;
use crate::sweep::{PipelineCommand, sweep};
use crate::terminal::Terminal;
use crate::thresholds::RunThresholds;

/// Arguments of `pipeline`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Pipeline {
    #[command(subcommand)]
    many: Option<PipelineCommand>,
    /// Base settings: default, or original for L1 and threshold of the hand-patched trainers [default:
    /// default]
    #[arg(long, value_parser = preset)]
    preset: Option<PipelinePreset>,
    #[command(flatten)]
    settings: Settings,
    /// Run directory [default: runs/shapes, or runs/NAME-MODEL for --data .../NAME/data.yaml]
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// First stage; earlier stages must be complete, and are used even if their settings differ
    #[arg(long, value_name = "STAGE")]
    from: Option<Stage>,
    /// Last stage
    #[arg(long, value_name = "STAGE")]
    until: Option<Stage>,
    /// Stage to run again even if it is up to date; may be repeated
    #[arg(long, value_name = "STAGE")]
    force: Vec<Stage>,
    /// Write nothing; print which stages would run and why, with time, memory and disk space
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    thresholds: RunThresholds,
}

/// Parses a preset; the former name `seed` is accepted with a note.
fn preset(name: &str) -> Result<PipelinePreset, <PipelinePreset as std::str::FromStr>::Err> {
    if name == "seed" {
        eprint_line!("note: preset \"seed\" is now called \"original\"");
    }
    name.parse()
}

impl Pipeline {
    /// Whether the command is a single run.
    pub(crate) const fn is_run(&self) -> bool {
        self.many.is_none() && !self.dry_run
    }

    /// Whether the command runs stages.
    pub(crate) const fn is_long(&self) -> bool {
        match &self.many {
            None => !self.dry_run,
            Some(PipelineCommand::Sweep(runs)) => runs.is_long(),
        }
    }
}

pub(crate) fn pipeline(args: &Pipeline) -> Result<u8> {
    if let Some(PipelineCommand::Sweep(runs)) = &args.many {
        return sweep(runs);
    }
    let config = args.settings.resolve_run(args.preset.unwrap_or_default())?;
    check(&config).misuse()?;
    ensure_usage!(
        config.data.is_none() || !args.settings.set.iter().any(|set| set.trim_start().starts_with("shapes.")),
        "settings of the drawn dataset `shapes` have no effect on another dataset: leave them or --data out"
    );
    let folder = args.project.clone().unwrap_or_else(|| default_run_dir(&config));
    let dir = RunDir::new(&folder);
    let control = Control { from: args.from, until: args.until, force: args.force.clone(), ranks: None };
    control.check().misuse()?;
    if args.dry_run {
        let forecast = forecast(&config, &dir, &control, &mut Terminal::new())?;
        if is_json() {
            say!("{}", serde_json::to_string_pretty(&forecast)?);
        } else {
            print_forecast(&forecast, &folder);
        }
        return Ok(DONE);
    }
    let Role::Leads(ranks) = join(config.threads)? else { return Ok(DONE) };
    let control = Control { ranks, ..control };
    let interrupt = Interrupt::listen()?;
    let mut terminal = Terminal::stopping_at(interrupt.clone());
    match run_stages(&config, &dir, &control, &mut terminal) {
        Ok(Ended::Complete(report)) => {
            set_result(
                serde_json::json!({ "folder": path_text(&folder), "headline": report.headline, "rows": report.rows }),
            );
            say!("\n{}", terminal_summary(&report, &folder, &dir.page()).trim_end());
            Ok(args.thresholds.check(&report))
        }
        Ok(Ended::Until(stage)) => {
            set_result(serde_json::json!({ "folder": path_text(&folder), "until": stage }));
            say!(
                "stopped after stage {stage} because of --until; to continue, run:\n  {}",
                command(&["--until", "--force"])
            );
            Ok(DONE)
        }
        Err(error) if error.is::<Interrupted>() => {
            eprint_line!("{error:#}\n  {}", command(&[]));
            Ok(interrupt.exit_code())
        }
        Err(error) => {
            note_failure(&dir, &error);
            if !folder.is_dir() {
                return Err(error);
            }
            Err(error).hint(|| {
                format!("{} keeps the finished stages; to continue, run `{}`", folder.display(), command(&[]))
            })
        }
    }
}

/// `runs/shapes`, or `runs/NAME-MODEL` from `.../NAME/data.yaml` or the folder `.../NAME`.
fn default_run_dir(config: &PipelineConfig) -> PathBuf {
    let model = path_of_text(&config.model);
    let model = model.file_stem().unwrap_or_default().to_string_lossy();
    let name = match &config.data {
        None => "shapes".to_owned(),
        Some(yaml) => {
            let folder = if yaml.is_dir() { Some(yaml.as_path()) } else { yaml.parent() };
            let folder = folder.and_then(Path::file_name).unwrap_or_default().to_string_lossy();
            format!("{folder}-{model}")
        }
    };
    Path::new("runs").join(name)
}

/// This command line, quoted for a shell, without the options `without`.
fn command(without: &[&str]) -> String {
    let words: Vec<String> = leave_out(env::args_os().skip(1), without).iter().map(quoted).collect();
    format!("{} {}", program(), words.join(" "))
}

/// The words without `options` and their values (`--option VALUE` or `--option=VALUE`).
fn leave_out(words: impl Iterator<Item = OsString>, options: &[&str]) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut is_value = false;
    for word in words {
        let text = word.to_string_lossy();
        let option = text.split_once('=').map_or(&*text, |(option, _)| option);
        if is_value {
            is_value = false;
        } else if options.contains(&option) {
            is_value = option == text;
        } else {
            kept.push(word);
        }
    }
    kept
}

fn print_forecast(forecast: &Forecast, folder: &Path) {
    say!("{:<9} {:<7} {:>12} {:>9} {:>9}  why", "stage", "", "time", "memory", "disk");
    for stage in &forecast.stages {
        let fate = match stage.fate {
            Fate::Cached => "cached",
            Fate::Taken => "taken",
            Fate::Run => "run",
            Fate::Skipped => "skipped",
        };
        let name = stage.stage.name();
        let because = stage.because.join("; ");
        match &stage.estimate {
            Some(Estimate { seconds, memory_mib, disk_bytes, basis }) => say!(
                "{name:<9} {fate:<7} {:>12} {:>6.0} MB {:>6.1} MB  {because} ({})",
                duration(*seconds),
                memory_mib * 1.048_576,
                *disk_bytes as f64 / 1e6,
                basis.words()
            ),
            None => say!(
                "{}",
                format!("{name:<9} {fate:<7} {:>12} {:>9} {:>9}  {because}", "", "", "").trim_end()
            ),
        }
    }
    say!(
        "all: {}, at most {:.0} MB of memory, {:.0} MB on disk in {}; nothing was written",
        duration(forecast.seconds),
        forecast.memory_mib * 1.048_576,
        forecast.disk_bytes as f64 / 1e6,
        folder.display()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_continues_lacks_the_left_out_options() {
        let words = ["pipeline", "--until", "prune", "--until=export", "--set", "model=it's here"];
        let kept = leave_out(words.map(OsString::from).into_iter(), &["--until"]);
        assert_eq!(kept, ["pipeline", "--set", "model=it's here"]);
    }
}
