//! `bench recipe`: trains the runs of several recipes, each in its own process, and prints a table.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bonsai_bench::recipes::{BenchDataset, BenchRun, Recipe, RecipeBench, measure_runs, recipe_table};
use bonsai_checkpoint::write_file;
use bonsai_pipeline::{PipelineConfig, PipelinePreset, path_text};
use clap::Args;

use crate::failure::{DONE, ErrorExt as _, FAILED, ensure_usage};
use crate::interrupt::Interrupt;
use crate::numbers::count;
use crate::output::{eprint_line, is_json, say, tell};
use crate::settings_args::Settings;
use crate::terminal::Terminal;

/// Interval between checks whether a run has ended.
const PAUSE: Duration = Duration::from_millis(200);
/// Time in which a run must end after a signal, before it is killed.
const GRACE: Duration = Duration::from_secs(30);

/// Arguments of `bench recipe`: recipes compared with each other and with the dense control.
#[derive(Args)]
pub(crate) struct Recipes {
    /// Recipes: default, taylor, random, or TOML files with settings
    #[arg(long = "recipes", value_name = "NAMES", value_delimiter = ',', default_value = "default,random")]
    names: Vec<String>,
    /// Datasets: NAME=DATA.yaml, or crowd or clutter, which are drawn at 256 px
    #[arg(long, value_name = "DATASETS", value_delimiter = ',', required = true)]
    datasets: Vec<String>,
    /// Seeds of all randomness
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "0,1,2", value_parser = crate::numbers::seed)]
    seeds: Vec<u64>,
    /// Fractions of the MACs that pruning keeps
    #[arg(long, value_name = "FRACTIONS", value_delimiter = ',', default_value = "0.5,0.25,0.125")]
    macs: Vec<f64>,
    /// Folder of the runs
    #[arg(long, value_name = "DIR", default_value = "runs/recipes")]
    project: PathBuf,
    /// Runs at once; they share the threads equally
    #[arg(long, default_value = "1", value_parser = count)]
    jobs: usize,
    /// Only make the table of the finished runs
    #[arg(long)]
    gather: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Trains the missing runs, then measures all finished runs.
pub(crate) fn run(args: &Recipes) -> Result<u8> {
    let settings = &args.settings;
    ensure_usage!(
        settings.seed.is_none() && settings.data.is_none(),
        "`bench recipe` takes --seeds and --datasets instead: leave --seed and --data out"
    );
    let base = settings.resolve_real(PipelinePreset::Default)?;
    let default = PipelineConfig::default();
    for (key, is_default, instead) in [
        ("seed", base.seed == default.seed, "--seeds"),
        ("data", base.data.is_none(), "--datasets"),
        ("prune.target", base.prune.target == default.prune.target, "--macs"),
    ] {
        ensure_usage!(is_default, "{key} is set, but a bench takes it from {instead}: leave {key} out");
    }
    let recipes = args.names.iter().map(|name| Recipe::open(name)).collect::<Result<Vec<_>>>().misuse()?;
    let datasets: Vec<BenchDataset> =
        args.datasets.iter().map(|text| BenchDataset::parse(text)).collect::<Result<_>>().misuse()?;
    ensure_usage!(
        settings.imgsz.is_none() || datasets.iter().any(|dataset| !dataset.is_drawn()),
        "--imgsz has no effect on drawn datasets, whose images have a fixed size: leave it out"
    );
    let bench =
        RecipeBench::plan(&args.project, &base, &recipes, &datasets, &args.seeds, &args.macs).misuse()?;
    bench.save()?;
    let mut failed = 0;
    if !args.gather {
        datasets.iter().try_for_each(|dataset| dataset.draw(&args.project))?;
        let interrupt = Interrupt::listen()?;
        let threads = match base.threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        failed = train(&bench, args.jobs, (threads / args.jobs).max(1), &interrupt)?;
        if interrupt.requested() {
            eprint_line!("stopped by a signal; all finished work is kept: the same command continues");
            return Ok(interrupt.exit_code());
        }
    }
    let figures = measure_runs(&bench, &mut Terminal::new())?;
    let table = recipe_table(&bench, &figures)?;
    write_file(args.project.join("recipes.md"), table.markdown().as_bytes())?;
    if is_json() {
        say!("{}", serde_json::to_string_pretty(&table)?);
    } else {
        say!("{}", table.markdown().trim_end());
    }
    if failed > 0 {
        eprint_line!("error: {failed} of {} runs failed; the same command runs them again", bench.runs.len());
        return Ok(FAILED);
    }
    Ok(DONE)
}

/// Trains phase by phase, up to `jobs` runs at once; returns the number of failures.
fn train(bench: &RecipeBench, jobs: usize, threads: usize, interrupt: &Interrupt) -> Result<usize> {
    let waiting: Vec<&BenchRun> = bench.runs.iter().filter(|run| !run.is_done()).collect();
    let last = waiting.iter().map(|run| run.phase).max().unwrap_or_default();
    let start = Instant::now();
    let done = Mutex::new(0);
    let failed = Mutex::new(0);
    for phase in 0..=last {
        let queue: Mutex<VecDeque<&BenchRun>> =
            Mutex::new(waiting.iter().copied().filter(|run| run.phase == phase).collect());
        let work = || -> Result<()> {
            while let Some(run) = pop(&queue).filter(|_| !interrupt.requested()) {
                let status = train_one(run, threads, interrupt)?;
                if interrupt.requested() {
                    return Ok(());
                }
                let done = count_up(&done);
                let left = start.elapsed().as_secs_f64() / done as f64 * (waiting.len() - done) as f64;
                let name = format!("{}/{}", run.dataset, run.name());
                let of = waiting.len();
                if status.success() {
                    tell!("{done} of {of}: {name}, about {:.0} min left", left / 60.0);
                } else {
                    count_up(&failed);
                    eprint_line!("error: {name} failed; see {}", run.log_file().display());
                }
            }
            Ok(())
        };
        thread::scope(|scope| {
            let slots: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
            slots
                .into_iter()
                .try_for_each(|slot| slot.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })?;
    }
    Ok(failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn pop<'a>(queue: &Mutex<VecDeque<&'a BenchRun>>) -> Option<&'a BenchRun> {
    queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop_front()
}

fn count_up(counter: &Mutex<usize>) -> usize {
    let mut counter = counter.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    *counter += 1;
    *counter
}

/// Runs `pipeline` in its own process, whose output goes to the run's log file.
fn train_one(run: &BenchRun, threads: usize, interrupt: &Interrupt) -> Result<ExitStatus> {
    let log = run.log_file();
    let output = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
    let errors = output.try_clone().with_context(|| format!("cannot write {}", log.display()))?;
    let program = std::env::current_exe().context("cannot find the file of this program")?;
    let mut child = Command::new(&program)
        .arg("pipeline")
        .arg("--config")
        .arg(run.config_file())
        .arg("--project")
        .arg(run.dir().root())
        .args(["--until", run.until.name(), "--threads", &threads.to_string(), "--quiet"])
        .stdout(output)
        .stderr(errors)
        .spawn()
        .with_context(|| format!("cannot start {}", path_text(&program)))?;
    wait(&mut child, interrupt)
}

/// Waits for a run. Ctrl-C in a terminal also reaches the run; if it does not end in time, it is killed, and
/// can resume later.
fn wait(child: &mut Child, interrupt: &Interrupt) -> Result<ExitStatus> {
    let mut asked: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if interrupt.requested() && asked.get_or_insert_with(Instant::now).elapsed() > GRACE {
            child.kill()?;
        }
        thread::sleep(PAUSE);
    }
}
