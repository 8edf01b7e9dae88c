//! Training that rounds to 8-bit codes: when codes are chosen, and resuming to the same bits.

use bonsai_checkpoint::Checkpoint;
use bonsai_exec::{ExecutorKind, ExecutorOptions, build_executor};
use bonsai_graph::{CodeScale, Quantization};
use bonsai_train::{Evaluation, Observer, PenaltyPlan, Services, TrainConfig, TrainError, Trained, train};

use crate::noise::{Noise, Recorder, config, no_penalty, start};
use crate::resume::reloaded;

const EPOCHS: usize = 5;

/// Codes that depend on the weights, so that other weights would give other codes.
fn choose(checkpoint: &Checkpoint) -> Quantization {
    assert!(checkpoint.quantization.is_none() && checkpoint.train.is_none());
    let graph = checkpoint.model.graph().fold_batch_norm().graph;
    let largest =
        checkpoint.weights.iter().flat_map(|(_, array)| array.data()).fold(1.0f32, |m, w| m.max(w.abs()));
    let mut codes = Quantization::default();
    for wire in graph.quantized_wires() {
        codes.insert(graph.node(wire).name(), CodeScale::covering(-largest, 2.0 * largest));
    }
    codes
}

/// Trains and returns the number of times that codes were chosen.
fn run(
    kind: ExecutorKind,
    from: &Checkpoint,
    coded: bool,
    observer: &mut dyn Observer,
) -> (Result<Trained, TrainError>, usize) {
    let options = ExecutorOptions { kind: Some(kind), threads: 2, ..ExecutorOptions::default() };
    let mut executor = build_executor(from.model.graph(), &from.weights, &options).unwrap();
    let mut chosen = 0;
    let mut choose = |checkpoint: &Checkpoint| {
        chosen += 1;
        Ok(choose(checkpoint))
    };
    let mut evaluate = |checkpoint: &Checkpoint| {
        assert_eq!(checkpoint.quantization.is_some(), coded);
        Ok(Evaluation::default())
    };
    let services = Services {
        executor: &mut *executor,
        batches: &mut Noise,
        evaluate: &mut evaluate,
        penalty: PenaltyPlan::ByEpoch(&no_penalty),
        distill: None,
        codes: Some(&mut choose),
        ranks: None,
        class_weights: None,
        observer,
    };
    let trained = train(from, &TrainConfig { qat: coded, ..config(EPOCHS) }, services);
    (trained, chosen)
}

#[test]
fn codes_follow_the_weights_for_three_epochs() {
    let mut recorder = Recorder::default();
    let (trained, chosen) = run(ExecutorKind::Cpu, &start(), true, &mut recorder);
    let trained = trained.unwrap();
    assert_eq!(chosen, 3);
    let codes: Vec<_> = recorder.epochs.iter().map(|(_, last)| last.quantization.clone().unwrap()).collect();
    assert!(codes[0] != codes[1] && codes[1] != codes[2]);
    assert!(codes[2] == codes[3] && codes[3] == codes[4]);
    assert_eq!(trained.last.quantization.as_ref(), codes.last());

    let (plain, _) = run(ExecutorKind::Cpu, &start(), false, &mut Recorder::default());
    let plain = plain.unwrap();
    assert!(plain.last.quantization.is_none());
    assert!(plain.last.weights != trained.last.weights, "rounding changes nothing");
}

#[test]
fn a_training_with_codes_goes_on_as_if_nothing_happened() {
    let mut recorder = Recorder::default();
    let (whole, _) = run(ExecutorKind::Cpu, &start(), true, &mut recorder);
    let whole = whole.unwrap();
    for (_, last) in &recorder.epochs[..EPOCHS - 1] {
        let (resumed, _) = run(ExecutorKind::Cpu, &reloaded(last), true, &mut Recorder::default());
        assert!(
            resumed.unwrap().last == whole.last,
            "after epoch {:?}",
            last.train.as_ref().unwrap().progress.epoch
        );
    }
    // Also inside an epoch, before and after the codes stop following the weights.
    for stop_after in [2, 4, 8, 13] {
        let mut observer = Recorder { stop_after: Some(stop_after), ..Recorder::default() };
        let (stopped, _) = run(ExecutorKind::Cpu, &start(), true, &mut observer);
        let last = reloaded(&stopped.unwrap().last);
        let (resumed, _) = run(ExecutorKind::Cpu, &last, true, &mut Recorder::default());
        assert!(resumed.unwrap().last == whole.last, "after {stop_after} batches");
    }
}

#[test]
fn an_executor_without_rounding_is_refused() {
    let (failed, _) = run(ExecutorKind::Candle, &start(), true, &mut Recorder::default());
    let error = failed.unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(format!("{error}: {source}").contains("8-bit codes"), "{error}: {source}");
}
