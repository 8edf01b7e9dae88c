//! [`train_run`]: one training in a folder of its own, as `cargo xtask train` runs it.
//!
//! [`EpochKeeper`] writes `best` (if improved), `results.csv` and `last` after every epoch.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use bonsai_checkpoint::{Checkpoint, write_file};
use bonsai_data::{Batch, Split};
use bonsai_detector::Detector;
use bonsai_metrics::DetMetrics;
use bonsai_stages::{
    Data, EvalOptions, Inputs, Objective, Ranks, RunContext, Teacher, check_training, evaluate, open_dataset,
    start_checkpoint, train_stage, validation_loader_in,
};
use bonsai_train::{Optimizer, Stopped};

use super::records::{History, RunRecords};
use super::settled::settle;
use super::trained_on::TrainedOn;
use super::{Results, TrainDir, TrainRunConfig, pictures};
use crate::epoch_keeper::{EpochKeeper, ended};
use crate::run_lock::RunLock;
use crate::settings::load_settings;
use crate::{GammaHistory, NoDataset, Progress, path_of_text};

/// The result of a training.
#[derive(Debug)]
pub struct TrainOutcome {
    /// Its folder.
    pub dir: TrainDir,
    /// Why the training ended.
    pub stopped: Stopped,
    /// Metrics of the best weights on the validation split; `None` if the training was interrupted.
    pub metrics: Option<DetMetrics>,
    /// Names of the classes.
    pub class_names: Vec<String>,
}

/// The settings of the training in `dir`.
///
/// # Errors
/// If its `args.toml` cannot be read.
pub fn saved_args(dir: &TrainDir) -> Result<TrainRunConfig> {
    load_settings(&TrainRunConfig::default(), &dir.args())
}

/// A training to resume.
#[derive(Debug, Clone)]
pub struct Resume {
    /// Its folder.
    pub dir: TrainDir,
    /// Whether the user named the data anew, because the dataset has moved or changed.
    pub names_data: bool,
}

/// Trains by `args`, in the folder of `resume` if given, else in a new folder. With `ranks`, this is the first of several
/// processes; the others are in [`follow`](bonsai_stages::follow).
///
/// # Errors
/// If arguments, dataset or starting network are unusable, training diverges, or a file cannot be written.
pub fn train_run(
    args: &TrainRunConfig,
    resume: Option<Resume>,
    ranks: Option<Ranks>,
    progress: &mut dyn Progress,
) -> Result<TrainOutcome> {
    args.check()?;
    let context = args.context()?.in_world(ranks);
    let yaml = args.data.as_deref().ok_or(NoDataset)?;
    // Held to the end: two trainings in one folder would overwrite each other's epochs.
    let mut lock = resume.as_ref().map(|resume| lock_folder(&resume.dir)).transpose()?;
    let mut data = open_dataset(yaml, progress)?;
    if args.single_cls {
        data.make_one_class();
    }
    let content = TrainedOn::new(&data, args.teacher.as_deref().map(path_of_text).as_deref())?;
    data.train = take_fraction(&data.train, args.fraction);
    ensure!(
        data.train.samples.iter().any(|sample| !sample.labels.is_empty()),
        "none of the {} images that `fraction` {} leaves has a label: raise `fraction`",
        data.train.samples.len(),
        args.fraction
    );
    let teacher = args
        .teacher
        .as_deref()
        .map(|file| {
            let gains = bonsai_yolov8::DistillGains::default();
            Teacher::open(&path_of_text(file), &data.class_names, gains, progress)
        })
        .transpose()?;
    let (args, dir, start, history) = if let Some(Resume { dir, names_data }) = resume {
        content.compare(&dir, names_data, progress)?;
        let (dir, start, history) = go_on(args, dir, &data, progress)?;
        if names_data {
            let moved = TrainRunConfig { data: args.data.clone(), ..saved_args(&dir)? };
            write_file(dir.args(), toml::to_string(&moved)?.as_bytes())?;
        }
        content.save(&dir)?;
        // A new training settles these, so only a changed file has them.
        args.train.check().with_context(|| format!("{} cannot be resumed", dir.args().display()))?;
        ensure!(
            args.train.optimizer != Optimizer::Auto,
            "the optimiser in {} is auto, but a training records the one that it chose: name it there",
            dir.args().display()
        );
        (args.clone(), dir, start, history)
    } else {
        let start = start_checkpoint(&args.model, &data.class_names, args.train.seed, progress)?;
        let args = settle(args, start.model.graph(), &data, &context, progress)?;
        let (dir, history) = begin(&args, &start, &data, &content, &context, &mut lock)?;
        (args, dir, start, history)
    };
    let args = &args;
    if let Some(stopped) = ended(&start, &args.train) {
        // The process was killed while it drew the pictures.
        return conclude((args, &context), dir, data, &history, stopped);
    }
    let split = Arc::clone(&data.train);
    let records = RunRecords { args, dir: &dir, split, history, drawing: Vec::new() };
    let mut keeper = EpochKeeper { best: dir.best(), last: dir.last(), records, progress };
    let objective = match (&args.l1, &teacher) {
        (Some(l1), _) => Objective::Sparsity(l1),
        (None, Some(teacher)) => Objective::Distillation(teacher),
        (None, None) => Objective::Detection,
    };
    let trained = train_stage(&start, &data, &args.train, objective, &context, &mut keeper);
    keeper.records.finish_pictures(keeper.progress);
    let history = keeper.records.history;
    let trained = trained.with_context(|| after_failure(&dir))?;
    if trained.stopped == Stopped::Interrupted {
        trained.last.save(dir.last())?;
        return Ok(TrainOutcome {
            dir,
            stopped: trained.stopped,
            metrics: None,
            class_names: data.class_names,
        });
    }
    conclude((args, &context), dir, data, &history, trained.stopped)
}

