//! Help, `summary`, `doctor`, and errors for misspelt settings and missing files.

use std::path::Path;

use bonsai_pipeline::PipelineConfig;
use bonsai_stages::draw_dataset;

use crate::program::{answer, misuse};

/// Every command, in the order of the help; `test` is only shown by `cargo xtask`.
const COMMANDS: [&str; 19] = [
    "pipeline",
    "compress",
    "train",
    "sparsify",
    "finetune",
    "data",
    "val",
    "import",
    "prune",
    "export",
    "engine",
    "inspect",
    "predict",
    "serve",
    "summary",
    "bench",
    "doctor",
    "completions",
    "man",
];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn help_lists_every_command() {
    let help = answer(&["--help"]);
    let listed: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help")
        .collect();
    assert_eq!(listed, COMMANDS);
    for command in COMMANDS {
        assert!(answer(&[command, "--help"]).contains("Usage: "), "{command}");
    }
}

#[test]
fn summary_gives_the_published_sizes() {
    let summary: serde_json::Value =
        serde_json::from_str(&answer(&["summary", "yolov8n", "--json"])).unwrap();
    assert_eq!((summary["params"].as_u64(), summary["imgsz"].as_u64()), (Some(3_157_184), Some(640)));
    let macs = summary["macs"].as_u64().unwrap();
    assert_eq!(format!("{:.2}", macs as f64 / 1e9), "4.37");
    let of_layers = |key: &str| -> u64 {
        summary["layers"].as_array().unwrap().iter().map(|layer| layer[key].as_u64().unwrap()).sum()
    };
    assert_eq!((of_layers("params"), of_layers("macs")), (3_157_184, macs));
    assert!(answer(&["summary", "yolov8n"]).contains("3157184 params"));
    let message = misuse(&["summary", "yolov9n"]);
    assert!(message.contains("yolov9n") && message.contains("hint: did you mean `yolov8n`?"), "{message}");
}

#[test]
fn doctor_succeeds_even_if_features_are_missing() {
    let found = answer(&["doctor"]);
    for name in [
        "processor",
        "CPU executor",
        "candle executor",
        "CUDA executor",
        "GPU",
        "trtexec",
        "tensorrt_rtx",
        "TensorRT-RTX library",
    ] {
        assert!(found.contains(name), "{found}");
    }
    assert!(found.contains("yes CPU executor") && found.contains("yes candle executor"), "{found}");
}

#[test]
fn the_error_for_a_misspelt_setting_suggests_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("run");
    let message = misuse(&["pipeline", "--project", text(&project), "--set", "finetune.epoch=1"]);
    assert!(message.contains("`finetune.epoch`") && message.contains("`epochs`"), "{message}");
    assert!(!project.exists());

    let file = folder.path().join("bonsai.toml");
    std::fs::write(&file, "[prune]\nprune_rate = 0.3\n").unwrap();
    let message = misuse(&["pipeline", "--project", text(&project), "--config", text(&file)]);
    assert!(message.contains("bonsai.toml") && message.contains("`prune_ratio`"), "{message}");
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut shapes = PipelineConfig::drawn().shapes;
    (shapes.train, shapes.val, shapes.test) = (1, 1, 0);
    let data = draw_dataset(&shapes, &folder.path().join("shapes")).unwrap();
    let data = text(&data);
    let image = folder.path().join("shapes");
    let message = misuse(&["predict", "--weights", "gone.safetensors", "--source", text(&image)]);
    assert!(message.contains("gone.safetensors"), "{message}");
    let message = misuse(&["val", "--weights", "gone.safetensors", "--data", data]);
    assert!(message.contains("gone.safetensors"), "{message}");
    let message = misuse(&["val", "--weights", "gone.safetensors", "--data", "gone.yaml"]);
    assert!(message.contains("gone.yaml"), "{message}");
    let message = misuse(&["val", "--weights", "gone.safetensors"]);
    assert!(message.contains("--data"), "{message}");
    for command in ["export", "engine"] {
        let out = folder.path().join("out");
        let message = misuse(&[command, "--weights", "gone.safetensors", "--out", text(&out)]);
        assert!(message.contains("gone.safetensors") && !out.exists(), "{message}");
    }
    let message = misuse(&["prune", "--weights", "gone.safetensors", "--dry-run"]);
    assert!(message.contains("gone.safetensors"), "{message}");
}
