//! Runs without sparsity training, with a dense control, and with a teacher.

use std::fs;

use bonsai_pipeline::{Control, Imitate, Interrupted, Stage, run};

use crate::interrupted::StopAt;
use crate::tiny_run::TinyRun;

/// Two further epochs, both of fine-tuning.
fn without_sparsity() -> TinyRun {
    let mut tiny = TinyRun::new();
    tiny.config.sparse.epochs = 0;
    tiny.config.finetune.epochs = 2;
    tiny
}

#[test]
fn what_is_pruned_is_the_baseline_where_there_is_no_sparsity_training() {
    let mut tiny = without_sparsity();
    let (report, told) = tiny.run();
    assert_eq!(told.ran, tiny.config.stages());
    assert!(!tiny.dir().stage(Stage::Sparse).exists());
    let rows = |report: &bonsai_pipeline::Report| -> Vec<String> {
        report.rows.iter().take(4).map(|row| row.name.clone()).collect()
    };
    assert_eq!(rows(&report)[..3], ["baseline", "pruned", "fine-tuned"]);
    assert!(report.gammas.is_empty());
    // The control has as many epochs as all that follows the baseline, and nothing else runs again for it but the report.
    tiny.config.control.dense = true;
    let (report, told) = tiny.run();
    assert_eq!(told.ran, [Stage::Control, Stage::Report]);
    assert_eq!(rows(&report)[..4], ["baseline", "dense control", "pruned", "fine-tuned"]);
    let control = report.trainings.iter().find(|training| training.stage == Stage::Control).unwrap();
    assert_eq!(control.epochs.len(), 2);
    let page = fs::read_to_string(tiny.file(Stage::Report, "report.html")).unwrap();
    assert!(page.contains("dense control"));
}

#[test]
fn a_teacher_changes_the_student_and_nothing_before_it() {
    let plain = without_sparsity();
    plain.run();
    let mut taught = without_sparsity();
    taught.config.distill.imitate = Imitate::Logits;
    taught.run();
    let bytes = |tiny: &TinyRun, stage, name| fs::read(tiny.file(stage, name)).unwrap();
    assert_eq!(
        bytes(&plain, Stage::Prune, "pruned.safetensors"),
        bytes(&taught, Stage::Prune, "pruned.safetensors")
    );
    assert_ne!(
        bytes(&plain, Stage::Finetune, "last.safetensors"),
        bytes(&taught, Stage::Finetune, "last.safetensors")
    );
    let history = fs::read_to_string(taught.file(Stage::Finetune, "history.json")).unwrap();
    assert_eq!(history.matches("distill_loss").count(), 2);
    assert!(taught.manifest(Stage::Finetune).inputs.contains_key(&Stage::Baseline));
    // The control was trained for longer than the baseline, so it is the better teacher.
    taught.config.control.dense = true;
    let (_, told) = taught.run();
    assert_eq!(told.ran[..2], [Stage::Control, Stage::Finetune]);
    assert!(taught.manifest(Stage::Finetune).inputs.contains_key(&Stage::Control));
}

#[test]
fn a_distillation_that_is_stopped_goes_on_to_the_same_bits() {
    let with_teacher = || {
        let mut tiny = without_sparsity();
        tiny.config.distill.imitate = Imitate::Logits;
        tiny
    };
    let until = Control { until: Some(Stage::Finetune), ..Control::default() };
    let (whole, stopped) = (with_teacher(), with_teacher());
    whole.part(&until).unwrap();
    // After the first of two batches of the first epoch.
    let mut stop = StopAt { stage: Stage::Finetune, after: 1, running: None, notes: Vec::new() };
    let error = run(&stopped.config, &stopped.dir(), &mut stop).unwrap_err();
    assert!(error.is::<Interrupted>(), "{error:#}");
    stopped.part(&until).unwrap();
    for name in ["best.safetensors", "last.safetensors", "history.json"] {
        let made = |tiny: &TinyRun| fs::read(tiny.file(Stage::Finetune, name)).unwrap();
        assert!(made(&whole) == made(&stopped), "{name}");
    }
}

#[test]
fn a_teacher_of_other_classes_is_refused() {
    let (tiny, folder) = (without_sparsity(), tempfile::tempdir().unwrap());
    let names = ["circle", "dog"].map(str::to_owned);
    let model = bonsai_yolov8::build(bonsai_yolov8::Scale::N, &names).unwrap();
    let file = folder.path().join("teacher.safetensors");
    bonsai_yolov8::init(&model, 0).unwrap().save(&file).unwrap();
    let mut config = tiny.config.clone();
    config.distill.imitate = Imitate::Logits;
    config.distill.teacher = Some(file.display().to_string());
    let error = run(&config, &tiny.dir(), &mut crate::tiny_run::Told::default()).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("teacher.safetensors") && text.contains("square"), "{text}");
}
