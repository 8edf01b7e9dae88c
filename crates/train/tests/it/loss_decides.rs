//! [`PenaltyPlan::ByLoss`]: the losses of earlier epochs decide the strength of L1.

use std::cell::RefCell;

use bonsai_checkpoint::Checkpoint;
use bonsai_exec::{ExecutorOptions, build_executor};
use bonsai_train::{Evaluation, Penalty, PenaltyPlan, Services, Stopped, TrainConfig, Trained, train};

use crate::noise::{Noise, Recorder, config, start};
use crate::resume::reloaded;

fn by_loss(
    from: &Checkpoint,
    config: &TrainConfig,
    seen: &mut Recorder,
    penalty: &dyn Fn(&[f64]) -> Option<Penalty>,
) -> Trained {
    let mut executor =
        build_executor(from.model.graph(), &from.weights, &ExecutorOptions::default()).unwrap();
    let services = Services {
        executor: &mut *executor,
        batches: &mut Noise,
        evaluate: &mut |_| Ok(Evaluation::default()),
        penalty: PenaltyPlan::ByLoss(penalty),
        distill: None,
        codes: None,
        ranks: None,
        class_weights: None,
        observer: seen,
    };
    train(from, config, services).unwrap()
}

/// A strength in proportion to the mean loss of the last epoch.
#[allow(clippy::unnecessary_wraps, reason = "`PenaltyPlan::ByLoss` needs this signature")]
fn strength(losses: &[f64]) -> Option<Penalty> {
    Some(Penalty { gamma: 0.01 * losses.last().unwrap_or(&1.0), ..Penalty::default() })
}

#[test]
fn it_is_told_the_losses_of_the_history() {
    let told = RefCell::new(Vec::new());
    let penalty = |losses: &[f64]| {
        *told.borrow_mut() = losses.to_vec();
        strength(losses)
    };
    let trained = by_loss(&start(), &config(4), &mut Recorder::default(), &penalty);
    let losses: Vec<f64> = trained.history.iter().map(|r| r.box_loss + r.cls_loss + r.dfl_loss).collect();
    assert_eq!(*told.borrow(), losses);
    for (before, record) in losses.iter().zip(&trained.history[1..]) {
        assert_eq!(record.l1_gamma, 0.01 * before);
    }
}

/// Also when resuming within an epoch: the rest of the epoch keeps its strength.
#[test]
fn a_training_goes_on_with_the_same_bits() {
    let whole = by_loss(&start(), &config(4), &mut Recorder::default(), &strength);
    for asked in 1..12 {
        let mut seen = Recorder { stop_after: Some(asked), ..Recorder::default() };
        let first = by_loss(&start(), &config(4), &mut seen, &strength);
        assert_eq!(first.stopped, Stopped::Interrupted);
        let second = by_loss(&reloaded(&first.last), &config(4), &mut Recorder::default(), &strength);
        assert!(second.last == whole.last, "asked after batch {asked}");
    }
}

#[test]
fn it_may_end_the_training_whose_last_epoch_is_evaluated() {
    let penalty = |losses: &[f64]| (losses.len() < 3).then(Penalty::default);
    // Every second epoch and the last one are evaluated.
    let config = TrainConfig { val_period: 2, ..config(8) };
    let trained = by_loss(&start(), &config, &mut Recorder::default(), &penalty);
    assert_eq!((trained.stopped, trained.history.len()), (Stopped::Penalty, 3));
    let evaluated: Vec<bool> = trained.history.iter().map(|record| record.evaluation.is_some()).collect();
    assert_eq!(evaluated, [false, true, true]);
    // If the process is killed after that epoch, nothing is left to train.
    let again = by_loss(&reloaded(&trained.last), &config, &mut Recorder::default(), &penalty);
    assert_eq!((again.stopped, again.history.len()), (Stopped::Penalty, 0));
    assert!(again.last == trained.last);
}
