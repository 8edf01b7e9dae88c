//! Resuming: a training in two parts ends with the same bits as one that never stopped.

use bonsai_checkpoint::Checkpoint;
use bonsai_exec::{ExecutorKind, ExecutorOptions, L1Method, L1Placement, PenaltyMap, build_executor};
use bonsai_train::{
    BatchResult, BatchSource, EpochRecord, Optimizer, Penalty, Per, Stopped, TrainConfig, Trained,
};

use crate::noise::{KINDS, Noise, Recorder, config, no_penalty, run, start, train_on};

/// The checkpoint after writing to bytes and reading back.
pub(crate) fn reloaded(checkpoint: &Checkpoint) -> Checkpoint {
    let again = Checkpoint::from_bytes(&checkpoint.to_bytes().unwrap()).unwrap();
    assert!(again == *checkpoint);
    again
}

fn go_on(kind: ExecutorKind, from: &Checkpoint, config: &TrainConfig, observer: &mut Recorder) -> Trained {
    run(kind, from, config, &mut Noise, &no_penalty, observer).unwrap()
}

/// The batches, from the start, after which there is a step; an epoch has three batches.
fn steps(nbs: usize) -> Vec<usize> {
    match nbs {
        4 => (1..=12).collect(),
        // Warm-up over three batches goes from one batch per step to two; pairs then continue across epochs.
        8 => vec![1, 2, 4, 6, 8, 10, 12],
        // Warm-up goes from one batch per step to two and then to three.
        12 => vec![1, 3, 6, 9, 12],
        _ => unreachable!(),
    }
}

#[test]
fn a_checkpoint_of_every_epoch_goes_on_as_if_nothing_happened() {
    for kind in KINDS {
        // With nbs 8, batch 4 and three batches per epoch, accumulation crosses the end of an epoch.
        let mut seen = Recorder::default();
        let whole = go_on(kind, &start(), &config(5), &mut seen);
        for (_, middle) in &seen.epochs[..4] {
            let rest = go_on(kind, &reloaded(middle), &config(5), &mut Recorder::default());
            assert!(rest.last == whole.last);
        }
    }
}

/// The caller must set the penalised parameters again when resuming; strengths fall from epoch to epoch.
#[test]
fn with_l1_by_every_method_too() {
    let mut map = PenaltyMap::default();
    map.insert("a.bn.weight", (0..8).map(|c| (c != 3).then_some(c / 3)).collect());
    map.insert("b.bn.weight", (0..8).map(|c| Some(c / 2)).collect());
    for kind in KINDS {
        for method in [L1Method::Subgradient, L1Method::Proximal, L1Method::GroupLasso] {
            let penalty = |epoch: usize| Penalty {
                gamma: 0.2 / (1 + epoch) as f64,
                beta: 0.1,
                method,
                placement: L1Placement::AfterClip,
                per: Per::Step,
            };
            let go_on = |from: &Checkpoint, seen: &mut Recorder| {
                let options = ExecutorOptions { kind: Some(kind), threads: 2, ..ExecutorOptions::default() };
                let mut executor = build_executor(from.model.graph(), &from.weights, &options).unwrap();
                executor.penalise(&map).unwrap();
                train_on(&mut *executor, from, &config(4), &mut Noise, &penalty, seen).unwrap()
            };
            let mut seen = Recorder::default();
            let whole = go_on(&start(), &mut seen);
            for (_, middle) in &seen.epochs[..3] {
                let rest = go_on(&reloaded(middle), &mut Recorder::default());
                assert!(rest.last == whole.last, "{kind}, {method:?}");
            }
        }
    }
}

