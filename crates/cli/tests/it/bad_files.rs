//! Truncated and foreign files: every command that reads one fails with an error that names the file.

use std::fs;
use std::path::{Path, PathBuf};

use bonsai_pipeline::PipelineConfig;
use bonsai_stages::draw_dataset;
use bonsai_testkit::imported;

use crate::program::{answer, xtask};

/// Commands that read a file, with the placeholders `FILE`, `DATA`, `IMAGE` and `OUT`.
const COMMANDS: [&str; 15] = [
    "predict --weights FILE --source IMAGE",
    "predict --weights FILE --source IMAGE --runtime onnxruntime",
    "val --weights FILE --data DATA",
    "export --weights FILE --out OUT",
    "export --format ultralytics --weights FILE --out OUT",
    "export --format pt-state --weights FILE --out OUT",
    "engine --weights FILE --out OUT",
    "prune --weights FILE --dry-run",
    "train --model FILE --data DATA --project OUT --epochs 1",
    "sparsify --model FILE --data DATA --project OUT --epochs 1",
    "finetune --model FILE --data DATA --project OUT --epochs 1",
    "bench infer --weights FILE --runs 1",
    "bench compare --weights FILE --rounds 1",
    "summary FILE",
    "import FILE --out OUT",
];
/// Commands that also read ONNX files; the others refuse them.
const READ_ONNX: [&str; 4] = ["predict", "val", "engine", "bench infer"];

struct Case {
    folder: tempfile::TempDir,
    data: PathBuf,
}

impl Case {
    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command on a file and checks how it ends.
    fn refuses(&self, command: &str, name: &str) {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let fill = |word: &str| match word {
            "FILE" => text(&self.at(name)),
            "DATA" => text(&self.data),
            "IMAGE" => text(&self.at("picture.png")),
            "OUT" => text(&self.at("out")),
            word => word.to_owned(),
        };
        let arguments: Vec<String> = command.split(' ').map(fill).collect();
        let output = xtask(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let message = String::from_utf8_lossy(&output.stderr);
        // By the first bytes of a file, the command knows that --runtime does not apply to it, which is a
        // misuse.
        let is_misuse = command.contains("--runtime") && output.status.code() == Some(2);
        // A file that does not exist is always one.
        let code = if self.at(name).exists() { 1 } else { 2 };
        assert!(output.status.code() == Some(code) || is_misuse, "{command} on {name}: {message}");
        assert!(!message.contains("panicked"), "{command} on {name}: {message}");
        assert!(message.contains(name), "{command} on {name} does not name it: {message}");
        assert!(!self.at("out").exists(), "{command} on {name} leaves something behind");
    }
}

#[test]
fn every_command_names_the_file_that_it_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut shapes = PipelineConfig::drawn().shapes;
    (shapes.train, shapes.val, shapes.test, shapes.imgsz) = (1, 1, 0, 64);
    let data = draw_dataset(&shapes, &folder.path().join("shapes")).unwrap();
    let case = Case { folder, data };
    image::RgbImage::new(40, 30).save(case.at("picture.png")).unwrap();

    let pt = imported("old");
    fs::write(case.at("whole.pt"), &pt).unwrap();
    let (whole, onnx) = (case.at("whole.safetensors"), case.at("whole.onnx"));
    let from = case.at("whole.pt");
    let to = whole.to_str().unwrap();
    answer(&["import", from.to_str().unwrap(), "-o", to]);
    answer(&["export", "--weights", to, "-o", onnx.to_str().unwrap(), "--imgsz", "64"]);
    let checkpoint = fs::read(&whole).unwrap();
    let onnx = fs::read(&onnx).unwrap();

    // Version 7 of the format, operators 13, and a graph with an output `y` and no input.
    let no_detector = b"\x08\x07\x3a\x05\x62\x03\x0a\x01y\x42\x02\x10\x0d";
    let bad: [(&str, &[u8]); 12] = [
        ("empty.safetensors", b""),
        ("text.safetensors", b"weights and biases"),
        ("cut-header.safetensors", &checkpoint[..200]),
        ("cut.safetensors", &checkpoint[..checkpoint.len() - 9]),
        ("foreign.safetensors", b"\x02\0\0\0\0\0\0\0{}"),
        ("cut.pt", &pt[..pt.len() / 2]),
        ("foreign.pt", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("cut.onnx", &onnx[..onnx.len() / 2]),
        ("empty.onnx", b""),
        ("text.onnx", b"<!DOCTYPE html>"),
        ("no-detector.onnx", no_detector),
        ("tensorrt.engine", b"ftrt\0\x01\x02\x03\x04\x05\x06\x07"),
    ];
    for (name, bytes) in bad {
        fs::write(case.at(name), bytes).unwrap();
        // Only TensorRT itself could refuse this file.
        let left_out = |command: &&str| name == "no-detector.onnx" && command.starts_with("engine");
        for command in COMMANDS.into_iter().filter(|command| !left_out(command)) {
            case.refuses(command, name);
        }
    }
    for command in COMMANDS.into_iter().filter(|c| !READ_ONNX.iter().any(|read| c.starts_with(read))) {
        case.refuses(command, "whole.onnx");
    }
    for command in COMMANDS {
        case.refuses(command, "not-there.onnx");
        case.refuses(command, "shapes");
    }
}
