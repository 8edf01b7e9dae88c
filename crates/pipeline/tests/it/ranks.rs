//! Trainings that several processes share, which are threads here.

use std::path::{Path, PathBuf};
use std::thread::scope;

use bonsai_checkpoint::Checkpoint;
use bonsai_collective::Threads;
use bonsai_pipeline::training::{Resume, TrainDir, TrainOutcome, TrainRunConfig, saved_args, train_run};
use bonsai_pipeline::{
    Control, Ended, L1Config, L1Preset, PipelineConfig, Progress, Ranks, RunDir, Stage, StepRecord, Stopped,
    TrainConfig, dismiss, follow, run_stages,
};
use bonsai_stages::draw_dataset;

use crate::tiny_run::{Told, tiny_config};

/// Runs `lead` in the first of so many processes; the others take part in its trainings.
fn together<T>(world: usize, lead: impl FnOnce(Option<Ranks>) -> anyhow::Result<T>) -> Result<T, String> {
    if world == 1 {
        return lead(None).map_err(|error| format!("{error:#}"));
    }
    scope(|scope| {
        let mut ranks = Threads::world(world).into_iter();
        let first = ranks.next().unwrap();
        let others: Vec<_> = ranks
            .map(|rank| {
                scope.spawn(move || Ranks::new(rank).and_then(|ranks| follow(&ranks, 0, &mut || false)))
            })
            .collect();
        let led = Ranks::new(first).and_then(|ranks| {
            let led = lead(Some(ranks.clone()))?;
            dismiss(&ranks)?;
            Ok(led)
        });
        for other in others {
            let followed = other.join().unwrap();
            assert_eq!(followed.is_ok(), led.is_ok(), "{followed:?}");
        }
        led.map_err(|error| format!("{error:#}"))
    })
}

/// Stops after so many batches.
struct Stops(usize);

impl Progress for Stops {
    fn step(&mut self, _: &StepRecord) {
        self.0 = self.0.saturating_sub(1);
    }

    fn stop(&mut self) -> bool {
        self.0 == 0
    }
}

struct Trials {
    folder: tempfile::TempDir,
    data: PathBuf,
}

impl Trials {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = draw_dataset(&tiny_config().shapes, &folder.path().join("shapes")).unwrap();
        Self { folder, data }
    }

    fn args(&self) -> TrainRunConfig {
        let train =
            TrainConfig { epochs: 2, batch: 8, nbs: 8, warmup_min_batches: 2, ..TrainConfig::default() };
        TrainRunConfig {
            data: Some(self.data.clone()),
            imgsz: 64,
            project: self.folder.path().join("runs"),
            plots: false,
            train,
            ..TrainRunConfig::default()
        }
    }
}

/// A new training of so many processes.
fn train_in_world(args: &TrainRunConfig, world: usize) -> TrainOutcome {
    together(world, |ranks| train_run(args, None, ranks, &mut Told::default())).unwrap()
}

fn resume(dir: &TrainDir, world: usize) -> Result<TrainOutcome, String> {
    let resumed = Resume { dir: dir.clone(), names_data: false };
    together(world, |ranks| train_run(&saved_args(dir)?, Some(resumed), ranks, &mut Told::default()))
}

fn weights(path: PathBuf) -> bonsai_checkpoint::Weights {
    Checkpoint::load(path).unwrap().weights
}

fn copy(from: &TrainDir, to: &Path) -> TrainDir {
    std::fs::create_dir_all(to.join("weights")).unwrap();
    for file in [from.args(), from.data(), from.last(), from.best(), from.results_csv()] {
        std::fs::copy(&file, to.join(file.strip_prefix(from.root()).unwrap())).unwrap();
    }
    TrainDir::new(to).unwrap()
}

