//! Tests of whole compressions on sixteen drawn images.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::path::PathBuf;

use bonsai_checkpoint::Checkpoint;
use bonsai_compress::{Bound, Budget, CompressOptions, Outcome, compress};
use bonsai_pipeline::{Control, PipelineConfig, Quiet, RunDir, Stage, path_text, run_stages};
use bonsai_tensorrt::EnginePrecision;
use tempfile::TempDir;

const BOTH: [EnginePrecision; 2] = [EnginePrecision::Fp32, EnginePrecision::Int8];

/// A baseline of one epoch on drawn images.
struct Trained {
    folder: TempDir,
    config: PipelineConfig,
}

impl Trained {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = PipelineConfig::drawn();
        (config.imgsz, config.shapes.imgsz) = (64, 64);
        (config.shapes.train, config.shapes.val, config.shapes.test) = (16, 8, 8);
        config.latency_runs = 2;
        config.control.dense = false;
        for training in [&mut config.baseline, &mut config.finetune] {
            (training.epochs, training.batch) = (1, 8);
        }
        // One ranking is enough here.
        config.score.importance = bonsai_prune::Importance::L2;
        config.extras.reconstruct = 0;
        let dir = RunDir::new(folder.path().join("baseline"));
        let control = Control { until: Some(Stage::Baseline), ..Control::default() };
        run_stages(&config, &dir, &control, &mut Quiet).unwrap();
        config.data = Some(dir.stage(Stage::Dataset).join("shapes/data.yaml"));
        config.model = path_text(&dir.best(Stage::Baseline));
        config.baseline.epochs = 0;
        Self { folder, config }
    }

    fn project(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn compress(&self, name: &str, budget: Budget) -> Outcome {
        let options = CompressOptions { config: self.config.clone(), budget, precisions: BOTH.to_vec() };
        compress(&options, &self.project(name), &mut Quiet).unwrap()
    }
}

#[test]
fn a_budget_of_macs_and_size_is_kept_by_the_file() {
    let trained = Trained::new();
    let outcome = trained.compress("macs", Budget { macs: Some(0.5), ..Budget::default() });
    assert!(outcome.is_met(), "{:?}", outcome.missed);
    let kept = &outcome.engines[outcome.kept.unwrap()];
    assert!(kept.cost.macs <= 0.5 && kept.run == "pruned");
    // The given network in both precisions, and the pruned one in both.
    assert_eq!(outcome.engines.len(), 4);
    let file = outcome.file.clone().unwrap();
    let engine = Checkpoint::load(&file).unwrap();
    assert_eq!(engine.quantization.is_some(), kept.precision == EnginePrecision::Int8);
    assert!(trained.project("macs").join("pruned/report/report.html").is_file());
    let text = std::fs::read_to_string(trained.project("macs").join("compress.md")).unwrap();
    assert_eq!(text, outcome.markdown());

    // A limit of the size gives each precision its own run; codes need no pruning for this one, so that network is
    // only fine-tuned.
    let given =
        |precision| outcome.engines.iter().find(|e| e.run == "given" && e.precision == precision).unwrap();
    let bytes = given(EnginePrecision::Int8).cost.bytes + 1000;
    let small = trained.compress("size", Budget { bytes: Some(bytes), ..Budget::default() });
    assert!(small.is_met(), "{:?}", small.missed);
    let runs: Vec<&str> = small.engines.iter().map(|engine| engine.run.as_str()).collect();
    assert_eq!(runs, ["given", "given", "fp32", "int8"]);
    let [.., pruned, trained] = &small.engines[..] else { panic!("too few engines") };
    assert!(pruned.cost.bytes <= bytes && pruned.cost.macs < 1.0);
    assert!((trained.cost.macs - 1.0).abs() < 1e-12);
    assert_eq!(
        std::fs::metadata(small.file.unwrap()).unwrap().len(),
        small.engines[small.kept.unwrap()].cost.bytes
    );
}

#[test]
fn a_budget_out_of_reach_trains_nothing_and_says_by_how_much() {
    let trained = Trained::new();
    let outcome = trained.compress("never", Budget { latency_ms: Some(1e-4), ..Budget::default() });
    assert!(!outcome.is_met() && outcome.kept.is_none() && outcome.file.is_none());
    assert!(outcome.missed.iter().any(|missed| missed.contains("latency is") && missed.contains("% above")));
    assert!(!trained.project("never").join("fp32").exists());
    let text = outcome.markdown();
    assert!(text.contains("No network meets the budget") && text.contains("| MACs | precision |"), "{text}");
    // The curve falls with the size.
    let macs: Vec<f64> = outcome.curve.points.iter().map(|point| point.cost.macs).collect();
    assert!(macs.len() >= 8 && macs.windows(2).all(|pair| pair[1] <= pair[0]), "{macs:?}");
    let budget = Budget { latency_ms: Some(1e-4), ..Budget::default() };
    assert_eq!(budget.excess(&outcome.engines[0].cost)[0].bound, Bound::Latency);
}

#[test]
fn a_network_that_meets_its_budget_is_not_trained() {
    let trained = Trained::new();
    let budget = Budget { latency_ms: Some(1e4), drop: Some(1.0), ..Budget::default() };
    let outcome = trained.compress("easy", budget);
    assert!(outcome.is_met());
    assert!(outcome.engines.iter().all(|engine| engine.run == "given"));
    assert!(!trained.project("easy").join("fp32").exists());
}

#[test]
fn the_same_call_repeats_no_training_and_another_budget_has_its_own_target() {
    let trained = Trained::new();
    let half = Budget { macs: Some(0.5), ..Budget::default() };
    let kept = |outcome: &Outcome| outcome.engines[outcome.kept.unwrap()].cost.macs;
    let first = trained.compress("again", half);
    let manifest = trained.project("again").join("pruned/finetune/manifest.json");
    let made = std::fs::read(&manifest).unwrap();
    let second = trained.compress("again", half);
    assert_eq!(std::fs::read(&manifest).unwrap(), made);
    assert_eq!(kept(&first), kept(&second));

    // A smaller limit and then the first one again: no target is taken from another budget.
    let quarter = trained.compress("again", Budget { macs: Some(0.25), ..Budget::default() });
    assert!(kept(&quarter) <= 0.25);
    assert!(kept(&trained.compress("again", half)) > 0.25);

    // A budget that is not met leaves no engine of an earlier one.
    let file = first.file.unwrap();
    assert!(file.is_file());
    let never = trained.compress("again", Budget { bytes: Some(1000), ..Budget::default() });
    assert!(never.file.is_none() && !file.exists());
    assert!(!never.missed.is_empty());
}