#[test]
fn training_stops_at_the_next_step_and_goes_on_from_there() {
    for kind in KINDS {
        for nbs in [4, 8, 12] {
            let config = TrainConfig { nbs, ..config(4) };
            let whole = go_on(kind, &start(), &config, &mut Recorder::default());
            assert_eq!(whole.last.train.as_ref().unwrap().progress.updates, steps(nbs).len() as u64);
            for asked in 1..=12 {
                let what = format!("{kind}, nbs {nbs}, asked after batch {asked}");
                let mut seen = Recorder { stop_after: Some(asked), ..Recorder::default() };
                let first = go_on(kind, &start(), &config, &mut seen);
                assert_eq!(first.stopped, Stopped::Interrupted, "{what}");
                let progress = &first.last.train.as_ref().unwrap().progress;
                // Training stops at the next step, but not after the last batch of the epoch.
                let step = *steps(nbs).iter().find(|s| **s >= asked).unwrap();
                let end = step.min(asked.next_multiple_of(3));
                assert_eq!(progress.epoch * 3 + progress.batch, end, "{what}");
                assert_eq!((seen.steps, seen.epochs.len()), (end, (end - 1) / 3), "{what}");
                let second = go_on(kind, &reloaded(&first.last), &config, &mut Recorder::default());
                assert!(second.last == whole.last, "{what}");
                let history: Vec<_> = first.history.iter().chain(&second.history).cloned().collect();
                assert_eq!(history, whole.history, "{what}");
            }
        }
    }
}

#[test]
fn a_training_may_be_stopped_again_and_again() {
    for kind in KINDS {
        let whole = go_on(kind, &start(), &config(4), &mut Recorder::default());
        let mut last = start();
        let mut parts = 0;
        loop {
            let mut impatient = Recorder { stop_after: Some(1), ..Recorder::default() };
            let part = go_on(kind, &last, &config(4), &mut impatient);
            last = reloaded(&part.last);
            parts += 1;
            if part.stopped == Stopped::Finished {
                break;
            }
        }
        assert!(parts > 6, "{parts}");
        assert!(last == whole.last);
    }
}

#[test]
fn other_optimisers_go_on_as_if_nothing_happened_and_do_not_become_sgd() {
    for (kind, optimizer) in KINDS.into_iter().flat_map(|kind| {
        [Optimizer::AdamW, Optimizer::Adam, Optimizer::NAdam, Optimizer::RmsProp].map(|o| (kind, o))
    }) {
        let config = TrainConfig { optimizer, lr0: 1e-3, warmup_bias_lr: 0.0, ..config(4) };
        let whole = go_on(kind, &start(), &config, &mut Recorder::default());
        assert!(loss(&whole.history[3]) < loss(&whole.history[0]));
        for asked in [1, 5, 8] {
            let mut seen = Recorder { stop_after: Some(asked), ..Recorder::default() };
            let first = go_on(kind, &start(), &config, &mut seen);
            let second = go_on(kind, &reloaded(&first.last), &config, &mut Recorder::default());
            assert!(second.last == whole.last, "{kind}, asked after batch {asked}");
            let sgd = TrainConfig { optimizer: Optimizer::Sgd, ..config.clone() };
            let error = run(kind, &first.last, &sgd, &mut Noise, &no_penalty, &mut Recorder::default());
            let text = error.unwrap_err().to_string();
            assert!(
                text.contains(&format!("trained with {optimizer}")) && text.contains("resumed with SGD"),
                "{text}"
            );
        }
    }
}

fn loss(record: &EpochRecord) -> f64 {
    record.box_loss + record.cls_loss + record.dfl_loss
}

/// [`Noise`] with another number of batches in an epoch.
struct Other(usize);

impl BatchSource for Other {
    fn batches(&self) -> usize {
        self.0
    }

    fn epoch(&mut self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = BatchResult> + '_> {
        let batch = Noise.epoch(epoch, 0).next().unwrap().unwrap();
        Box::new(std::iter::repeat_n(batch, self.0 - first).map(Ok))
    }
}

#[test]
fn another_number_of_batches_is_refused_inside_an_epoch_and_fine_between() {
    let kind = ExecutorKind::Cpu;
    let quiet = Recorder::default;
    let inside = go_on(kind, &start(), &config(3), &mut Recorder { stop_after: Some(2), ..quiet() }).last;
    for batches in [1, 2, 4] {
        let result = run(kind, &inside, &config(3), &mut Other(batches), &no_penalty, &mut quiet());
        let text = result.unwrap_err().to_string();
        assert!(text.contains("2 of 3 batches") && text.contains(&format!("now has {batches}")), "{text}");
    }
    // The epoch has fewer batches than were done before the last step: the next batch is a step.
    let between = go_on(kind, &start(), &config(2), &mut quiet()).last;
    let updates = |c: &Checkpoint| c.train.as_ref().unwrap().progress.updates;
    let more = run(kind, &between, &config(3), &mut Other(1), &no_penalty, &mut quiet()).unwrap();
    assert_eq!(updates(&more.last), updates(&between) + 1);
}