#[test]
fn the_same_bits_every_time_and_from_an_interrupted_training() {
    let trials = Trials::new();
    let args = trials.args();
    let whole = train_in_world(&args, 2);
    assert_eq!(whole.stopped, Stopped::Finished);
    let expected = weights(whole.dir.last());
    assert!(weights(train_in_world(&args, 2).dir.last()) == expected, "a second training");
    assert!(weights(train_in_world(&args, 1).dir.last()) != expected, "one process sees other batches");

    let begun = together(2, |ranks| train_run(&args, None, ranks, &mut Stops(1))).unwrap();
    assert_eq!(begun.stopped, Stopped::Interrupted);
    for world in [2, 1, 4] {
        let copied = copy(&begun.dir, &trials.folder.path().join(format!("resumed{world}")));
        let resumed = resume(&copied, world).unwrap();
        assert_eq!(resumed.stopped, Stopped::Finished);
        assert_eq!(weights(resumed.dir.last()) == expected, world == 2, "{world} processes");
    }
}

#[test]
fn every_objective_reaches_the_other_processes() {
    let trials = Trials::new();
    let one = TrainConfig { epochs: 1, ..trials.args().train };
    let args = TrainRunConfig { train: one.clone(), ..trials.args() };
    let teacher = train_in_world(&args, 1).dir.best().display().to_string();
    let plain = weights(train_in_world(&args, 2).dir.last());
    for special in [
        TrainRunConfig { teacher: Some(teacher), ..args.clone() },
        TrainRunConfig { l1: Some(L1Config::from_preset(L1Preset::Original)), ..args.clone() },
        TrainRunConfig { train: TrainConfig { cls_pw: 1.0, ..one.clone() }, ..args.clone() },
        TrainRunConfig { train: TrainConfig { qat: true, ..one }, ..args.clone() },
        TrainRunConfig { multi_scale: 0.5, ..args.clone() },
        TrainRunConfig { single_cls: true, ..args.clone() },
        TrainRunConfig { fraction: 0.5, ..args.clone() },
    ] {
        assert!(weights(train_in_world(&special, 2).dir.last()) != plain, "{special:?}");
    }
}

#[test]
fn what_cannot_be_shared_is_refused() {
    let trials = Trials::new();
    let args = trials.args();
    let refused = |args: &TrainRunConfig, world| {
        together(world, |ranks| train_run(args, None, ranks, &mut Told::default())).unwrap_err()
    };
    let error = refused(&args, 3);
    assert!(error.contains("batch is 8, and 3 processes"), "{error}");
    let rect = TrainRunConfig { rect: true, ..args.clone() };
    assert!(refused(&rect, 2).contains("rect is true"));
    let fitting = TrainConfig { batch: TrainConfig::FITTING_BATCH, ..args.train.clone() };
    let error = refused(&TrainRunConfig { train: fitting, ..args.clone() }, 2);
    assert!(error.contains("batch is -1"), "{error}");
    assert!(!args.project.exists(), "refused before the folder is made");

    let begun = together(1, |ranks| train_run(&args, None, ranks, &mut Stops(1))).unwrap();
    let error = resume(&begun.dir, 2).unwrap_err();
    assert!(error.contains("after 1 batches of an epoch"), "{error}");
    assert!(resume(&begun.dir, 1).is_ok());
}

#[test]
fn a_pipeline_runs_with_two_processes() {
    let folder = tempfile::tempdir().unwrap();
    let dir = RunDir::new(folder.path().join("run"));
    let config: PipelineConfig = tiny_config();
    let until = Some(Stage::Finetune);
    let mut told = Told::default();
    let ended = together(2, |ranks| {
        run_stages(&config, &dir, &Control { until, ranks, ..Control::default() }, &mut told)
    });
    assert_eq!(ended.unwrap(), Ended::Until(Stage::Finetune));
    assert!(told.notes.iter().any(|note| note.contains("2 processes train together")), "{:?}", told.notes);
    let mut again = Told::default();
    run_stages(&config, &dir, &Control { until, ..Control::default() }, &mut again).unwrap();
    assert!(again.ran.is_empty(), "{:?} did not need to run again", again.ran);
}
