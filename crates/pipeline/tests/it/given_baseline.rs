//! Test: without epochs, the given file is the baseline.

use bonsai_pipeline::{Quiet, RunDir, Stage, path_text, run};

use crate::tiny_run::TinyRun;

#[test]
fn a_trained_file_is_the_baseline_as_it_is() {
    let first = TinyRun::new();
    first.run();
    let file = first.file(Stage::Finetune, "best.safetensors");
    let given = first.checkpoint(Stage::Finetune, "best.safetensors");

    let mut second = TinyRun::new();
    second.config.model = path_text(&file);
    second.config.baseline.epochs = 0;
    let (report, told) = second.run();
    let baseline = second.checkpoint(Stage::Baseline, "best.safetensors");
    assert_eq!(baseline.weights, given.weights);
    assert_eq!(baseline.model, given.model);
    assert!(told.ran.contains(&Stage::Finetune));
    assert_eq!(report.rows[0].name, "baseline");
    let row = |name: &str| report.rows.iter().find(|row| row.name == name).unwrap().macs;
    assert!(row("fine-tuned") < row("baseline"));

    // Another baseline is another run.
    second.config.baseline.epochs = 1;
    let (_, told) = second.run();
    assert_eq!(told.ran[0], Stage::Baseline);
}

#[test]
fn a_baseline_without_training_must_know_the_classes() {
    let first = TinyRun::new();
    let mut other = first.config.clone();
    other.baseline.epochs = 0;
    let refused = |config: &bonsai_pipeline::PipelineConfig| {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::new(folder.path().join("run"));
        let message = format!("{:#}", run(config, &dir, &mut Quiet).unwrap_err());
        assert!(!dir.stage(Stage::Baseline).exists());
        message
    };
    assert!(refused(&other).contains("yolov8n is untrained"));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("two.safetensors");
    let names = ["circle".to_owned(), "dog".to_owned()];
    let two = bonsai_stages::start_checkpoint("yolov8n", &names, 0, &mut Quiet).unwrap();
    two.save(&file).unwrap();
    other.model = path_text(&file);
    let message = refused(&other);
    assert!(
        message.contains("has no class \"") && message.contains("train it on the dataset first"),
        "{message}"
    );
}
