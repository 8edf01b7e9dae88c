//! ONNX files of unknown origin: a separate process tests them, so that none can end a command other than
//! with an error.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use bonsai_onnx::proto::{ModelProto, NodeProto, TensorProto};
use bonsai_testkit::imported;
use prost::Message;

use crate::program::{answer, xtask};

/// Time in which a command must refuse a file, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// An exported network.
fn exported(folder: &Path) -> std::path::PathBuf {
    let pt = folder.join("a.pt");
    let weights = folder.join("a.safetensors");
    let onnx = folder.join("a.onnx");
    std::fs::write(&pt, imported("old")).unwrap();
    answer(&["import", text(&pt), "-o", text(&weights)]);
    answer(&["export", "--weights", text(&weights), "-o", text(&onnx), "--imgsz", "64"]);
    onnx
}

/// The file with an additional node `op`, whose result for `sizes` is added to the output.
fn adding(onnx: &Path, op: &str, sizes: TensorProto) -> Vec<u8> {
    let mut model = ModelProto::decode(&std::fs::read(onnx).unwrap()[..]).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let last =
        graph.node.iter_mut().flat_map(|node| &mut node.output).find(|output| *output == "output0").unwrap();
    "found".clone_into(last);
    let node = |op: &str, inputs: &[&str], output: &str| NodeProto {
        op_type: Some(op.to_owned()),
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    };
    graph.node.push(node(op, &["sizes"], "more"));
    graph.node.push(node("Add", &["found", "more"], "output0"));
    graph.initializer.push(TensorProto { name: Some("sizes".to_owned()), data_type: Some(7), ..sizes });
    model.encode_to_vec()
}

/// Runs the trial process of the program on a file, with `memory` bytes.
fn tried(onnx: &Path, memory: &str) -> Output {
    let words = ["__try-onnx", "rten", "1", memory, "", text(onnx)];
    Command::new(env!("CARGO_BIN_EXE_bonsai")).args(words).output().unwrap()
}

#[test]
fn files_that_need_too_much_end_in_an_error_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = exported(folder.path());
    let picture = folder.path().join("picture.png");
    image::RgbImage::new(64, 64).save(&picture).unwrap();
    let hostile = folder.path().join("hostile.onnx");
    let cases = [
        ("Identity", TensorProto { dims: vec![1 << 32; 3], ..TensorProto::default() }),
        (
            "ConstantOfShape",
            TensorProto { dims: vec![2], int64_data: vec![1 << 20; 2], ..TensorProto::default() },
        ),
        ("Loop", TensorProto { int64_data: vec![i64::MAX], ..TensorProto::default() }),
    ];
    for (op, sizes) in cases {
        std::fs::write(&hostile, adding(&onnx, op, sizes)).unwrap();
        for command in ["predict --source PICTURE --weights FILE", "bench infer --runs 1 --weights FILE"] {
            let fill = |word: &'static str| match word {
                "PICTURE" => text(&picture).to_owned(),
                "FILE" => text(&hostile).to_owned(),
                word => word.to_owned(),
            };
            let words: Vec<String> = command.split(' ').map(fill).collect();
            let start = Instant::now();
            let output = xtask(&words.iter().map(String::as_str).collect::<Vec<_>>());
            let message = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{command}, {op}: {message}");
            assert!(
                message.contains("hostile.onnx") && !message.contains("panicked"),
                "{command}, {op}: {message}"
            );
            assert!(start.elapsed() < PATIENCE, "{command}, {op}: {:?}", start.elapsed());
        }
        // `inspect` can still read the file's metadata.
        answer(&["inspect", text(&hostile)]);
    }
}

#[cfg(unix)]
#[test]
fn a_file_is_tested_with_a_memory_limit() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = exported(folder.path());
    let output = tried(&onnx, "8000000000");
    assert!(output.status.success(), "{output:?}");
    // Less memory than the program itself needs.
    assert!(!tried(&onnx, "20000000").status.success());
    std::fs::write(&onnx, b"nothing").unwrap();
    let output = tried(&onnx, "8000000000");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("ONNX"), "{output:?}");
}
