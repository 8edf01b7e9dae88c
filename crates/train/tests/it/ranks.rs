//! Trainings of several ranks, which are threads here.

use std::thread::scope;

use bonsai_boxes::Cxcywh;
use bonsai_checkpoint::{Checkpoint, Weights};
use bonsai_collective::{Collective, Solo, Threads};
use bonsai_exec::{CpuExecutor, CpuOptions};
use bonsai_testkit::random_array;
use bonsai_train::{Batch, BatchResult, BatchSource, Stopped, TrainConfig, TrainError, Trained};
use bonsai_yolov8::{Scale, Target, build, init};

use crate::noise::{Recorder, no_penalty, start, train_together};

const EPOCHS: usize = 2;
/// Batches of all ranks together.
const BATCHES: usize = 6;

/// Batches `rank`, `rank + world`, ... of noise, each with other objects.
struct Part {
    rank: usize,
    world: usize,
    side: usize,
    /// The batch that cannot be read.
    fails: Option<usize>,
}

impl Part {
    fn new(rank: usize, world: usize, side: usize) -> Self {
        Self { rank, world, side, fails: None }
    }
}

impl BatchSource for Part {
    fn batches(&self) -> usize {
        BATCHES / self.world
    }

    fn epoch(&mut self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = BatchResult> + '_> {
        Box::new((first..self.batches()).map(move |index| {
            if self.fails == Some(index) {
                return Err("a torn image".into());
            }
            let number = index * self.world + self.rank;
            let images = random_array((epoch * BATCHES + number) as u64, &[2, 3, self.side, self.side]);
            let bbox = Cxcywh { cx: 0.4 + 0.02 * number as f32, cy: 0.5, w: 0.5, h: 0.4 };
            let targets =
                (0..2).map(|image| Target { image, class_id: (image + number) % 2, bbox }).collect();
            Ok(Batch { images, targets, names: Vec::new() })
        }))
    }
}

/// Without warm-up, whose steps are counted in batches of a rank.
fn config(world: usize) -> TrainConfig {
    TrainConfig {
        epochs: EPOCHS,
        batch: 2 * world,
        nbs: 4,
        lr0: 0.01,
        warmup_epochs: 0.0,
        warmup_min_batches: 0,
        patience: 0,
        ..TrainConfig::default()
    }
}

fn train(
    from: &Checkpoint,
    part: Part,
    ranks: &mut dyn Collective,
    recorder: &mut Recorder,
) -> Result<Trained, TrainError> {
    let options = CpuOptions { threads: 1, ..CpuOptions::default() };
    let mut executor = CpuExecutor::new(from.model.graph(), &from.weights, options).unwrap();
    let world = part.world;
    let mut part = part;
    train_together(&mut executor, from, &config(world), &mut part, &no_penalty, recorder, Some(ranks))
}

