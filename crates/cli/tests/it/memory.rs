//! Work that does not fit into memory is refused with both numbers before allocation; no command aborts.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use bonsai_pipeline::PipelineConfig;
use bonsai_stages::draw_dataset;
use bonsai_testkit::{deep_model, enlarging_model};

use crate::program::{answer, refusal, xtask};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs the program with an address space of `kib` KiB.
fn within(kib: u64, arguments: &[&str]) -> Output {
    let script = format!("ulimit -v {kib}; exec \"$0\" \"$@\"");
    Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_bonsai")]).args(arguments).output().unwrap()
}

#[test]
fn a_network_with_huge_outputs_is_refused_by_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let file = at("enlarging.safetensors");
    let picture = at("picture.png");
    enlarging_model().save(&file).unwrap();
    image::RgbImage::new(40, 30).save(&picture).unwrap();
    let mut shapes = PipelineConfig::drawn().shapes;
    (shapes.train, shapes.val, shapes.test, shapes.imgsz) = (1, 1, 0, 64);
    let data = draw_dataset(&shapes, &at("shapes")).unwrap();
    // The dataset gets the network's classes.
    let yaml = fs::read_to_string(&data).unwrap();
    fs::write(&data, yaml.replace("circle", "a").replace("square", "b")).unwrap();
    // The network needs 64 TiB, more than any current machine has.
    for command in [
        "predict --weights FILE --source IMAGE --imgsz 1024",
        "predict --weights FILE --source IMAGE --imgsz 1024 --executor candle",
        "val --weights FILE --data DATA --imgsz 1024 --batch 1",
        "bench infer --weights FILE --runs 1 --imgsz 1024",
        "bench step --weights FILE --steps 1 --imgsz 1024 --batch 1",
    ] {
        let fill = |word: &str| match word {
            "FILE" => text(&file).to_owned(),
            "DATA" => text(&data).to_owned(),
            "IMAGE" => text(&picture).to_owned(),
            word => word.to_owned(),
        };
        let arguments: Vec<String> = command.split(' ').map(fill).collect();
        let output = xtask(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command}: {message}");
        for part in ["TiB of memory", "--imgsz"] {
            assert!(message.contains(part), "{command}: {part}: {message}");
        }
    }
    let summary = answer(&["summary", text(&file), "--imgsz", "1024"]);
    assert!(summary.contains("4096"), "{summary}");
}

#[test]
fn a_training_beyond_the_limit_of_the_address_space_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut shapes = PipelineConfig::drawn().shapes;
    (shapes.train, shapes.val, shapes.test, shapes.imgsz) = (4, 2, 0, 64);
    let data = draw_dataset(&shapes, &folder.path().join("shapes")).unwrap();
    let out = folder.path().join("out");
    let common = ["--project", text(&out), "--epochs", "1", "--threads", "1"];
    let size = ["--imgsz", "640", "--batch", "64"];
    let train = [&["train", "--model", "yolov8n", "--data", text(&data)], &common[..], &size].concat();
    let pipeline = [&["pipeline", "--data", text(&data)], &common[..], &size].concat();
    for arguments in [train, pipeline] {
        let output = within(2_000_000, &arguments);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
        for part in ["training on 64 images of 640x640", "GiB of memory", "ulimit -v", "--batch", "--imgsz"] {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert!(!out.exists(), "{arguments:?} leaves something behind");
    }
    // A smaller training fits.
    let size = ["--imgsz", "64", "--batch", "2"];
    let train = [&["train", "--model", "yolov8n", "--data", text(&data)], &common[..], &size].concat();
    let output = within(3_000_000, &train);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(out.join("train/weights/best.safetensors").is_file());
}

#[test]
fn a_very_deep_network_ends_no_command_by_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep.safetensors");
    deep_model(60_000).save(&file).unwrap();
    assert!(answer(&["summary", text(&file), "--imgsz", "64"]).contains("s59999"));
    // A runtime with recursion as deep as the network may refuse the file in the parity check.
    let out = folder.path().join("deep.onnx");
    let export = xtask(&["export", "--weights", text(&file), "-o", text(&out), "--imgsz", "64"]);
    let message = String::from_utf8_lossy(&export.stderr);
    assert!(matches!(export.status.code(), Some(0 | 1)), "{:?} {message}", export.status);
    fs::write(folder.path().join("none.safetensors"), b"").unwrap();
    assert!(
        refusal(&["summary", text(&folder.path().join("none.safetensors"))]).contains("none.safetensors")
    );
}