fn lock_folder(dir: &TrainDir) -> Result<RunLock> {
    let lock = RunLock::take(dir.root(), "--project or --name")?;
    dir.clean();
    Ok(lock)
}

/// Creates the folder of a training of this network.
fn begin(
    args: &TrainRunConfig,
    start: &Checkpoint,
    data: &Data,
    content: &TrainedOn,
    context: &RunContext,
    lock: &mut Option<RunLock>,
) -> Result<(TrainDir, History)> {
    args.train.freeze.parameters(start.model.graph())?;
    // Check before the folder exists.
    check_training(start.model.graph(), &args.train, context, data.trained_and_evaluated())?;
    let dir = TrainDir::claim(&args.project, &args.name, args.exist_ok)?;
    *lock = Some(lock_folder(&dir)?);
    let teacher = args.teacher.as_deref().map(path_of_text);
    let inputs = Inputs::new([path_of_text(&args.model), data.yaml.clone()].into_iter().chain(teacher));
    for output in [dir.best(), dir.last(), dir.args(), dir.data()] {
        inputs.refuse(&output, "give another --name")?;
    }
    // An earlier training of that name left them: this one must never resume from its state, nor show its
    // results as its own.
    let others = [dir.last(), dir.best(), dir.results_csv(), dir.metrics(), dir.gammas()];
    for file in others.into_iter().chain(dir.epochs()) {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", file.display()));
            }
            _ => {}
        }
    }
    content.save(&dir)?;
    write_file(dir.args(), toml::to_string(args)?.as_bytes())?;
    if args.plots {
        pictures::labels(&data.train, &dir.picture("labels.png"))?;
    }
    let mut history = History::default();
    if args.l1.is_some() {
        history.gammas.push(0, start)?;
        history.gammas.save(&dir.gammas())?;
    }
    Ok((dir, history))
}

/// Loads what an interrupted training left.
fn go_on(
    args: &TrainRunConfig,
    dir: TrainDir,
    data: &Data,
    progress: &mut dyn Progress,
) -> Result<(TrainDir, Checkpoint, History)> {
    let start = Checkpoint::load(dir.last())?;
    check_classes(&start, data, &dir)?;
    let done = start.train.as_ref().map_or(0, |state| state.progress.epoch);
    let mut history = History::default();
    if done > 0 {
        history.results = Results::load(&dir.results_csv(), done)?;
    }
    if args.l1.is_some() && dir.gammas().exists() {
        history.gammas = GammaHistory::load(&dir.gammas(), done)?;
    }
    progress.note(&format!("{} goes on after epoch {done} of {}", dir.root().display(), args.train.epochs));
    Ok((dir, start, history))
}

/// Evaluates the best weights and draws the last pictures.
fn conclude(
    (args, context): (&TrainRunConfig, &RunContext),
    dir: TrainDir,
    data: Data,
    history: &History,
    stopped: Stopped,
) -> Result<TrainOutcome> {
    let metrics = evaluate_best((args, context), &dir, &data)?;
    if args.plots {
        pictures::results(&history.results, &dir.picture("results.png"))?;
        if args.l1.is_some() {
            pictures::gammas(&history.gammas, &dir)?;
        }
    }
    Ok(TrainOutcome { dir, stopped, metrics: Some(metrics), class_names: data.class_names })
}

/// The first images of a split, as Ultralytics selects a fraction.
fn take_fraction(split: &Arc<Split>, fraction: f64) -> Arc<Split> {
    let count = (split.samples.len() as f64 * fraction).round().max(1.0) as usize;
    if count >= split.samples.len() {
        return Arc::clone(split);
    }
    Arc::new(Split { samples: split.samples[..count].to_vec(), class_names: split.class_names.clone() })
}

fn check_classes(start: &Checkpoint, data: &Data, dir: &TrainDir) -> Result<()> {
    let theirs = start.model.class_names();
    let ours = &data.class_names;
    anyhow::ensure!(
        theirs == ours.as_slice(),
        "{} was trained on {} classes ({}), the dataset now has {} ({}): resume with the data that it began with",
        dir.last().display(),
        theirs.len(),
        theirs.join(", "),
        ours.len(),
        ours.join(", ")
    );
    Ok(())
}

fn after_failure(dir: &TrainDir) -> String {
    if dir.last().is_file() {
        let last = dir.last();
        let root = dir.root().display();
        format!("the training stopped; {} is complete: `--resume {root}` continues from it", last.display())
    } else {
        "the training stopped before its first epoch ended".to_owned()
    }
}

fn evaluate_best(
    (args, context): (&TrainRunConfig, &RunContext),
    dir: &TrainDir,
    data: &Data,
) -> Result<DetMetrics> {
    let batch = context.evaluation_batch(args.train.batch);
    let mut detector = Detector::load(dir.best(), context.executor)?;
    let stride = Some(detector.stride());
    let loader = validation_loader_in(&data.val, args.imgsz, batch, &context.loader, stride)?;
    let mut drawn = Ok(());
    let mut watch = |number: usize, batch: &Batch, found: &[Vec<bonsai_boxes::Detection>]| {
        if args.plots && drawn.is_ok() {
            drawn = pictures::validation_batch(number, batch, found, &data.val, dir.root());
        }
    };
    let evaluation = evaluate(&mut detector, &loader, &EvalOptions::default(), &mut watch)?;
    drawn?;
    pictures::metrics(&evaluation.metrics, dir)?;
    if args.plots {
        pictures::evaluation(&evaluation, &data.class_names, dir.root())?;
    }
    Ok(evaluation.metrics)
}
