//! Runs without sparsity training, with a dense control, and with a teacher.

use std::fs;

use bonsai_pipeline::{Control, Imitate, Importance, Interrupted, PipelineConfig, ScoreConfig, Stage, run};
use bonsai_prune::Candidate;
use bonsai_sparsity::Strength;

use crate::interrupted::StopAt;
use crate::tiny_run::TinyRun;

/// Two epochs after the baseline, both of fine-tuning.
fn without_sparsity() -> TinyRun {
    let mut tiny = TinyRun::new();
    tiny.config.sparse.epochs = 0;
    tiny.config.finetune.epochs = 2;
    tiny
}

#[test]
fn without_sparsity_training_the_baseline_is_pruned() {
    let mut tiny = without_sparsity();
    let (report, told) = tiny.run();
    assert_eq!(told.ran, tiny.config.stages());
    assert!(!tiny.dir().stage(Stage::Sparse).exists());
    let rows = |report: &bonsai_pipeline::Report| -> Vec<String> {
        report.rows.iter().take(4).map(|row| row.name.clone()).collect()
    };
    assert_eq!(rows(&report)[..3], ["baseline", "pruned", "fine-tuned"]);
    assert!(report.gammas.is_empty());
    // The control has as many epochs as all trainings after the baseline. Of the other stages, only the
    // report runs again.
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
        tiny.config.distill.imitate = Imitate::Both;
        tiny
    };
    let until = Control { until: Some(Stage::Finetune), ..Control::default() };
    let whole = with_teacher();
    let stopped = with_teacher();
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
    let tiny = without_sparsity();
    let folder = tempfile::tempdir().unwrap();
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

#[test]
fn features_change_the_student_too_and_need_the_teacher_of_the_run() {
    let trained = |imitate| {
        let mut tiny = without_sparsity();
        tiny.config.distill.imitate = imitate;
        tiny.part(&Control { until: Some(Stage::Finetune), ..Control::default() }).unwrap();
        fs::read(tiny.file(Stage::Finetune, "last.safetensors")).unwrap()
    };
    let all = [Imitate::None, Imitate::Logits, Imitate::Features, Imitate::Both].map(trained);
    for (index, a) in all.iter().enumerate() {
        assert!(all[..index].iter().all(|b| a != b), "{index}");
    }
    let mut tiny = without_sparsity();
    tiny.config.distill.imitate = Imitate::Features;
    tiny.config.distill.teacher = Some("best.pt".to_owned());
    let error = run(&tiny.config, &tiny.dir(), &mut crate::tiny_run::Told::default()).unwrap_err();
    assert!(format!("{error:#}").contains("or imitate logits"), "{error:#}");
}

/// Every ranking is tested on both networks, and the report names the winner.
#[test]
fn the_best_ranking_is_found_on_trial() {
    let mut tiny = TinyRun::new();
    tiny.config.score = ScoreConfig { importance: Importance::Best, ..ScoreConfig::default() };
    tiny.config.extras.trial_steps = 1;
    let (report, _) = tiny.run();
    let read = fs::read(tiny.file(Stage::Prune, "report.json")).unwrap();
    let pruning: serde_json::Value = serde_json::from_slice(&read).unwrap();
    let trials = pruning["trials"].as_array().unwrap();
    assert_eq!(trials.len(), Candidate::DEFAULT.len());
    let losses: Vec<f64> = trials.iter().filter_map(|trial| trial["loss"].as_f64()).collect();
    assert!(!losses.is_empty() && losses.iter().all(|loss| *loss > 0.0), "{losses:?}");
    let least = losses.iter().copied().reduce(f64::min);
    let limit = 1.05 * least.unwrap();
    let is_it = |trial: &&serde_json::Value| {
        trial["params"] == pruning["after"]["params"]
            && trial["loss"].as_f64().is_some_and(|loss| loss <= limit)
    };
    let winner = trials.iter().find(is_it).unwrap();
    assert_eq!(winner["candidate"]["score"]["importance"], report.ranked_by.to_string().as_str());
    assert!([Some(Stage::Baseline), Some(Stage::Sparse)].contains(&report.pruned_stage));
    // The same trials give the same network.
    let mut again = TinyRun::new();
    again.config = PipelineConfig { data: again.config.data.clone(), ..tiny.config.clone() };
    again.run();
    let pruned = |tiny: &TinyRun| fs::read(tiny.file(Stage::Prune, "pruned.safetensors")).unwrap();
    assert!(pruned(&tiny) == pruned(&again));
}

/// The baseline is pruned, and fine-tuning gets the remaining epochs.
#[test]
fn a_sparsity_training_that_raises_the_loss_too_much_is_left_out() {
    let mut tiny = TinyRun::new();
    tiny.config.sparse.epochs = 8;
    tiny.config.sparse.warmup_epochs = 0.0;
    // A huge L1 strength on the betas raises the loss too much.
    tiny.config.l1.gamma = Strength::Loss(0.0);
    tiny.config.l1.beta = Strength::Lambda(1e3);
    let (report, told) = tiny.run();
    let epochs = |stage| report.trainings.iter().find(|t| t.stage == stage).unwrap().epochs.len();
    let left = 8 - epochs(Stage::Sparse);
    assert!(left > 0, "it ended early");
    assert_eq!(epochs(Stage::Finetune), tiny.config.finetune.epochs + left);
    assert_eq!(report.pruned_stage, Some(Stage::Baseline));
    assert!(told.notes.iter().any(|note| note.contains("the baseline is pruned")), "{:?}", told.notes);
    let text = fs::read_to_string(tiny.file(Stage::Report, "report.md")).unwrap();
    assert!(text.contains("was left out: the baseline was pruned"), "{text}");
    assert!(tiny.run().1.ran.is_empty(), "nothing is left to do");
}
