//! `train`, `sparsify` and `finetune`: start or resume a training, and print its metrics.

use anyhow::Result;
use bonsai_pipeline::training::{Resume, TrainDir, TrainOutcome, TrainRunConfig, saved_args, train_run};
use bonsai_pipeline::{L1Config, NoDataset, Stopped, TrainConfig, limit_threads, path_text};

use crate::events::set_result;
use crate::failure::{DONE, ErrorExt as _, misused};
use crate::interrupt::Interrupt;
use crate::invocation::program;
use crate::metrics_table::print_metrics;
use crate::output::{eprint_line, say};
use crate::ranks::{Role, join};
use crate::shell::quoted;
use crate::terminal::Terminal;
use crate::train_args::Train;

pub(crate) fn train(args: &Train) -> Result<u8> {
    run(args, TrainRunConfig::default())
}

pub(crate) fn sparsify(args: &Train) -> Result<u8> {
    // L1 lowers the metrics before they recover, so patience would end the training too early.
    let train = TrainConfig { patience: 0, ..TrainConfig::default() };
    let l1 = Some(L1Config::default());
    run(args, TrainRunConfig { name: "sparsify".to_owned(), train, l1, ..TrainRunConfig::default() })
}

pub(crate) fn finetune(args: &Train) -> Result<u8> {
    run(args, TrainRunConfig { name: "finetune".to_owned(), ..TrainRunConfig::default() })
}

fn run(given: &Train, defaults: TrainRunConfig) -> Result<u8> {
    let asked = given.resolve(defaults)?;
    let (args, folder) = match &given.resume {
        None => {
            asked.data.as_ref().ok_or(NoDataset)?;
            (asked, None)
        }
        Some(path) => {
            let others = given.given(path.is_some());
            if !others.is_empty() {
                return misused(format!(
                    "--resume uses the settings of the interrupted training, so leave out {}; for other settings, start a new \
                     training from its weights with --model",
                    others.join(", ")
                ));
            }
            let folder = match path {
                Some(path) => TrainDir::new(path)?,
                None => TrainDir::latest(&asked.project)?,
            };
            let args = given.on_this_machine(&saved_args(&folder)?).misuse()?;
            args.check().misuse()?;
            let names_data = given.names_data();
            (args, Some(Resume { dir: folder, names_data }))
        }
    };
    limit_threads(args.threads)?;
    let Role::Leads(ranks) = join(args.threads)? else { return Ok(DONE) };
    if let Some(ranks) = ranks.as_ref().filter(|_| args.threads == 0) {
        limit_threads(ranks.threads())?;
    }
    let interrupt = Interrupt::listen()?;
    let is_gone = folder.is_some() && args.data.as_ref().is_some_and(|data| !data.exists());
    let outcome = train_run(&args, folder, ranks, &mut Terminal::stopping_at(interrupt.clone()));
    let outcome = match outcome {
        Err(error) if is_gone => {
            Err(error).hint(|| "if the dataset was moved, pass its new path with --data".to_owned())?
        }
        outcome => outcome?,
    };
    Ok(report(&outcome, &interrupt))
}

fn report(outcome: &TrainOutcome, interrupt: &Interrupt) -> u8 {
    let root = outcome.dir.root().display();
    match outcome.stopped {
        Stopped::Interrupted => {
            let word = quoted(outcome.dir.root());
            eprint_line!("stopped; to continue, run `{} train --resume {word}`", program());
            return interrupt.exit_code();
        }
        Stopped::Patience => say!("training ended early: no better epoch within --patience"),
        // A note already reported the end by penalty.
        Stopped::Penalty | Stopped::Finished => {}
    }
    if let Some(metrics) = &outcome.metrics {
        say!("{} on the validation split:", outcome.dir.best().display());
        print_metrics(metrics, &outcome.class_names, &[]);
        set_result(serde_json::json!({ "folder": path_text(outcome.dir.root()), "metrics": metrics }));
    }
    say!("Everything is in {root}");
    DONE
}
