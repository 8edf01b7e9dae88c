//! Tests of wrong settings: a run refuses them and names the setting, before it spends time.

use bonsai_pipeline::{PipelineConfig, Quiet, RunDir, Stage, run};

use crate::tiny_run::tiny_config;

/// Runs with a changed configuration. The error must contain all `parts`, and no network may have been
/// trained.
fn refuses(change: impl FnOnce(&mut PipelineConfig), parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let dir = RunDir::new(folder.path().join("run"));
    let mut config = tiny_config();
    change(&mut config);
    let message = format!("{:#}", run(&config, &dir, &mut Quiet).unwrap_err());
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    assert!(!dir.stage(Stage::Baseline).exists());
}

#[test]
fn an_image_size_that_no_stride_divides() {
    refuses(|config| config.imgsz = 100, &["imgsz is 100", "multiple of 32"]);
    refuses(|config| config.imgsz = 0, &["imgsz is 0", "multiple of 32"]);
}

#[test]
fn a_model_that_is_neither_name_nor_file() {
    refuses(
        |config| config.model = "yolov9n".to_owned(),
        &["unknown model \"yolov9n\"", "yolov8n", "yolov8x"],
    );
}

#[test]
fn a_dataset_that_is_not_there() {
    refuses(
        |config| config.data = Some("nowhere/data.yaml".into()),
        &["stage `dataset`", "nowhere/data.yaml"],
    );
}

#[test]
fn a_file_that_is_no_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.safetensors");
    std::fs::write(&path, "not a network").unwrap();
    let path = path.to_string_lossy().into_owned();
    refuses(|config| config.model.clone_from(&path), &[&path]);
}

#[test]
fn layers_and_targets_that_the_network_does_not_have() {
    refuses(|config| config.prune.protect = vec!["model.99.*".to_owned()], &["`prune`", "model.99.*"]);
    refuses(
        |config| {
            config.finetune.freeze =
                bonsai_pipeline::resolve(&*config, &["finetune.freeze=[\"model.99\"]".to_owned()])
                    .unwrap()
                    .finetune
                    .freeze;
        },
        &["`finetune`", "model.99"],
    );
    refuses(
        |config| config.prune.target = Some(bonsai_pipeline::CostTarget::Macs(0.001)),
        &["`prune`", "0.1 % of the MACs"],
    );
}

#[test]
fn codes_before_pruning_and_codes_on_another_executor() {
    refuses(|config| config.baseline.qat = true, &["baseline.qat", "set finetune.qat"]);
    refuses(
        |config| {
            config.finetune.qat = true;
            config.executor = Some(bonsai_pipeline::ExecutorKind::Candle);
        },
        &["finetune.qat", "executor candle"],
    );
}

#[test]
fn a_dataset_and_a_model_inside_of_what_the_run_replaces() {
    let folder = tempfile::tempdir().unwrap();
    let dir = RunDir::new(folder.path().join("run"));
    let file = dir.stage(Stage::Dataset).join("shapes/data.yaml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "").unwrap();
    for change in [true, false] {
        let mut config = tiny_config();
        if change {
            config.data = Some(file.clone());
        } else {
            config.model = file.to_str().unwrap().to_owned();
        }
        let message = format!("{:#}", run(&config, &dir, &mut Quiet).unwrap_err());
        assert!(message.contains("stage `dataset` of this run"), "{message}");
        assert!(file.exists());
    }
}

#[test]
fn a_fraction_above_one_and_an_unknown_device() {
    refuses(|config| config.prune.prune_ratio = 1.5, &["prune_ratio", "1.5"]);
    refuses(|config| config.device = "gpu".to_owned(), &["gpu", "cpu"]);
}

#[test]
fn an_optimiser_chosen_by_the_length_of_a_training() {
    refuses(
        |config| config.finetune.optimizer = bonsai_pipeline::Optimizer::Auto,
        &["finetune.optimizer is auto", "SGD or AdamW"],
    );
}

#[test]
fn rectangles_with_augmentations_that_combine_images() {
    refuses(
        |config| {
            config.loader.rect = true;
            config.loader.augment.mixup = 0.1;
        },
        &["loader", "rect is true, mixup is 0.1"],
    );
}
