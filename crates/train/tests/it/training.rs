//! Small trainings on both executors: the loss falls, equal trainings give equal bits, invalid settings are
//! refused.

use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_exec::ExecutorKind;
use bonsai_train::{EpochRecord, Freeze, FrozenModule, Penalty, Schedule, Stopped, TrainConfig, Trained};

use crate::noise::{KINDS, Noise, Recorder, config, no_penalty, run, start};

#[test]
fn loss_falls_and_best_is_the_best_epoch() {
    for kind in KINDS {
        let mut seen = Recorder::default();
        let trained = run(kind, &start(), &config(25), &mut Noise, &no_penalty, &mut seen).unwrap();
        let loss = |r: &EpochRecord| r.box_loss + r.cls_loss + r.dfl_loss;
        let first = loss(&trained.history[0]);
        let last = loss(&trained.history[24]);
        assert!(last < 0.7 * first, "{first} to {last}");
        assert_eq!((seen.steps, seen.epochs.len()), (75, 25));
        assert_eq!(
            trained.best.as_ref().unwrap().weights,
            seen.epochs[0].1.weights,
            "the fitness falls, so the first epoch is best"
        );
        assert!(trained.best.unwrap().train.is_none());
        assert_eq!(trained.stopped, Stopped::Finished);
        assert_eq!(trained.last.train.unwrap().progress.epoch, 25);
    }
}

#[test]
fn the_same_start_gives_the_same_bits() {
    for kind in KINDS {
        let run =
            || run(kind, &start(), &config(3), &mut Noise, &no_penalty, &mut Recorder::default()).unwrap();
        assert_eq!(run().last, run().last);
    }
}

/// The fitness never rises, so with patience 3 the fourth epoch is the last.
#[test]
fn patience_ends_a_training_that_grows_no_better() {
    let kind = ExecutorKind::Cpu;
    for (patience, val_period, done, stopped) in [
        (3, 1, 4, Stopped::Patience),
        (1, 1, 2, Stopped::Patience),
        // Evaluated after epochs 2, 4, 6, ...: the best is epoch 2, and patience ends the training at 6, the
        // first evaluation at least 3 epochs later.
        (3, 2, 6, Stopped::Patience),
        (7, 1, 8, Stopped::Finished),
        (0, 1, 8, Stopped::Finished),
    ] {
        let config = TrainConfig { patience, val_period, ..config(8) };
        let go =
            |from: &Checkpoint| run(kind, from, &config, &mut Noise, &no_penalty, &mut Recorder::default());
        let trained = go(&start()).unwrap();
        assert_eq!((trained.history.len(), trained.stopped), (done, stopped), "patience {patience}");
        let progress = &trained.last.train.as_ref().unwrap().progress;
        assert_eq!(progress.best_epoch, Some(val_period));
        let text = go(&trained.last).unwrap_err().to_string();
        let expected = if stopped == Stopped::Patience {
            format!(
                "epoch {val_period} is the best of the checkpoint's {done} epochs, and patience is {patience}"
            )
        } else {
            "8 of 8".to_owned()
        };
        assert!(text.contains(&expected), "{text}");
    }
}

#[test]
fn as_many_steps_are_planned_as_are_made() {
    for epochs in [1, 2, 7] {
        let config = config(epochs);
        let trained =
            run(ExecutorKind::Cpu, &start(), &config, &mut Noise, &no_penalty, &mut Recorder::default());
        let made = trained.unwrap().last.train.unwrap().progress.updates;
        assert_eq!(Schedule::new(&config, 3).planned().count() as u64, made, "{epochs} epochs");
    }
}

#[test]
fn l1_moves_gamma_towards_zero() {
    for kind in KINDS {
        let penalty = |_: usize| Penalty { gamma: 0.5, ..Penalty::default() };
        let mean = |trained: &Trained| {
            let gamma: &Array = trained.last.train.as_ref().unwrap().raw.get("b.bn.weight").unwrap();
            gamma.data().iter().map(|g| g.abs()).sum::<f32>()
        };
        let plain =
            run(kind, &start(), &config(10), &mut Noise, &no_penalty, &mut Recorder::default()).unwrap();
        let sparse =
            run(kind, &start(), &config(10), &mut Noise, &penalty, &mut Recorder::default()).unwrap();
        assert!(mean(&sparse) < 0.98 * mean(&plain), "{} against {}", mean(&sparse), mean(&plain));
    }
}

#[test]
fn frozen_layers_stay_but_their_statistics_are_measured() {
    let freeze = Freeze::Modules(vec![FrozenModule::Name("a".to_owned())]);
    for kind in KINDS {
        let config = TrainConfig { freeze: freeze.clone(), ..config(2) };
        let from = start();
        let trained = run(kind, &from, &config, &mut Noise, &no_penalty, &mut Recorder::default()).unwrap();
        let raw = &trained.last.train.as_ref().unwrap().raw;
        for (name, array) in from.weights.iter() {
            let frozen = ["a.conv.weight", "a.bn.weight", "a.bn.bias"].contains(&name);
            for now in [raw, &trained.last.weights] {
                assert_eq!(now.get(name).unwrap() == array, frozen, "{kind}, {name}");
            }
        }
        // Resumed without freezing, the layer changes again, and its momentum starts at zero.
        let resumed = TrainConfig { epochs: 3, freeze: Freeze::default(), ..config.clone() };
        let resumed =
            run(kind, &trained.last, &resumed, &mut Noise, &no_penalty, &mut Recorder::default()).unwrap();
        assert_ne!(resumed.last.weights.get("a.conv.weight"), from.weights.get("a.conv.weight"));
    }
    let config = TrainConfig { freeze: Freeze::First(1), ..config(2) };
    let kind = ExecutorKind::Cpu;
    let error = run(kind, &start(), &config, &mut Noise, &no_penalty, &mut Recorder::default()).unwrap_err();
    assert!(error.to_string().contains("modules are a, b, c, boxes, classes"), "{error}");
}

#[test]
fn nonsense_is_refused_with_its_name() {
    let kind = ExecutorKind::Cpu;
    for (config, name) in [
        (TrainConfig { epochs: 0, ..config(1) }, "epochs"),
        (TrainConfig { batch: 0, ..config(1) }, "batch"),
        (TrainConfig { lr0: f64::NAN, ..config(1) }, "lr0"),
        (TrainConfig { momentum: 1.0, ..config(1) }, "momentum"),
        (TrainConfig { weight_decay: -1.0, ..config(1) }, "weight_decay"),
        (TrainConfig { warmup_epochs: f64::INFINITY, ..config(1) }, "warmup_epochs"),
    ] {
        let error =
            run(kind, &start(), &config, &mut Noise, &no_penalty, &mut Recorder::default()).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    let done = run(kind, &start(), &config(2), &mut Noise, &no_penalty, &mut Recorder::default()).unwrap();
    let error =
        run(kind, &done.last, &config(2), &mut Noise, &no_penalty, &mut Recorder::default()).unwrap_err();
    assert!(error.to_string().contains("2 of 2"), "{error}");
}
