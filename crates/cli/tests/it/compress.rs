//! `compress`: limits on the command line, and exit codes.

use std::path::Path;

use bonsai_pipeline::{PipelineConfig, Quiet};
use bonsai_stages::{draw_dataset, open_dataset, start_checkpoint};
use serde_json::Value;

use crate::program::{answer, misuse, xtask};

/// A network with new weights for the classes of a drawn dataset.
fn network(folder: &Path) -> [String; 2] {
    let mut shapes = PipelineConfig::drawn().shapes;
    (shapes.train, shapes.val, shapes.test, shapes.imgsz) = (4, 2, 2, 64);
    let yaml = draw_dataset(&shapes, &folder.join("drawn")).unwrap();
    let names = open_dataset(&yaml, &mut Quiet).unwrap().class_names;
    let weights = folder.join("best.safetensors");
    start_checkpoint("yolov8n", &names, 0, &mut Quiet).unwrap().save(&weights).unwrap();
    [weights, yaml].map(|path| path.to_str().unwrap().to_owned())
}

#[test]
fn limits_that_cannot_be_met_give_exit_code_3_and_those_that_are_met_0() {
    let folder = tempfile::tempdir().unwrap();
    let [weights, data] = network(folder.path());
    let project = folder.path().join("run").to_str().unwrap().to_owned();
    let common = ["--data", &data, "--imgsz", "64", "--project", &project, "--set", "latency_runs=2"];
    let with = |limits: &[&str]| -> Vec<String> {
        let words = ["compress", &weights].into_iter().chain(limits.iter().copied()).chain(common);
        words.map(str::to_owned).collect()
    };
    let never = with(&["--max-latency", "0.0001ms"]);
    let output = xtask(&never.iter().map(String::as_str).collect::<Vec<_>>());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("No network meets the budget") && text.contains("% above"), "{text}");

    let met = with(&["--max-size", "20MB", "--max-drop", "1"]);
    let text = answer(&met.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(text.contains("compressed.cpu.safetensors") && text.contains("met, kept"), "{text}");
    let saved = std::fs::read(folder.path().join("run/compress.json")).unwrap();
    let saved: Value = serde_json::from_slice(&saved).unwrap();
    assert_eq!(saved["budget"]["bytes"].as_u64(), Some(20_000_000));
    assert!(saved["missed"].as_array().unwrap().is_empty());
}

#[test]
fn a_command_without_a_limit_or_with_an_impossible_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [weights, data] = network(folder.path());
    let refused = |words: &[&str]| misuse(&[&["compress", &weights], words].concat());
    assert!(refused(&["--max-macs", "0.5"]).contains("--data"));
    assert!(refused(&["--data", &data]).contains("there is no budget"));
    assert!(refused(&["--data", &data, "--max-macs", "2"]).contains("at most 1"));
    assert!(
        refused(&["--data", &data, "--max-macs", "0.5", "--model", "x.pt"]).contains("leave --model out")
    );
    assert!(refused(&["--data", &data, "--max-macs", "0.5", "--precision", "fp16"]).contains("fp32 or int8"));
    assert!(misuse(&["compress", "yolov8n", "--data", &data, "--max-macs", "0.5"]).contains("untrained"));
}