/// The results of two ranks that start from these checkpoints.
fn two(
    from: [&Checkpoint; 2],
    parts: [Part; 2],
    stop_after: Option<usize>,
) -> Vec<(Result<Trained, TrainError>, Recorder)> {
    scope(|scope| {
        let ranks = Threads::world(2).into_iter().zip(from).zip(parts);
        let work: Vec<_> = ranks
            .enumerate()
            .map(|(number, ((mut rank, from), part))| {
                scope.spawn(move || {
                    let stop_after = stop_after.filter(|_| number == 1);
                    let mut recorder = Recorder { stop_after, ..Recorder::default() };
                    let trained = train(from, part, &mut rank, &mut recorder);
                    (trained, recorder)
                })
            })
            .collect();
        work.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

fn parts(side: usize) -> [Part; 2] {
    [0, 1].map(|rank| Part::new(rank, 2, side))
}

/// The trained parameters: those of batch norm's statistics depend on which rank saw which image.
fn trained(checkpoint: &Checkpoint, weights: &Weights) -> Vec<(String, Vec<u32>)> {
    let specs = checkpoint.model.graph().params();
    let specs = specs.into_iter().filter(|spec| spec.role.is_trained());
    let bits = |name: &str| weights.get(name).unwrap().data().iter().map(|v| v.to_bits()).collect();
    specs.map(|spec| (spec.name.clone(), bits(&spec.name))).collect()
}

/// Compares with one rank that accumulates the batches of both.
fn compare(from: &Checkpoint, side: usize) {
    let alone = train(from, Part::new(0, 1, side), &mut Solo, &mut Recorder::default()).unwrap().last;
    for (together, _) in two([from; 2], parts(side), None) {
        let together = together.unwrap().last;
        let state = |checkpoint: &Checkpoint| checkpoint.train.clone().unwrap();
        let (ours, expected) = (state(&together), state(&alone));
        assert_eq!(ours.progress.updates, (BATCHES / 2 * EPOCHS) as u64);
        for (ours, expected) in [
            (&ours.raw, &expected.raw),
            (&ours.momentum, &expected.momentum),
            (&together.weights, &alone.weights),
        ] {
            for (ours, expected) in trained(from, ours).iter().zip(trained(from, expected)) {
                assert!(*ours == expected, "{} differs", ours.0);
            }
        }
    }
    assert!(
        trained(from, &alone.weights) != trained(from, &from.weights),
        "training must change the weights"
    );
}

#[test]
fn two_ranks_equal_one_that_accumulates() {
    compare(&start(), 32);
}

/// Its convolutions of 3x3 use every algorithm of the CPU.
#[test]
fn two_ranks_of_a_detector_equal_one_that_accumulates() {
    let names = ["a".to_owned(), "b".to_owned()];
    compare(&init(&build(Scale::N, &names).unwrap(), 5).unwrap(), 64);
}

#[test]
fn all_ranks_have_the_same_statistics_records_and_best_weights() {
    let from = start();
    let ends = two([&from; 2], parts(32), None);
    let [(first, seen), (second, also_seen)] = &ends[..] else { panic!("two ranks") };
    let (first, second) = (first.as_ref().unwrap(), second.as_ref().unwrap());
    assert!(first.last == second.last && first.best == second.best && first.history == second.history);
    assert_eq!((seen.epochs.len(), also_seen.epochs.len()), (EPOCHS, EPOCHS));
    // The evaluation counts its calls: only the first rank evaluates.
    assert_eq!(first.history.iter().map(|r| r.evaluation.unwrap().map50).collect::<Vec<_>>(), [1.0, 0.5]);
    let losses = |recorder: &Recorder| recorder.epochs[0].0.box_loss;
    assert!(losses(seen) == losses(also_seen) && losses(seen) > 0.0, "the mean over both parts");
}

#[test]
fn a_rank_that_fails_ends_the_others() {
    let from = start();
    let [first, second] = parts(32);
    let ends = two([&from; 2], [first, Part { fails: Some(1), ..second }], None);
    assert!(matches!(ends[1].0, Err(TrainError::Batch { epoch: 1, batch: 2, .. })), "{:?}", ends[1].0);
    let Err(error @ TrainError::Ranks { epoch: 1, .. }) = &ends[0].0 else { panic!("{:?}", ends[0].0) };
    let cause = std::error::Error::source(error).unwrap().to_string();
    assert!(cause.contains("rank 1 of 2 ended"), "{cause}");
}

#[test]
fn parameters_that_drift_apart_are_found() {
    let from = start();
    let mut other = from.clone();
    other.weights.get_mut("b.conv.weight").unwrap().data_mut()[3] += 0.25;
    for (end, _) in two([&from, &other], parts(32), None) {
        let Err(error @ TrainError::Ranks { .. }) = end else { panic!("{end:?}") };
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("`b.conv.weight`") && cause.contains("[1]"), "{cause}");
    }
}

/// Gradients of the last batch are pending when the epoch ends, and the stop comes there.
#[test]
fn a_stop_at_the_end_of_an_epoch_reaches_all_ranks() {
    let from = start();
    let ends: Vec<_> = scope(|scope| {
        let ranks = Threads::world(2).into_iter().zip(parts(32));
        let work: Vec<_> = ranks
            .map(|(mut rank, mut part)| {
                let from = &from;
                scope.spawn(move || {
                    let stop_after = (rank.rank() == 1).then_some(BATCHES / 2);
                    let mut recorder = Recorder { stop_after, ..Recorder::default() };
                    let options = CpuOptions { threads: 1, ..CpuOptions::default() };
                    let mut executor = CpuExecutor::new(from.model.graph(), &from.weights, options).unwrap();
                    let config = TrainConfig { nbs: 8, ..config(2) };
                    train_together(
                        &mut executor,
                        from,
                        &config,
                        &mut part,
                        &no_penalty,
                        &mut recorder,
                        Some(&mut rank),
                    )
                })
            })
            .collect();
        work.into_iter().map(|rank| rank.join().unwrap().unwrap()).collect()
    });
    assert!(ends.iter().all(|end| end.stopped == Stopped::Interrupted && end.history.len() == 1), "{ends:?}");
}

#[test]
fn a_stop_in_one_rank_stops_all_after_the_epoch_and_resumes_to_the_same_bits() {
    let from = start();
    let whole = two([&from; 2], parts(32), None).swap_remove(0).0.unwrap();
    let ends: Vec<_> = two([&from; 2], parts(32), Some(1)).into_iter().map(|end| end.0.unwrap()).collect();
    assert!(ends.iter().all(|end| end.stopped == Stopped::Interrupted && end.history.len() == 1));
    let resumed = two([&ends[0].last, &ends[1].last], parts(32), None).swap_remove(0).0.unwrap();
    assert!(resumed.last.weights == whole.last.weights);
}
